"""What analytics does beside the alerts: reads the store, has it computed in a process, and keeps what was found.
`counting`: alerts by hour, day, week and month.
"""
