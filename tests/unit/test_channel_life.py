"""A channel through its life: what is due, when it is retired, its audience, and when it is moved on."""

from __future__ import annotations

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from actors.audience import Audience
from protocol.codec import WireForm
from protocol.errors import Busy
from protocol.model import Reason, Severity
from tests.support.actors import KEY, Receiver, an_event, clock, envelopes
from tests.support.channels import a_channel, told
from tests.support.stores import a_row

pytestmark = pytest.mark.usefixtures("logs")


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


async def test_a_full_mailbox_answers_busy_at_once(autojump_clock: MockClock) -> None:
    async with a_channel(mailbox_max=2) as channel:
        await channel.follow()
        channel.store.gate = trio.Event()
        await channel.ring("a", "b")
        before = trio.current_time()
        with pytest.raises(Busy):
            await channel.ring("c")
        assert trio.current_time() == before
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
