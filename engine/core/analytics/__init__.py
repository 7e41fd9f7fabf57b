"""What alerts mean, decided from what is stored: pure, told the time, nothing awaited.

`calendar`, `durations`, `counts`: how many alerts there were, when, and how long they took; `figures`, `heatmap`: how
that is shown. `patterns/`: what comes back, comes together, follows, grows, flaps, or is noise.
`correlating`: incidents; `alert_group`: alerts that tie; `recent_alerts`: what others may tie to; `incident_case`: what
becomes of one; `incident_part`: what somebody may see of one; `telling_labels`: which labels tie; `causes`.
`forecast` and its parts: what a series will be; `breach`: when a rule rings next; `theil_sen`: its trend;
`daily_counts`: how many alerts a day brings; `count_spread`: and how surely; `prediction_scores` and `accuracy`: what
came of it. `uptime`: which days were watched at all.
`scoring`: the health and risk of a framework; `knowing`: what is known of one; `trends`: whether it gets better;
`explaining`: what a language model is asked. `diagnosing`, `measures`, `recommending`: rules that trouble people, and
what helps.
"""
