"""The pages behind the weekly report's `List-Unsubscribe`: one that asks, one that says that it is done.

A mail program's own button posts `List-Unsubscribe=One-Click` to the same address (RFC 8058), with no token, no cookie
and nobody looking at the answer; what the body says changes nothing. All else is as for `action_pages`.
"""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import Any

from litestar import MediaType, Request, Response, Router, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from engine.http.action_pages import page, refused
from engine.http.guards import refuse_unknown_parameters
from engine.http.operators import PeerAddress
from engine.notify.leaving import LeaveVerbs, Left
from engine.notify.signed_links import LinkInvalid

_PAGES: Any = {
    status: ResponseSpec(str, description=says, media_type=MediaType.HTML, generate_examples=False)
    for status, says in {
        HTTPStatus.OK: "The page",
        HTTPStatus.NOT_FOUND: "There is no such link, or its person is not there any more",
    }.items()
}


def leave_router(verbs: LeaveVerbs, peer_address: PeerAddress) -> Router:
    """`GET` and `POST /act/leave/{link}`."""

    @get(
        "/act/leave/{link:str}",
        media_type=MediaType.HTML,
        responses=_PAGES,
        operation_id="open_leave_link",
        tags=["links"],
    )
    async def ask(link: FromPath[str]) -> Response[str]:
        """The page of a link that stops the weekly report: a button. Changes nothing."""
        try:
            return page(HTTPStatus.OK, *_asking(await verbs.look(link)))
        except LinkInvalid as fault:
            return refused(fault)

    @post(
        "/act/leave/{link:str}",
        media_type=MediaType.HTML,
        status_code=200,
        responses=_PAGES,
        operation_id="follow_leave_link",
        tags=["links"],
    )
    async def leave(request: Request[Any, Any, Any], link: FromPath[str]) -> Response[str]:
        """Stops the weekly report of the link's person; again is harmless."""
        try:
            return page(HTTPStatus.OK, *_asking(await verbs.leave(link, peer_address(request))))
        except LinkInvalid as fault:
            return refused(fault)

    return Router("/", guards=[refuse_unknown_parameters], route_handlers=[ask, leave])


def _asking(left: Left) -> tuple[str, str]:
    user = escape(left.user)
    if not left.is_wanted:
        return "No weekly report", f"<p>{user} gets no weekly report. Your preferences switch it on again.</p>"
    button = f'<form method="post"><button type="submit">Stop it for {user}</button></form>'
    return "Stop the weekly report?", button
