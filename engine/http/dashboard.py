"""Serves the page: what `web/dashboard` was built into, without a token, as it holds nothing that is secret.

All files are read when HTTP starts and served from memory: an address is looked up in a table and never becomes a path
on the disk, so there is nothing to climb out of. `assets/` have a hash of their content in their names and may be kept
for a year; `index.html` names them and is asked for each time (an ETag makes that cheap).

A view's own address (`/rules`, `/alerts/{id}`) is answered with the page too, but only to browsers, which ask for HTML:
a program that asks for what there is not shall hear that. The page finds its way by `meta` fields that are filled in
here: where its root is from there (a proxy may have put a path before it), and where alerts are told live; and what is
typed on the engine's machine to call it, for its hints.

The policy allows what the page is made of and nothing else: no script, style or font but ours, none inline, no
connection but to this engine. Decided against a nonce (the page would not be cacheable) and hashes (nothing is inline).
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from litestar import MediaType, Request, Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from engine.http.ports import About

STATIC = Path(__file__).parent / "static"
# How this engine's commands are typed: in a checkout from its folder, else as they were installed.
COMMAND = ".venv/bin/tocsin" if (Path(__file__).parents[2] / ".venv/bin/tocsin").exists() else "tocsin"
# Names contain a hash of the content, so what they name never changes.
_FOR_EVER = "public, max-age=31536000, immutable"
_KINDS = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
_PACKED = frozenset({".js", ".css", ".svg"})
# What a browser sends as Host: a name or an address, perhaps a port. Nothing else may get into the policy.
_HOST = re.compile(r"(?P<name>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:(?P<port>\d{1,5}))?")
# The first segment of a view's address.
_VIEW = re.compile(r"[a-z][a-z-]{0,31}")
_NOT_BUILT = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tocsin</title></head><body>'
    "<h1>The page is not built</h1><p>The engine runs; only its page is missing from this installation. "
    "With Node 20 or newer, <code>make run</code> builds it, or in the folder <code>web</code> <code>npm ci</code> and "
    "<code>npm run build --workspaces</code>; then start the engine again.</p>"
    f"<p>Without the page: <code>{COMMAND} tail</code>, <code>{COMMAND} alerts list</code>, "
    '<a href="schema">the HTTP API</a>.</p></body></html>\n'
)


class Asset(NamedTuple):
    """One file of the page, as it is sent. `packed`: the same with gzip, if that makes it smaller."""

    content: bytes
    packed: bytes | None
    kind: str


@dataclass(frozen=True)
class Page:
    """The built page: `index` is the document, `assets` what it loads, by name."""

    index: str
    assets: Mapping[str, Asset]


def read_page(folder: Path = STATIC) -> Page | None:
    """Reads the built page; None if there is none."""
    index = folder / "index.html"
    if not index.is_file():
        return None
    files = sorted(each for each in (folder / "assets").glob("*") if each.is_file() and each.suffix in _KINDS)
    return Page(index.read_text(encoding="utf-8"), {each.name: _asset(each) for each in files})


def _asset(file: Path) -> Asset:
    content = file.read_bytes()
    packed = gzip.compress(content, mtime=0) if file.suffix in _PACKED else content
    return Asset(content, packed if len(packed) < len(content) else None, _KINDS[file.suffix])


def dashboard_router(page: Page | None, about: Callable[[], About], http_port: Callable[[], int]) -> Router:
    """`GET /`, `/assets/{name}` and the addresses of views. `http_port`: where the engine itself listens."""

    def document(request: Request[Any, Any, Any], root: str) -> Response[Any]:
        sockets = socket_addresses(request.headers.get("host", ""), request.url.scheme, about().ws, http_port())
        headers = _headers(sockets)
        if page is None:
            return Response(_NOT_BUILT, headers=headers, media_type=MediaType.HTML)
        content = _filled_in(page.index, root, sockets).encode()
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers |= {"ETag": etag}
        if etag in request.headers.get("if-none-match", ""):
            return Response(None, status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(content, headers=headers, media_type=MediaType.HTML)

    @get("/", media_type=MediaType.HTML, sync_to_thread=False)
    def root(request: Request[Any, Any, Any]) -> Response[Any]:
        """The page."""
        return document(request, "./")

    @get("/assets/{name:str}", sync_to_thread=False)
    def asset(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[Any]:
        """A file of the page."""
        found = page and page.assets.get(name)
        if not found:
            raise NotFoundException
        headers = {"Cache-Control": _FOR_EVER, "Vary": "Accept-Encoding"}
        if found.packed is None or "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(found.content, headers=headers, media_type=found.kind)
        return Response(found.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=found.kind)

    @get(["/{view:str}", "/{view:str}/{rest:path}"], media_type=MediaType.HTML, sync_to_thread=False)
    def view(request: Request[Any, Any, Any], view: FromPath[str], rest: FromPath[str] = "") -> Response[Any]:
        """The page, at the address of one of its views."""
        if not _VIEW.fullmatch(view) or "text/html" not in request.headers.get("accept", ""):
            raise NotFoundException
        return document(request, "../" * (request.scope["path"].count("/") - 1) or "./")

    @get("/alerts/{alert_id:str}", media_type=MediaType.HTML, sync_to_thread=False)
    def alert(request: Request[Any, Any, Any], alert_id: FromPath[str]) -> Response[Any]:
        """The page, at the address of an alert: where links in mails and messages lead. Knows nothing of the alert."""
        return document(request, "../")

    return Router("/", route_handlers=[root, asset, view, alert], include_in_schema=False)


def socket_addresses(host: str, scheme: str, ws: str, http_port: int) -> list[str]:
    """Where a browser that knows us as `host` may find the socket, likeliest first. Pure.

    Asked at the engine's own port: on the socket's port of the same host, as the socket may listen on an address that
    only this machine understands (0.0.0.0). Asked at another one, something is between us: a proxy, which has it at
    `/ws`, or ports that were mapped. Whether a proxy speaks TLS we cannot know: the page was loaded with it or without.
    """
    asked = _HOST.fullmatch(host)
    if asked is None:
        return [ws]
    own = urlsplit(ws)
    direct = f"{own.scheme}://{asked['name']}:{own.port}"
    if int(asked["port"] or 0) == http_port:
        return [direct]
    return [f"wss://{host}/ws", *([] if scheme == "https" else [f"ws://{host}/ws"]), direct]


def _filled_in(index: str, root: str, sockets: list[str]) -> str:
    filled = index.replace('name="tocsin-root" content=""', f'name="tocsin-root" content="{root}"')
    filled = filled.replace('name="tocsin-socket" content=""', f'name="tocsin-socket" content="{" ".join(sockets)}"')
    filled = filled.replace('name="tocsin-command" content=""', f'name="tocsin-command" content="{COMMAND}"')
    return filled.replace('="./assets/', f'="{root}assets/')


def _headers(sockets: list[str]) -> dict[str, str]:
    connect = " ".join(["'self'", *dict.fromkeys(sockets)])
    return {
        "Cache-Control": "no-cache",
        "Vary": "Accept, Host",
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            f"connect-src {connect}; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        # A page elsewhere that opened this one has no hold on it.
        "Cross-Origin-Opener-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }
