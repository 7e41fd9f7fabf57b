"""A channel through its life: saved before told, a store that comes and goes, crashes that nobody notices."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.audience import Audience
from actors.cell import Cell
from actors.registry import Registry
from protocol.codec import WireForm
from protocol.errors import Busy, StoreUnavailable
from protocol.model import ChannelKey, Event, Reason, Severity
from tests.support.actors import (
    KEY,
    Answers,
    FakeStore,
    Machines,
    Receiver,
    Recorder,
    a_kit,
    an_event,
    clock,
    envelopes,
    put,
    some_events,
    start,
)
from tests.support.stores import a_row


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Rendering the tracebacks of hundreds of planned crashes would take longer than everything else."""
    with capture_logs():
        yield


class Channel:
    """One channel in a registry, with everything that it is handed."""

    def __init__(self, **limits: Any) -> None:
        self.store = FakeStore()
        self.machines = Machines()
        self.observer = Recorder()
        self.answers = Answers()
        self.found: list[int] = []
        kit = a_kit(self.store, self.machines, self.observer, **limits)
        self.registry = Registry(dataclasses.replace(kit, found=self._found))

    def _found(self, workspace: str, events: Sequence[Event]) -> None:
        self.found += [event.offset for event in events]

    @property
    def cell(self) -> Cell:
        return self.registry.cell(KEY)

    async def follow(self) -> Receiver:
        receiver = Receiver()
        (await self.cell.wait_audience()).attach(receiver, WireForm.JSON, Severity.INFO)
        return receiver

    async def ring(self, *names: str) -> None:
        await put(self.cell, self.answers, *names)

    async def settle(self) -> None:
        await wait_all_tasks_blocked()


@asynccontextmanager
async def a_channel(**limits: Any) -> AsyncIterator[Channel]:
    channel = Channel(**limits)
    async with trio.open_nursery() as nursery:
        await start(nursery, channel.registry.run)
        yield channel
        nursery.cancel_scope.cancel()


def told(receiver: Receiver) -> list[str]:
    return [message.data.title for message in receiver.messages]


async def test_an_alert_is_told_and_answered_after_it_was_saved_never_before() -> None:
    async with a_channel() as channel:
        receiver = await channel.follow()
        channel.store.gate = trio.Event()
        await channel.ring("a")
        await channel.settle()
        assert len(channel.store.commits) == 1
        assert (channel.store.titles(), told(receiver), channel.answers.all) == ([], [], [])
        channel.store.gate.set()
        await channel.settle()
        assert (channel.store.titles(), told(receiver)) == (["a"], ["a"])
        assert channel.answers.reasons == [Reason.FIRED]


async def test_a_channel_that_has_much_to_take_up_gives_way_between_slices_and_decides_when_it_is_ready() -> None:
    async with a_channel() as channel:
        channel.machines.slices = 3
        others: list[list[int]] = []

        async def another() -> None:
            while len(channel.machines.restored) < 3:
                others.append(list(channel.machines.restored))
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            await channel.ring("cpu")
            nursery.start_soon(another)
        await channel.settle()
        assert any(0 < len(restored) < 3 for restored in others)
        assert channel.machines.decided == [["cpu"]]


async def test_waiting_commands_are_decided_together_and_told_in_order() -> None:
    async with a_channel(batch_max=2) as channel:
        receiver = await channel.follow()
        channel.store.gate = trio.Event()
        await channel.ring("a")
        await channel.settle()
        await channel.ring("b", "c", "d")
        channel.store.gate.set()
        await channel.settle()
        assert channel.machines.decided == [["a"], ["b", "c"], ["d"]]
        assert receiver.heard == [(0, 1), (1, 2), (2, 3), (3, 4)]
        assert channel.observer.batches == [1, 2, 1]


async def test_what_needs_no_commit_is_answered_without_one() -> None:
    async with a_channel() as channel:
        await channel.ring("quiet")
        await channel.settle()
        assert (channel.store.commits, channel.answers.reasons) == ([], [Reason.FIRED])


async def test_a_store_away_for_a_minute_costs_no_restart_and_loses_nothing(autojump_clock: MockClock) -> None:
    async with a_channel() as channel:
        receiver = await channel.follow()
        channel.store.away = "disk full"
        await channel.ring("held", "held too")
        await trio.sleep(0.01)
        with pytest.raises(StoreUnavailable, match="disk full"):
            await channel.ring("new")
        assert channel.registry.statistics()["channels_away"] == 1
        await trio.sleep(60)
        assert channel.answers.all == []
        channel.store.away = None
        await trio.sleep(1.5)
        assert (told(receiver), channel.answers.reasons) == (["held", "held too"], [Reason.FIRED] * 2)
        await channel.ring("new")
        await channel.settle()
        assert told(receiver)[2:] == ["new"]
        assert (channel.registry.restarts, channel.observer.restarts, channel.machines.built) == (0, [], 1)


async def test_an_away_store_is_tried_again_soon_at_first_then_once_a_second(autojump_clock: MockClock) -> None:
    async with a_channel() as channel:
        await channel.follow()
        channel.store.away = "gone"
        await channel.ring("a")
        await trio.sleep(60)
        assert 50 <= len(channel.store.commits) <= 90


async def test_an_away_store_is_logged_once_going_and_once_coming_back(autojump_clock: MockClock) -> None:
    with capture_logs() as logs:
        async with a_channel() as channel:
            await channel.follow()
            channel.store.away = "gone"
            await channel.ring("a")
            await trio.sleep(30)
            channel.store.away = None
            await trio.sleep(2)
    assert [entry["event"] for entry in logs] == ["store_away", "store_back"]


async def test_who_waits_for_a_channel_that_cannot_be_recalled_is_told_so_and_may_come_again(
    autojump_clock: MockClock,
) -> None:
    async with a_channel() as channel:
        channel.store.away = "starting"
        with pytest.raises(StoreUnavailable, match="subscribe again"):
            await channel.cell.wait_audience()
        with pytest.raises(StoreUnavailable):
            await channel.cell.wait_audience()
        channel.store.away = None
        await trio.sleep(1)
        assert (await channel.cell.wait_audience()).told == 0
        assert channel.registry.restarts == 0


async def test_a_commit_whose_answer_was_lost_is_offered_again_and_answered_once(autojump_clock: MockClock) -> None:
    async with a_channel() as channel:
        receiver = await channel.follow()
        channel.store.faults.append("unanswered")
        await channel.ring("a")
        await trio.sleep(1)
        assert [commit.batch.id for commit in channel.store.commits] == ["b1", "b1"]
        assert (channel.store.titles(), told(receiver), len(channel.answers.all)) == (["a"], ["a"], 1)
        assert channel.registry.restarts == 0


async def test_a_batch_committed_just_before_a_crash_is_answered_and_not_decided_again(
    autojump_clock: MockClock,
) -> None:
    async with a_channel() as channel:
        receiver = await channel.follow()
        channel.store.faults.append("after")
        await channel.ring("a")
        await channel.settle()
        await channel.ring("b")
        await trio.sleep(1)
        assert channel.machines.decided == [["a"], ["b"]]
        assert (channel.store.titles(), told(receiver)) == (["a", "b"], ["a", "b"])
        assert channel.answers.reasons == [Reason.FIRED] * 2
        assert channel.registry.restarts == 1


async def test_what_a_channel_finds_in_the_store_is_passed_on_to_the_derived_streams(
    autojump_clock: MockClock,
) -> None:
    async with a_channel() as channel:
        await channel.follow()
        channel.store.add(some_events(1, 2))  # committed by another owner: no feed of ours says so
        await channel.ring("a")
        await trio.sleep(1)
        assert channel.store.titles() == ["e1", "e2", "a"]
        # What it commits itself the store's feed tells.
        assert channel.found == [1, 2]


async def test_a_batch_that_was_not_committed_before_the_crash_is_decided_again_under_its_id(
    autojump_clock: MockClock,
) -> None:
    async with a_channel() as channel:
        receiver = await channel.follow()
        channel.store.faults.append("before")
        await channel.ring("a")
        await trio.sleep(1)
        assert channel.machines.decided == [["a"], ["a"]]
        assert [commit.batch.id for commit in channel.store.commits] == ["b1", "b1"]
        assert told(receiver) == ["a"]
        assert channel.answers.reasons == [Reason.FIRED]


async def test_behind_the_store_it_recalls_tells_the_missed_events_and_decides_again() -> None:
    async with a_channel() as channel:
        receiver = await channel.follow()
        channel.store.add(some_events(1, 2), KEY)
        await channel.ring("ours")
        await channel.settle()
        assert receiver.heard == [(0, 1), (1, 2), (2, 3)]
        assert told(receiver) == ["e1", "e2", "ours"]
        assert [commit.base for commit in channel.store.commits] == [0, 2]
        assert (channel.machines.built, channel.registry.restarts) == (2, 0)
        assert channel.observer.conflicts == 1, "the fence kept the first commit out, and that is counted"
        assert channel.answers.reasons == [Reason.FIRED]


@pytest.mark.parametrize(("is_told", "level"), [(True, "info"), (False, "warning")])
async def test_to_be_behind_is_a_warning_unless_the_channel_was_told_that_it_would_be(
    is_told: bool, level: str
) -> None:
    async with a_channel() as channel:
        await channel.follow()
        gate = channel.store.gate = trio.Event()
        await channel.ring("ours")
        await channel.settle()
        channel.store.add(some_events(1, 2), KEY)
        if is_told:
            channel.registry.moved(KEY)
        with capture_logs() as logs:
            gate.set()
            await channel.settle()
    assert [(line["event"], line["log_level"]) for line in logs] == [("behind", level)]


async def test_a_store_that_goes_away_during_the_catch_up_is_waited_for_and_not_away_for_ever(
    autojump_clock: MockClock,
) -> None:
    async with a_channel() as channel:
        receiver = await channel.follow()
        channel.store.add(some_events(1, 600), KEY)
        channel.store.history_away = 2
        await channel.ring("ours")
        await trio.sleep(2)
        assert [offset for _, offset in receiver.heard] == list(range(1, 602))
        await channel.ring("next")
        await channel.settle()
        assert told(receiver)[-2:] == ["ours", "next"]
        assert channel.registry.restarts == 0


async def test_what_was_trimmed_before_it_was_told_ends_who_follows_and_not_the_channel() -> None:
    async with a_channel() as channel:
        early, lost = Receiver(), []
        audience = await channel.cell.wait_audience()
        audience.attach(early, WireForm.JSON, Severity.INFO, lambda: lost.append("early"))
        channel.store.add(some_events(1, 3), KEY)
        channel.store.stream().floor = 2
        await channel.ring("ours")
        await channel.settle()
        assert (early.frames, lost, audience.floor) == ([], ["early"], 2)
        assert channel.answers.reasons == [Reason.FIRED]
        late = await channel.follow()
        await channel.ring("more")
        await channel.settle()
        assert late.heard == [(4, 5)]


async def test_a_store_that_lost_events_is_not_passed_over_in_silence(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(key: ChannelKey, after: int, limit: int) -> Sequence[Event]:
        await trio.lowlevel.checkpoint()
        return []

    with capture_logs() as logs:
        async with a_channel() as channel:
            await channel.follow()
            channel.store.add(some_events(1, 2), KEY)
            monkeypatch.setattr(channel.store, "history", nothing)
            await channel.ring("ours")
            await channel.settle()
    assert "the store lost events 1..2" in str(logs[1]["exc_info"])


async def test_a_crash_with_a_thousand_subscribers_is_a_pause_and_nothing_more(autojump_clock: MockClock) -> None:
    async with a_channel() as channel:
        receivers = [await channel.follow() for _ in range(1_000)]
        for number in range(20):
            if number in (2, 6, 10):
                channel.machines.fail_decisions += 1
            if number == 14:
                channel.store.faults.append("after")
            await channel.ring(f"n{number}")
            if number % 4 == 3:
                await trio.sleep(1)
        assert channel.registry.restarts == 4
        expected = [(offset - 1, offset) for offset in range(1, 21)]
        assert receivers[0].heard == expected
        assert told(receivers[0]) == [f"n{number}" for number in range(20)]
        ids = [id(frame) for frame in receivers[0].frames]
        assert all([id(frame) for frame in receiver.frames] == ids for receiver in receivers)
        assert len(channel.cell.audience or ()) == 1_000
        assert channel.answers.reasons == [Reason.FIRED] * 20


async def test_poison_in_a_batch_is_set_aside_after_three_tries_and_its_neighbours_are_handled(
    autojump_clock: MockClock,
) -> None:
    with capture_logs() as logs:
        async with a_channel() as channel:
            receiver = await channel.follow()
            await channel.ring("a", "poison", "b")
            await trio.sleep(5)
            assert told(receiver) == ["a", "b"]
            assert channel.answers.reasons == [Reason.FIRED, Reason.FAILED, Reason.FIRED]
            assert channel.machines.decided.count(["poison"]) == 3
            assert channel.observer.dead_letters == 1
    (dead,) = [entry for entry in logs if entry["event"].startswith("dead_letter ")]
    assert "title='poison'" in dead["command"]
    assert str(dead["exc_info"]) == "poison"


async def test_what_can_never_be_stored_is_set_aside_like_poison(autojump_clock: MockClock) -> None:
    async with a_channel() as channel:
        receiver = await channel.follow()
        await channel.ring("a", "unstorable", "b")
        await trio.sleep(5)
        assert told(receiver) == ["a", "b"]
        assert channel.answers.reasons == [Reason.FIRED, Reason.FAILED, Reason.FIRED]
        assert not channel.cell.is_parked


async def test_a_hundred_poisoned_commands_do_not_park_the_channel(autojump_clock: MockClock) -> None:
    async with a_channel() as channel:
        await channel.ring(*["poison"] * 100, "good")
        await trio.sleep(100)
        assert channel.answers.reasons == [Reason.FAILED] * 100 + [Reason.FIRED]
        assert not channel.cell.is_parked


async def test_what_is_due_is_done_without_a_command(autojump_clock: MockClock) -> None:
    async with a_channel() as channel:
        channel.machines.due = clock() + 5_000_000
        receiver = await channel.follow()
        await trio.sleep(4.9)
        assert told(receiver) == []
        await trio.sleep(0.2)
        assert told(receiver) == ["due"]


async def test_what_is_due_is_kept_when_its_moment_passes_while_the_store_is_away(autojump_clock: MockClock) -> None:
    async with a_channel() as channel:
        channel.machines.due = clock() + 5_000_000
        receiver = await channel.follow()
        channel.store.away = "gone"
        await trio.sleep(60)
        channel.store.away = None
        await trio.sleep(2)
        assert told(receiver) == ["due"]


async def test_a_machine_that_raises_over_what_is_due_counts_against_the_channel(autojump_clock: MockClock) -> None:
    with capture_logs() as logs:
        async with a_channel() as channel:
            channel.machines.fail_decisions = 10**6
            channel.machines.due = clock() + 1_000_000
            await channel.cell.wait_audience()
            await trio.sleep(6)
            assert channel.cell.is_parked
    crash = logs[0]["exc_info"]
    assert str(crash.__cause__) == "out of order", "a chain with an end: who prints it must not walk in a circle"


async def test_an_idle_channel_is_retired_and_recalled_on_its_next_use(autojump_clock: MockClock) -> None:
    async with a_channel(idle_s=60.0) as channel:
        await channel.ring("a")
        await trio.sleep(59)
        assert channel.registry.statistics()["channels"] == 1
        await trio.sleep(2)
        assert channel.registry.statistics()["channels"] == 0
        await channel.ring("b")
        await channel.settle()
        assert (channel.store.titles(), channel.store.recalls) == (["a", "b"], 2)


async def test_a_wake_while_a_channel_stores_its_last_counters_is_not_lost(autojump_clock: MockClock) -> None:
    async with a_channel(idle_s=60) as channel:
        await channel.ring("a")
        await channel.settle()
        channel.machines.unwritten = [a_row()]
        gate = channel.store.gate = trio.Event()
        await trio.sleep(61)
        channel.registry.wake(KEY.workspace, KEY.framework)
        gate.set()
        await channel.settle()
        assert (channel.machines.decided[-1], len(channel.registry.cells())) == ([], 1)


async def test_what_others_start_a_channel_for_does_not_keep_it_running(autojump_clock: MockClock) -> None:
    async with a_channel(idle_s=60.0) as channel:
        channel.machines.due, channel.machines.is_started_by_others = clock() + 500_000_000, True
        await channel.ring("a")
        await trio.sleep(61)
        assert channel.registry.cells() == []


async def test_what_is_due_before_a_channel_is_idle_is_done_although_others_would_start_it(
    autojump_clock: MockClock,
) -> None:
    async with a_channel(idle_s=60.0) as channel:
        channel.machines.due, channel.machines.is_started_by_others = clock() + 30_000_000, True
        await channel.ring("a")
        await trio.sleep(31)
        assert channel.store.titles() == ["a", "due"]


async def test_a_channel_that_somebody_watches_or_that_has_something_due_is_not_retired(
    autojump_clock: MockClock,
) -> None:
    async with a_channel(idle_s=60.0) as channel:
        channel.machines.due = clock() + 500_000_000
        audience = await channel.cell.wait_audience()
        await trio.sleep(400)
        group = audience.attach(receiver := Receiver(), WireForm.JSON, Severity.INFO)
        await trio.sleep(400)
        assert (told(receiver), channel.store.recalls) == (["due"], 1)
        audience.detach(receiver, group)
        await trio.sleep(130)
        assert channel.registry.cells() == []


async def test_a_full_mailbox_answers_busy_at_once() -> None:
    async with a_channel(mailbox_max=2) as channel:
        await channel.follow()
        channel.store.gate = trio.Event()
        await channel.ring("a", "b")
        with pytest.raises(Busy):
            await channel.ring("c")
        assert channel.registry.statistics()["mailbox_commands"] == 2


async def test_another_store_makes_a_fresh_audience(autojump_clock: MockClock) -> None:
    async with a_channel() as channel:
        before = await channel.cell.wait_audience()
        channel.cell.audience = Audience(before.name, "e0", 99, 0, before.offset_of)
        channel.store.faults.append("before")
        await channel.ring("a")
        await trio.sleep(1)
        after = await channel.cell.wait_audience()
        assert (after.epoch, after.told) == ("e1", 1)


async def test_a_crash_while_waiting_for_an_audience_is_waited_out(autojump_clock: MockClock) -> None:
    async with a_channel() as channel:
        channel.machines.fail_builds = 2
        assert (await channel.cell.wait_audience()).told == 0
        assert channel.registry.restarts == 2


async def test_parked_it_answers_commands_and_subscribers_at_once(autojump_clock: MockClock) -> None:
    async with a_channel() as channel:
        channel.machines.fail_builds = 6
        with pytest.raises(Busy, match="failed too often and is paused"):
            await channel.cell.wait_audience()
        channel.cell.put_all(envelopes(channel.answers, "a"))
        assert channel.answers.reasons == [Reason.FAILED]
        with pytest.raises(Busy, match="paused"):
            await channel.cell.wait_audience()


async def test_a_channel_that_was_moved_on_recalls_before_it_decides_and_tells_what_it_missed() -> None:
    async with a_channel() as channel:
        receiver = await channel.follow()
        await channel.ring("a")
        await channel.settle()
        channel.store.add([an_event(2, "elsewhere")])
        channel.registry.moved(KEY)
        await channel.ring("quiet")
        await channel.settle()
        assert channel.machines.built == 2
        assert told(receiver) == ["a", "elsewhere"]
        assert channel.answers.reasons == [Reason.FIRED, Reason.FIRED]


async def test_a_channel_that_is_moved_on_while_it_recalls_recalls_once_more() -> None:
    async with a_channel() as channel:
        await channel.follow()
        channel.registry.moved(KEY)
        channel.registry.moved(KEY)
        await channel.settle()
        assert channel.machines.built == 2, "both were there before it was read"


async def test_nothing_is_started_for_a_channel_that_does_not_run() -> None:
    async with a_channel() as channel:
        channel.registry.moved(KEY)
        assert channel.registry.audience(KEY) is None
        assert channel.registry.cells() == []
        receiver = await channel.follow()
        audience = channel.registry.audience(KEY)
        assert audience is not None
        assert len(audience) == 1
        assert receiver.messages == []
