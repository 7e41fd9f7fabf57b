"""A store on a server whose answers can be lost, in memory: what was written all the same is found, and told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from trio.testing import MockClock

from engine.stores import open_store
from engine.stores.tables.writer import Writer, tell_nobody
from protocol.errors import Busy, StoreUnavailable
from protocol.jobs import NewJob, Queue
from protocol.workflows import TrackerInput
from tests.support.actors import clock
from tests.support.stores import NOW
from tests.support.workflows import a_workflow, keep
from tocsin.testing.engines import an_engine

Outcome = Callable[[Any], Awaitable[Any]]


def lose_the_next_answer(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next thing is written, and its answer does not come."""
    written: Outcome = writer._outcome

    async def lost(work: Any) -> Any:
        monkeypatch.undo()
        work.tell = tell_nobody
        await written(work)
        return StoreUnavailable("connection was closed in the middle of operation")

    monkeypatch.setattr(writer, "_outcome", lost)


@pytest.mark.parametrize("followed", ["42", "workspace", "user"])
async def test_a_workflow_batch_whose_answer_was_lost_is_told_to_whoever_follows_it(
    mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch, followed: str
) -> None:
    async with an_engine() as engine:
        store, who = engine.engine._up.store, engine.principal()
        store._writer.may_lose_answers = True
        await keep(store, a_workflow(), "main")
        tracked = TrackerInput(workflow_id="roofing", assignees={"foreman": who.user})
        await engine.engine.workflows.track(who, "42", tracked, 0)
        async with engine.follow(followed) as follower:
            lose_the_next_answer(store._writer, monkeypatch)
            with pytest.raises((Busy, StoreUnavailable)):
                await engine.engine.workflows.generate(who, ["42"])
            told = await follower.next()
            assert told.data is not None
            assert told.data.step_id == "i0"


@pytest.mark.parametrize("is_in_order", [True, False])
async def test_what_was_put_off_beside_a_claim_is_seen_when_the_next_one_is_due(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, is_in_order: bool
) -> None:
    async with open_store("memory:", clock=clock) as store:
        writer = store._writer
        writer.is_in_order = is_in_order
        written: Outcome = writer._outcome

        async def beside(work: Any) -> Any:
            """The other lane commits a job, and tells of it, between what this one has seen and its own word."""
            tell = work.tell

            def tell_later(found: Any) -> None:
                writer.changes += 1
                writer.groups_told += 1
                tell(found)

            work.tell = tell_later
            return await written(work)

        monkeypatch.setattr(writer, "_outcome", beside)
        assert await store.claim("n1", {Queue.ALERT: 1}, 30.0) == []
        monkeypatch.undo()
        reads: list[str] = []
        asked = store._readers.read

        async def read(*arguments: Any, **more: Any) -> Any:
            reads.append("next_due")
            return await asked(*arguments, **more)

        monkeypatch.setattr(store._readers, "read", read)
        assert await store.next_due() is None
        assert reads == ([] if is_in_order else ["next_due"])
        await store.enqueue([NewJob(queue=Queue.ALERT, kind="noop", workspace="acme", run_at=2 * NOW)])
        assert await store.next_due() == 2 * NOW
