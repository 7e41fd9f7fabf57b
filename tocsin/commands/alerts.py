"""`tocsin alerts`: which alerts there are, what became of one, and what people do about them, over HTTP."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import click

from protocol.wording import several
from tocsin.commands import options, times
from tocsin.commands.listing import Column, cell, changes, json_option, show
from tocsin.commands.stories import whole_story

if TYPE_CHECKING:
    from tocsin.commands.api import Api

# A screenful, the newest.
SHOWN = 50
SHOWN_MAX = 1_000_000


def _quiet(alert: dict[str, Any]) -> str | None:
    """Why it does not ring, what is to blame, and until when."""
    from tocsin.terminal import quiet_words

    until = alert.get("quieted_until")
    return quiet_words(alert.get("quieted_by"), alert.get("quieted_ref"), cell(until) if until else None)


_COLUMNS: dict[str, Column] = {
    "ALERT": "id", "STATE": "state", "SEVERITY": "severity", "FRAMEWORK": "framework_id", "SINCE": "triggered_at",
    "SEEN": "occurrences", "ASSIGNED": "assigned_to", "QUIET": _quiet, "TITLE": "title",
}  # fmt: skip
_STORY: dict[str, Column] = {
    "AT (UTC)": "at", "BY": "by", "WHAT": "verb", "CHANGED": changes, "NOTES": "notes",
}  # fmt: skip
# Where what quieted an alert is found, and which field of it says why.
_QUIETERS = {"silenced": ("silences", "comment"), "maintenance": ("maintenance", "title")}
_FILTERS = {"framework": "framework_id", "state": "state", "severity": "severity", "rule": "rule_id",
            "assigned_to": "assigned_to", "quieted": "quieted", "since": "since", "until": "until"}  # fmt: skip
Command = TypeVar("Command", bound=Callable[..., Any])


def _filters(command: Command) -> Command:
    """The options that say which alerts: they become the filters of the API."""
    for option in (
        click.option("--until", callback=times.past, metavar="TIME", help="Rang before this time, or so long ago."),
        click.option(
            "--since", callback=times.past, metavar="TIME", help="Rang at this time (RFC 3339) or later, or ago: 2h."
        ),
        click.option("--assigned-to", callback=options.filled, metavar="USER", help="Assigned to this user."),
        click.option(
            "--quieted", multiple=True, metavar="WORD", help="maintenance, silenced, muted_hours, flapping, storm."
        ),
        click.option("--rule", callback=options.filled, metavar="ID", help="Of this rule."),
        click.option("--severity", multiple=True, metavar="WORD", help="info, warning, error, critical. Repeat."),
        click.option("--state", multiple=True, metavar="WORD", help="active, acknowledged, resolved, expired."),
        click.option("--framework", callback=options.filled, metavar="NAME", help="Of this framework."),
    ):
        command = option(command)
    return command


@click.group(short_help="Shows alerts; acknowledges, assigns, resolves them.")
def alerts() -> None:
    """Which alerts there are, and what people do about them, in a running engine.

    \b
    tocsin alerts list --state active              what somebody should look at
    tocsin alerts ack ID --notes "on it"           I look after it
    tocsin alerts resolve --framework web --all    all open ones of a framework
    """


@alerts.command("list", short_help="Shows alerts, the newest first.")
@_filters
@click.option("--last", type=click.IntRange(1, SHOWN_MAX), default=SHOWN, show_default=True, help="How many at most.")
@json_option
@options.administrator
def list_alerts(last: int, as_json: bool, **given: Any) -> None:
    """Shows alerts, the newest first."""
    wanted = {name: ",".join(value) if isinstance(value, list) else value for name, value in _wanted(given).items()}
    show(itertools.islice(_api(given).pages("/api/v1/alerts", wanted), last), _COLUMNS, as_json)


@alerts.command("show", short_help="Shows one alert and its story.")
@click.argument("alert_id", metavar="ID", callback=options.filled)
@click.option("--json", "as_json", is_flag=True, help="Prints one JSON object.")
@options.administrator
def show_alert(alert_id: str, as_json: bool, **given: Any) -> None:
    """Shows one alert, what people did and said about it, and whom escalations and reminders have told."""
    api, path = _api(given), f"/api/v1/alerts/{quote(alert_id, safe='')}"
    alert = api.ask("GET", path)
    story = list(api.pages(f"{path}/audit", {}))
    if as_json:
        options.write(json.dumps({"alert": alert, "story": story}))
        return
    why = {"quieted_because": because(api, alert)} if alert.get("quieted_by") else {}
    options.write_table([(name, cell(value)) for name, value in (alert | why).items() if name != "alert_rule_id"])
    options.write("")
    show(whole_story(story, alert, api.pages(f"{path}/deliveries", {})), _STORY)


@alerts.command("deliveries", short_help="Says who was told of an alert, and why others were not.")
@click.argument("alert_id", metavar="ID", callback=options.filled)
@json_option
@options.administrator
def deliveries(alert_id: str, as_json: bool, **given: Any) -> None:
    """Says who was told of an alert, by which channel, and why others were not."""
    from tocsin.commands.notifications import DELIVERIES

    path, api = f"/api/v1/alerts/{quote(alert_id, safe='')}/deliveries", _api(given)
    why = api.ask("GET", path)["explanation"]
    if why is not None and not as_json:
        options.write(why)
        return
    show(api.pages(path, {}), DELIVERIES, as_json)


def _act(verb: str, name: str, help_text: str, *more: Callable[[Any], Any]) -> None:
    """One command for one verb of the API: some ids, or a filter with --all."""

    def command(alert_ids: tuple[str, ...], everything: bool, dry_run: bool, as_json: bool, **given: Any) -> None:
        body: dict[str, Any] = {"dry_run": True} if dry_run else {}
        if (notes := given.pop("notes")) is not None:
            body["notes"] = notes
        if (noise := given.pop("noise", None)) is not None:
            body["noise"] = noise
        if verb == "comment" and not body.keys() & {"notes", "noise"}:
            raise click.UsageError("say something with --notes, or whether it was --noise")
        if verb == "assign":
            body["assigned_to"] = _assignee(given.pop("user"), given.pop("nobody"))
        body |= _meant(alert_ids, _wanted(given), everything)
        answer = _api(given).ask("POST", f"/api/v1/alerts/{verb}", body)
        for alert_id, result in zip(alert_ids, answer["results"], strict=False):
            # Of what was refused as a whole the engine says no id; the order is that of the request.
            result["alertId"] = alert_id
        _report(answer, dry_run, as_json)

    command.__doc__ = help_text
    made: Any = command
    for decorate in (
        options.administrator,
        click.option("--json", "as_json", is_flag=True, help="Prints the results as JSON."),
        *more,
        click.option("--dry-run", is_flag=True, help="Only says how many alerts are meant."),
        click.option("--all", "everything", is_flag=True, help="Instead of ids: all alerts that the filters find."),
        _filters,
        click.argument("alert_ids", metavar="[ID]...", nargs=-1),
    ):
        made = decorate(made)
    alerts.command(name, short_help=help_text.partition(".")[0] + ".")(made)


_NOTES = click.option("--notes", callback=options.filled, help="Why, or what was done.")
_WORDS = click.option("--notes", callback=options.filled, help="What there is to say.")
_NOISE = click.option("--noise/--no-noise", default=None, help="They should not have rung; or they should have.")
_USER = click.option("--to", "user", metavar="USER", callback=options.filled, help="Whom to assign to.")
_NOBODY = click.option("--nobody", is_flag=True, help="Takes it from whoever has it.")
_act(
    "acknowledge",
    "ack",
    "Says that I look after alerts. Those that are taken already stay as they are.",
    _NOTES,
    _NOISE,
)
_act("unacknowledge", "unack", "Gives alerts back: they are active again.", _NOTES)
_act("assign", "assign", "Assigns alerts to a user, or to nobody.", _NOTES, _USER, _NOBODY)
_act("comment", "comment", "Says something about alerts, also about those that are over.", _WORDS, _NOISE)
_act("resolve", "resolve", "Says that alerts are over.", _NOTES, _NOISE)
_act("reopen", "reopen", "Opens alerts again that are over.", _NOTES)


def _api(given: dict[str, Any]) -> Api:
    from tocsin.commands.api import api_of

    return api_of(**given)


def _wanted(given: dict[str, Any]) -> dict[str, Any]:
    """Takes the filters out of what was given, by the names that the API has for them."""
    found = {api: given.pop(name) for name, api in _FILTERS.items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items() if value}


def _meant(alert_ids: tuple[str, ...], wanted: dict[str, Any], everything: bool) -> dict[str, Any]:
    if bool(alert_ids) is everything or (wanted and not everything):
        raise click.UsageError("say either some IDs, or --all (with filters, or for all open alerts)")
    return {"filter": wanted or {"all": True}} if everything else {"alertIds": list(alert_ids)}


def _assignee(user: str | None, nobody: bool) -> str | None:
    if (user is None) is not nobody:
        raise click.UsageError("say either --to USER or --nobody")
    return user


def _report(answer: dict[str, Any], dry_run: bool, as_json: bool) -> None:
    """What became of it; exits with 1 if some of it was rejected."""
    results = answer["results"]
    if as_json:
        options.write(json.dumps(answer))
    elif dry_run or not results:
        count = answer["matched"]
        options.write(
            f"{several(count, 'alert')} {'is' if count == 1 else 'are'} meant" if count else "no alert is meant"
        )
    else:
        for result in results:
            words = [result.get("alertId") or "-", result["status"]]
            words += [f"({result['reason']})"] if result["reason"] != result["status"] else []
            words += [cell(result["message"])] if result.get("message") else []
            options.write(" ".join(words))
    if any(result["status"] == "rejected" for result in results):
        sys.exit(1)


def because(api: Api, alert: dict[str, Any]) -> str | None:
    """What whoever quieted it had to say about that."""
    from protocol.errors import UnknownChannel
    from tocsin.commands.api import place

    path, field = _QUIETERS.get(alert.get("quieted_by", ""), ("", ""))
    try:
        return str(api.ask("GET", f"/api/v1/{path}/{place(alert['quieted_ref'])}")[field]) if path else None
    except UnknownChannel:
        # It was deleted a moment ago: the alert is about to ring.
        return None
