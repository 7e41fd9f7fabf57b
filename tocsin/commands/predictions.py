"""`tocsin predictions`: what is expected of rules and of tomorrow, what came of it, and how good it was, over HTTP."""

from __future__ import annotations

import itertools
import json
from typing import Any
from urllib.parse import urlencode

import click

from tocsin.commands import options, times
from tocsin.commands.listing import Column, json_option, looked_for, show

PATH = "/api/v1/predictions"
# A screenful, the newest.
SHOWN, SHOWN_MAX = 50, 100_000


def _forecast(name: str) -> Column:
    return lambda prediction: (prediction["forecast"] or {}).get(name)


def _expected(prediction: dict[str, Any]) -> Any:
    """When a threshold is reached, or how many alerts come; why there is none."""
    forecast = prediction["forecast"]
    if forecast is None:
        return prediction["reason"]
    if forecast["what"] == "count":
        return f"{forecast['expected']:.3g} alerts ({forecast['low']} to {forecast['high']})"
    return forecast["expected_at"]


def _probability(prediction: dict[str, Any]) -> Any:
    forecast = prediction["forecast"]
    return None if forecast is None else f"{forecast['probability'] * 100:.0f} %"


def _came(prediction: dict[str, Any]) -> Any:
    outcome = prediction["outcome"]
    if outcome is None:
        return None
    return outcome["count"] if outcome["count"] is not None else outcome["at"] or "nothing"


def _rounded(name: str, unit: str = "") -> Column:
    return lambda line: None if line[name] is None else f"{line[name]:.3g}{unit}"


_PREDICTION: dict[str, Column] = {
    "PREDICTION": "id", "KIND": "kind", "FRAMEWORK": "framework_id", "RULE": "rule_id", "LABELS": _forecast("labels"),
    "STATE": "state", "FROM": "since", "PROBABILITY": _probability, "EXPECTED": _expected, "CAME": _came,
}  # fmt: skip
_NONE_MADE = looked_for("prediction that fits", "prediction-generation", "each night at 3 UTC")
_NONE_SCORED = looked_for("prediction that is due and scored", "prediction-scoring", "at half past each hour")
_ACCURACY: dict[str, Column] = {
    "KIND": "kind", "SCORED": "scored", "BRIER": _rounded("brier"), "WAPE": _rounded("wape_percent", " %"),
    "COVERAGE": _rounded("coverage_percent", " %"), "WARNED": "warned", "MISSED": "missed",
    "FALSE_ALARMS": "false_alarms", "LEAD_S": _rounded("lead_s"),
}  # fmt: skip


@click.group(short_help="Shows what is expected, and how good past predictions were.")
def predictions() -> None:
    """Predictions of a running engine: when rules ring next, and how many alerts tomorrow brings."""


@predictions.command("list", short_help="Shows predictions.")
@click.option("--framework", callback=options.filled, help="Only of this framework.")
@click.option("--rule", callback=options.filled, help="Only of this rule.")
@click.option("--kind", callback=options.filled, help="Only this: breach, count.")
@click.option("--state", callback=options.filled, help="Only in this state: open, scored, unscored, refused.")
@click.option("--last", type=click.IntRange(1, SHOWN_MAX), default=SHOWN, show_default=True, help="How many at most.")
@json_option
@options.administrator
def list_predictions(
    framework: str | None,
    rule: str | None,
    kind: str | None,
    state: str | None,
    last: int,
    as_json: bool,
    **given: Any,
) -> None:
    """Shows predictions, those for the latest time first; of what there is none, why."""
    from tocsin.commands.api import api_of

    wanted = {"framework_id": framework, "rule_id": rule, "kind": kind, "state": state}
    found = api_of(**given).pages(PATH, {name: value for name, value in wanted.items() if value})
    show(itertools.islice(found, last), _PREDICTION, as_json, _NONE_MADE)


@predictions.command("show", short_help="Shows one prediction whole.")
@click.argument("prediction", callback=options.filled)
@options.administrator
def show_prediction(prediction: str, **given: Any) -> None:
    """Prints a prediction as JSON, hour by hour, with what came of it."""
    from tocsin.commands.api import api_of, place

    options.write(json.dumps(api_of(**given).ask("GET", f"{PATH}/{place(prediction)}"), indent=2))


@predictions.command(short_help="Shows how good predictions were.")
@click.option("--framework", callback=options.filled, help="Only of this framework.")
@click.option("--rule", callback=options.filled, help="Only of this rule.")
@click.option("--since", metavar="TIME", callback=times.past, help="From this time (RFC 3339) on, or so long ago: 7d.")
@click.option("--until", metavar="TIME", callback=times.past, help="Before this time, or so long ago.")
@json_option
@options.administrator
def accuracy(
    framework: str | None, rule: str | None, since: str | None, until: str | None, as_json: bool, **given: Any
) -> None:
    """Shows how good the predictions of the last 30 days were; with --json their calibration, too."""
    from tocsin.commands.api import api_of

    wanted = {"framework_id": framework, "rule_id": rule, "since": since, "until": until}
    query = urlencode({name: value for name, value in wanted.items() if value})
    show(api_of(**given).ask("GET", f"{PATH}/accuracy?{query}")["kinds"], _ACCURACY, as_json, _NONE_SCORED)
