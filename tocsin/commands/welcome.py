"""What a person reads who has just started an engine for the first time: where it is, and how to make it ring."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tocsin.commands.options import DEFAULT_URL, user_name

if TYPE_CHECKING:
    from engine.app import Engine

TOKEN_TTL_S = 86_400


def welcome_text(engine: Engine) -> str:
    """The text. Holds a token, valid for 24 hours: print it for people only, never into a log."""
    config = engine.config
    token = engine.issue_token(config.workspace, user_name(), ttl_s=TOKEN_TTL_S)
    command = " ".join([*_variables(engine), _program()])
    is_file = not config.secret
    return f"""
Tocsin is running. Ctrl-C stops it.

  WebSocket   {engine.ws_url}
  HTTP        {engine.http_url}/api/v1  (described at /schema, metrics at /metrics)
  Data        {config.data.absolute()}

See alerts live, in a second terminal:

  {command if is_file else _program()} tail

Make the first one ring, in a third:

  {command if is_file else _program()} trigger demo --title "Hello, Tocsin" --severity critical

A token for your own first client (workspace {config.workspace}, role admin, valid for 24 hours):

  export TOCSIN_TOKEN={token}

With it, the same over HTTP:

  curl {engine.http_url}/api/v1/triggers \\
    -H "Authorization: Bearer $TOCSIN_TOKEN" -H "Content-Type: application/json" \\
    -d '{{"alerts": [{{"framework_id": "demo", "title": "Hello over HTTP", "severity": "error"}}]}}'
"""


def _variables(engine: Engine) -> list[str]:
    """What a second terminal needs to know."""
    wanted = []
    if engine.config.data != Path("data"):
        wanted.append(f"TOCSIN_DATA={shlex.quote(_short(engine.config.data))}")
    if engine.ws_url != DEFAULT_URL:
        wanted.append(f"TOCSIN_URL={shlex.quote(engine.ws_url)}")
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
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)
