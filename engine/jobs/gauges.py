"""How the queues stand, for /metrics: counted now and then, so that a scrape reads memory and asks nobody.

Owns the last count. A task counts every `COUNT_S`, because what is kept of a busy week has a million rows, and a scrape
holds the loop. While the store is away the last count stays. If it crashes, its supervisor starts it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import structlog
import trio
from prometheus_client.core import GaugeMetricFamily, Metric

from actors.supervisor import Started
from engine.stores.jobs import JobStore, QueueCounts
from protocol.errors import StoreUnavailable
from protocol.jobs import Queue

log = structlog.get_logger()
# More often than anybody scrapes.
COUNT_S = 10.0
STATES = ("waiting", "active", "delayed", "completed", "failed")


class QueueGauges:
    """The last count of all queues."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._counts: Mapping[Queue, QueueCounts] = {queue: QueueCounts() for queue in Queue}
        self._is_counted = False

    @property
    def failed(self) -> int | None:
        """Failed jobs that are kept, of all queues; None before the first count."""
        return sum(counts.failed for counts in self._counts.values()) if self._is_counted else None

    @property
    def oldest_s(self) -> float | None:
        """How long the job that waits longest could have run, in queues that are not paused; None as above."""
        waits = [counts.oldest_s for counts in self._counts.values() if not counts.is_paused]
        return max(waits, default=0.0) if self._is_counted else None

    async def run(self, status: Started) -> None:
        """Counts for ever."""
        status.started()
        while True:
            try:
                self._counts = await self._store.queue_counts()
                self._is_counted = True
            except StoreUnavailable as fault:
                log.warning("queues_not_counted", cause=str(fault))
            await trio.sleep(COUNT_S)

    def families(self) -> Iterator[Metric]:
        """For Prometheus; `queue_job_count` is the reference's."""
        jobs = GaugeMetricFamily("queue_job_count", "Jobs that are kept, 10 s ago at most.", labels=("queue", "state"))
        oldest = GaugeMetricFamily(
            "tocsin_job_oldest_seconds", "How long the job that waits longest could have run.", labels=("queue",)
        )
        paused = GaugeMetricFamily("tocsin_queue_paused", "Whether no job of it is begun.", labels=("queue",))
        for queue, counts in self._counts.items():
            for state in STATES:
                jobs.add_metric((queue.value, state), getattr(counts, state))
            oldest.add_metric((queue.value,), counts.oldest_s)
            paused.add_metric((queue.value,), counts.is_paused)
        yield from (jobs, oldest, paused)
