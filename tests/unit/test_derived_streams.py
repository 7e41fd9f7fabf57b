"""The derived streams, of workspaces and of people: commit order, holes filled from the store, restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import derived as module
from actors.audience import Audience
from actors.derived import DerivedStreams
from protocol.codec import WireForm
from protocol.errors import StoreUnavailable
from protocol.model import DerivedKey, Severity
from tests.support.actors import KEY, OTHER, FakeStore, Receiver, Recorder, an_event, some_events, start

ACME = DerivedKey("acme")
ADA = DerivedKey("acme", "ada")


class Rig:
    def __init__(self) -> None:
        self.store = FakeStore()
        self.derived = DerivedStreams(self.store, Recorder())
        self.store.feed = self.derived.post

    async def follow(self, stream: DerivedKey = ACME) -> Receiver:
        receiver = Receiver()
        (await self.derived.audience(stream)).attach(receiver, WireForm.JSON, Severity.INFO)
        await wait_all_tasks_blocked()
        return receiver


@asynccontextmanager
async def running() -> AsyncIterator[Rig]:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.derived.run)
        yield rig
        nursery.cancel_scope.cancel()


async def test_everything_in_a_workspace_is_told_in_the_order_of_the_commits() -> None:
    async with running() as rig:
        receiver = await rig.follow()
        rig.store.add(some_events(1, 2), KEY)
        rig.store.add(some_events(1, 1), OTHER)
        rig.store.add(some_events(3, 3), KEY)
        await wait_all_tasks_blocked()
        assert receiver.heard == [(0, 1), (1, 2), (2, 3), (3, 4)]
        assert receiver.messages[0].channel == "alerts:acme:*"


async def test_who_follows_from_now_on_hears_nothing_old() -> None:
    async with running() as rig:
        rig.store.add(some_events(1, 5))
        receiver = await rig.follow()
        rig.store.add(some_events(6, 6))
        await wait_all_tasks_blocked()
        assert receiver.heard == [(5, 6)]


async def test_a_workspace_that_nobody_follows_costs_nothing() -> None:
    async with running() as rig:
        rig.store.add(some_events(1, 5))
        await wait_all_tasks_blocked()
        assert rig.derived.audiences() == []


async def test_a_person_is_told_what_is_assigned_to_them_with_offsets_of_their_own() -> None:
    async with running() as rig:
        receiver = await rig.follow(ADA)
        rig.store.add([an_event(1), an_event(2, user="ada"), an_event(3, user="bob")], KEY)
        rig.store.add([an_event(1, user="ada")], OTHER)
        await wait_all_tasks_blocked()
        assert receiver.heard == [(0, 1), (1, 2)]
        assert [message.channel for message in receiver.messages] == ["user:acme:ada"] * 2
        assert [message.data.id for message in receiver.messages] == ["a2", "a1"]


async def test_a_commit_that_was_answered_late_is_told_to_the_person_once() -> None:
    async with running() as rig:
        receiver = await rig.follow(ADA)
        feed, rig.store.feed = rig.store.feed, lambda workspace, events: None
        rig.store.add([an_event(1, user="ada"), an_event(2, user="ada")])
        # As a store answers a batch that it had committed before: read back, so without the person's offsets.
        late = [msgspec.structs.replace(event, user_offsets={}) for event in rig.store.workspace_events]
        feed("acme", late)
        feed("acme", late)
        await wait_all_tasks_blocked()
        assert receiver.heard == [(0, 1), (1, 2)]


async def test_what_a_channel_found_in_the_store_is_told_with_everything_between() -> None:
    async with running() as rig:
        whole, person = await rig.follow(ACME), await rig.follow(ADA)
        rig.store.feed = lambda workspace, events: None
        mine = [an_event(1, user="ada"), an_event(2, user="ada")]
        rig.store.add(mine[:1])
        rig.store.add([an_event(1)], OTHER)
        rig.store.add(mine[1:])
        rig.derived.look("acme", mine)
        await wait_all_tasks_blocked()
        assert whole.heard == [(0, 1), (1, 2), (2, 3)]
        assert person.heard == [(0, 1), (1, 2)]


async def test_a_person_of_another_workspace_is_another_person() -> None:
    async with running() as rig:
        receiver = await rig.follow(DerivedKey("umbrella", "ada"))
        rig.store.add([an_event(1, user="ada")], KEY)
        await wait_all_tasks_blocked()
        assert receiver.heard == []


async def test_two_who_come_at_the_same_moment_share_one_audience() -> None:
    async with running() as rig:
        rig.store.reading = trio.Event()
        found: list[Audience] = []

        async def come() -> None:
            found.append(await rig.derived.audience(ACME))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(come)
            nursery.start_soon(come)
            await wait_all_tasks_blocked()
            rig.store.reading.set()
        assert found[0] is found[1]


async def test_what_is_committed_while_the_position_is_read_is_told_at_once_and_not_with_the_next_event() -> None:
    async with running() as rig:
        rig.store.reading = trio.Event()
        receivers: list[Receiver] = []

        async def come() -> None:
            receivers.append(await rig.follow())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(come)
            await wait_all_tasks_blocked()
            rig.store.add(some_events(1, 1))
            await wait_all_tasks_blocked()
            rig.store.reading.set()
        await wait_all_tasks_blocked()
        assert receivers[0].heard == [(0, 1)]


async def test_a_hole_in_what_was_posted_is_filled_from_the_store() -> None:
    async with running() as rig:
        receiver = await rig.follow()
        rig.store.feed = lambda workspace, events: None
        rig.store.add(some_events(1, 300))
        rig.store.feed = rig.derived.post
        rig.store.add(some_events(301, 302))
        await wait_all_tasks_blocked()
        assert [offset for _, offset in receiver.heard] == list(range(1, 303))


async def test_a_hole_waits_for_a_store_that_is_away_and_keeps_the_order(autojump_clock: MockClock) -> None:
    async with running() as rig:
        receiver = await rig.follow()
        rig.store.feed = lambda workspace, events: None
        rig.store.add(some_events(1, 3))
        rig.store.feed = rig.derived.post
        rig.store.away = "gone"
        rig.store.add(some_events(4, 4))
        await trio.sleep(60)
        assert receiver.heard == []
        rig.store.away = None
        await trio.sleep(2)
        assert [offset for _, offset in receiver.heard] == [1, 2, 3, 4]


async def test_what_waits_for_a_store_that_cannot_be_read_is_bounded_and_all_of_it_is_told_later(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POSTED_MAX_EVENTS", 20)
    async with running() as rig:
        whole, person = await rig.follow(ACME), await rig.follow(ADA)
        feed, rig.store.feed = rig.store.feed, lambda workspace, events: None
        rig.store.add([an_event(1, user="ada")])
        rig.store.feed = feed
        rig.store.away = "cannot be read"
        for offset in range(2, 202):
            rig.store.add([an_event(offset, user="ada" if offset % 2 else None)])
            await trio.sleep(0.1)
        assert rig.derived.posted_events < 30
        rig.store.away = None
        await trio.sleep(5)
        assert [offset for _, offset in whole.heard] == list(range(1, 202))
        assert [offset for _, offset in person.heard] == list(range(1, 102))
        assert rig.derived.posted_events == 0


async def test_what_was_posted_twice_is_told_once() -> None:
    async with running() as rig:
        receiver = await rig.follow()
        rig.store.add(some_events(1, 2))
        rig.derived.post("acme", rig.store.workspace_events)
        await wait_all_tasks_blocked()
        assert receiver.heard == [(0, 1), (1, 2)]


async def test_a_stream_that_nobody_follows_any_more_is_forgotten() -> None:
    async with running() as rig:
        receiver = Receiver()
        audience = await rig.derived.audience(ACME)
        group = audience.attach(receiver, WireForm.JSON, Severity.INFO)
        rig.store.add(some_events(1, 1))
        await wait_all_tasks_blocked()
        assert rig.derived.audiences() == [audience]
        audience.detach(receiver, group)
        rig.store.add(some_events(2, 2))
        await wait_all_tasks_blocked()
        assert rig.derived.audiences() == []
        rig.store.add(some_events(3, 3))
        assert (await rig.derived.audience(ACME)).told == 3


async def test_a_restarted_run_tells_what_was_committed_meanwhile() -> None:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.derived.run)
        receiver = await rig.follow()
        nursery.cancel_scope.cancel()
    rig.store.feed = lambda workspace, events: None
    rig.store.add(some_events(1, 2))
    rig.store.feed = rig.derived.post
    rig.store.add(some_events(3, 3))
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.derived.run)
        assert [offset for _, offset in receiver.heard] == [1, 2, 3], "before those after it start"
        nursery.cancel_scope.cancel()


async def test_a_position_that_cannot_be_read_is_told_to_who_asked() -> None:
    async with running() as rig:
        rig.store.away = "gone"
        with pytest.raises(StoreUnavailable):
            await rig.derived.audience(ACME)
