"""`GET /api/v1/stream`: a channel as server-sent events, for pages and programs without a WebSocket.

The first event, `subscribed`, says whether what was missed since `Last-Event-ID` follows (all of it, or none: the
socket's recovery). A browser's EventSource can send no token, so it takes a ticket in the URL, good once: when the
stream ends the page asks for another one and gives `last_event_id`. The answer is written by hand and not by the
framework's streaming response: that one's iterator is cancelled without a word, and a stream must be able to say why.
"""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.response.base import ASGIResponse
from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Scope, Send

from actors.event_stream import Wire
from engine.http.operators import PeerAddress
from protocol import messages as m
from protocol.errors import BadRequest
from protocol.model import Principal, Severity
from protocol.names import check_id
from protocol.sse import parse_position

MEDIA_TYPE = "text/event-stream"
CHANNEL_MAX_CHARS = 300
# An epoch, a colon, an offset.
EVENT_ID_MAX_CHARS = 96

Channel = Annotated[
    str | None, QueryParameter(max_length=CHANNEL_MAX_CHARS, description="`alerts:web`, `workspace`, `user`")
]
Framework = Annotated[str | None, QueryParameter(max_length=CHANNEL_MAX_CHARS, description="instead of `channel`")]
# As the socket has it.
FrameworkId = Annotated[
    str | None,
    QueryParameter(name="frameworkId", max_length=CHANNEL_MAX_CHARS, description="the same, as on the socket"),
]
MinSeverity = Annotated[str | None, QueryParameter(max_length=16, description="info, warning, error, critical")]
LastEventId = Annotated[
    str | None,
    QueryParameter(max_length=EVENT_ID_MAX_CHARS, description="as the header `Last-Event-ID`, which goes first"),
]


class Streams(Protocol):
    """What of the engine tells streams."""

    def check(self, who: Principal, request: m.Subscribe) -> None:
        """Raises TocsinError if this may not be followed, or there is no room."""

    async def serve(self, who: Principal, request: m.Subscribe, address: str, wire: Wire) -> None:
        """One stream, from its beginning to its end."""


class EventStreamResponse(Response[bytes]):
    """The answer that goes on: begins when the stream has its place, ends when the stream does."""

    def __init__(self, streams: Streams, who: Principal, request: m.Subscribe, address: str) -> None:
        super().__init__(b"", media_type=MEDIA_TYPE)
        self._stream = (streams, who, request, address)

    def to_asgi_response(self, *args: Any, **kwargs: Any) -> ASGIResponse:
        """What the framework runs."""
        return _Asgi(*self._stream)


class _Asgi(ASGIResponse):
    def __init__(self, streams: Streams, who: Principal, request: m.Subscribe, address: str) -> None:
        super().__init__(media_type=MEDIA_TYPE)
        self._streams, self._who, self._request, self._address = streams, who, request, address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the stream."""
        wire = HttpWire(receive, send)
        await self._streams.serve(self._who, self._request, self._address, wire)
        await wire.end()


class HttpWire:
    """One answer of HTTP, written piece by piece."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send

    async def begin(self) -> None:
        """The head. `X-Accel-Buffering`: nginx would hold events back until it has a page of them."""
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"x-accel-buffering", b"no")]
        await self._send(HTTPResponseStartEvent(type="http.response.start", status=200, headers=headers))

    async def send(self, data: bytes) -> None:
        """A piece of the body."""
        await self._send(HTTPResponseBodyEvent(type="http.response.body", body=data, more_body=True))

    async def end(self) -> None:
        """The end of the body."""
        await self._send(HTTPResponseBodyEvent(type="http.response.body", body=b"", more_body=False))

    async def gone(self) -> None:
        """Comes back when the reader has left."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def stream_routes(streams: Streams, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """`GET /api/v1/stream`."""

    @get("/api/v1/stream", media_type=MEDIA_TYPE, sync_to_thread=False)
    def stream(
        request: Request[Principal, Any, Any],
        channel: Channel = None,
        framework_id: Framework = None,
        framework_id_as_on_socket: FrameworkId = None,
        min_severity: MinSeverity = None,
        last_event_id: LastEventId = None,
    ) -> EventStreamResponse:
        """A channel as server-sent events: `subscribed`, `alert`, `gap`, `position`, `broadcast`, and `bye` at its end.

        `Last-Event-ID` (or `last_event_id`) is where you left off: everything after it comes first, or `subscribed`
        says why not. Take exactly one of `channel` and `framework_id`.
        """
        wanted = m.Subscribe(
            channel=channel,
            framework_id=framework_wanted(channel, framework_id, framework_id_as_on_socket),
            min_severity=parse_severity_word(min_severity),
            recover=_position(request, last_event_id),
        )
        streams.check(request.user, wanted)
        return EventStreamResponse(streams, request.user, wanted, peer_address(request))

    return [stream]


def framework_wanted(channel: str | None, framework_id: str | None, as_on_socket: str | None) -> str | None:
    """The framework, under either of its names; None if it is a channel. Raises BadRequest unless it is one of them."""
    if [channel, framework_id, as_on_socket].count(None) != 2:
        raise BadRequest("say either framework_id or channel, such as ?framework_id=web or ?channel=workspace")
    framework = as_on_socket if framework_id is None else framework_id
    return framework if framework is None else check_id(framework, "framework_id")


def parse_severity_word(word: str | None) -> Severity:
    """The least severity to be told; `info` without one. Raises BadRequest."""
    try:
        return Severity.INFO if word is None else Severity(word)
    except ValueError:
        allowed = ", ".join(severity.value for severity in Severity)
        raise BadRequest(f"min_severity: {word!r:.40} is not allowed; use one of: {allowed}") from None


def _position(request: Request[Principal, Any, Any], parameter: str | None) -> m.Position | None:
    # An EventSource that was told no id sends none; some send an empty one.
    text = request.headers.get("last-event-id") or parameter
    return parse_position(text, "Last-Event-ID") if text else None
