"""The four queues: how often their jobs are tried, how long they may take, how long what has ended is kept.

The table is the reference's; a kind of job may have other attempts or another deadline (`engine.jobs.kinds`).
"""

from __future__ import annotations

from types import MappingProxyType

import msgspec

from engine.stores.jobs import KeptJobs
from protocol.jobs import Queue

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S


class QueuePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for the jobs of a queue unless their kind says otherwise."""

    attempts_max: int
    deadline_s: int
    kept: KeptJobs
    # How many a node does at once.
    slots: int


QUEUES = MappingProxyType(
    {
        Queue.ALERT: QueuePolicy(attempts_max=3, deadline_s=30, kept=KeptJobs(done_s=HOUR_S, failed_s=DAY_S), slots=16),
        # What these compute runs in processes of its own: two are as many as there are cores to spare.
        Queue.ANALYTICS: QueuePolicy(
            attempts_max=3, deadline_s=600, kept=KeptJobs(done_s=DAY_S, failed_s=7 * DAY_S), slots=2
        ),
        Queue.PREDICTION: QueuePolicy(
            attempts_max=2, deadline_s=600, kept=KeptJobs(done_s=DAY_S, failed_s=7 * DAY_S), slots=2
        ),
        # They wait for other people's servers.
        Queue.NOTIFICATION: QueuePolicy(
            attempts_max=5, deadline_s=60, kept=KeptJobs(done_s=DAY_S, failed_s=7 * DAY_S), slots=32
        ),
    }
)
