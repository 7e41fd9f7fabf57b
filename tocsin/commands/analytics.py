"""`tocsin analytics`: how many alerts there were, what became of them, and how good rules are, over HTTP."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from typing import Any

import click

from protocol.wording import several
from tocsin.commands import options, times
from tocsin.commands.listing import Column, json_option, show


def _took(what: str, part: str) -> Column:
    return lambda item: item[what][part]


_COUNTED: dict[str, Column] = {
    "SINCE (UTC)": "since", "FRAMEWORK": "framework_id", "RULE": "rule_id", "SEVERITY": "severity",
    "ALERTS": "alerts", "OPEN": lambda item: item["active"] + item["acknowledged"], "SUPPRESSED": "suppressed",
    "NOTIFIED": "notified", "NOISE": "noise_ratio", "ACK_P50_S": _took("to_acknowledge", "p50_s"),
    "ACK_P95_S": _took("to_acknowledge", "p95_s"), "RESOLVE_P50_S": _took("to_resolve", "p50_s"),
    "RESOLVE_P95_S": _took("to_resolve", "p95_s"),
}  # fmt: skip
_RULES: dict[str, Column] = {
    "RULE": "rule_id", "FRAMEWORK": "framework_id", "ALERTS": "alerts", "CONFIRMED": "confirmed",
    "FALSE": "false_alarms", "PRECISION": "precision", "FALSE_A_WEEK": "false_alarms_per_week",
    "LEAD_S": "lead_s", "NOISE": "noise_ratio", "ACK_P50_S": _took("to_acknowledge", "p50_s"),
}  # fmt: skip
_since = click.option("--since", metavar="TIME", callback=times.past, help="From this time (RFC 3339), or ago: 7d.")
_until = click.option("--until", metavar="TIME", callback=times.past, help="Before this time, or so long ago.")
_framework = click.option("--framework", metavar="ID", callback=options.filled, help="Only alerts of this framework.")


@click.group(short_help="Shows how many alerts there were, and how good rules are.")
def analytics() -> None:
    """Alerts by time and by rule (`docs/analytics.md`)."""


@analytics.command(short_help="Shows alerts by hour, day, week or month.")
@click.option(
    "--by", type=click.Choice(["hour", "day", "week", "month", "total"]), default="day", show_default=True,
    help="How long each row is (UTC).",
)  # fmt: skip
@click.option(
    "--group", multiple=True, type=click.Choice(["framework", "rule", "severity"]), help="Tells these apart; repeat."
)
@_since
@_until
@_framework
@click.option("--rule", metavar="ID", callback=options.filled, help="Only alerts of this rule.")
@json_option
@options.administrator
def counts(
    by: str,
    group: tuple[str, ...],
    since: str | None,
    until: str | None,
    framework: str | None,
    rule: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Shows how many alerts there were and what became of them, with the share that was noise.

    \b
    tocsin analytics counts --by week --group rule
    tocsin analytics counts --by hour --since 2d --framework web
    """
    from tocsin.commands.api import api_of

    wanted = {"by": by, "group": ",".join(group), "since": since, "until": until}
    wanted |= {"framework_id": framework, "rule_id": rule}
    found = api_of(**given).ask("GET", _path("/api/v1/analytics", wanted))
    show(found["items"], _COUNTED, as_json, "no alert that fits: one counts some 15 seconds after it rang")
    _say_how_fresh(found["fresh"])


@analytics.command(short_help="Shows which rules are right how often.")
@_since
@_until
@_framework
@click.option("--last", type=click.IntRange(1, 500), default=50, show_default=True, help="How many rules at most.")
@json_option
@options.administrator
def rules(since: str | None, until: str | None, framework: str | None, last: int, as_json: bool, **given: Any) -> None:
    """Shows rules, those with the most alerts first: how many were confirmed, and how many false alarms a week."""
    from tocsin.commands.api import api_of

    wanted = {"since": since, "until": until, "framework_id": framework, "limit": str(last)}
    found = api_of(**given).ask("GET", _path("/api/v1/analytics/rules", wanted))
    show(found["items"], _RULES, as_json, "no alert of a rule that fits: one counts some 15 seconds after it rang")
    _say_how_fresh(found["fresh"])


def _path(path: str, wanted: Mapping[str, str | None]) -> str:
    return f"{path}?{urllib.parse.urlencode({name: each for name, each in wanted.items() if each})}"


def _say_how_fresh(fresh: dict[str, Any]) -> None:
    if waiting := fresh["hours_waiting"]:
        hours = f"{several(waiting, 'hour')} {'has' if waiting == 1 else 'have'}"
        click.echo(f"{hours} changes that are not counted yet: they are soon", err=True)
