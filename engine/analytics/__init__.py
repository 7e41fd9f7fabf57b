"""What analytics does beside the alerts: reads the store, has it computed in a process, and keeps what was found.

Decides nothing: that is `engine.core.analytics`. `build.py`, and `insight_parts.py`, put it together. In the names of
files `…_runs` is a job, `…_worker` its process, `…_findings` the form in which results are kept; `each_workspace.py`
makes a job for each workspace.

- Counts by hour, day, week and month: `counting.py`; `daily_alerts.py` reads them for predictions.
- Patterns: `pattern_runs.py`; `patterns.py` is what people ask and say, `news.py` tells.
- Incidents: `incident_keeper.py` finds them, `incident_memory.py` makes its machines from the store,
  `incident_hints.py` tells; `learned.py` is what it takes from patterns.
- Predictions: `predicting.py`, `prediction_scoring.py`; `prediction_jobs.py` says when.
- Insights and recommendations: `insight_runs.py`, which reads by `insight_reading.py`; `explainer.py` puts them into
  words; `insights.py` is what people ask, `deciding.py` what they decide.
- The weekly report: `weekly.py` gathers a week from all of these; how it is said is `engine.core.reports`, when and to
  whom `engine.notify.weekly`. `weekly_parts.py` puts it together.

What people ask about counts, incidents and predictions is in `engine.verbs`.
"""
