"""The client for trio: says what it wants once, and stays at it through every outage.

    async with Client("ws://127.0.0.1:3008", token) as client:
        await client.subscribe("host")
        async for message in client.alerts():
            print(message.event.value, message.data.title if message.data else message.ids)

Owns a nursery with two tasks (`tocsin.link`): one connects, authenticates, subscribes, reads, and after a break again;
the other brings the next token before the one in use ends.
After a break every channel continues from its last position, duplicates are dropped and gaps filled, so the program
sees each event once and in order, or is told that some are lost for good.

Back-pressure: past `buffer_max` alerts that nobody takes, the client stops reading. Past 256 KiB the server then leaves
out info and warning alerts, and `on_gap` is told which; past 1 MiB or 60 s it cuts the connection, and the client
recovers from its place when the program goes on. So a program that subscribes must iterate `alerts()`, or the answers
to its requests wait behind them.

Decided against: sending a request again by ourselves after a break (it may have been stored; only the program knows
whether twice is harmless, and for triggers it is), and raising into the program's block when the connection is lost.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

import trio

from protocol import messages as m
from protocol.client_session import ClientState
from protocol.codec import WireForm, encode
from protocol.errors import BadRequest, InternalError
from protocol.fields import ITEMS_MAX, OFFSET_MAX, RequestId
from protocol.items import ItemResult, ReadingInput, TriggerInput
from protocol.messages import AlertMessage
from protocol.model import Severity
from protocol.names import USER_STREAM, WORKSPACE_STREAM
from protocol.wording import several
from tocsin.buffer import AlertBuffer
from tocsin.connection import Endpoint
from tocsin.dialogue import Dialogue, OnBroadcast, OnGap, OnNotification
from tocsin.errors import Lost, NoAnswer
from tocsin.link import Link, OnState, Target, Token

# The server's limit of one message; a larger one would end the connection (1009) and everybody's requests on it.
MESSAGE_MAX_BYTES = 65_536

Input = TypeVar("Input", TriggerInput, ReadingInput)
Make = Callable[[list[Input], RequestId], m.ClientMessage]


@dataclass(frozen=True)
class ClientLimits:
    """Bounds of a client. `connect_s`: how long entering keeps trying; 0 tries once, math.inf waits for ever."""

    # A commit takes milliseconds, and a server in trouble says `busy`; this is for one that says nothing.
    request_s: float = 15.0
    connect_s: float = 10.0
    # About 1 MB of alerts.
    buffer_max: int = 1_000


class Client:
    """A client of one Tocsin engine; use it as `async with Client(url, token) as client:`.

    `url`: ws://HOST:PORT or wss://HOST:PORT. `token`: a text, or an async function that gets a fresh one for each
    connection, and for one that outlives its token (with a text the client ends when the token does).
    `on_lost(Lost)` is told of messages that will never come, `on_gap(GapMessage)` of those that the server left out
    because the program was too slow (`recover` gets them), `on_broadcast(Broadcast)` of an operator's word,
    `on_notification(Notification)` of what the user is notified of, once it follows `user`, `on_state(state, why)` of
    every change; all are called in the client's task and must not raise. `received`: tells
    the server every few seconds what has arrived, for its record of who received which alert; off unless asked for,
    because each of these is a row in the store.
    Entering raises CannotConnect or ClientStopped; ValueError for a bad url. Requests raise ConnectionLost, NoAnswer,
    ClientStopped, or the TocsinError that the server answered.
    """

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        form: WireForm = WireForm.MSGPACK,
        limits: ClientLimits | None = None,
        ssl_context: ssl.SSLContext | None = None,
        on_lost: Callable[[Lost], None] | None = None,
        on_gap: OnGap | None = None,
        on_broadcast: OnBroadcast | None = None,
        on_notification: OnNotification | None = None,
        on_state: OnState | None = None,
        received: bool = False,
    ) -> None:
        self.url = url
        self._limits = limits or ClientLimits()
        self._buffer = AlertBuffer(self._limits.buffer_max)
        self._dialogue = Dialogue(
            self._buffer,
            callable(token),
            on_lost or (lambda lost: None),
            on_gap or (lambda gap: None),
            received,
            on_broadcast or (lambda word: None),
            on_notification or (lambda notice: None),
        )
        target = Target(url, Endpoint.of(url, ssl_context), token, form)
        self._link = Link(target, self._dialogue, self._buffer, on_state or (lambda state, why: None))
        self._running: AbstractAsyncContextManager[None] | None = None

    async def __aenter__(self) -> Client:
        if self._running is not None:
            raise RuntimeError("a Client is used once; make another one")
        self._running = self._run()
        await self._running.__aenter__()
        return self

    async def __aexit__(self, *crash: Any) -> bool | None:
        if self._running is None:
            raise RuntimeError("this Client was not entered")
        return await self._running.__aexit__(*crash)

    @property
    def state(self) -> ClientState:
        """CONNECTING, AUTHENTICATING, READY, or CLOSED for good."""
        return self._dialogue.state

    @property
    def session(self) -> m.AuthSuccess | None:
        """The server's last greeting: client id, workspace, user, when the token ends."""
        return self._dialogue.session

    def statistics(self) -> dict[str, int]:
        """Counts since the start (connects, duplicates, gaps, lost channels, …), and alerts `buffered` now."""
        return asdict(self._dialogue.counters) | {"buffered": len(self._buffer)}

    def alerts(self) -> AlertBuffer:
        """What happens on the subscribed channels: each event once, in order per channel.

        Ends when the client is closed; raises ClientStopped if the server said not to come back. `alerts().take(100)`
        waits for one and takes up to so many at once.
        """
        return self._buffer

    async def subscribe(
        self, channel: str, min_severity: Severity | str = Severity.INFO, snapshot: bool = False
    ) -> m.Subscribed | None:
        """Follows a framework (`host`, `alerts:host`), a project (`project:7`), the whole `workspace`, or what is
        assigned to the `user` of the token, from now on.

        With `snapshot` the alerts that are open come first (`event` is `open`, their order newest first), and again
        whenever what was missed cannot be recovered. Survives reconnects. Returns the server's answer; None if it was
        followed like this already. Raises ValueError for a severity that there is not, NoAnswer, or what the server
        refuses it with; then it is not followed.
        """
        name = channel_name(channel)
        severity = min_severity if isinstance(min_severity, Severity) else Severity(min_severity)
        slot = self._dialogue.subscribe(name, severity, snapshot)
        if slot is None:
            return None
        with trio.move_on_after(self._limits.request_s):
            answer = await slot.wait()
            return answer if isinstance(answer, m.Subscribed) else None
        self._dialogue.unsubscribe(name)
        raise NoAnswer(f"{name}: no answer within {self._limits.request_s:g} s, the subscription is withdrawn")

    async def unsubscribe(self, channel: str) -> None:
        """Follows a channel no more; what has arrived of it can still be taken."""
        self._dialogue.unsubscribe(channel_name(channel))
        await trio.lowlevel.checkpoint()

    async def recover(self, gap: m.GapMessage) -> bool:
        """Asks for the messages that a gap left out; they come behind what was shown meanwhile, each once.

        False: the channel is not followed any more, or the store is another one. What the store no longer has is told
        to `on_lost`.
        """
        asked = self._dialogue.recover(gap)
        await trio.lowlevel.checkpoint()
        return asked

    async def seen(self, message: AlertMessage) -> None:
        """Says that a person has seen everything of the message's channel up to this message; for the record of who
        saw which alert. The server does not answer. Raises NoAnswer if there is no connection, ConnectionLost.
        """
        await self._link.tell(m.Seen(channel=message.channel, offset=message.offset), self._limits.request_s)

    async def trigger(self, framework_id: str, **fields: Any) -> ItemResult:
        """Rings; the fields are those of TriggerInput. The result comes when it is on stable storage."""
        (result,) = await self.trigger_many([_trigger(framework_id=framework_id, **fields)])
        return result

    async def trigger_many(self, triggers: Sequence[TriggerInput]) -> list[ItemResult]:
        """Rings for each; one result per trigger, in order. Sent in messages of at most 64 KiB and 1,000 triggers."""
        return await self._submit(lambda part, request: m.Trigger(id=request, alerts=part), list(triggers))

    async def reading(self, framework_id: str, metric: str, value: float, **fields: Any) -> ItemResult:
        """Sends one measured value, to be held against the framework's rules; the fields are those of ReadingInput."""
        one = ReadingInput(framework_id=framework_id, metric=metric, value=value, **fields)
        (result,) = await self.readings([one])
        return result

    async def readings(self, readings: Sequence[ReadingInput]) -> list[ItemResult]:
        """Sends measured values; one result each, in order. Split like triggers."""
        return await self._submit(lambda part, request: m.Reading(id=request, readings=part), list(readings))

    async def acknowledge(self, alert_id: str, notes: str | None = None, noise: bool | None = None) -> ItemResult:
        """Says that this user looks after an alert; idempotent. `noise`: whether it should not have rung."""
        return await self._change(m.Acknowledge, alert_id, notes, noise)

    async def resolve(self, alert_id: str, notes: str | None = None, noise: bool | None = None) -> ItemResult:
        """Says that an alert is over; idempotent. `noise`: whether it should not have rung."""
        return await self._change(m.Resolve, alert_id, notes, noise)

    async def mark_read(self, keys: Sequence[str] | None = None) -> m.MarkedRead:
        """Says which notifications this user has read, by their keys (None: all of them); idempotent.

        How many he had not, and how many are unread yet. At most 1,000 keys at a time.
        """
        asked = None if keys is None else list(keys)
        answer = await self._link.request(lambda request: m.Read(id=request, keys=asked), self._limits.request_s)
        if not isinstance(answer, m.MarkedRead):
            raise InternalError(f"the server answered {type(answer).__name__} instead of what was read")
        return answer

    async def ping(self) -> float:
        """Asks the engine whether it is there; gives the seconds until it answered."""
        began = trio.current_time()
        await self._link.request(lambda request: m.Ping(id=request), self._limits.request_s)
        return trio.current_time() - began

    async def _change(
        self, kind: type[m.Acknowledge] | type[m.Resolve], alert_id: str, notes: str | None, noise: bool | None
    ) -> ItemResult:
        (result,) = await self._ask(lambda request: kind(id=request, alert_id=alert_id, notes=notes, noise=noise), 1)
        return result

    async def _submit(self, make: Make[Input], items: list[Input]) -> list[ItemResult]:
        results: list[ItemResult] = []
        for part in list(_parts(make, items)):
            results += await self._ask(partial(make, part), len(part))
        return results

    async def _ask(self, make: Callable[[RequestId], m.ClientMessage], items: int) -> list[ItemResult]:
        answer = await self._link.request(make, self._limits.request_s)
        if not isinstance(answer, m.Accepted) or len(answer.results) != items:
            raise InternalError(f"the server answered {type(answer).__name__} instead of {several(items, 'result')}")
        return answer.results

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        """The client's nursery. The block's own exception comes out as it is, not wrapped in a group."""
        crash: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._link.run, self._limits.connect_s, name=f"tocsin client of {self.url}")
            nursery.start_soon(self._link.keep_fresh, name=f"tokens for {self.url}")
            try:
                await self._link.ready()
                yield
            except Exception as fault:  # only put aside until the nursery, which would wrap it, is over
                crash = fault
            try:
                await self._link.close()
            finally:
                self._link.closed()
                nursery.cancel_scope.cancel()
        if crash is not None:
            raise crash


def channel_name(channel: str) -> str:
    """The short name on the wire: `host` → `alerts:host`; `workspace`, `user`, `alerts:…` and `project:…` stay."""
    if channel in (WORKSPACE_STREAM, "alerts:*"):
        return WORKSPACE_STREAM
    is_whole = channel == USER_STREAM or channel.startswith(("alerts:", "project:", "user:"))
    return channel if is_whole else f"alerts:{channel}"


def _trigger(severity: Severity | str | None = None, **fields: Any) -> TriggerInput:
    return TriggerInput(severity=severity.value if isinstance(severity, Severity) else severity, **fields)


def _parts(make: Make[Input], items: list[Input]) -> Iterator[list[Input]]:
    """The items in lists that fit into one message each. Raises BadRequest for an item that fits into none."""
    if not items:
        return
    # JSON, the larger of the two forms, and the longest id.
    size = len(encode(make(items, OFFSET_MAX), WireForm.JSON))
    if len(items) <= ITEMS_MAX and size <= MESSAGE_MAX_BYTES:
        yield items
    elif len(items) == 1:
        raise BadRequest(f"this item has {size} bytes as a message, limit {MESSAGE_MAX_BYTES}: shorten its texts")
    else:
        yield from _parts(make, items[: len(items) // 2])
        yield from _parts(make, items[len(items) // 2 :])
