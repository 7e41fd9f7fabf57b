"""`tocsin broadcast`: an operator's word to whoever is connected to a running engine now, over HTTP."""

from __future__ import annotations

import base64
import json
from typing import Any

import click

from protocol.wording import several
from tocsin.commands import options


@click.command(short_help="Tells something to whoever is connected.")
@click.argument("message", callback=options.filled)
@click.option("--framework", callback=options.filled, metavar="NAME", help="To those who follow this framework.")
@click.option("--project", callback=options.filled, metavar="ID", help="To those who follow this project.")
@click.option("--user", callback=options.filled, metavar="NAME", help="To this user, wherever he is connected.")
@click.option("--client", callback=options.filled, metavar="ID", help="To one connection (tocsin connections).")
@options.administrator
def broadcast(message: str, **given: Any) -> None:
    """Tells MESSAGE to everybody in the workspace, or to some of them, who is connected now; it is kept nowhere.

    What must be heard is an alert (`tocsin trigger`). `tocsin tail` shows it on standard error.
    """
    from tocsin.commands.api import api_of

    meant = {to: given.pop(to) for to in ("framework", "project", "user", "client")}
    said = [(to, name) for to, name in meant.items() if name is not None]
    if len(said) > 1:
        raise click.UsageError("say one of --framework, --project, --user, --client, or none: then it is for everybody")
    api = api_of(**given)
    to, name = said[0] if said else ("workspace", given["workspace"] or _workspace_of(api.token))
    told = api.ask("POST", "/api/v1/broadcast", {"to": to, "id": name, "message": message})["told"]
    options.write(f"told to {several(told, 'connection')}")


def _workspace_of(token: str) -> str:
    """What a token says; whether that is true, the engine knows. Raises UsageError."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["workspaceId" if "workspaceId" in claims else "workspace"])
    except (ValueError, KeyError, TypeError):
        raise click.UsageError("the token does not say its workspace: say --workspace NAME") from None
