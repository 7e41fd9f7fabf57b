"""`tocsin revoke`: ends tokens before their time."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from tocsin.commands import options
from tocsin.commands.connections import ended
from tocsin.commands.listing import Column, show

_COLUMNS: dict[str, Column] = {
    "USER": "user", "JTI": "jti", "BY": "by", "SINCE": "at", "UNTIL": "ends_at", "REASON": "reason",
}  # fmt: skip


@click.command(short_help="Ends a token, or all tokens of a user.")
@click.option("--jti", callback=options.filled, help="The id of the token (its claim `jti`).")
@click.option("--user", callback=options.filled, help="The user whose tokens, all until now, are to end.")
@click.option("--reason", callback=options.filled, help="For those who read the list later.")
@click.option("--undo", is_flag=True, help="Takes the revocation back.")
@click.option("--list", "only_list", is_flag=True, help="Only shows what is revoked.")
@click.option("--json", "as_json", is_flag=True, help="With --list: one JSON object per revocation.")
@options.administrator
def revoke(
    jti: str | None, user: str | None, reason: str | None, undo: bool, only_list: bool, as_json: bool, **given: Any
) -> None:
    """Ends a token, or all tokens that a user has until now, in one workspace. Who is connected with one is cut.

    It is done when the command says so, also for every later start of the engine. `tocsin revoke --list` shows what is
    revoked; `tocsin audit` shows who did it.
    """
    from tocsin.commands.api import api_of

    if only_list:
        if jti or user or reason or undo:
            raise click.UsageError("--list shows all revocations: leave --jti, --user, --reason and --undo out")
        show(api_of(**given).pages("/api/v1/revocations", {}), _COLUMNS, as_json)
        return
    if as_json:
        raise click.UsageError("--json belongs to --list")
    if (jti is None) is (user is None):
        raise click.UsageError("say either --jti (one token) or --user (all tokens of a user)")
    api = api_of(**given)
    target = {"user": user} if jti is None else {"jti": jti}
    if undo:
        api.ask("DELETE", f"/api/v1/revocations?{urlencode(target)}")
        options.write("taken back")
        return
    done = api.ask("POST", "/api/v1/revocations", {**target, **({"reason": reason} if reason else {})})
    options.write(f"revoked; {ended(done['disconnected'])}")
