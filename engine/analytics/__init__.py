"""What analytics does beside the alerts: has the store read and computed on in a process, and keeps what was found.

Decides nothing: that is `engine.core.analytics`. `build.py` puts it together. In the names of files `…_runs` is a job,
`…_worker` its process, `…_tasks` what the two say to each other, `…_reading` what the process reads, `…_findings` the
form in which results are kept; `each_workspace.py` makes a job for each workspace, `keeping.py` writes.

- Counts by hour, day, week and month: `counting.py`; `daily_alerts.py` reads them for predictions.
- Patterns: `pattern_runs.py`; `news.py` tells, `missed_news.py` whoever was away.
- Incidents: `incident_keeper.py` finds them, `incident_memory.py` makes its machines from the store,
  `incident_hints.py` tells; `learned.py` is what it takes from patterns.
- Predictions: `predicting.py`, `prediction_scoring.py`; `prediction_jobs.py` says when. `uptime.py` marks when the
  engine is up, so that a day on which it was not teaches nothing.
- Insights and recommendations: `insight_runs.py`, which asks by `insight_asking.py`; `explainer.py` puts them into
  words; `standing.py` says how kept recommendations stand by now.
- The weekly report: `weekly.py` gathers a week from all of these; how it is said is `engine.core.reports`, when and to
  whom `engine.notify.weekly`.

What people ask about all this, and what they decide, is in `engine.verbs`.
"""
