"""What a client missed: from the ring, from the store, or said plainly that it is gone. In virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from actors.gateway import GatewayLimits
from actors.outbox import OutboxLimits
from protocol import messages as m
from protocol.errors import CloseCode
from protocol.model import Severity
from protocol.stream import RING_MAX_EVENTS, Arrival, Follower
from tests.support.actors import (
    some_events,
)
from tests.support.sessions import a_rig, alerts, offsets, subscribe


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


async def test_what_was_missed_comes_from_the_ring_before_anything_live(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        keeper = await rig.client("eve")
        await subscribe(keeper)
        await rig.ring("a", "b", "c")
        rig.store.history_away = 10**6
        peer = await rig.client()
        answer = await subscribe(peer, recover={"epoch": "e1", "offset": 1})
        assert (answer.recovered, answer.reason, answer.offset) == (True, "ok", 3)
        await rig.ring("d")
        heard = await alerts(peer, 3)
        assert offsets(heard) == [(1, 2), (2, 3), (3, 4)]
        assert [message.data.title for message in heard] == ["b", "c", "d"]


async def test_what_the_ring_no_longer_has_comes_from_the_store_while_new_events_arrive(
    autojump_clock: MockClock,
) -> None:
    async with a_rig(backlog_bytes=2_000) as rig:
        last = RING_MAX_EVENTS + 700
        rig.store.add(some_events(1, last))
        peer = await rig.client()
        await peer.say({"type": "subscribe", "frameworkId": "checkout", "recover": {"epoch": "e1", "offset": 0}})
        answer = await peer.hear()
        assert isinstance(answer, m.Subscribed)
        assert answer.offset == last
        heard: list[m.AlertMessage] = []
        for number in range(20):
            await rig.ring(f"live {number}")
            heard += await alerts(peer, 40)
        heard += await alerts(peer, last + 20 - len(heard))
        assert offsets(heard) == [(offset - 1, offset) for offset in range(1, last + 21)]


async def test_a_recovering_client_with_a_filter_misses_nothing_that_passes_it(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        for first in (1, 301):
            rig.store.add(some_events(first, first + 298))
            rig.store.add(some_events(first + 299, first + 299, severity=Severity.CRITICAL))
        peer = await rig.client()
        answer = await subscribe(peer, recover={"epoch": "e1", "offset": 10}, minSeverity="critical")
        assert answer.recovered
        assert offsets(await alerts(peer, 2)) == [(10, 300), (300, 600)]


async def test_a_workspace_is_recovered_from_the_store(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 400))
        peer = await rig.client()
        answer = await subscribe(peer, "workspace", recover={"epoch": "e1", "offset": 0})
        assert answer.recovered
        assert [message.offset for message in await alerts(peer, 400)] == list(range(1, 401))


@pytest.mark.parametrize(
    ("recover", "reason"),
    [
        ({"epoch": "e0", "offset": 5}, "epoch_changed"),
        ({"epoch": "e1", "offset": 11}, "ahead"),
        ({"epoch": "e1", "offset": 3}, "trimmed"),
    ],
)
async def test_what_cannot_be_recovered_is_said_with_its_reason_and_live_messages_follow(
    autojump_clock: MockClock, recover: dict[str, Any], reason: str
) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 10))
        rig.store.stream().floor = 4
        peer = await rig.client()
        answer = await subscribe(peer, recover=recover)
        assert (answer.recovered, answer.reason, answer.offset) == (False, reason, 10)
        await rig.ring("live")
        assert offsets(await alerts(peer, 1)) == [(10, 11)]


async def test_from_the_floor_on_recovery_is_possible(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 10))
        rig.store.stream().floor = 4
        peer = await rig.client()
        assert (await subscribe(peer, recover={"epoch": "e1", "offset": 4})).recovered
        assert [message.offset for message in await alerts(peer, 6)] == [5, 6, 7, 8, 9, 10]


async def test_who_is_level_already_gets_nothing_twice(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 3))
        peer = await rig.client()
        assert (await subscribe(peer, recover={"epoch": "e1", "offset": 3})).reason == "ok"
        await rig.ring("live")
        assert offsets(await alerts(peer, 1)) == [(3, 4)]


@pytest.mark.parametrize("floor", [5, 10])
async def test_history_that_was_trimmed_behind_our_back_is_no_silent_gap(autojump_clock: MockClock, floor: int) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 10))
        watcher = await rig.client("eve")
        await subscribe(watcher)
        rig.store.stream().floor = floor
        peer = await rig.client()
        assert (await subscribe(peer, recover={"epoch": "e1", "offset": 2})).recovered, "as far as we knew"
        code, reason = await peer.hear_close()
        assert (code, reason) == (CloseCode.INSUFFICIENT_STATE, "history was trimmed; subscribe again")
        again = await rig.client()
        answer = await subscribe(again, recover={"epoch": "e1", "offset": 2})
        assert (answer.recovered, answer.reason) == (False, "trimmed"), "not the same again for ever"


@pytest.mark.parametrize("hole", [3, 4, 9, 300])
async def test_a_hole_anywhere_in_a_workspaces_history_is_no_silent_gap(autojump_clock: MockClock, hole: int) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 400))
        watcher = await rig.client("eve")
        await subscribe(watcher, "workspace")
        # An event of a long channel was trimmed; the stream's floor in memory is still 0.
        rig.store.workspace_events = [event for event in rig.store.workspace_events if event.workspace_offset != hole]
        peer = await rig.client()
        recover = {"epoch": "e1", "offset": 2}
        assert (await subscribe(peer, "workspace", recover=recover)).recovered, "as far as we knew"
        code, reason = await peer.hear_close()
        assert (code, reason) == (CloseCode.INSUFFICIENT_STATE, "history was trimmed; subscribe again")
        again = await rig.client()
        answer = await subscribe(again, "workspace", recover=recover)
        assert (answer.recovered, answer.reason) == (False, "trimmed")
        below = await rig.client()
        assert (await subscribe(below, "workspace", recover={"epoch": "e1", "offset": hole})).recovered


async def test_what_the_filter_leaves_out_at_the_end_of_a_history_does_not_look_like_a_gap(
    autojump_clock: MockClock,
) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 5))
        rig.store.add(some_events(6, 6, severity=Severity.CRITICAL))
        rig.store.add(some_events(7, 9))
        peer, follower = await rig.client(), Follower("e1", 2)
        await subscribe(peer, recover={"epoch": "e1", "offset": 2}, minSeverity="critical")
        rig.store.add(some_events(10, 10, severity=Severity.CRITICAL))
        cell = rig.registry.cells()[0]
        assert cell.audience is not None
        cell.audience.tell(rig.store.stream().events[-1:])
        arrivals = []
        for _ in range(3):
            heard = await peer.hear()
            if isinstance(heard, m.PositionMessage):
                follower.silence(heard.epoch, heard.offset)
                arrivals.append(heard.offset)
            else:
                assert isinstance(heard, m.AlertMessage)
                arrivals.append(follower.arrive(heard.epoch, heard.offset, heard.prev))
        assert arrivals == [Arrival.NEXT, 9, Arrival.NEXT]
        assert follower.offset == 10


@pytest.mark.parametrize("channel", ["alerts:checkout", "workspace"])
async def test_a_store_that_goes_away_during_a_recovery_does_not_leave_a_client_waiting(
    autojump_clock: MockClock, channel: str
) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 10))
        watcher = await rig.client("eve")
        await subscribe(watcher, channel)
        rig.store.away = "gone"
        peer = await rig.client()
        assert (await subscribe(peer, channel, recover={"epoch": "e1", "offset": 2})).recovered
        code, reason = await peer.hear_close()
        assert (code, reason) == (CloseCode.INSUFFICIENT_STATE, "the store is away; come back and recover")
        assert rig.counters.subscriptions == 1


async def test_a_long_history_of_long_alerts_does_not_make_a_good_reader_slow(autojump_clock: MockClock) -> None:
    async with a_rig(GatewayLimits(outbox=OutboxLimits(max_bytes=100_000)), backlog_bytes=20_000) as rig:
        rig.store.add(some_events(1, 100, title="x" * 20_000))
        peer = await rig.client()
        await subscribe(peer, recover={"epoch": "e1", "offset": 0})
        assert [message.offset for message in await alerts(peer, 100)] == list(range(1, 101))
        assert rig.served.roster.slow == 0


async def test_a_client_that_reads_its_history_slowly_is_alive(autojump_clock: MockClock) -> None:
    async with a_rig(GatewayLimits(outbox=OutboxLimits(max_bytes=10**7)), backlog_bytes=1_000) as rig:
        rig.store.add(some_events(1, 1_500, title="x" * 20_000))
        peer = await rig.client()
        # A kernel that grows its buffers takes a minute's worth of this history at once, and we would see no reading.
        peer.sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 100_000)
        await peer.say({"type": "subscribe", "frameworkId": "checkout", "recover": {"epoch": "e1", "offset": 0}})
        assert isinstance(await peer.hear(), m.Subscribed)
        for _ in range(15):
            await alerts(peer, 100)
            await trio.sleep(20)
        assert rig.served.roster.statistics()["connected_clients"] == 1


async def test_a_stream_in_recovery_is_not_retired_under_it(autojump_clock: MockClock) -> None:
    async with a_rig(backlog_bytes=1_000, timeout_s=10_000.0) as rig:
        rig.store.add(some_events(1, 600, title="x" * 20_000))
        peer = await rig.client()
        await peer.say({"type": "subscribe", "frameworkId": "checkout", "recover": {"epoch": "e1", "offset": 0}})
        assert isinstance(await peer.hear(), m.Subscribed)
        await trio.sleep(500)
        cell = rig.registry.cells()[0]
        assert len(cell.audience or ()) == 1
        assert len(await alerts(peer, 600)) == 600
        await rig.ring("live")
        assert offsets(await alerts(peer, 1)) == [(600, 601)]


async def test_what_is_stored_and_not_told_yet_is_no_history_and_comes_once(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 3))
        keeper = await rig.client("eve")
        await subscribe(keeper)
        # Committed, and its channel has not heard of it: the answer of the store is on its way.
        rig.store.add(some_events(4, 5))
        peer = await rig.client()
        answer = await subscribe(peer, recover={"epoch": "e1", "offset": 1})
        assert answer.offset == 3
        assert offsets(await alerts(peer, 2)) == [(1, 2), (2, 3)]
        await rig.ring("live")  # behind, catches up, then fires
        assert offsets(await alerts(peer, 3)) == [(3, 4), (4, 5), (5, 6)]
