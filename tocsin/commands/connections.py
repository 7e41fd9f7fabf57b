"""`tocsin connections`: who is connected to a running engine, and ending connections, over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import click

from protocol.wording import several
from tocsin.commands import options
from tocsin.commands.listing import Column, json_option, show

_COLUMNS: dict[str, Column] = {
    "CLIENT": "client_id", "USER": "user", "ROLE": "role", "ADDRESS": "address", "SINCE": "connected_at",
    "FOLLOWS": "subscriptions", "UNREAD": "waiting_bytes", "LAG_S": "lag_s", "DROPPED": "dropped",
}  # fmt: skip


class _ListByDefault(click.Group):
    """`tocsin connections` alone lists them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts `list` before options that stand alone."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ListByDefault, short_help="Shows who is connected; ends connections.")
def connections() -> None:
    """Who is connected to a running engine, and ending connections.

    Without a command: list. An administrator sees his workspace; with --workspace system, the engine's operator sees
    all of them.
    """


@connections.command("list", short_help="Shows who is connected.")
@click.option("--user", callback=options.filled, help="Only those of this user.")
@json_option
@options.administrator
def list_connections(user: str | None, as_json: bool, **given: Any) -> None:
    """Shows the connections of a workspace, the oldest first: unread bytes and lag tell who does not keep up."""
    from tocsin.commands.api import api_of

    show(api_of(**given).pages("/api/v1/connections", {"user": user} if user else {}), _COLUMNS, as_json)


@connections.command(short_help="Ends a connection, or all of a user.")
@click.argument("client_id", required=False, callback=options.filled)
@click.option("--user", callback=options.filled, help="The user whose connections are to end.")
@options.administrator
def disconnect(client_id: str | None, user: str | None, **given: Any) -> None:
    """Ends the connection CLIENT_ID, or all connections of a user, with 3503: clients do not come back by themselves.

    The token stays good; `tocsin revoke` ends that as well. Who did it is on record (`tocsin audit`).
    """
    from tocsin.commands.api import api_of

    if (client_id is None) is (user is None):
        raise click.UsageError("say either CLIENT_ID (one connection) or --user (all connections of a user)")
    api = api_of(**given)
    if client_id is not None:
        api.ask("DELETE", f"/api/v1/connections/{quote(client_id, safe='')}")
        options.write(ended(1))
        return
    done = api.ask("DELETE", f"/api/v1/connections?{urlencode({'user': user})}")
    options.write(ended(done["disconnected"]))


def ended(count: int) -> str:
    """How many connections were ended, in words."""
    return f"{several(count, 'connection')} ended"
