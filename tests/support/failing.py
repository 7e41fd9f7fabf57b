"""Jobs that have failed, in an engine of this process whose own workers are idle."""

from __future__ import annotations

from engine.app import Engine
from protocol.jobs import NewJob, Queue, Settlement, Verdict


async def fail_jobs(engine: Engine, count: int) -> None:
    """Has so many jobs of the queue `prediction` fail for good."""
    store = engine._tree.up.store
    await store.enqueue([NewJob(queue=Queue.PREDICTION, kind="prediction_generation")] * count)
    claimed = await store.claim("here", {Queue.PREDICTION: count}, 600.0)
    await store.settle([Settlement(lease=each.lease, verdict=Verdict.FAILED) for each in claimed])
