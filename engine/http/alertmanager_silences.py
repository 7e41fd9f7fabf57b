"""Alertmanager's silences, as amtool and its page read and write them: the same silences as `/api/v1/silences`.

Shapes and status codes as in Alertmanager's API v2 (`postableSilence`, `gettableSilence`). Our author is who the token
says, whatever `createdBy` is; an edit keeps the id, unless the silence is over: then it is a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from actors.ports import Clock
from engine.core.patterns import Condition
from engine.http.alertmanager import RECEIVER, ReceiverName
from engine.http.bodies import json_body
from engine.http.matchers import parse_matchers
from engine.http.operators import PeerAddress
from engine.http.role_guards import may_make
from engine.pages import PAGE_MAX
from engine.quiet.quieting import SilenceState, end_silence, state_of
from engine.shelf.kinds import Held, ShelfQuery
from engine.shelf.objects import Shelf
from protocol.errors import UnknownChannel
from protocol.model import Principal
from protocol.quieting import Matcher, Operator, Silence
from protocol.times import rfc3339

# By whether it is an expression, and whether it is to match.
_OPERATORS = {
    (False, True): Operator.EQUAL,
    (False, False): Operator.DIFFERENT,
    (True, True): Operator.MATCHES,
    (True, False): Operator.MATCHES_NOT,
}
_FLAGS = {operator: flags for flags, operator in _OPERATORS.items()}

Asked = Request[Principal, Any, Any]
Filters = Annotated[list[str] | None, QueryParameter(name="filter", description='matchers: `alertname=~"Disk.*"`')]


class MatcherShown(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A matcher in Alertmanager's form."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True


class SilenceStatus(msgspec.Struct, frozen=True):
    """pending, active or expired."""

    state: str


class PostableSilence(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A silence to make, or (with `id`) to change."""

    matchers: list[MatcherShown]
    starts_at: str
    ends_at: str
    created_by: str = ""
    comment: str = ""
    id: str | None = None


class GettableSilence(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A silence as it is shown."""

    id: str
    status: SilenceStatus
    updated_at: str
    comment: str
    created_by: str
    ends_at: str
    matchers: list[MatcherShown]
    starts_at: str


class SilenceId(msgspec.Struct, frozen=True, kw_only=True):
    """Which silence it has become."""

    silence_id: str = msgspec.field(name="silenceID")


def alertmanager_silence_routes(shelf: Shelf[Silence], clock: Clock, address: PeerAddress) -> list[HTTPRouteHandler]:
    """`/api/v2/silences`, `/api/v2/silence/{id}`, `/api/v2/receivers`."""

    @get("/api/v2/silences")
    async def get_silences(request: Asked, filters: Filters = None) -> list[GettableSilence]:
        """All silences, those that are over among them; `filter` is held against their matchers."""
        wanted = parse_matchers(filters or ())
        found: list[GettableSilence] = []
        cursor: str | None = None
        while True:
            page = await shelf.page(request.user, ShelfQuery(cursor=cursor, limit=PAGE_MAX))
            found += [to_gettable_silence(held, clock()) for held in page.items if _is_wanted(held.value, wanted)]
            if (cursor := page.next_cursor) is None:
                return found

    @post(
        "/api/v2/silences",
        status_code=200,
        guards=[may_make(shelf)],
        dto=json_body(PostableSilence),
        return_dto=None,
    )
    async def post_silence(request: Asked, data: JSONBody[PostableSilence]) -> SilenceId:
        """Makes a silence, or changes the one with this `id`; 404 if there is none."""
        given = to_silence(data)
        known = await shelf.to_change(request.user, data.id) if data.id else None
        if known is None or state_of(known.value, clock()) is SilenceState.EXPIRED:
            held = await shelf.create(request.user, given, address(request))
        else:
            held = await shelf.replace(request.user, known.id, given, known.version, address(request))
        return SilenceId(silence_id=held.id)

    @get("/api/v2/silence/{silence_id:str}")
    async def get_silence(request: Asked, silence_id: FromPath[str]) -> GettableSilence:
        """One silence."""
        held = await shelf.get(request.user, silence_id)
        if held.is_archived:
            raise UnknownChannel("there is no such silence")
        return to_gettable_silence(held, clock())

    @delete("/api/v2/silence/{silence_id:str}", status_code=200)
    async def expire_silence(request: Asked, silence_id: FromPath[str]) -> None:
        """Ends it now. Idempotent."""
        await end_silence(shelf, request.user, silence_id, clock(), address(request))

    @get("/api/v2/receivers", sync_to_thread=False)
    def get_receivers() -> list[ReceiverName]:
        """Who is told: everybody who follows."""
        return [ReceiverName(RECEIVER)]

    return [get_silences, post_silence, get_silence, expire_silence, get_receivers]


def to_silence(posted: PostableSilence) -> dict[str, Any]:
    """A silence as we take one."""
    matchers = [
        {"name": each.name, "operator": _OPERATORS[each.is_regex, each.is_equal].value, "value": each.value}
        for each in posted.matchers
    ]
    return {
        "matchers": matchers,
        "starts_at": posted.starts_at,
        "ends_at": posted.ends_at,
        "comment": posted.comment,
    }


def to_gettable_silence(held: Held[Silence], now: int) -> GettableSilence:
    """A silence of ours as Alertmanager shows one."""
    silence = held.value
    return GettableSilence(
        id=silence.id,
        status=SilenceStatus(state_of(silence, now).value),
        updated_at=rfc3339(held.stored.updated_at if held.stored else now),
        comment=silence.comment,
        created_by=silence.author,
        ends_at=silence.ends_at,
        matchers=[_shown(matcher) for matcher in silence.matchers],
        starts_at=silence.starts_at,
    )


def _shown(matcher: Matcher) -> MatcherShown:
    is_regex, is_equal = _FLAGS[matcher.operator]
    return MatcherShown(name=matcher.name, value=matcher.value, is_regex=is_regex, is_equal=is_equal)


def _is_wanted(silence: Silence, filters: Sequence[Condition]) -> bool:
    """As in Alertmanager: a filter is held against the values of the silence's own matchers."""
    values = {matcher.name: matcher.value for matcher in silence.matchers}
    return all(wanted.matches(values) for wanted in filters)
