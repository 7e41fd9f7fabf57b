"""`GET /api/v1/history`: what a stream told before, page by page, as its followers heard it."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from actors.retelling import HistoryPage
from engine.http.event_streams import (
    EVENT_ID_MAX_CHARS,
    Channel,
    Framework,
    FrameworkId,
    MinSeverity,
    framework_wanted,
    parse_severity_word,
)
from engine.pages import PAGE_DEFAULT, PAGE_MAX
from protocol import messages as m
from protocol.errors import BadRequest
from protocol.model import Principal
from protocol.sse import parse_position

Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX, description="messages a page")]
After = Annotated[
    str | None,
    QueryParameter(max_length=EVENT_ID_MAX_CHARS, description="a place, EPOCH:OFFSET; without: the oldest kept"),
]
Cursor = Annotated[
    str | None, QueryParameter(max_length=EVENT_ID_MAX_CHARS, description="`next_cursor` of the page before")
]


class Retelling(Protocol):
    """What of the engine tells history."""

    async def page(self, who: Principal, request: m.Subscribe, limit: int) -> HistoryPage:
        """A page of what came after `request.recover`."""


def history_routes(retelling: Retelling) -> list[HTTPRouteHandler]:
    """`GET /api/v1/history`."""

    @get("/api/v1/history")
    async def history(
        request: Request[Principal, Any, Any],
        channel: Channel = None,
        framework_id: Framework = None,
        framework_id_as_on_socket: FrameworkId = None,
        min_severity: MinSeverity = None,
        after: After = None,
        cursor: Cursor = None,
        limit: Limit = PAGE_DEFAULT,
    ) -> HistoryPage:
        """The stream's `alert` messages after a place, oldest first; `trimmed` if some of them are not kept any more.

        Take exactly one of `channel` and `framework_id`. The page ends where the stream stands now when `next_cursor`
        is null; to go on from there live, follow the stream from the last message's `epoch:offset`.
        """
        if after is not None and cursor is not None:
            raise BadRequest("say after or cursor, not both: a cursor is the place to go on from")
        place = cursor or after
        wanted = m.Subscribe(
            channel=channel,
            framework_id=framework_wanted(channel, framework_id, framework_id_as_on_socket),
            min_severity=parse_severity_word(min_severity),
            recover=parse_position(place, "after" if cursor is None else "cursor") if place else None,
        )
        return await retelling.page(request.user, wanted, limit)

    return [history]
