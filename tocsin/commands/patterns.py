"""`tocsin patterns`: what alerts have in common, over HTTP; and what one has to say of it."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import click

from tocsin.commands import options
from tocsin.commands.listing import Column, cell, json_option, looked_for, show
from tocsin.commands.shelves import one_by_one

if TYPE_CHECKING:
    from tocsin.commands.api import Api

PATH = "/api/v1/patterns"
SHOWN = 50
SHOWN_MAX = 1_000_000
_COLUMNS: dict[str, Column] = {
    "PATTERN": "id", "KIND": "kind", "STATE": "state", "SURE": lambda one: f"{one['confidence']:.0%}",
    "HELD": lambda one: f"{one['support']} of {one['occasions']}", "SINCE (UTC)": "since", "WHAT": "summary",
}  # fmt: skip


@click.group(short_help="Shows what alerts have in common, and takes your word on it.")
def patterns() -> None:
    """What alerts have in common: what comes back, comes together, follows, grows, flaps, or is noise.

    \b
    tocsin patterns list --kind noisy
    tocsin patterns dismiss 5d1c7a90be4f20318f6e --notes "a test machine"
    """


@patterns.command("list", short_help="Shows patterns, the newest first.")
@click.option("--framework", callback=options.filled, help="Only of this framework.")
@click.option(
    "--kind", callback=options.filled, help="recurring, co_occurrence, sequence, escalating, flapping, noisy."
)
@click.option("--state", callback=options.filled, help="new, confirmed, dismissed.")
@click.option("--confidence", type=click.FloatRange(0, 1), help="At least so sure, 0 to 1.")
@click.option("--last", type=click.IntRange(1, SHOWN_MAX), default=SHOWN, show_default=True, help="How many at most.")
@json_option
@options.administrator
def list_patterns(
    framework: str | None,
    kind: str | None,
    state: str | None,
    confidence: float | None,
    last: int,
    as_json: bool,
    **given: Any,
) -> None:
    """Shows patterns, and on standard error what there is too little for."""
    asked = {"framework_id": framework, "kind": kind, "state": state, "confidence": confidence}
    wanted = {name: str(value) for name, value in asked.items() if value is not None}
    api = _api(given)
    run = api.ask("GET", f"{PATH}?limit=1")["run"]
    if_none = f"no pattern that fits: last looked for at {cell(run['at'])}" if run else ""
    show(itertools.islice(api.pages(PATH, wanted), last), _COLUMNS, as_json, if_none)
    if run is None:
        click.echo(looked_for("patterns yet", "pattern-detection", "every six hours"), err=True)
        return
    if run["lacking"]:
        click.echo("there was too little to look for these:", err=True)
    for each in run["lacking"]:
        click.echo(f"{each['kind']}: needs {each['needs']}, has {each['has']}", err=True)


@patterns.command("show", short_help="Shows one pattern whole.")
@click.argument("pattern", callback=options.filled)
@options.administrator
def show_pattern(pattern: str, **given: Any) -> None:
    """Prints a pattern as JSON, with ids of alerts that prove it."""
    from tocsin.commands.api import place

    options.write(json.dumps(_api(given).ask("GET", f"{PATH}/{place(pattern)}"), indent=2))


@patterns.command(short_help="Says that patterns are so.")
@click.argument("pattern_ids", nargs=-1, required=True, metavar="PATTERN...")
@click.option("--notes", help="Why.")
@options.administrator
def confirm(pattern_ids: tuple[str, ...], notes: str | None, **given: Any) -> None:
    """Says of each PATTERN that it is so: others of its kind and rules are told sooner."""
    _each(pattern_ids, "confirm", notes, given)


@patterns.command(short_help="Says that patterns mean nothing.")
@click.argument("pattern_ids", nargs=-1, required=True, metavar="PATTERN...")
@click.option("--notes", help="Why.")
@options.administrator
def dismiss(pattern_ids: tuple[str, ...], notes: str | None, **given: Any) -> None:
    """Says of each PATTERN that it means nothing: it is not told again, and others like it must be surer."""
    _each(pattern_ids, "dismiss", notes, given)


def _each(pattern_ids: tuple[str, ...], verb: str, notes: str | None, given: dict[str, Any]) -> None:
    from tocsin.commands.api import place

    api = _api(given)

    def do(pattern: str) -> str:
        answer = api.ask("POST", f"{PATH}/{place(pattern)}/{verb}", {"notes": notes})
        return f"{pattern}: {answer['state']}"

    one_by_one(pattern_ids, do)


def _api(given: dict[str, Any]) -> Api:
    from tocsin.commands.api import api_of

    return api_of(**given)
