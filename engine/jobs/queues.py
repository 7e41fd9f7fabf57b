"""How long jobs that have ended are kept, by queue: the reference's table.

How often they are tried stands with the words (`protocol.jobs.ATTEMPTS`), how many run at once in the configuration
(`[jobs]`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from engine.stores.jobs import KeptJobs
from protocol.jobs import Queue

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S

KEPT: Mapping[Queue, KeptJobs] = MappingProxyType(
    {
        Queue.ALERT: KeptJobs(done_s=HOUR_S, failed_s=DAY_S),
        Queue.ANALYTICS: KeptJobs(done_s=DAY_S, failed_s=7 * DAY_S),
        Queue.PREDICTION: KeptJobs(done_s=DAY_S, failed_s=7 * DAY_S),
        Queue.NOTIFICATION: KeptJobs(done_s=DAY_S, failed_s=7 * DAY_S),
    }
)
