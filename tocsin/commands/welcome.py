"""What a person reads who has just started an engine for the first time: where it is, and how to make it ring."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from protocol.errors import BadRequest
from tocsin.commands.options import DEFAULT_API, DEFAULT_URL, user_name

if TYPE_CHECKING:
    from engine.app import Engine

TOKEN_TTL_S = 86_400
# It stays in the terminal's memory, and whoever reads it there is in; a page that is open asks for another one then.
LINK_TTL_S = 3_600
# Takes what the shell has: an endless loop for each processor, somewhat longer than the rule wants it to hold.
KEEP_BUSY = "for cpu in $(seq $(nproc)); do timeout 75 sh -c 'while :; do :; done' & done; wait"


def welcome_text(engine: Engine) -> str:
    """The text. Holds a token, valid for 24 hours: print it for people only, never into a log."""
    config = engine.config
    credential, link = _credentials(engine)
    command = " ".join([*_variables(engine), _program()])
    there = f"cd {shlex.quote(str(Path.cwd()))}"
    if config.secret:
        # Nothing in the data folder signs tokens: the other terminal needs this one.
        there += "\n  export TOCSIN_TOKEN=…  (the line below)"
    return f"""
Tocsin is running. Ctrl-C stops it.

  WebSocket   {engine.ws_url}
  HTTP        {engine.http_url}/api/v1  (described at /schema, metrics at /metrics)
  Data        {config.data.absolute()}

In a second terminal, see alerts live:

  {there}
  {command} tail

In a third, make the first one ring:

  {there}
  {command} trigger demo --title "Hello, Tocsin" --severity critical

A token for your own first client (workspace {config.workspace}, role admin, valid for 24 hours):

  export TOCSIN_TOKEN={credential}

With it, the same over HTTP:

  curl {engine.http_url}/api/v1/triggers \\
    -H "Authorization: Bearer $TOCSIN_TOKEN" -H "Content-Type: application/json" \\
    -d '{{"alerts": [{{"framework_id": "demo", "title": "Hello over HTTP", "severity": "error"}}]}}'
{_busy(engine)}
The page, with you signed in (the link is good for an hour):

  {link}
"""


def _credentials(engine: Engine) -> tuple[str, str]:
    """A token, and a link that opens the page with a shorter one. What is behind # is not sent to any server."""
    workspace, user = engine.config.workspace, user_name()
    try:
        token = engine.issue_token(workspace, user, ttl_s=TOKEN_TTL_S)
        link = f"{engine.http_url}/#token={engine.issue_token(workspace, user, ttl_s=LINK_TTL_S)}"
    except BadRequest:
        # With public keys alone nothing here signs: tokens come from whoever has the other half.
        return "…  (from your issuer)", f"{engine.http_url}/  (with a token from your issuer)"
    return token, link


def _busy(engine: Engine) -> str:
    """How the machine itself rings, if it is watched."""
    if not engine.config.watch_host:
        return ""
    return f"""
This machine is watched too. Keep its processors busy, and after a minute the rule host-cpu rings:

  {KEEP_BUSY}
"""


def _variables(engine: Engine) -> list[str]:
    """What a terminal in the same folder needs to know."""
    wanted = []
    if engine.config.data != Path("data"):
        wanted.append(f"TOCSIN_DATA={shlex.quote(_short(engine.config.data))}")
    if engine.ws_url != DEFAULT_URL:
        wanted.append(f"TOCSIN_URL={shlex.quote(engine.ws_url)}")
    if engine.http_url != DEFAULT_API:
        wanted.append(f"TOCSIN_API={shlex.quote(engine.http_url)}")
    return wanted


def _program() -> str:
    """How this person calls us."""
    started_as = Path(sys.argv[0])
    if started_as.name == "__main__.py":
        return f"{_short(Path(sys.executable))} -m tocsin"
    found = shutil.which(started_as.name)
    if found is not None and Path(found).samefile(started_as):
        return started_as.name
    return shlex.quote(_short(started_as))


def _short(path: Path) -> str:
    """The path as it is typed in this folder."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100  # not resolve(): a virtual environment's python is a link
    here = Path.cwd()
    return str(absolute.relative_to(here)) if here in absolute.parents else str(absolute)
