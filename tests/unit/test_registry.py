"""Channels by name: started on first use, restarted, parked alone, retired; and the registry's own restarts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.mailbox import PARKED
from actors.registry import CLOSE_S, PARK_S, Registry
from actors.restart import RestartPolicy
from protocol.codec import WireForm
from protocol.errors import Busy
from protocol.limits import Limit
from protocol.model import ChannelKey, Reason, Severity
from tests.support.actors import (
    KEY,
    OTHER,
    Answers,
    FakeStore,
    Machines,
    Receiver,
    Recorder,
    a_kit,
    an_event,
    envelopes,
    put,
    start,
)
from tests.support.stores import a_row


@pytest.fixture(autouse=True)
def logs() -> Iterator[list]:
    with capture_logs() as entries:
        yield entries


class Rig:
    def __init__(self, **options: object) -> None:
        self.store, self.machines, self.observer, self.answers = FakeStore(), Machines(), Recorder(), Answers()
        self.registry = Registry(a_kit(self.store, self.machines, self.observer), **options)

    async def crash(self, times: int, every_s: float) -> None:
        """The store tears the commit of a command, again and again."""
        for _ in range(times):
            self.store.faults.append("before")
            if not self.registry.cell(KEY).mailbox:
                await put(self.registry.cell(KEY), self.answers, "a")
            await trio.sleep(every_s)


async def test_a_channel_exists_from_its_first_use_and_is_the_same_for_everybody() -> None:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        assert rig.registry.cells() == []
        cell = rig.registry.cell(KEY)
        assert rig.registry.cell(KEY) is cell
        assert rig.registry.cell(OTHER) is not cell
        assert len(rig.registry.cells()) == 2
        nursery.cancel_scope.cancel()


async def test_more_channels_than_a_workspace_may_have_are_refused_with_the_limit_to_it_alone() -> None:
    rig = Rig(per_workspace_max=1)
    rig.registry.cell(KEY)
    rig.registry.cell(KEY)
    with pytest.raises(Busy, match="1 channel in use, limit 1"):
        rig.registry.cell(OTHER)
    assert rig.observer.refusals == [Limit.CHANNELS_PER_WORKSPACE]
    assert rig.registry.cell(ChannelKey("somebody-else", OTHER.framework))


async def test_more_channels_than_the_engine_may_have_are_refused_with_the_limit_to_all() -> None:
    rig = Rig(channels_max=1)
    rig.registry.cell(KEY)
    for other in (OTHER, ChannelKey("somebody-else", OTHER.framework)):
        with pytest.raises(Busy, match="all 1 channels of the engine are in use, limit 1"):
            rig.registry.cell(other)
    assert rig.observer.refusals == [Limit.CHANNELS] * 2


async def test_a_retired_channel_makes_room_in_its_workspace(autojump_clock: MockClock) -> None:
    rig = Rig(per_workspace_max=1)
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        rig.registry.cell(KEY)
        await trio.sleep(1_000)
        assert rig.registry.cell(OTHER)
        nursery.cancel_scope.cancel()


async def test_the_sixth_crash_in_thirty_seconds_parks_that_channel_alone(autojump_clock: MockClock) -> None:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        await put(rig.registry.cell(OTHER), rig.answers, "before")
        await wait_all_tasks_blocked()
        await rig.crash(6, 3.0)
        cell = rig.registry.cell(KEY)
        assert cell.is_parked
        assert rig.answers.all[-1] == [PARKED], "what waited was answered"
        before = len(rig.answers.all)
        cell.put_all(envelopes(rig.answers, "b"))
        assert len(rig.answers.all) == before + 1
        assert rig.answers.all[-1] == [PARKED], "what comes is answered at once"
        await put(rig.registry.cell(OTHER), rig.answers, "unharmed")
        await wait_all_tasks_blocked()
        assert rig.answers.reasons[-1] is Reason.FIRED
        assert rig.registry.statistics() == {
            "channels": 2,
            "channels_parked": 1,
            "channels_away": 0,
            "mailbox_commands": 0,
            "mailbox_deepest": 0,
            "channel_restarts": 6,
        }
        assert rig.observer.restarts == ["channel"] * 6
        nursery.cancel_scope.cancel()


async def test_six_crashes_in_more_than_thirty_seconds_do_not_park(autojump_clock: MockClock) -> None:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        await rig.crash(7, 6.5)
        assert not rig.registry.cell(KEY).is_parked
        nursery.cancel_scope.cancel()


async def test_a_parked_channel_is_tried_again_after_ten_seconds_with_a_clean_record(
    autojump_clock: MockClock, logs: list
) -> None:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        receiver = Receiver()
        (await rig.registry.cell(KEY).wait_audience()).attach(receiver, WireForm.JSON, Severity.INFO)
        await rig.crash(6, 3.0)
        await trio.sleep(PARK_S - 3.0 - 1.0)
        assert rig.registry.cell(KEY).is_parked
        await trio.sleep(3.0)
        assert not rig.registry.cell(KEY).is_parked
        await put(rig.registry.cell(KEY), rig.answers, "again")
        await wait_all_tasks_blocked()
        assert receiver.heard[-1] == (5, 6), "its subscribers never left"
        await rig.crash(5, 3.0)
        assert not rig.registry.cell(KEY).is_parked
        nursery.cancel_scope.cancel()
    loud = [entry["event"] for entry in logs if entry["event"].startswith("channel_p") or "tried" in entry["event"]]
    assert loud == ["channel_parked", "channel_tried_again"]


async def test_a_machine_that_raises_over_commands_does_not_count(autojump_clock: MockClock) -> None:
    rig = Rig(policy=RestartPolicy(max_restarts=0))
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        await put(rig.registry.cell(KEY), rig.answers, "poison", "fine")
        await trio.sleep(2)
        assert rig.answers.reasons == [Reason.FAILED, Reason.FIRED]
        assert (rig.registry.restarts, rig.registry.cell(KEY).is_parked) == (4, False)
        nursery.cancel_scope.cancel()


async def test_a_crash_in_start_up_is_no_hot_loop(autojump_clock: MockClock) -> None:
    rig = Rig()
    rig.machines.fail_builds = 10**6
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        rig.registry.cell(KEY)
        await trio.sleep(60)
        assert 6 <= rig.machines.built <= 31, "six tries, then ten seconds of peace"
        nursery.cancel_scope.cancel()


async def test_a_channel_that_was_asked_for_between_two_runs_starts_with_the_next_one() -> None:
    rig = Rig()
    cell = rig.registry.cell(KEY)
    await put(cell, rig.answers, "early")
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        await wait_all_tasks_blocked()
        assert rig.answers.reasons == [Reason.FIRED]
        nursery.cancel_scope.cancel()


async def test_a_registry_that_is_run_again_takes_up_its_cells_with_all_that_waits(
    autojump_clock: MockClock,
) -> None:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        cell = rig.registry.cell(KEY)
        (await cell.wait_audience()).attach(receiver := Receiver(), WireForm.JSON, Severity.INFO)
        rig.store.gate = trio.Event()
        await put(cell, rig.answers, "held")
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    rig.store.gate = None
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        await wait_all_tasks_blocked()
        assert rig.registry.cell(KEY) is cell
        assert (receiver.heard, rig.answers.reasons) == ([(0, 1)], [Reason.FIRED])
        assert {commit.batch.id for commit in rig.store.commits} == {"b1"}
        nursery.cancel_scope.cancel()


async def test_a_channel_that_was_parked_when_the_registry_ended_is_not_parked_for_ever(
    autojump_clock: MockClock,
) -> None:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        await rig.crash(6, 3.0)
        assert rig.registry.cell(KEY).is_parked
        nursery.cancel_scope.cancel()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        await wait_all_tasks_blocked()
        await put(rig.registry.cell(KEY), rig.answers, "a")
        await wait_all_tasks_blocked()
        assert rig.answers.reasons[-1] is Reason.FIRED
        nursery.cancel_scope.cancel()


async def test_ten_thousand_commands_that_need_no_commit_do_not_hold_the_loop() -> None:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        key = ChannelKey("acme", "quiet")
        await put(rig.registry.cell(key), rig.answers, *["quiet"] * 10_000)
        passes = 0
        while rig.registry.cell(key).mailbox:
            await trio.lowlevel.checkpoint()
            passes += 1
        assert passes > 30
        nursery.cancel_scope.cancel()


async def test_at_the_end_what_was_accepted_is_handled_and_what_was_counted_is_stored(
    autojump_clock: MockClock,
) -> None:
    rig = Rig()
    rig.store.gate = trio.Event()
    rig.machines.unwritten = [a_row(), a_row()]
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        await put(rig.registry.cell(KEY), rig.answers, "a", "b")
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await wait_all_tasks_blocked()
            with pytest.raises(Busy, match="stopping"):
                rig.registry.cell(KEY).put_all(envelopes(rig.answers, "too late"))
            rig.store.gate.set()
    assert rig.answers.reasons == [Reason.FIRED, Reason.FIRED]
    assert [len(commit.decision.rows) for commit in rig.store.commits] == [0, 1, 1]
    assert rig.registry.cells() == []


async def test_a_command_that_comes_just_before_the_end_while_the_last_counts_are_stored_is_handled(
    autojump_clock: MockClock,
) -> None:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        rig.registry.cell(KEY)
        rig.store.gate, rig.machines.unwritten = trio.Event(), [a_row()]
        await trio.sleep(1_000)
        await put(rig.registry.cell(KEY), rig.answers, "in time")
        nursery.cancel_scope.cancel()
        rig.store.gate.set()
    assert rig.answers.reasons == [Reason.FIRED]


@pytest.mark.parametrize("moved_on", [False, True])
async def test_a_command_that_comes_while_an_idle_channel_stores_its_last_counts_is_handled(
    autojump_clock: MockClock, moved_on: bool
) -> None:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        rig.registry.cell(KEY)
        rig.store.gate, rig.machines.unwritten = trio.Event(), [a_row()]
        await trio.sleep(1_000)
        assert len(rig.store.commits) == 1, "it is about to be retired"
        await put(rig.registry.cell(KEY), rig.answers, "in time")
        if moved_on:
            rig.store.add([an_event(1, "somebody else's")])
        rig.store.gate.set()
        await wait_all_tasks_blocked()
        assert rig.answers.reasons == [Reason.FIRED]
        assert rig.store.titles()[-1] == "in time"
        await trio.sleep(1_000)
        assert rig.registry.cells() == []
        nursery.cancel_scope.cancel()


async def test_who_subscribes_while_an_idle_channel_stores_its_last_counts_is_told(autojump_clock: MockClock) -> None:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        rig.registry.cell(KEY)
        rig.store.gate, rig.machines.unwritten = trio.Event(), [a_row()]
        await trio.sleep(1_000)
        (await rig.registry.cell(KEY).wait_audience()).attach(receiver := Receiver(), WireForm.JSON, Severity.INFO)
        rig.store.gate.set()
        await trio.sleep(1_000)
        await put(rig.registry.cell(KEY), rig.answers, "a")
        await wait_all_tasks_blocked()
        assert receiver.heard == [(0, 1)]
        nursery.cancel_scope.cancel()


async def test_at_the_end_a_store_that_stays_away_is_not_waited_for(autojump_clock: MockClock) -> None:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        rig.registry.cell(KEY)
        await wait_all_tasks_blocked()
        rig.store.away = "disk full"
        await put(rig.registry.cell(KEY), rig.answers, "a")
        began = trio.current_time()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - began == pytest.approx(CLOSE_S)
    assert rig.answers.reasons == []


async def test_at_the_end_a_store_that_moved_on_is_not_written_over(autojump_clock: MockClock) -> None:
    rig = Rig()
    rig.machines.unwritten = [a_row()]
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        rig.registry.cell(KEY)
        await wait_all_tasks_blocked()
        rig.store.add([an_event(1, "somebody else's")])
        nursery.cancel_scope.cancel()
    assert rig.store.titles() == ["somebody else's"]
    assert len(rig.store.commits) == 1


@pytest.mark.parametrize("order", ["first step not taken", "asked for after the stop", "all at once"])
async def test_a_channel_that_starts_while_the_registry_stops_does_not_hold_up_the_end(
    autojump_clock: MockClock, order: str
) -> None:
    rig = Rig()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        if order == "first step not taken":
            rig.registry.cell(KEY).put_all(envelopes(rig.answers, "a"))
            nursery.cancel_scope.cancel()
        elif order == "asked for after the stop":
            nursery.cancel_scope.cancel()
            rig.registry.cell(KEY).put_all(envelopes(rig.answers, "a"))
        else:
            rig.registry.cell(OTHER)
            await wait_all_tasks_blocked()
            rig.registry.cell(KEY).put_all(envelopes(rig.answers, "a"))
            nursery.cancel_scope.cancel()
            rig.registry.cell(ChannelKey("acme", "third"))
        began = trio.current_time()
    assert trio.current_time() == began, "nobody was waited for"
    assert rig.answers.reasons == [Reason.FIRED], "what was accepted is handled"
    assert rig.registry.cells() == []


async def test_a_channel_that_starts_while_the_registry_stops_does_not_wait_for_a_store_that_is_away(
    autojump_clock: MockClock,
) -> None:
    rig = Rig()
    rig.store.away = "disk full"
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        rig.registry.cell(KEY)
        nursery.cancel_scope.cancel()
        rig.registry.cell(OTHER)
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(CLOSE_S)


async def test_at_the_end_no_new_channel_is_started_and_the_next_run_starts_it(autojump_clock: MockClock) -> None:
    rig = Rig()
    rig.store.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        await put(rig.registry.cell(KEY), rig.answers, "a")
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await wait_all_tasks_blocked()
            with pytest.raises(Busy, match="the engine is stopping"):
                rig.registry.cell(OTHER)
            rig.store.gate.set()
    async with trio.open_nursery() as nursery:
        await start(nursery, rig.registry.run)
        await put(rig.registry.cell(OTHER), rig.answers, "b")
        await wait_all_tasks_blocked()
        assert rig.answers.reasons == [Reason.FIRED, Reason.FIRED]
        nursery.cancel_scope.cancel()
