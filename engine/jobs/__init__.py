"""Jobs and schedules: what the engine does later, and when. Processes: `actors.workers`, `engine.jobs.scheduler`."""
