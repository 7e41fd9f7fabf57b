"""How queues are shown to Prometheus."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from engine.jobs.counts import JobCounts
from engine.jobs.gauges import COUNT_S, QueueGauges
from protocol.errors import StoreUnavailable
from protocol.jobs import Claimed, Lease, Queue, Verdict
from tests.support.jobs import a_job, job_store
from tests.support.stores import NOW


def shown(gauges: QueueGauges) -> dict[tuple[str, ...], float]:
    return {
        (family.name, *sample.labels.values()): sample.value
        for family in gauges.families()
        for sample in family.samples
    }


async def counting(gauges: QueueGauges, task_status: trio.TaskStatus[None]) -> None:
    await gauges.run(task_status)


async def test_queues_are_counted_now_and_then_and_a_scrape_asks_nobody(autojump_clock: MockClock) -> None:
    async with job_store() as store, trio.open_nursery() as nursery:
        gauges = QueueGauges(store)
        assert shown(gauges)["queue_job_count", "alert", "waiting"] == 0
        await store.enqueue([a_job(), a_job(queue=Queue.NOTIFICATION)])
        await store.pause(Queue.ALERT, True)
        assert (gauges.failed, gauges.oldest_s) == (None, None), "nobody has counted yet"
        await nursery.start(counting, gauges)
        await trio.sleep(COUNT_S / 2)
        assert shown(gauges)["queue_job_count", "notification", "waiting"] == 1
        assert shown(gauges)["tocsin_queue_paused", "alert"] == 1
        assert shown(gauges)["tocsin_queue_paused", "notification"] == 0
        await trio.sleep(COUNT_S)
        assert shown(gauges)["tocsin_job_oldest_seconds", "alert"] == COUNT_S
        assert (gauges.failed, gauges.oldest_s) == (0, COUNT_S), "that of the other queue, which is not paused"
        nursery.cancel_scope.cancel()


async def test_while_the_store_is_away_the_last_count_stays(autojump_clock: MockClock) -> None:
    async with job_store() as store, trio.open_nursery() as nursery:
        gauges = QueueGauges(store)
        await store.enqueue([a_job()])
        await nursery.start(counting, gauges)
        await trio.sleep(1)

        async def away() -> None:
            raise StoreUnavailable("away")

        store.queue_counts = away  # type: ignore[method-assign, assignment]
        await trio.sleep(COUNT_S)
        assert shown(gauges)["queue_job_count", "alert", "waiting"] == 1
        nursery.cancel_scope.cancel()


def test_the_time_that_a_job_took_is_shown_in_the_references_unit_too() -> None:
    counts = JobCounts()
    job = Claimed(
        lease=Lease(1, 1), queue=Queue.ALERT, kind="k", workspace="", framework=None, args="{}", attempt=1,
        attempts_max=1, deadline_s=1, created_at=NOW, waiting_since=NOW,
    )  # fmt: skip
    counts.ended(job, Verdict.COMPLETED, 0.04)
    [family] = [family for family in counts.families() if family.name == "queue_processing_time_ms"]
    values = {tuple(sample.labels.values()): sample.value for sample in family.samples if "le" in sample.labels}
    assert (values["alert", "10.0"], values["alert", "50.0"]) == (0, 1)
