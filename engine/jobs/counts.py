"""What workers have done since the start, by queue: plain integers, read when somebody scrapes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from engine.telemetry.series import Histogram
from protocol.jobs import Claimed, Queue, Swept, Verdict

# 1 ms to 10 minutes: a no-op, somebody's slow mail server, a day's aggregation.
SECONDS_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)
# The reference's, exactly, as of its other latencies.
REFERENCE_BUCKETS_MS = (10, 50, 100, 500, 1000, 5000)


@dataclass
class QueueTally:
    """One queue's."""

    verdicts: dict[Verdict, int] = field(default_factory=lambda: dict.fromkeys(Verdict, 0))
    lost: int = 0
    waited: Histogram = field(default_factory=lambda: Histogram(SECONDS_BUCKETS))
    took: Histogram = field(default_factory=lambda: Histogram(SECONDS_BUCKETS))
    took_ms: Histogram = field(default_factory=lambda: Histogram(REFERENCE_BUCKETS_MS))

    @property
    def success_rate(self) -> float | None:
        """Completed of all that completed or failed for good; None: neither has happened."""
        completed, failed = self.verdicts[Verdict.COMPLETED], self.verdicts[Verdict.FAILED]
        return completed / (completed + failed) if completed or failed else None

    @property
    def retry_rate(self) -> float | None:
        """Attempts that failed and were to be made again, of all that completed or failed; None: there was none."""
        again = self.verdicts[Verdict.RETRY]
        attempts = again + self.verdicts[Verdict.COMPLETED] + self.verdicts[Verdict.FAILED]
        return again / attempts if attempts else None


class JobCounts:
    """The workers' `JobObserver`."""

    def __init__(self) -> None:
        self.queues = {queue: QueueTally() for queue in Queue}
        self.swept_again = self.swept_failed = 0

    def started(self, queue: Queue, waited_s: float) -> None:
        """A job was claimed, so long after it could first have run."""
        self.queues[queue].waited.observe(waited_s)

    def ended(self, claimed: Claimed, verdict: Verdict, seconds: float) -> None:
        """A job was settled, so long after it was claimed."""
        tally = self.queues[claimed.queue]
        tally.verdicts[verdict] += 1
        tally.took.observe(seconds)
        tally.took_ms.observe(seconds * 1_000)

    def lost(self, queue: Queue) -> None:
        """A lease ended before its job did."""
        self.queues[queue].lost += 1

    def swept(self, swept: Swept) -> None:
        """Jobs were taken from nodes that had lost them: their claims ended, too."""
        for (queue, verdict), count in swept.ended.items():
            self.queues[queue].verdicts[verdict] += count
        self.swept_again += swept.again
        self.swept_failed += swept.failed

    def families(self) -> Iterator[Metric]:
        """For Prometheus."""
        ended = CounterMetricFamily("tocsin_jobs_ended", "Claims of jobs that ended.", labels=("queue", "verdict"))
        lost = CounterMetricFamily("tocsin_job_leases_lost", "Leases that ended before their job.", labels=("queue",))
        waited = HistogramMetricFamily("tocsin_job_wait_seconds", "From due to claimed.", labels=("queue",))
        took = HistogramMetricFamily("tocsin_job_seconds", "From claimed to settled.", labels=("queue",))
        took_ms = HistogramMetricFamily("queue_processing_time_ms", "The same in milliseconds.", labels=("queue",))
        for queue, tally in self.queues.items():
            for verdict, count in tally.verdicts.items():
                ended.add_metric((queue.value, verdict.value), count)
            lost.add_metric((queue.value,), tally.lost)
            for family, histogram in ((waited, tally.waited), (took, tally.took), (took_ms, tally.took_ms)):
                buckets, total = histogram.cumulative()
                family.add_metric((queue.value,), buckets, total)
        yield from (ended, lost, waited, took, took_ms)
        swept = CounterMetricFamily("tocsin_jobs_swept", "Jobs whose node had lost them.", labels=("outcome",))
        swept.add_metric(("again",), self.swept_again)
        swept.add_metric(("failed",), self.swept_failed)
        yield swept
