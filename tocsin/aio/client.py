"""The client for asyncio: `tocsin.Client`, with its reconnects and its recovery, on a thread that clients share.

    async with tocsin.aio.Client("ws://127.0.0.1:3008", token) as client:
        await client.subscribe("web")
        async for message in client.alerts(): ...

Methods, results, errors and counters are those of `tocsin.Client`; each method is a hop to it and back. Alerts come in
batches: one hop takes what has arrived, up to `BATCH_MAX`, and an alert whose taker was cancelled on the way is kept
for the next one. `token` functions are awaited, and the callbacks (`on_lost`, `on_state`, …) called, in the program's
own loop; what a callback raises goes to that loop's exception handler.

Decided against: the same machine over an asyncio transport. Reconnecting, recovery and the rules for silent servers
would stand there a second time, and a wrong reconnect is what nobody notices until it matters.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from protocol import messages as m
from protocol.client_session import ClientState
from protocol.codec import WireForm
from protocol.items import ItemResult, ReadingInput, TriggerInput
from protocol.messages import AlertMessage
from protocol.model import Severity
from tocsin import client as under_trio
from tocsin.aio.bridge import Bridge
from tocsin.aio.thread import CLIENTS, TrioThread
from tocsin.client import ClientLimits
from tocsin.dialogue import OnBroadcast, OnGap, OnNotification
from tocsin.errors import ClientStopped, Lost, NotRunning
from tocsin.link import OnState

# So many alerts in one hop: the hop is then a hundredth of each, and what waits twice stays small.
BATCH_MAX = 100
CLOSED = "this client is closed"

R = TypeVar("R")
Token = str | Callable[[], Coroutine[Any, Any, str]]


class Client:
    """A client of one Tocsin engine for an asyncio program; use it as `async with Client(url, token) as client:`.

    Arguments and errors are those of `tocsin.Client`; `token` may be a coroutine function of asyncio's.
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
        tell_lost, tell_state = on_lost or (lambda lost: None), on_state or (lambda state, why: None)
        tell_gap, tell_word = on_gap or (lambda gap: None), on_broadcast or (lambda word: None)
        tell_notice = on_notification or (lambda notice: None)
        self._client = under_trio.Client(
            url,
            token if isinstance(token, str) else lambda: self._bridge.ask(token),
            form=form,
            limits=limits,
            ssl_context=ssl_context,
            on_lost=lambda lost: self._bridge.tell(tell_lost, lost),
            on_gap=lambda gap: self._bridge.tell(tell_gap, gap),
            on_broadcast=lambda word: self._bridge.tell(tell_word, word),
            on_notification=lambda notice: self._bridge.tell(tell_notice, notice),
            on_state=lambda state, why: self._bridge.tell(tell_state, state, why),
            received=received,
        )
        self.url = url
        self._bridge = Bridge(lambda: self._client, "client")
        self._alerts = Alerts(self._client, self._bridge)
        self._thread: TrioThread | None = None

    async def __aenter__(self) -> Client:
        if self._thread is not None:
            raise RuntimeError("a tocsin.aio client is used once; make another one")
        self._thread = CLIENTS.borrow()
        try:
            await self._bridge.enter(self._thread)
        except BaseException:
            CLIENTS.give_back(self._thread)
            raise
        return self

    async def __aexit__(self, crash: type[BaseException] | None, *_: Any) -> None:
        if self._thread is None:
            raise RuntimeError("this tocsin.aio client was not entered")
        try:
            await self._bridge.leave(crash)
        finally:
            CLIENTS.give_back(self._thread, wait=crash is not GeneratorExit)

    @property
    def state(self) -> ClientState:
        """CONNECTING, AUTHENTICATING, READY, or CLOSED for good."""
        return self._client.state

    @property
    def session(self) -> m.AuthSuccess | None:
        """The server's last greeting: client id, workspace, user, when the token ends."""
        return self._client.session

    def statistics(self) -> dict[str, int]:
        """Counts since the start, as they are at this moment; `taken`: alerts that wait on this side."""
        return self._client.statistics() | {"taken": len(self._alerts)}

    def alerts(self) -> Alerts:
        """What happens on the subscribed channels: each event once, in order per channel.

        Ends when the client is closed; raises ClientStopped if the server said not to come back.
        """
        return self._alerts

    async def subscribe(
        self, channel: str, min_severity: Severity | str = Severity.INFO, snapshot: bool = False
    ) -> m.Subscribed | None:
        """Follows a framework, a project, the `workspace` or what is assigned to the `user`; survives reconnects.

        With `snapshot` the alerts that are open come first.
        """
        return await self._call(lambda client: client.subscribe(channel, min_severity, snapshot))

    async def seen(self, message: AlertMessage) -> None:
        """Says that a person has seen everything of the message's channel up to this message."""
        await self._call(lambda client: client.seen(message))

    async def unsubscribe(self, channel: str) -> None:
        """Follows a channel no more; what has arrived of it can still be taken."""
        await self._call(lambda client: client.unsubscribe(channel))

    async def recover(self, gap: m.GapMessage) -> bool:
        """Asks for the messages that a gap left out; they come behind what was shown meanwhile, each once.

        False: the channel is not followed any more, or the store is another one.
        """
        return await self._call(lambda client: client.recover(gap))

    async def trigger(self, framework_id: str, **fields: Any) -> ItemResult:
        """Rings; the fields are those of TriggerInput. The result comes when it is on stable storage."""
        return await self._call(lambda client: client.trigger(framework_id, **fields))

    async def trigger_many(self, triggers: Sequence[TriggerInput]) -> list[ItemResult]:
        """Rings for each; one result per trigger, in order."""
        return await self._call(lambda client: client.trigger_many(tuple(triggers)))

    async def reading(self, framework_id: str, metric: str, value: float, **fields: Any) -> ItemResult:
        """Sends one measured value, to be held against the framework's rules; the fields are those of ReadingInput."""
        return await self._call(lambda client: client.reading(framework_id, metric, value, **fields))

    async def readings(self, readings: Sequence[ReadingInput]) -> list[ItemResult]:
        """Sends measured values; one result each, in order."""
        return await self._call(lambda client: client.readings(tuple(readings)))

    async def acknowledge(self, alert_id: str, notes: str | None = None, noise: bool | None = None) -> ItemResult:
        """Says that this user looks after an alert; idempotent. `noise`: whether it should not have rung."""
        return await self._call(lambda client: client.acknowledge(alert_id, notes, noise))

    async def resolve(self, alert_id: str, notes: str | None = None, noise: bool | None = None) -> ItemResult:
        """Says that an alert is over; idempotent. `noise`: whether it should not have rung."""
        return await self._call(lambda client: client.resolve(alert_id, notes, noise))

    async def mark_read(self, keys: Sequence[str] | None = None) -> m.MarkedRead:
        """Says which notifications this user has read, by their keys (None: all of them); idempotent."""
        return await self._call(lambda client: client.mark_read(keys))

    async def ping(self) -> float:
        """Asks the engine whether it is there; gives the seconds until it answered."""
        return await self._call(lambda client: client.ping())

    async def _call(self, work: Callable[[under_trio.Client], Awaitable[R]]) -> R:
        try:
            return await self._bridge.call(work)
        except NotRunning as fault:
            raise ClientStopped(CLOSED) from fault.__cause__


class Alerts(AsyncIterator[AlertMessage]):
    """What has arrived; iterating takes it. Two who iterate share: each alert goes to one of them."""

    def __init__(self, client: under_trio.Client, bridge: Bridge[under_trio.Client]) -> None:
        self._buffer = client.alerts()
        self._bridge = bridge
        self._here: deque[AlertMessage] = deque()

    def __len__(self) -> int:
        return len(self._here)

    async def __anext__(self) -> AlertMessage:
        while not self._here:
            try:
                await self._bridge.call(self._fetch)
            except NotRunning as fault:
                if fault.__cause__ is not None:
                    raise ClientStopped(CLOSED) from fault.__cause__
                raise StopAsyncIteration from None
        return self._here.popleft()

    async def _fetch(self, _: under_trio.Client) -> None:
        """In trio. Told apart from its end, so that a taker who is cancelled on the way loses nothing."""
        self._bridge.tell(self._here.extend, await self._buffer.take(BATCH_MAX))
