"""What the alerts of a workspace have in common: six sorts of pattern, each with its test against chance. Pure.

An alert's *source* is its rule (or, without one, its name) in its framework. What a source sends within half an hour of
its last alert is one *episode*: alerts of one trouble are not independent, and tests that took them so would find
patterns in any storm. Most sorts look at when episodes begin.

Two hurdles. A test says how often chance alone would do as well; all hypotheses of a sort that there were data for
count, and Benjamini-Hochberg's procedure keeps the share of false ones below `chance.FALSE_SHARE`; in pure noise that
is the probability that a run tells anything at all. Then it must be worth telling: its confidence (the share of
occasions on which it holds, at least) must reach the bar, which people raise and lower (`bars`).

| file | what is there |
|---|---|
| `past.py` | alerts, sources, episodes |
| `chance.py` | tails of distributions, the procedure, the confidence |
| `recurring.py`, `together.py`, `following.py`, `rising.py` | the sorts: by the clock, in pairs, in a row, by trend |
| `restless.py`, `unheeded.py` | those about an alert's end: what flaps, what is noise |
| `mining.py` | all of them, and what there is too little for |
| `naming.py` | keys, sentences, and which pattern of before this is |
| `bars.py` | what people said, and what it does to the bar |
"""
