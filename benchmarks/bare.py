"""Our gateway and outboxes with nothing behind them: broadcast only, no store, no machine, no tokens.

A broadcaster (see `floor`) made of the very actors that serve the engine's clients: whoever completes the handshake is
a recipient; a message of a round is framed once and pushed to every outbox, as a channel's audience does; the drain
writes. What it costs beyond the floor is what our fan-out costs.
"""

from __future__ import annotations

import time
from itertools import count

import trio

from actors.connection import Connection
from actors.frames import Frame, Frames, lane_of
from actors.gateway import Gateway, GatewayLimits
from actors.outbox import Outbox
from actors.roster import Roster
from actors.websocket import WebSocketLimits
from benchmarks.control import CONTROL_FD, CommandReader, raise_open_files, say
from benchmarks.floor import Round, read_round
from benchmarks.measure import NS_PER_S
from protocol.codec import WireForm, frame
from protocol.effects import StormNotice
from protocol.errors import CloseCode
from protocol.limits import Limit
from protocol.model import ChannelKey, Severity

# trio's timers round up to a millisecond; the rest of the way is waited for awake, so that a broadcast begins in time.
_AWAKE_NS = 2_000_000
_LANE = lane_of(Severity.WARNING)


class Unobserved:
    """An observer that looks away: metrics are not what is measured here."""

    def fan_out(self, seconds: float, writes: int) -> None:
        """Nothing is noted."""

    def delivered(self, messages: int) -> None:
        """Nothing is noted."""

    def batch(self, key: ChannelKey, commands: int, seconds: float) -> None:
        """Nothing is noted."""

    def restarted(self, actor: str) -> None:
        """Nothing is noted."""

    def ended(self, code: CloseCode) -> None:
        """No connection is ended here."""

    def refused(self, limit: Limit) -> None:
        """Nothing is noted."""

    def storm(self, key: ChannelKey, notice: StormNotice) -> None:
        """Nothing is noted."""

    def dead_letter(self, key: ChannelKey) -> None:
        """Nothing is noted."""

    def conflict(self, key: ChannelKey) -> None:
        """Nobody else decides here."""


class _Up:
    """Told by the gateway that it is up; nobody waits for it here, the listener already takes connections."""

    def started(self, value: object = None) -> None:
        """Nothing follows from it."""


class Recipients:
    """Everybody who is connected."""

    def __init__(self) -> None:
        self._outboxes: dict[Outbox, None] = {}

    async def converse(self, connection: Connection) -> None:
        """A conversation in which only we speak."""
        self._outboxes[connection.outbox] = None
        try:
            while True:
                await connection.websocket.receive()
        finally:
            del self._outboxes[connection.outbox]

    async def send(self, plan: Round) -> int:
        """Broadcasts each message at its time; how many."""
        for index, message in enumerate(plan.messages):
            await _wait_until(plan.due_ns(index))
            frames = Frames([Frame(frame(message, WireForm.JSON), _LANE)])
            for outbox in self._outboxes:
                outbox.push_all(frames)
        return len(plan.messages)


async def _wait_until(due_ns: int) -> None:
    left_ns = due_ns - time.monotonic_ns()
    if left_ns > _AWAKE_NS:
        await trio.sleep((left_ns - _AWAKE_NS) / NS_PER_S)
    while time.monotonic_ns() < due_ns:
        pass
    # Back to back, each message still is a scheduler pass of its own, as a channel's batches are.
    await trio.lowlevel.checkpoint()


async def serve(commands: CommandReader) -> None:
    """Serves until the end of the commands."""
    listener = trio.socket.socket()
    await listener.bind(("127.0.0.1", 0))
    listener.listen(1_024)
    recipients, ids = Recipients(), count()
    gateway = Gateway(
        [listener],
        recipients.converse,
        frozenset(),
        GatewayLimits(drain_s=1.0),
        WebSocketLimits(),
        Roster(Unobserved()),
        lambda: str(next(ids)),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway.run, _Up())
        say({"port": listener.getsockname()[1]})
        while True:
            await trio.lowlevel.wait_readable(commands.fd)
            line = commands.next_line()
            if line is None:
                break
            say({"sent": await recipients.send(read_round(line, commands))})
        nursery.cancel_scope.cancel()


def main() -> None:
    """The process."""
    raise_open_files()
    trio.run(serve, CommandReader(CONTROL_FD))


if __name__ == "__main__":
    main()
