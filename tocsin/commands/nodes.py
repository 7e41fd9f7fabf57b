"""`tocsin nodes`: which processes serve an installation, over HTTP."""

from __future__ import annotations

from typing import Any

import click

from tocsin.commands import options
from tocsin.commands.listing import Column, json_option, show

_COLUMNS: dict[str, Column] = {
    "NODE": "id", "STATE": "state", "ADDRESS": "address", "VERSION": "version", "STARTED": "started_at",
    "SEEN_S": "seen_s", "THIS": "is_this",
}  # fmt: skip


@click.command(short_help="Shows the nodes that serve this installation.")
@json_option
@options.administrator
def nodes(as_json: bool, **given: Any) -> None:
    """Shows the nodes on one store: live, draining, or silent for more than 3 s; THIS is the one that answers.

    For the engine's operator: use --workspace system.
    """
    from tocsin.commands.api import api_of

    show(api_of(**given).ask("GET", "/api/v1/nodes")["items"], _COLUMNS, as_json)
