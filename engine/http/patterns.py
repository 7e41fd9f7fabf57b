"""Patterns over HTTP: what the alerts have in common, and what people say of it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from engine.http.bodies import json_body
from engine.http.operators import PeerAddress
from engine.http.parameters import Cursor, Limit, Moment, parse_moment, parse_words
from engine.http.role_guards import needs
from engine.pages import PAGE_DEFAULT
from engine.verbs.patterns import PatternPage, PatternsWanted, PatternVerbs
from protocol.errors import UnknownChannel
from protocol.fields import Text
from protocol.model import Principal
from protocol.names import is_id
from protocol.patterns import Pattern, PatternKind, PatternState

Asked = Request[Principal, Any, Any]
Words = Annotated[list[str] | None, QueryParameter(description="one or more, also with commas")]
Share = Annotated[float | None, QueryParameter(ge=0, le=1, description="at least so sure")]
Name = Annotated[str | None, QueryParameter(max_length=256)]


class SayBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why; for others, and for the audit trail."""

    notes: Text | None = None


def pattern_routes(verbs: PatternVerbs, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """The routes."""

    @get("/api/v1/patterns", tags=["patterns"])
    async def patterns(
        request: Asked,
        framework_id: Name = None,
        rule_id: Name = None,
        kind: Words = None,
        pattern_state: Annotated[list[str] | None, QueryParameter(name="state")] = None,
        confidence: Share = None,
        since: Moment = None,
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
    ) -> PatternPage:
        """What alerts have in common, the newest first; what the last run looked at, and what it had too little for."""
        wanted = PatternsWanted(
            framework=framework_id,
            rule_id=rule_id,
            kinds=parse_words(kind, PatternKind, "kind"),
            states=parse_words(pattern_state, PatternState, "state"),
            confidence_min=confidence,
            since_us=parse_moment(since, "since"),
            cursor=cursor,
            limit=limit,
        )
        return await verbs.page(request.user, wanted)

    @get("/api/v1/patterns/{pattern_id:str}", tags=["patterns"])
    async def pattern(request: Asked, pattern_id: FromPath[str]) -> Pattern:
        """One pattern: what it is, how sure it is, and alerts that prove it."""
        return await verbs.get(request.user, _known(pattern_id))

    def say(verb: str, state: PatternState, doc: str) -> HTTPRouteHandler:
        async def handle(request: Asked, pattern_id: FromPath[str], data: JSONBody[SayBody]) -> Pattern:
            return await verbs.say(request.user, _known(pattern_id), state, data.notes, peer_address(request))

        handle.__doc__ = doc
        handle.__name__ = f"{verb}_pattern"
        route = post(
            f"/api/v1/patterns/{{pattern_id:str}}/{verb}",
            status_code=200,
            guards=[needs("respond")],
            dto=json_body(SayBody),
            return_dto=None,
            tags=["patterns"],
        )
        return route(handle)

    return [
        patterns,
        pattern,
        say("confirm", PatternState.CONFIRMED, "It is so: others of its kind and rules are told sooner. Idempotent."),
        say(
            "dismiss",
            PatternState.DISMISSED,
            "It says nothing: it is not told again, others like it later. Idempotent.",
        ),
    ]


def _known(pattern_id: str) -> str:
    if not is_id(pattern_id):
        raise UnknownChannel("there is no such pattern")
    return pattern_id
