"""One connection of the client, from dialling to its end, against a server in memory; cancelled at every step."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from wsproto import ConnectionType, WSConnection, events

from protocol.codec import WireForm
from tocsin import connection as ours
from tocsin.connection import CLOSE_S, Connection, Ended, Endpoint, converse

HERE = Endpoint("engine", 3008, "/ws", None)


class Far:
    """The server: answers the upgrade, says what it is to say, and notes what it hears."""

    def __init__(self, *say: events.Event) -> None:
        self.near, self._stream = trio.testing.memory_stream_pair()
        self._say = say
        self._parser = WSConnection(ConnectionType.SERVER)
        self.heard: list[events.Event] = []

    async def run(self) -> None:
        while data := await self._stream.receive_some():
            self._parser.receive_data(bytes(data))
            for event in self._parser.events():
                self.heard.append(event)
                await self._stream.send_all(b"".join(map(self._parser.send, self._answers(event))))

    def _answers(self, event: events.Event) -> list[events.Event]:
        match event:
            case events.Request():
                return [events.AcceptConnection(subprotocol=event.subprotocols[0]), *self._say]
            case events.CloseConnection():
                return [event.response()]
        return []


@asynccontextmanager
async def a_server(monkeypatch: pytest.MonkeyPatch, *say: events.Event) -> AsyncIterator[Far]:
    far = Far(*say)

    async def dial(_: Endpoint) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return far.near

    monkeypatch.setattr(ours, "dial", dial)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(far.run)
        yield far


async def test_a_ping_behind_a_message_is_answered_while_the_program_is_busy_with_that(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    async with a_server(monkeypatch, events.Ping(b"1"), events.TextMessage("here")) as far:

        async def talk(connection: Connection) -> Ended | None:
            # The writer has nothing to do.
            await trio.testing.wait_all_tasks_blocked()
            assert await connection.receive() == "here"
            await trio.testing.wait_all_tasks_blocked()
            assert events.Pong(b"1") in far.heard
            return None

        assert await converse(HERE, WireForm.JSON, talk) == Ended("closed by us")


class CancelAt(trio.abc.Instrument):
    """Cancels a scope when so many steps of tasks were taken."""

    def __init__(self, scope: trio.CancelScope, steps: int) -> None:
        self._scope, self.left = scope, steps

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.left -= 1
        if self.left == 0:
            self._scope.cancel()


async def _cancelled_at(far: Far, steps: int) -> bool:
    """A conversation that is cancelled at that step; whether it came so far."""

    async def talk(connection: Connection) -> Ended | None:
        await connection.send(b"one")
        await connection.receive()
        for _ in range(2 * ours.OUTGOING_MAX):
            await connection.send(b"more")
        await trio.sleep(1)
        return None

    with trio.CancelScope() as scope:
        at = CancelAt(scope, steps)
        trio.lowlevel.add_instrument(at)
        try:
            await converse(HERE, WireForm.JSON, talk)
        finally:
            trio.lowlevel.remove_instrument(at)
    return at.left <= 0


async def test_whenever_it_is_cancelled_its_stream_is_closed_at_once_and_no_frame_was_torn(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    steps, came_so_far = 0, True
    while came_so_far:
        steps += 1
        began = trio.current_time()
        async with a_server(monkeypatch, events.TextMessage("here")) as far:
            came_so_far = await _cancelled_at(far, steps)
            if steps > 2:  # else nobody has dialled yet
                with pytest.raises(trio.ClosedResourceError):
                    await far.near.receive_some()
            await trio.aclose_forcefully(far.near)
        # It sleeps for one second, and says no more than goodbye.
        assert trio.current_time() - began <= 1 + CLOSE_S
        whole = {"Request", "TextMessage", "CloseConnection"}
        assert {type(event).__name__ for event in far.heard} <= whole
        assert all(event.data in ("one", "more") for event in far.heard if isinstance(event, events.TextMessage))
    assert steps > 10
    assert isinstance(far.heard[-1], events.CloseConnection)
