"""Rules: is a reading worth ringing for? Pure.

For each rule and each series (a metric with one set of labels that the rule asks for) there is one `Series`: an
evaluator, which says whether the condition holds, and a `Holding` around it, which says whether that rings.

    book         which rules look at a reading; what an alert takes from its rule
    series       one rule on one series; two clocks: the readings' own, and the wall's for silence
    holding      idle, pending (`for_s`), firing, keeping (`keep_firing_for_s`)
    threshold    a value or an aggregate (`windows`)          performance  percentiles (`sketch`), error and burn rates
    milestone    goals, each told once                        anomaly      a series unlike its own past
    templates    what an alert says                           schedule     active hours
    check        rules that cannot work                       backtest     what a rule would have told

An evaluator is a pure function of the readings that it saw, in their own time (`Observe.at`), so late and out-of-order
ones have one meaning (`windows`), and an independent reckoning can say the same. It knows nothing of alerts and people:
they may close an alert as they like, the rule goes on. A reading costs the same however many there were, a series takes
a bounded few kilobytes, and both numbers of series are bounded (`engine.core.seriesbook`, which finds them). State is
plain values: kept now and then, with the log of readings after it (`engine.core.keeping`). Decided against: evaluating
each rule every so many seconds (10,000 rules would be 10,000 wake-ups, and a spike between two of them unseen).
"""
