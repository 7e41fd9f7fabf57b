"""A channel at work: saved before told, a store that comes and goes, crashes that nobody notices."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from protocol.codec import WireForm
from protocol.errors import StoreUnavailable
from protocol.model import ChannelKey, Event, Reason, Severity
from tests.support.actors import KEY, Receiver, some_events
from tests.support.channels import a_channel, told

pytestmark = pytest.mark.usefixtures("logs")


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
