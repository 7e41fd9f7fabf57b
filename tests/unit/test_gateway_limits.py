"""Listeners that fail, crowds at the door, limits, and the goodbye. Real sockets, virtual time."""

from __future__ import annotations

import errno
import resource
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.connection import Connection
from actors.door import DoorLimits
from actors.gateway import ACCEPT_PAUSE_S, GatewayLimits
from actors.peer import RECONNECT_SPREAD_MS
from actors.roster import Roster
from actors.websocket import WebSocketLimits
from engine.telemetry.logs import OncePerSecond
from protocol import messages as m
from protocol.codec import WireForm, decode_server
from protocol.errors import CloseCode
from protocol.limits import Limit
from tests.support.actors import Recorder
from tests.support.sockets import Peer, assert_alive, listening, refused, request_bytes, serving

pytestmark = pytest.mark.usefixtures("logs")


class StubbornListener:
    """A listener whose next accepts fail as they are told."""

    def __init__(self, listener: trio.socket.SocketType, *faults: int) -> None:
        self._listener = listener
        self._faults = [OSError(number, "planted") for number in faults]
        self.accepts: list[float] = []

    async def accept(self) -> Any:
        self.accepts.append(trio.current_time())
        if self._faults:
            await trio.lowlevel.checkpoint()
            raise self._faults.pop(0)
        return await self._listener.accept()

    def getsockname(self) -> Any:
        return self._listener.getsockname()

    def close(self) -> None:
        self._listener.close()


async def test_running_out_of_descriptors_does_not_end_the_listener(autojump_clock: MockClock, logs: list) -> None:
    listener = StubbornListener(await listening(), errno.EMFILE, errno.ENFILE, errno.ENOMEM)
    async with serving(listener=listener) as served:
        await assert_alive(await served.connect())
        assert served.roster.errors == 3
    assert listener.accepts[:4] == pytest.approx([n * ACCEPT_PAUSE_S for n in range(4)])
    assert [entry["event"] for entry in logs] == ["accept_without_resources"] * 3


async def test_a_lack_of_descriptors_that_lasts_is_one_line_a_second(autojump_clock: MockClock) -> None:
    listener = StubbornListener(await listening(), *[errno.EMFILE] * 25)
    with capture_logs(processors=[OncePerSecond(trio.current_time)]) as logs:
        async with serving(listener=listener) as served:
            await assert_alive(await served.connect())
    assert trio.current_time() >= 25 * ACCEPT_PAUSE_S
    assert [entry["event"] for entry in logs] == ["accept_without_resources"] * 3
    assert all(entry["repeated"] in (9, 10) for entry in logs[1:]), "none is forgotten"


async def test_conversations_that_crash_without_end_are_one_line_a_second(autojump_clock: MockClock) -> None:
    async def crash(connection: Connection) -> None:
        raise ValueError("a bug")

    with capture_logs(processors=[OncePerSecond(lambda: 0.0)]) as logs:
        async with serving(crash) as served:
            for _ in range(5):
                assert (await (await served.connect()).hear_close())[0] == CloseCode.SERVER_ERROR
            assert served.roster.errors == 5
    assert [entry["event"] for entry in logs] == ["conversation_failed"]


async def test_a_peer_that_resets_while_it_is_accepted_does_not_end_the_listener(autojump_clock: MockClock) -> None:
    listener = StubbornListener(await listening(), errno.ECONNABORTED, errno.EPROTO)
    async with serving(listener=listener) as served:
        await assert_alive(await served.connect())
        assert (served.roster.errors, served.roster.accepted) == (0, 1)


async def test_a_listener_that_is_gone_ends_the_gateway_after_a_goodbye(autojump_clock: MockClock) -> None:
    listener = await listening()
    with pytest.raises(ExceptionGroup) as caught:
        async with serving(listener=StubbornListener(listener, errno.EBADF)):
            await trio.sleep_forever()
    assert caught.group_contains(OSError, match="planted")


async def test_real_descriptors_run_out_and_come_back(autojump_clock: MockClock) -> None:
    async with serving() as served:
        canary = await served.connect()
        clients = [trio.socket.socket() for _ in range(3)]
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(client.fileno() for client in clients)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
            for client in clients:
                await client.connect(served.address)
            await trio.sleep(1)
            await assert_alive(canary)
            assert served.roster.errors > 0
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for client in clients:
            served.peers.append(Peer(client))
            await served.peers[-1].send(request_bytes())
            assert (await served.peers[-1].head()).startswith("HTTP/1.1 101")


async def test_at_the_end_everybody_is_told_when_to_come_back_and_closed_with_3001(autojump_clock: MockClock) -> None:
    peers: list[tuple[Peer, WireForm]] = []
    heard: list[tuple[m.Bye, int]] = []

    async def listen(peer: Peer, form: WireForm) -> None:
        _, payload = await peer.frame()
        bye = decode_server(payload, form)
        assert isinstance(bye, m.Bye)
        assert await peer.frame() == (8, b"\x0b\xb9shutting down")
        heard.append((bye, len(heard)))
        peer.close()

    async with trio.open_nursery() as nursery:
        async with serving() as served:
            for _ in range(10):
                for form in WireForm:
                    peer = await served.connect({"Sec-WebSocket-Protocol": form.subprotocol})
                    served.peers.remove(peer)
                    nursery.start_soon(listen, peer, form)
                    peers.append((peer, form))
        assert trio.current_time() < 0.1, "nobody was waited for longer than needed"
    waits = [bye.reconnect_after_ms for bye, _ in heard]
    assert len(waits) == 20
    assert all(0 <= wait < RECONNECT_SPREAD_MS for wait in waits)
    assert len(set(waits)) > 10, "spread"
    assert {(bye.code, bye.reason) for bye, _ in heard} == {(3001, "shutting down")}


async def test_the_closes_of_many_are_spread_and_so_many_at_most_are_under_way(autojump_clock: MockClock) -> None:
    limits = GatewayLimits(drain_s=8.0, drain_closes_max=3, drain_spread_s=2.0)
    closed: list[float] = []

    async def listen(peer: Peer, began: float) -> None:
        assert (await peer.frame())[0] == 1, "bye comes at once"
        assert trio.current_time() == began
        assert (await peer.frame())[0] == 8
        closed.append(trio.current_time() - began)
        await trio.sleep(0.05)
        peer.close()

    async with trio.open_nursery() as nursery, serving(limits=limits) as served:
        peers = [await served.connect() for _ in range(20)]
        served.peers.clear()
        for peer in peers:
            nursery.start_soon(listen, peer, trio.current_time())
    assert closed == pytest.approx([n * 0.1 for n in range(20)])


async def test_who_does_not_read_holds_up_a_drain_no_longer_than_its_deadline(autojump_clock: MockClock) -> None:
    limits, websocket = GatewayLimits(drain_s=5.0, drain_closes_max=2, drain_spread_s=0.0), WebSocketLimits(close_s=1.0)
    async with serving(limits=limits, websocket=websocket) as served:
        deaf = [await served.connect() for _ in range(40)]
        served.peers.clear()
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(5.0)
    for peer in deaf:
        code, _ = await peer.hear_close()
        assert code == CloseCode.SHUTDOWN, "told all the same"
        peer.close()


async def test_who_leaves_at_the_bye_leaves_his_turn_to_others(autojump_clock: MockClock) -> None:
    limits = GatewayLimits(drain_closes_max=1, drain_spread_s=0.0, drain_s=8.0)

    async def leave(peer: Peer) -> None:
        await peer.frame()
        peer.close()

    async with trio.open_nursery() as nursery:
        async with serving(limits=limits) as served:
            for _ in range(5):
                nursery.start_soon(leave, await served.connect())
            served.peers.clear()
            began = trio.current_time()
        assert trio.current_time() - began < 0.1


async def test_a_crowd_that_connects_and_says_nothing_keeps_nobody_out(autojump_clock: MockClock) -> None:
    observer = Recorder()
    limits = GatewayLimits(door=DoorLimits(handshakes_max=3))
    async with serving(limits=limits, roster=Roster(observer)) as served:
        canary = await served.connect()
        silent = [await served.dial() for _ in range(5)]
        await wait_all_tasks_blocked()
        await assert_alive(await served.connect())
        await assert_alive(canary)
        assert (await silent[0].head()).startswith("HTTP/1.1 503 Service Unavailable")
        assert observer.refusals == [Limit.HANDSHAKES] * 3


async def test_a_refusal_says_when_to_come_again_and_is_counted_under_its_limit(autojump_clock: MockClock) -> None:
    observer = Recorder()
    limits = GatewayLimits(door=DoorLimits(connections_max=1, per_address_max=1, trusted_proxies=("127.0.0.1",)))
    async with serving(limits=limits, roster=Roster(observer)) as served:
        peer = await served.dial()
        await peer.upgrade(headers={"X-Forwarded-For": "203.0.113.7"})
        assert [connection.address for connection in served.roster.connections()] == ["203.0.113.7"]
        refused = await served.dial()
        head = await refused.head()
        assert head.startswith("HTTP/1.1 503 Service Unavailable")
        assert "Retry-After: 1" in head
        assert await refused.rest() == b"1 connection, limit 1; try again later\n"
        assert observer.refusals == [Limit.CONNECTIONS]


async def test_one_connection_too_many_of_an_address_is_429(autojump_clock: MockClock) -> None:
    observer = Recorder()
    limits = GatewayLimits(door=DoorLimits(per_address_max=1, trusted_proxies=("127.0.0.1",)))
    async with serving(limits=limits, roster=Roster(observer)) as served:
        await served.connect({"X-Forwarded-For": "203.0.113.7"})
        peer = await served.dial()
        head = await peer.upgrade(headers={"X-Forwarded-For": "203.0.113.7"})
        assert head.startswith("HTTP/1.1 429 Too Many Requests")
        assert "Retry-After: 1" in head
        await served.connect({"X-Forwarded-For": "203.0.113.8"})
        assert observer.refusals == [Limit.CONNECTIONS_PER_ADDRESS]


async def test_a_drain_waits_for_the_slowest_no_longer_than_its_deadline(autojump_clock: MockClock) -> None:
    limits, websocket = GatewayLimits(drain_s=4.0), WebSocketLimits(close_s=60.0)
    async with serving(limits=limits, websocket=websocket) as served:
        peer = await served.connect()
        served.peers.remove(peer)
        began = trio.current_time()
    assert trio.current_time() - began == 4.0
    peer.close()


async def test_who_comes_during_the_drain_is_refused(autojump_clock: MockClock) -> None:
    statuses: list[bytes] = []
    async with trio.open_nursery() as nursery, serving(limits=GatewayLimits(drain_s=4.0)) as served:
        lingering, waiting = await served.connect(), await served.dial()
        served.peers.clear()

        async def late() -> None:
            await trio.sleep(1)
            await waiting.send(request_bytes())
            statuses.append((await waiting.rest())[:12])
            lingering.close()
            waiting.close()

        nursery.start_soon(late)
    assert statuses == [b"HTTP/1.1 503"]


async def test_after_the_drain_nobody_listens(autojump_clock: MockClock) -> None:
    async with serving() as served:
        address = served.address
    with trio.socket.socket() as late, pytest.raises(ConnectionRefusedError):
        await late.connect(address)


async def test_what_was_counted_outlives_a_restart_of_the_gateway(autojump_clock: MockClock) -> None:
    roster = Roster(Recorder())
    for _ in range(2):
        async with serving(roster=roster) as served:
            await assert_alive(await served.connect())
    statistics = roster.statistics()
    assert (statistics["connections_accepted"], statistics["connected_clients"]) == (2, 0)
    assert statistics["messages_sent"] >= 4, "of both runs: an upgrade and an echo each"


async def test_statistics_count_connections_and_frames_also_of_those_who_have_left(autojump_clock: MockClock) -> None:
    async with serving() as served:
        first, second = await served.connect(), await served.connect()
        await assert_alive(first)
        await assert_alive(second)
        await refused(served, "/nowhere")
        served.peers[-1].close()
        first.close()
        await wait_all_tasks_blocked()
        assert served.roster.statistics() == {
            "connected_clients": 1,
            "active_subscriptions": 0,
            "total_subscribers": 0,
            "connections_accepted": 3,
            "connections_refused": 1,
            "forwarded_unreadable": 0,
            "tls_handshakes_failed": 0,
            "messages_sent": 5,
            "messages_received": 0,
            "outbox_bytes": 0,
            "outbox_lag_s": 0.0,
            "messages_dropped_info": 0,
            "messages_dropped_warning": 0,
            "hints_dropped": 0,
            "slow_disconnects": 0,
            "errors": 0,
        }
