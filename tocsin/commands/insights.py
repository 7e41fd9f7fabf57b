"""`tocsin insights` and `tocsin recommendations`: how frameworks are, and what helps rules that trouble people."""

from __future__ import annotations

import itertools
import json
import math
from typing import TYPE_CHECKING, Any

import click

from tocsin.commands import options
from tocsin.commands.listing import Column, cell, json_option, looked_for, show

if TYPE_CHECKING:
    from tocsin.commands.api import Api

SHOWN = 200
# Of a day's frameworks, to find the worst among them.
READ_MAX = 2_000
_SCHEDULE, _WHEN = "insight-generation", "each night at 4 UTC"


def _trend(days: int) -> Column:
    def change(insight: dict[str, Any]) -> Any:
        found = next((each for each in insight["trends"] if each["days"] == days), None)
        return None if found is None or found["change"] is None else f"{found['change']:+g}"

    return change


def _worst(insight: dict[str, Any]) -> str | None:
    """What costs most."""
    (first, *_) = insight["pulled_down"] or [None]
    return None if first is None else f"{first['source']}: {first['text']} (-{first['points']:g})"


def _health(insight: dict[str, Any]) -> float:
    """To sort by; of an unknown one nothing can be said."""
    health: float | None = insight["health"]
    return math.inf if health is None else health


_INSIGHTS: dict[str, Column] = {
    "FRAMEWORK": "framework_id", "DAY": "day", "HEALTH": "health", "RISK": "risk", "7_DAYS": _trend(7),
    "30_DAYS": _trend(30), "WORST": _worst, "NOTE": "note",
}  # fmt: skip
_PARTS: dict[str, Column] = {"POINTS": "points", "CATEGORY": "category", "SOURCE": "source", "WHAT": "text"}


def _promised(one: dict[str, Any]) -> str:
    before, after = one["promise"]["before"], one["promise"]["after"]
    return f"{after['notified']} instead of {before['notified']}"


def _state(one: dict[str, Any]) -> str:
    return "out of date" if one["is_outdated"] else str(one["state"])


_RECOMMENDATIONS: dict[str, Column] = {
    "ID": "id", "STATE": _state, "RULE": "rule_id", "WHAT": "title", "WHY": "reason", "WOULD HAVE SENT": _promised,
    "CANNOT": "cannot",
}  # fmt: skip


@click.group(short_help="Shows how frameworks are: health, risk, and why.")
def insights() -> None:
    """Health and risk of frameworks, reckoned each night (`docs/analytics.md`); `-` is unknown, not well."""


@insights.command("list", short_help="Shows the frameworks of a day, the worst first.")
@click.option("--day", metavar="DAY", callback=options.filled, help="Such as 2026-01-31 (UTC). [the newest]")
@json_option
@options.administrator
def list_insights(day: str | None, as_json: bool, **given: Any) -> None:
    """Shows how each framework was on a day, the worst first; at last those of which nothing is known."""
    pages = _api(given).pages("/api/v1/insights", {"day": day} if day else {})
    worst = sorted(itertools.islice(pages, READ_MAX), key=_health)
    show(worst[:SHOWN], _INSIGHTS, as_json, looked_for("insight that fits", _SCHEDULE, _WHEN))


@insights.command("show", short_help="Shows one framework, and what pulls it down.")
@click.argument("framework", callback=options.filled)
@click.option("--json", "as_json", is_flag=True, help="Prints one JSON object.")
@options.administrator
def show_insight(framework: str, as_json: bool, **given: Any) -> None:
    """Shows how FRAMEWORK is, what costs it health, what is a risk, and what is recommended."""
    from tocsin.commands.api import place

    found = _api(given).ask("GET", f"/api/v1/insights/{place(framework)}")
    if as_json:
        options.write(json.dumps(found))
        return
    one = found["insight"]
    show([one], _INSIGHTS)
    for head, parts in (("pulled down by:", one["pulled_down"]), ("risks:", one["risks"])):
        if parts:
            options.write(f"\n{head}")
            show(parts, _PARTS)
    if found["recommendations"]:
        options.write("\nrecommended:")
        show(found["recommendations"], _RECOMMENDATIONS)


@click.group(short_help="Shows, applies and dismisses what is recommended.")
def recommendations() -> None:
    """What would help rules that trouble people, each tried on what there was (`docs/analytics.md`)."""


@recommendations.command("list", short_help="Shows what is recommended.")
@click.option("--framework", metavar="NAME", callback=options.filled, help="Of this framework.")
@click.option("--rule", metavar="ID", callback=options.filled, help="For this rule.")
@click.option("--state", multiple=True, metavar="WORD", help="open, applied, dismissed, gone. [open]")
@json_option
@options.administrator
def list_recommendations(
    framework: str | None, rule: str | None, state: tuple[str, ...], as_json: bool, **given: Any
) -> None:
    """Shows what is recommended, the newest first."""
    wanted = {"framework_id": framework, "rule_id": rule, "state": ",".join(state)}
    pages = _api(given).pages("/api/v1/recommendations", {name: value for name, value in wanted.items() if value})
    show(
        itertools.islice(pages, SHOWN),
        _RECOMMENDATIONS,
        as_json,
        looked_for("recommendation that fits", _SCHEDULE, _WHEN),
    )


@recommendations.command(short_help="Does what is recommended.")
@click.argument("recommendation", callback=options.filled)
@options.administrator
def apply(recommendation: str, **given: Any) -> None:
    """Does what RECOMMENDATION says: changes its rule, or makes a silence or an escalation."""
    done = _act(recommendation, "apply", {}, given)
    options.write(f"{cell(done['title'])}: done")


@recommendations.command(short_help="Puts a recommendation away.")
@click.argument("recommendation", callback=options.filled)
@click.option("--notes", callback=options.filled, help="Why it is of no use.")
@options.administrator
def dismiss(recommendation: str, notes: str | None, **given: Any) -> None:
    """Puts RECOMMENDATION away: it is not told again as long as its rule is as it is."""
    done = _act(recommendation, "dismiss", {"notes": notes} if notes else {}, given)
    options.write(f"{cell(done['title'])}: dismissed")


def _act(recommendation: str, verb: str, body: dict[str, Any], given: dict[str, Any]) -> Any:
    from tocsin.commands.api import place

    path = f"/api/v1/recommendations/{place(recommendation)}/{verb}"
    return _api(given).ask("POST", path, body if verb == "dismiss" else None)


def _api(given: dict[str, Any]) -> Api:
    from tocsin.commands.api import api_of

    return api_of(**given)
