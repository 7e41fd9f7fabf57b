"""What every store must do with streams: the feed, a person's stream, offsets without holes, what is trimmed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import trio

from engine.stores import (
    CommittedEvents,
    Retention,
    Store,
)
from protocol.effects import Behind, Commit, Committed, Recalled
from protocol.model import AlertState, Change, ChannelKey, DerivedKey, EventKind, Severity
from protocol.times import SECOND_US, rfc3339
from tests.support.stores import (
    FOREIGN,
    KEY,
    NOW,
    OTHER,
    StoreFactory,
    a_commit,
    a_row,
    an_alert,
    committed,
    fill,
)

ANN = DerivedKey("acme", "ann")


DAY_US = 86_400 * SECOND_US


async def test_the_feed_is_told_in_commit_order_before_the_committer_wakes(factory: StoreFactory) -> None:
    log: list[str] = []
    offsets: list[int] = []

    def feed(groups: Sequence[CommittedEvents]) -> None:
        for group in groups:
            assert group.workspace == "acme"
            log.extend(f"told {event.alert.id}" for event in group.events)
            offsets.extend(event.workspace_offset for event in group.events)

    async def commit_one(store: Store, key: ChannelKey, base: int) -> None:
        commit = a_commit(key, base)
        await committed(store, commit)
        (row,) = commit.decision.rows
        assert f"told {row.alert.id}" in log

    async with factory.open() as store:
        store.set_feed(feed)
        for base in range(5):
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(commit_one, store, ChannelKey("acme", f"f{number}"), base)
    assert offsets == list(range(1, 101))


async def test_offsets_have_no_holes_whoever_is_cancelled(factory: StoreFactory) -> None:
    async with factory.open() as store:
        for _ in range(20):
            base = (await store.recall(KEY)).offset
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(store.commit, a_commit(base=base, rows=2))
                    nursery.start_soon(store.commit, a_commit(OTHER, (await store.recall(OTHER)).offset))
                    await trio.lowlevel.checkpoint()
                    scope.cancel()
            # Whatever the cancelled ones led to, the fence says where we are.
            outcome = await store.commit(a_commit(base=0))
            assert isinstance(outcome, (Behind, Committed))
        events = await store.derived_history(DerivedKey("acme"), 0, 1_000)
        assert [event.workspace_offset for event in events] == list(range(1, len(events) + 1))
        for key in (KEY, OTHER):
            own = [event.offset for event in await store.history(key, 0, 1_000)]
            assert own == list(range(1, len(own) + 1))


def an_assigned_commit(users: Sequence[str | None], key: ChannelKey = KEY, base: int = 0, at: int = NOW) -> Commit:
    """New alerts, one for each of these users (None: nobody's)."""
    return a_commit(key, base, [a_row(an_alert(assigned_to=user, at=at)) for user in users], at=at)


async def test_a_person_has_a_stream_of_what_is_assigned_to_them_with_dense_offsets(factory: StoreFactory) -> None:
    async with factory.open() as store:
        outcome = await committed(store, an_assigned_commit(["ann", None, "bob", "ann"]))
        assert [event.user_offsets for event in outcome.events] == [{"ann": 1}, {}, {"bob": 1}, {"ann": 2}]
        await committed(store, an_assigned_commit(["ann"], OTHER))
        await committed(store, an_assigned_commit(["ann"], FOREIGN))
        assert (await store.derived_position(ANN)) == Recalled(epoch=store.epoch, offset=3)
        events = await store.derived_history(ANN, 1, 10)
        assert [(event.user_offsets["ann"], event.workspace_offset) for event in events] == [(2, 4), (3, 5)]
        assert [event.alert.assigned_to for event in events] == ["ann", "ann"]
        assert [event.user_offsets for event in await store.derived_history(ANN, 0, 2)] == [{"ann": 1}, {"ann": 2}]


async def test_nobodys_stream_is_empty_at_offset_0(factory: StoreFactory) -> None:
    async with factory.open() as store:
        assert await store.derived_position(ANN) == Recalled(epoch=store.epoch, offset=0)
        assert await store.derived_history(ANN, 0, 10) == []


async def test_a_batch_that_comes_again_takes_no_more_of_a_persons_offsets(factory: StoreFactory) -> None:
    async with factory.open() as store:
        commit = an_assigned_commit(["ann", "ann"])
        await committed(store, commit)
        await committed(store, commit)
        assert (await store.derived_position(ANN)).offset == 2


async def test_a_persons_offsets_go_on_after_the_store_was_closed(keeping: StoreFactory) -> None:
    async with keeping.open() as store:
        await committed(store, an_assigned_commit(["ann", "ann"]))
    async with keeping.open() as store:
        outcome = await committed(store, an_assigned_commit(["ann"], base=2))
        assert [event.user_offsets for event in outcome.events] == [{"ann": 3}]


async def test_a_persons_stream_loses_the_events_that_are_trimmed(factory: StoreFactory) -> None:
    async with factory.open(retention=Retention(events_s=3_600, events_per_channel=1)) as store:
        await committed(store, an_assigned_commit(["ann", "bob", None, "ann", "ann"]))
        await committed(store, an_assigned_commit([None], base=5))
        assert await store.trim(NOW + 7_200 * SECOND_US) == 5
        place = await store.derived_position(ANN)
        assert (place.floor, place.offset) == (3, 3)
        assert await store.derived_history(ANN, 0, 10) == []
        assert (await store.derived_position(DerivedKey("acme", "bob"))).floor == 1


async def test_old_events_beyond_the_newest_are_trimmed_and_floors_move(factory: StoreFactory) -> None:
    async with factory.open(retention=Retention(events_s=7 * 86_400, events_per_channel=10)) as store:
        offset = await fill(store, KEY, 12, size=60, at=NOW)
        offset = await fill(store, KEY, 5, base=offset, at=NOW + 8 * DAY_US)
        await fill(store, OTHER, 3)
        assert await store.trim(NOW + DAY_US) == 0
        # 720 old, 5 young: of the old ones the newest 5 stay, because ten are kept.
        assert await store.trim(NOW + 8 * DAY_US) == 715
        recalled = await store.recall(KEY)
        assert (recalled.floor, recalled.offset) == (715, 725)
        assert [event.offset for event in await store.history(KEY, recalled.floor, 100)] == list(range(716, 726))
        assert (await store.recall(OTHER)).floor == 0
        position = await store.derived_position(DerivedKey("acme"))
        left = await store.derived_history(DerivedKey("acme"), position.floor, 100)
        assert [event.workspace_offset for event in left] == list(range(position.floor + 1, position.offset + 1))
        assert await store.trim(NOW + 8 * DAY_US) == 0


async def test_young_events_are_kept_however_many(factory: StoreFactory) -> None:
    async with factory.open(retention=Retention(events_s=3_600, events_per_channel=2)) as store:
        await fill(store, KEY, 20)
        await fill(store, OTHER, 20, at=NOW - 2 * 3_600 * SECOND_US)
        assert await store.trim(NOW + 1_800 * SECOND_US) == 18
        assert (await store.recall(KEY)).floor == 0
        assert (await store.recall(OTHER)).floor == 18


async def test_the_last_batch_outlives_any_retention(factory: StoreFactory) -> None:
    async with factory.open(retention=Retention(events_s=0, events_per_channel=0)) as store:
        commit = a_commit(rows=5)
        first = await committed(store, commit)
        assert await store.trim(NOW + DAY_US) == 0
        assert await store.commit(commit) == first
        await fill(store, KEY, 1, base=5)
        assert await store.trim(NOW + DAY_US) == 5


async def test_an_event_of_many_alerts_comes_back_as_it_was_and_is_on_everybodys_stream(factory: StoreFactory) -> None:
    change = Change(at=rfc3339(NOW), state=AlertState.RESOLVED, by="ann", severity=Severity.WARNING, assigned_to=None)
    async with factory.open() as store:
        commit = a_commit(rows=[a_row(an_alert(assigned_to="ann"))])
        (event,) = commit.decision.events
        event = msgspec.structs.replace(
            event, kind=EventKind.RESOLVED, alert_ids=("x", "y"), change=change, also=("bob", "ann"), by="ann"
        )
        commit = msgspec.structs.replace(commit, decision=msgspec.structs.replace(commit.decision, events=(event,)))
        (told,) = (await committed(store, commit)).events
        assert told == msgspec.structs.replace(event, workspace_offset=1, user_offsets={"ann": 1, "bob": 1})
        assert await store.history(KEY, 0, 1) == [msgspec.structs.replace(event, workspace_offset=1)]
        for user in ("ann", "bob"):
            (theirs,) = await store.derived_history(DerivedKey("acme", user), 0, 10)
            assert theirs == msgspec.structs.replace(event, workspace_offset=1, user_offsets={user: 1})
