"""The pages behind links in mails: one that asks, one that says what was done, and those that say why not.

Opening a link changes nothing: mail programs, virus scanners and previews open every link there is. The page has one
button, which posts to the link's own address. It runs no script and loads nothing; its one style is named by its hash.
The link itself says who asks, so these pages need no token, and nobody else's page may embed them or learn the address
(`Referrer-Policy`). Whatever is wrong with a link but its age is one answer.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from http import HTTPStatus
from typing import Any

from litestar import MediaType, Request, Response, Router, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from engine.core.notices.notice import SUBJECT_MAX_CHARS, line_of, moment
from engine.http.guards import refuse_unknown_parameters
from engine.http.operators import PeerAddress
from engine.notify.action_links import LinkExpired, LinkInvalid
from engine.notify.by_link import TRANSIENT, LinkVerbs, Opened
from protocol.model import Alert, AlertState

_STYLE = (
    "body{font-family:sans-serif;line-height:1.5;max-width:36em;margin:2em auto;padding:0 1em}"
    "button{font-size:1.1em;padding:.6em 1.2em}dt{color:#666}dd{margin:0 0 .5em}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}
# Whatever becomes of a link is a page.
_PAGES: Any = {
    status: ResponseSpec(str, description=says, media_type=MediaType.HTML, generate_examples=False)
    for status, says in {
        HTTPStatus.OK: "The page",
        HTTPStatus.NOT_FOUND: "There is no such link, or its person may no more",
        HTTPStatus.GONE: "The link has ended",
    }.items()
}
_BUSY: Any = {
    HTTPStatus.SERVICE_UNAVAILABLE: ResponseSpec(
        str, description="Nothing was done: press again", media_type=MediaType.HTML, generate_examples=False
    )
}
_AGAIN = "Something is busy just now, and nothing was done: press the button again in a moment."


def action_routers(verbs: LinkVerbs, peer_address: PeerAddress) -> list[Router]:
    """`GET` and `POST /act/{link}`."""

    @get("/act/{link:str}", media_type=MediaType.HTML, responses=_PAGES, operation_id="open_link", tags=["links"])
    async def ask(link: FromPath[str]) -> Response[str]:
        """The page of an acknowledge link: which alert, and a button. Changes nothing."""
        try:
            return page(HTTPStatus.OK, *_asking(await verbs.look(link)))
        except (LinkInvalid, LinkExpired) as fault:
            return refused(fault)

    @post(
        "/act/{link:str}",
        media_type=MediaType.HTML,
        status_code=200,
        responses=_PAGES | _BUSY,
        operation_id="follow_link",
        tags=["links"],
    )
    async def act(request: Request[Any, Any, Any], link: FromPath[str]) -> Response[str]:
        """Does what an acknowledge link asks for, in the name of its person; again is harmless."""
        try:
            opened, result = await verbs.act(link, peer_address(request))
        except (LinkInvalid, LinkExpired) as fault:
            return refused(fault)
        if result.reason in TRANSIENT:
            title, body = _asking(opened)
            return page(HTTPStatus.SERVICE_UNAVAILABLE, title, f"<p>{escape(result.message or _AGAIN)}</p>{body}")
        return page(HTTPStatus.OK, *_done(opened))

    return [Router("/", guards=[refuse_unknown_parameters], route_handlers=[ask, act])]


def _asking(opened: Opened) -> tuple[str, str]:
    alert, user = opened.alert, escape(opened.asked.user)
    if alert.state is not AlertState.ACTIVE:
        return _done(opened)
    button = f'<form method="post"><button type="submit">Acknowledge as {user}</button></form>'
    return "Acknowledge this alert?", f"{_shown(alert)}{button}"


def _done(opened: Opened) -> tuple[str, str]:
    alert = opened.alert
    if alert.state is AlertState.ACKNOWLEDGED:
        by = alert.acknowledged_by or ""
        said = "You have acknowledged this alert." if by == opened.asked.user else f"{by} has acknowledged this alert."
    else:
        said = f"This alert is {alert.state.value}."
    return said, _shown(alert)


def _shown(alert: Alert) -> str:
    facts = {
        "Alert": line_of(alert.title, SUBJECT_MAX_CHARS) or alert.id,
        "Severity": alert.severity.value,
        "State": alert.state.value,
        "Framework": alert.framework_id,
        "Since": moment(alert.triggered_at),
    }
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{escape(value)}</dd>' for name, value in facts.items())}</dl>"


def refused(fault: LinkInvalid | LinkExpired) -> Response[str]:
    """Why a link does nothing."""
    if isinstance(fault, LinkExpired):
        how = "<p>Nothing was done. Look at the alert itself: tocsin alerts list.</p>"
        return page(HTTPStatus.GONE, "This link has ended", how)
    how = "<p>Nothing was done. Use the whole link from the newest mail.</p>"
    return page(HTTPStatus.NOT_FOUND, "There is no such link", how)


def page(status: HTTPStatus, title: str, body: str) -> Response[str]:
    """A whole page; `body` is HTML."""
    document = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )
    return Response(document, status_code=status, headers=_HEADERS, media_type=MediaType.HTML)
