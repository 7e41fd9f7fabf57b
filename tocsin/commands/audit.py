"""`tocsin audit`: who changed what, from a running engine's trail, over HTTP."""

from __future__ import annotations

import itertools
from typing import Any

import click

from tocsin.commands import options, times
from tocsin.commands.listing import Column, changes, json_option, show

_COLUMNS: dict[str, Column] = {
    "AT (UTC)": "at", "BY": "by", "VERB": "verb", "TARGET": "target", "FROM": "address", "CHANGED": changes,
    "NOTES": "notes",
}  # fmt: skip
# A screenful, the newest; the trail itself never ends.
SHOWN = 50
SHOWN_MAX = 1_000_000


@click.command(short_help="Shows who changed what.")
@click.option("--by", "user", metavar="USER", callback=options.filled, help="Only what this user did.")
@click.option("--verb", metavar="WORD", callback=options.filled, help="Only this: change_rule, acknowledge, ...")
@click.option("--target", metavar="ID", callback=options.filled, help="Only about this alert, rule, user, ...")
@click.option("--since", metavar="TIME", callback=times.past, help="At this time (RFC 3339) or later, or ago: 2h, 7d.")
@click.option("--until", metavar="TIME", callback=times.past, help="Before this time, or so long ago.")
@click.option("--last", type=click.IntRange(1, SHOWN_MAX), default=SHOWN, show_default=True, help="How many at most.")
@json_option
@options.administrator
def audit(
    user: str | None,
    verb: str | None,
    target: str | None,
    since: str | None,
    until: str | None,
    last: int,
    as_json: bool,
    **given: Any,
) -> None:
    """Shows every change in a workspace, the newest first: when (UTC), who, what, from which address, why.

    \b
    Alerts: acknowledged, assigned, commented, resolved, reopened
      (verbs acknowledge, unacknowledge, assign, comment, resolve, reopen).
    Objects (rules, silences, maintenance, frameworks, users, teams,
      workspaces, workflows): create, change, delete, archive, restore, import
      (verbs such as change_rule; the target is the object's id).
    Administrators: disconnect, revoke, take back, broadcast.

    \b
    tocsin audit --target cpu                     who changed the rule cpu
    tocsin audit --by ann --since 2h              what ann did in the last two hours
    """
    from tocsin.commands.api import api_of

    wanted = {"user": user, "verb": verb, "target": target, "since": since, "until": until}
    acts = api_of(**given).pages("/api/v1/audit", {name: value for name, value in wanted.items() if value})
    show(itertools.islice(acts, last), _COLUMNS, as_json)
