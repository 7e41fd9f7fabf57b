"""The clients of a simulation: watchers that follow streams through every trouble, and what they share with producers.

A client connects, authenticates, and lives until its link breaks; then it comes back and recovers. It reads as fast as
the network lets it, answers pings, and gives up on a server that it has not heard for a while, as a real one does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import trio

from protocol import messages as m
from protocol.codec import WireForm, decode_server, encode
from protocol.hints import IncidentUpdated
from tests.simulation.network import Network, Socket
from tests.simulation.trace import Trace, Violation
from tests.simulation.view import View
from tests.support.sockets import Peer, client_frame

# Longer than the server's heartbeat and its proofs of silence: who says nothing for so long is gone.
PATIENCE_S = 40.0
RETRY_MAX_S = 1.0
# What everybody marks as received: the last alert of a channel is called so.
LAST = "last of "
# Seconds. One that outlives every simulation (and a clock that jumps an hour), and one that runs out in the middle.
TOKEN_S, BRIEF_TOKEN_S = 7_200, 20
# A token of these seconds for a user.
Token = Callable[[str, int], str]
LOST = (OSError, EOFError, trio.TooSlowError)


class Lost(EOFError):
    """The connection is over."""


class Link:
    """One connection of a client: whole messages in and out."""

    def __init__(self, sock: Socket, form: WireForm) -> None:
        self.sock = sock
        self.form = form
        self.close_code: int | None = None
        self._waiting = b""
        self._work = trio.lowlevel.ParkingLot()
        self._peer = Peer(sock)  # type: ignore[arg-type]  # as much of a socket as it uses

    async def open(self) -> None:
        """Shakes hands. Raises Lost if the server refuses."""
        head = await self._peer.upgrade(headers={"Sec-WebSocket-Protocol": self.form.subprotocol})
        if not head.startswith("HTTP/1.1 101"):
            raise Lost(head.splitlines()[0])

    async def say(self, *messages: m.ClientMessage) -> None:
        """Sends them in one burst."""
        for message in messages:
            self._put(client_frame(self.form.value, encode(message, self.form)))
        await trio.lowlevel.checkpoint()

    async def write(self) -> None:
        """The writer, beside the reader: who does not read while it waits to write can wait for ever."""
        while True:
            while self._waiting:
                waiting, self._waiting = self._waiting, b""
                await self._peer.send(waiting)
            await self._work.park()

    def _put(self, frame: bytes) -> None:
        self._waiting += frame
        self._work.unpark()

    async def hear(self) -> m.ServerMessage:
        """The next message. Raises Lost at the end, TooSlowError if nothing is heard."""
        while True:
            with trio.fail_after(PATIENCE_S):
                opcode, payload = await self._peer.frame()
            if opcode == self.form.value:
                return decode_server(payload, self.form)
            if opcode == 9:
                self._put(client_frame(10, payload))
            elif opcode == 8:
                self.close_code = int.from_bytes(payload[:2], "big")
                raise Lost(f"closed with {self.close_code}")
            else:
                raise Violation(f"a frame with opcode {opcode}")


class Client:
    """Connects again and again. What it does on a connection is its subclass's."""

    def __init__(self, name: str, network: Network, token: Token, trace: Trace, seed: int) -> None:
        self.name = name
        self._network = network
        self._token = token
        self._trace = trace
        self._chance = random.Random(seed)
        self.form = self._chance.choice(list(WireForm))
        self.link: Link | None = None
        self._scope = trio.CancelScope()
        # From now on no token that runs out.
        self.is_calm = False

    async def run(self) -> None:
        """Lives until cancelled."""
        while True:
            with trio.CancelScope() as self._scope:
                await self._live()
            await trio.sleep(self._chance.uniform(0.01, RETRY_MAX_S))

    def vanish(self) -> None:
        """Is gone without a word: the link stays, nobody reads it."""
        link, self.link = self.link, None
        if link is not None:
            link.sock.incoming.change(stall=True)
            self._scope.cancel()

    async def _live(self) -> None:
        sock: Socket | None = None
        try:
            sock = await self._network.connect()
            link = Link(sock, self.form)
            await link.open()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(link.write)
                await self._talk(link)
        except* LOST as ends:
            # Both the reader and the writer may have noticed.
            self._trace(self.name, f"lost: {ends.exceptions[0]!r}")
        finally:
            if self.link is not None or sock is None or not sock.incoming.is_stalled:
                self.link = None
                if sock is not None:
                    sock.close()

    async def _talk(self, link: Link) -> None:
        is_brief = not self.is_calm and self._chance.random() < 0.15
        await link.say(m.Auth(token=self._token(self.name, BRIEF_TOKEN_S if is_brief else TOKEN_S)))
        if not isinstance(await link.hear(), m.AuthSuccess):
            raise Lost("not authenticated")
        self.link = link
        await self._converse(link)

    async def _converse(self, link: Link) -> None:
        raise NotImplementedError


class Watcher(Client):
    """Follows streams, each in a view."""

    def __init__(
        self, name: str, network: Network, token: Token, trace: Trace, seed: int, views: Sequence[View]
    ) -> None:
        super().__init__(name, network, token, trace, seed)
        self.views = views
        # The last alerts that it said to have received on this connection, where it has everything since it subscribed
        # (beyond a gap its word does not count); on an earlier connection it may not be heard.
        self.marked: set[str] = set()

    async def _converse(self, link: Link) -> None:
        self.marked.clear()
        asked = dict(enumerate(self.views))
        for view in self.views:
            view.is_followed = False
        await link.say(*(view.request(number) for number, view in asked.items()))
        while True:
            match message := await link.hear():
                case m.Subscribed():
                    view = asked.pop(int(message.id or 0))
                    view.subscribed(message)
                    self._trace(self.name, f"{message.reason} {message.channel} at {message.offset}")
                case m.ErrorMessage() if message.temporary and message.id is not None:
                    await trio.sleep(self._chance.uniform(0.1, RETRY_MAX_S))
                    await link.say(asked[int(message.id or 0)].request(int(message.id or 0)))
                case m.AlertMessage():
                    view = self._view(message.channel)
                    view.alert(message)
                    self._trace(self.name, f"told {message.channel} {message.prev}>{message.offset}")
                    if message.data.title.startswith(LAST) or self._chance.random() < 0.2:
                        kind = m.Seen if self._chance.random() < 0.3 else m.Received
                        await link.say(kind(channel=message.channel, offset=message.offset))
                        if message.data.title.startswith(LAST) and not view.has_gap:
                            self.marked.add(message.data.id)
                case m.Snapshot():
                    self._view(message.channel).snapshot(message)
                    self._trace(self.name, f"page {message.page} of {message.channel}: {len(message.alerts)}")
                case m.GapMessage():
                    view = self._view(message.channel)
                    view.gap(message)
                    if view not in asked.values() and self._chance.random() < 0.5:
                        # It wants them all the same; what was on its way before the answer is held to the old place.
                        number = self.views.index(view)
                        asked[number] = view
                        await link.say(view.request(number, m.Position(message.epoch, message.prev)))
                    self._trace(self.name, f"gap {message.channel} {message.from_}..{message.to}: {message.count}")
                case m.PositionMessage():
                    self._view(message.channel).proof(message)
                case IncidentUpdated():
                    # A hint beside the stream: nothing is promised of it but where it may come.
                    self._view(message.channel)
                    self._trace(self.name, f"incident {message.data.event.value}: {message.data.alerts} alerts")
                case m.Bye():
                    self._trace(self.name, f"bye {message.code}")
                case _:
                    raise Violation(f"{self.name} was told {message}")

    def _view(self, channel: str) -> View:
        for view in self.views:
            if view.name == channel and view.is_followed:
                return view
        raise Violation(f"{self.name} was told of {channel}, which it does not follow")
