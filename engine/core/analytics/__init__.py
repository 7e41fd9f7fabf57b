"""What alerts mean, decided from what is stored: pure, told the time, nothing awaited.

`scoring`: the health and risk of a framework; `knowing`: what is known of one. `diagnosing`, `measures`,
`recommending`: rules that trouble people, and what helps.
`correlating`: incidents; `incident_case`: what becomes of one; `telling_labels`: which labels tie; `causes`.
`calendar`, `durations`, `counts`: how many alerts there were, when, and how long they took.
`patterns/`: what comes back, comes together, follows, grows, flaps, or is noise.
`forecast` and its parts: what a series will be; `breach`: when a rule rings next; `daily_counts`: how many alerts a day
brings; `prediction_scores` and `accuracy`: what came of it.
"""
