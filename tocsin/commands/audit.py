"""`tocsin audit`: who changed what, from a running engine's trail, over HTTP."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import click

from tocsin.commands import options

_COLUMNS = ("at", "by", "verb", "target", "address")
# A screenful, the newest; the trail itself never ends.
SHOWN = 50
SHOWN_MAX = 1_000_000


@click.command(short_help="Shows who changed what.")
@click.option("--last", type=click.IntRange(1, SHOWN_MAX), default=SHOWN, show_default=True, help="How many acts.")
@click.option("--json", "as_json", is_flag=True, help="Prints one JSON object per act.")
@options.administrator
def audit(last: int, as_json: bool, **given: Any) -> None:
    """Shows every change in a workspace, the newest first: who, what, from where.

    \b
    Alerts: acknowledged, assigned, commented, resolved, reopened.
    Objects (rules, silences, maintenance, frameworks, people, teams,
      workspaces, workflows): create, change, delete, archive, restore, import.
    Administrators: disconnect, revoke, take back, broadcast.
    """
    from tocsin.commands.api import api_of

    acts = list(itertools.islice(api_of(**given).pages("/api/v1/audit", {}), last))
    if as_json:
        for act in acts:
            options.write(json.dumps(act))
        return
    heads = [*(column.upper() for column in _COLUMNS), "CHANGED"]
    options.write_table([heads, *([*(act[name] for name in _COLUMNS), changed(act)] for act in acts)])


def changed(act: Mapping[str, Any]) -> str:
    """What is different after it: `state active -> resolved, version 1 -> 2`; no arrow if it was not there before."""
    before, after = act.get("before", {}), act.get("after", {})
    return ", ".join(
        f"{name} {before[name]} -> {after.get(name)}" if name in before else f"{name} {after[name]}"
        for name in sorted(before.keys() | after.keys())
    )
