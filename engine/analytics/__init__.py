"""What analytics does beside the alerts: reads the store, has it computed in a process, and keeps what was found.

Decides nothing: that is `engine.core.analytics`. `build.py` puts most of it together. `counting`: alerts by hour, day,
week and month. Of patterns: `pattern_runs.py` is the job that looks for them, `pattern_worker.py` its process,
`patterns.py` what people ask and say, `news.py` tells. How frameworks are, and what is recommended: `insight_runs.py`
is the job, `insight_worker.py` its process, `insights.py` and `deciding.py` what people ask and decide.
`incident_keeper.py`: which alerts belong together.
"""
