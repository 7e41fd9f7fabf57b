"""What every store must do with workflows: a batch is one transaction, and streams go on where it left them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from engine.core.progress import TRACKER_VERBS, Removing, Setting
from engine.stores import CommittedEvents, Store
from engine.stores.trail import TrailLine, TrailQuery
from engine.stores.workflows import TrackerQuery
from protocol.changes import Action
from protocol.commands import Act, Batch
from protocol.effects import Behind, Commit
from protocol.model import ChannelKey, DerivedKey, EventKind
from protocol.orders import NO_ORDERS
from protocol.workflows import TrackerInput
from tests.support.stores import NOW, StoreFactory, a_commit, committed, new_id
from tests.support.workflows import MACHINE, a_batch, a_task, a_workflow, advance, generate, keep, set_on, words

DAY_US = 86_400_000_000


@asynccontextmanager
async def a_store(factory: StoreFactory, **workflow: Any) -> AsyncIterator[Store]:
    """A store that has the definition."""
    async with factory.open() as store:
        await keep(store, a_workflow(**workflow))
        yield store


def names(count: int) -> list[str]:
    return [f"p{number:04}" for number in range(count)]


async def open_steps(store: Store, project: str) -> list[str | None]:
    rows = (await store.recall(ChannelKey("acme", project))).rows
    return [row.alert.step_id for row in rows if row.alert.state.is_open]


async def test_generate_rings_for_the_current_step_and_advance_for_the_next(factory: StoreFactory) -> None:
    async with a_store(factory) as store:
        await set_on(store, ["42"], assignees={"foreman": "fred"})
        assert words(await generate(store, ["42"])) == [("fired", "fired", "i0")]
        assert words(await generate(store, ["42"])) == [("suppressed", "duplicate", "i0")]
        assert words(await advance(store, ["42"], item_id="i0")) == [("advanced", "fired", "i1")]
        events = await store.history(ChannelKey("acme", "42"), 0, 10)
        assert [(event.kind, event.alert.step_id) for event in events] == [
            (EventKind.FIRED, "i0"), (EventKind.RESOLVED, "i0"), (EventKind.FIRED, "i1"),
        ]  # fmt: skip
        first = events[0].alert
        assert (first.title, first.alert_type, first.severity.value) == ("Step 0", "Work Flow Line Item", "warning")
        assert (first.project_id, first.assigned_to) == ("42", "fred")
        mine = await store.derived_history(DerivedKey("acme", "fred"), 0, 10)
        assert {event.alert.step_id for event in mine} == {"i0"}
        assert [event.user_offsets["fred"] for event in mine] == list(range(1, len(mine) + 1))


async def test_a_project_comes_to_its_end_and_stays_there(factory: StoreFactory) -> None:
    async with a_store(factory, items=2) as store:
        await set_on(store, ["42"])
        assert words(await advance(store, ["42"])) == [("advanced", "fired", "i1")]
        assert words(await advance(store, ["42"])) == [("finished", "finished", None)]
        assert words(await advance(store, ["42"])) == [("rejected", "finished", None)]
        assert words(await generate(store, ["42"])) == [("rejected", "finished", None)]
        assert await open_steps(store, "42") == []
        [tracker] = (await store.trackers(TrackerQuery(workspace="acme", project_id="42"))).items
        assert [(done.item_id, done.by) for done in tracker.completed] == [("i0", "ann"), ("i1", "ann")]
        assert (tracker.item_id, tracker.late_at, tracker.version) == (None, None, 3)


async def test_steps_that_are_not_active_are_passed_over_and_do_not_ring(factory: StoreFactory) -> None:
    async with a_store(factory, items=4, inactive=[1, 2]) as store:
        await set_on(store, ["42"])
        assert words(await advance(store, ["42"])) == [("advanced", "fired", "i3")]
        await set_on(store, ["43"], "i2")
        assert words(await generate(store, ["43"])) == [("rejected", "inactive", "i2")]
        assert words(await advance(store, ["43"])) == [("advanced", "fired", "i3")]


async def test_the_same_completion_twice_moves_nothing_twice(factory: StoreFactory) -> None:
    async with a_store(factory) as store:
        await set_on(store, ["42"])
        assert words(await advance(store, ["42"], item_id="i0")) == [("advanced", "fired", "i1")]
        assert words(await advance(store, ["42"], item_id="i0")) == [("rejected", "already", "i1")]
        assert words(await advance(store, ["42"], item_id="i2")) == [("rejected", "unknown_item", "i1")]


async def test_a_step_rings_again_when_its_days_have_passed(factory: StoreFactory) -> None:
    async with a_store(factory, days=2) as store:
        await set_on(store, ["42"])
        await generate(store, ["42"])
        assert words(await generate(store, ["42"], NOW + 2 * DAY_US - 1)) == [("suppressed", "duplicate", "i0")]
        assert words(await generate(store, ["42"], NOW + 2 * DAY_US)) == [("repeated", "repeated", "i0")]


async def test_a_project_that_is_set_back_rings_again_at_once_and_only_for_its_step(factory: StoreFactory) -> None:
    async with a_store(factory) as store:
        await set_on(store, ["42"])
        await generate(store, ["42"])
        await advance(store, ["42"])
        [before] = (await store.trackers(TrackerQuery(workspace="acme", project_id="42"))).items
        back = Setting(TrackerInput(workflow_id="roofing", item_id="i0"), before.version)
        assert words(await store.move_projects(a_batch([a_task("42", back)], ["roofing"]))) == [("set", "set", "i0")]
        assert await open_steps(store, "42") == []
        assert words(await generate(store, ["42"])) == [("fired", "fired", "i0")]


async def test_a_definition_that_is_gone_or_has_lost_the_step_is_said(factory: StoreFactory) -> None:
    async with a_store(factory) as store:
        await set_on(store, ["42"], "i2")
        await keep(store, a_workflow(items=2))
        assert words(await advance(store, ["42"])) == [("rejected", "unknown_item", "i2")]
        assert words(await advance(store, ["44"])) == [("rejected", "unknown_project", None)]
        assert words(await set_on(store, ["44"], "i9")) == [("rejected", "unknown_item", None)]


async def test_what_a_batch_commits_is_told_in_order_and_says_which_channels_it_moved(factory: StoreFactory) -> None:
    told: list[CommittedEvents] = []
    async with a_store(factory) as store:
        await set_on(store, names(300), assignees={"foreman": "fred"})
        store.set_feed(told.extend)
        await generate(store, names(300))
        events = [event for one in told for event in one.events]
        assert [event.workspace_offset for event in events] == list(range(1, 301))
        assert [event.user_offsets["fred"] for event in events] == list(range(1, 301))
        assert told[0].moved == tuple(ChannelKey("acme", name) for name in names(300))
        assert [len(one.events) for one in told] == [256, 44]


async def test_what_a_batch_writes_without_an_event_is_told_all_the_same(factory: StoreFactory) -> None:
    told: list[CommittedEvents] = []
    key = ChannelKey("acme", "42")
    async with a_store(factory, items=1) as store:
        await set_on(store, ["42"])
        await generate(store, ["42"])
        store.set_feed(told.extend)
        # A ring that is swallowed writes nothing.
        assert words(await generate(store, ["42"])) == [("suppressed", "duplicate", "i0")]
        assert told == []
        [row] = (await store.recall(key)).rows
        by_hand = Act(alert_ids=(row.alert.id,), action=Action.RESOLVE, by="ann")
        batch = Batch(new_id(NOW), NOW, (by_hand,))
        decision = MACHINE(key, await store.recall(key), NO_ORDERS).decide(batch)
        await committed(store, Commit(key, 1, batch, decision))
        del told[:]
        # The window of what somebody has resolved by hand ends with the project: nothing of that is an event.
        assert words(await advance(store, ["42"])) == [("finished", "finished", None)]
        assert told == [CommittedEvents("acme", (), (key,))]


async def test_commits_and_batches_take_turns_on_the_same_streams(factory: StoreFactory) -> None:
    key = ChannelKey("acme", "42")
    async with a_store(factory) as store:
        await committed(store, a_commit(key))
        await set_on(store, ["42"], assignees={"foreman": "fred"})
        await generate(store, ["42"])
        assert await store.commit(a_commit(key, base=1)) == Behind(2)
        await committed(store, a_commit(key, base=2))
        await advance(store, ["42"])
        await committed(store, a_commit(ChannelKey("acme", "other")))
        events = await store.derived_history(DerivedKey("acme"), 0, 100)
        assert [event.workspace_offset for event in events] == list(range(1, len(events) + 1))
        own = await store.history(key, 0, 100)
        assert [event.offset for event in own] == list(range(1, len(own) + 1))


async def test_what_a_channel_committed_last_is_still_answered_after_a_workflow_batch(factory: StoreFactory) -> None:
    key = ChannelKey("acme", "42")
    async with a_store(factory) as store:
        await set_on(store, ["42"])
        commit = a_commit(key)
        first = await committed(store, commit)
        await generate(store, ["42"])
        again = await committed(store, commit)
        assert again.results == first.results
        assert [event.offset for event in again.events] == [1, 2]


async def history(store: Store, project: str) -> list[TrailLine]:
    found = await store.trail(TrailQuery(workspace="acme", limit=10, target=project, verbs=TRACKER_VERBS))
    return list(reversed(found))


async def test_a_trackers_history_says_who_did_what_and_what_is_different(factory: StoreFactory) -> None:
    async with a_store(factory, items=2) as store:
        await set_on(store, ["42"], assignees={"foreman": "fred"})
        await advance(store, ["42"], notes="tiles are on")
        gina = TrackerInput(workflow_id="roofing", item_id="i0", assignees={"foreman": "gina"})
        for what in (Setting(gina, 2), Removing(3)):
            await store.move_projects(a_batch([a_task("42", what)], ["roofing"]))
        lines = await history(store, "42")
        assert [(line.by, line.verb, line.notes) for line in lines] == [
            ("ann", "set_tracker", None),
            ("ann", "advance_tracker", "tiles are on"),
            ("ann", "set_tracker", None),
            ("ann", "delete_tracker", None),
        ]
        standing = {"assignees.foreman": "fred", "item_id": "i0", "version": 1, "workflow_id": "roofing"}
        assert (lines[0].before, lines[0].after) == ({"version": 0}, standing)
        assert (lines[1].before, lines[1].after) == ({"item_id": "i0", "version": 1}, {"item_id": "i1", "version": 2})
        assert lines[2].before == {"assignees.foreman": "fred", "item_id": "i1", "version": 2}
        assert lines[2].after == {"assignees.foreman": "gina", "item_id": "i0", "version": 3}
        assert (lines[3].before["version"], lines[3].after) == (3, {"version": 0})


async def test_what_changes_no_tracker_is_not_in_its_history(factory: StoreFactory) -> None:
    async with a_store(factory, items=1) as store:
        await set_on(store, ["42"])
        await set_on(store, ["42"])
        await generate(store, ["42"])
        await advance(store, ["42"])
        await advance(store, ["42"])
        assert [line.verb for line in await history(store, "42")] == ["set_tracker", "advance_tracker"]
        assert (await history(store, "42"))[1].after == {"item_id": None, "version": 2}
