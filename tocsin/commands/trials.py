"""`tocsin rules test` and `tocsin rules backtest`: what a rule would do, before it does it, over HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from protocol.wording import several
from tocsin.commands import options, times
from tocsin.commands.clients import labels_of
from tocsin.commands.listing import Column, cell, json_option, show
from tocsin.commands.rules import RULES
from tocsin.commands.shelves import fields_of, own_fields

_COLUMNS: dict[str, Column] = {
    "AT (UTC)": "at", "WHAT": "what", "WHY": "why", "NOTIFIED": "notifies", "SEVERITY": "severity", "VALUE": "value",
    "LABELS": "labels", "TITLE": "title",
}  # fmt: skip
_rule = click.argument("rule_id", metavar="RULE", callback=options.filled)


# A value may be negative, and is no option then.
@click.command("test", short_help="Tries a rule on a value.", context_settings={"ignore_unknown_options": True})
@_rule
@click.argument("values", type=float, nargs=-1, required=True, metavar="VALUE...")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME=VALUE", callback=labels_of, help="Of the series. [the rule's]"
)
@click.option("--send", is_flag=True, help="Rings a marked test alert as well.")
@json_option
@options.administrator
def try_rule(
    rule_id: str, values: tuple[float, ...], labels: dict[str, str], send: bool, as_json: bool, **given: Any
) -> None:
    """Says what RULE would make of VALUEs that come a second after each other, from now on; nothing is stored.

    Time goes on until what is pending would fire. Exits with 1 if a test alert was asked for and rejected.
    """
    body = {"readings": [{"value": value, "labels": labels} for value in values], "send": send}
    answer = RULES.api(given).ask("POST", f"{RULES.address(rule_id)}/test", body)
    sent = answer["sent"]
    if as_json:
        options.write(json.dumps(answer))
    else:
        _print(answer["backtest"])
        if sent is not None:
            options.write(f"test alert: {sent['status']} {sent.get('alertId') or sent.get('message') or ''}".rstrip())
    if sent is not None and sent["status"] == "rejected":
        sys.exit(1)


@click.command("backtest", short_help="Runs a rule over readings of the past.")
@_rule
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--since", metavar="TIME", callback=times.past, help="From this time (RFC 3339), or ago: 7d. [1h]")
@click.option("--until", metavar="TIME", callback=times.past, help="Until this time, or so long ago. [now]")
@click.option("--resolution", type=click.Choice(["raw", "1m", "1h"]), help="How finely. [as they are kept]")
@click.option(
    "--readings",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='Instead of stored ones: a JSON list of {"at", "value", "labels"?, "metric"?}.',
)
@json_option
@options.administrator
def backtest(rule_id: str, fields: tuple[str, ...], file: Path | None, as_json: bool, **given: Any) -> None:
    """Says when RULE would have fired, been suppressed (why), and resolved; with FIELDs as if they were changed.

    \b
    tocsin rules backtest cpu --since 7d
    tocsin rules backtest cpu threshold=95 for_s=300 --since 7d
    """
    asked = {name: given.pop(name) for name in ("since", "until", "resolution")}
    body: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if file is not None:
        body["readings"] = _readings(file)
    api = RULES.api(given)
    if fields:
        body["rule"] = own_fields(api.ask("GET", RULES.address(rule_id))) | fields_of(fields, RULES.example)
    else:
        body["rule_id"] = rule_id
    found = api.ask("POST", f"{RULES.path}/backtest", body)
    if as_json:
        options.write(json.dumps(found))
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    """How many, and a table of what happened in the order of time."""
    forms = [f"{span['resolution']} from {cell(span['since'])}" for span in found.get("stored", ())]
    finely = (
        f" ({', '.join(forms)})" if len(forms) > 1 else f" ({found['resolution']})" if found.get("resolution") else ""
    )
    reasons = ", ".join(f"{count} {reason}" for reason, count in found["reasons"].items())
    count = found["readings"]
    options.write(f"{several(count, 'reading')}{finely}{reasons and ': ' + reasons}")
    lines = sorted(_lines(found), key=lambda line: str(line["at"]))
    if lines:
        show(lines, _COLUMNS)
    else:
        options.write("nothing would have rung")
    if found["more"]:
        options.write(f"and {several(found['more'], 'event')} more")
    if found["note"]:
        options.write(f"note: {found['note']}")


def _lines(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for event in found["events"]:
        is_receipt = event["event"] == "receipt"
        why = (
            f"{event['swallowed']} {'was' if event['swallowed'] == 1 else 'were'} held back"
            if is_receipt
            else event["quieted_by"]
        )
        what = "window over" if is_receipt else event["event"]
        yield event | {"what": f"{what}, quiet" if event["quieted_by"] else what, "why": why}
    for each in found["suppressed"]:
        until = f", the last at {cell(each['last_at'])}" if each["count"] > 1 else ""
        yield {"at": each["first_at"], "what": "suppressed", "why": f"{each['reason']} ({each['count']}{until})"}


def _readings(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8"))
    except ValueError as fault:
        raise click.UsageError(f"{file} is no JSON: {fault}") from fault
