"""`tocsin incidents`: alerts that belong together, over HTTP; and what people do about them as a whole."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import click

from protocol.wording import several
from tocsin.commands import options, times
from tocsin.commands.listing import Column, json_option, show
from tocsin.commands.shelves import one_by_one

if TYPE_CHECKING:
    from tocsin.commands.api import Api

PATH = "/api/v1/incidents"
SHOWN = 50
SHOWN_MAX = 1_000_000
_COLUMNS: dict[str, Column] = {
    "INCIDENT": "id", "STATE": "state", "SEVERITY": "severity", "SINCE (UTC)": "started_at",
    "ALERTS": lambda one: f"{one['open_alerts']} of {one['alerts']} open{', and others' if one['has_others'] else ''}",
    "FRAMEWORKS": lambda one: " ".join(one["frameworks"]), "TITLE": "title",
}  # fmt: skip
# No schedule looks for them, so there is none to run.
_NONE = "no incident that fits: the engine looks at each alert as it rings, by what `tocsin incidents settings` shows"


@click.group(short_help="Shows alerts that belong together, and deals with them as a whole.")
def incidents() -> None:
    """Alerts that began about the same time and share a host or a service are one incident.

    \b
    tocsin incidents list --state open
    tocsin incidents acknowledge 019b7679-f400-7000-8813-378a2cb47c73
    tocsin incidents merge 019b7679-f400-7000-8813-378a2cb47c73 019b7680-0a00-7000-b924-343158c9f020
    """


@incidents.command("list", short_help="Shows incidents, the newest first.")
@click.option("--framework", callback=options.filled, help="With an alert of this framework.")
@click.option("--state", multiple=True, metavar="WORD", help="open, acknowledged, resolved, merged. Repeat.")
@click.option(
    "--since", callback=times.past, metavar="TIME", help="Began at this time (RFC 3339) or later, or ago: 2h."
)
@click.option("--until", callback=times.past, metavar="TIME", help="Began before this time, or so long ago.")
@click.option("--last", type=click.IntRange(1, SHOWN_MAX), default=SHOWN, show_default=True, help="How many at most.")
@json_option
@options.administrator
def list_incidents(
    framework: str | None,
    state: tuple[str, ...],
    since: str | None,
    until: str | None,
    last: int,
    as_json: bool,
    **given: Any,
) -> None:
    """Shows incidents; those that were merged into others only if asked for (--state merged)."""
    asked = {"framework_id": framework, "state": ",".join(state), "since": since, "until": until}
    wanted = {name: value for name, value in asked.items() if value}
    show(itertools.islice(_api(given).pages(PATH, wanted), last), _COLUMNS, as_json, _NONE)


@incidents.command("show", short_help="Shows one incident whole.")
@click.argument("incident", callback=options.filled)
@options.administrator
def show_incident(incident: str, **given: Any) -> None:
    """Prints an incident as JSON: its alerts and why each belongs, its story, and which may have caused the others."""
    from tocsin.commands.api import place

    options.write(json.dumps(_api(given).ask("GET", f"{PATH}/{place(incident)}"), indent=2))


@incidents.command(short_help="Acknowledges all alerts of incidents.")
@click.argument("incident_ids", nargs=-1, required=True, metavar="INCIDENT...")
@click.option("--notes", help="What you have to say.")
@options.administrator
def acknowledge(incident_ids: tuple[str, ...], notes: str | None, **given: Any) -> None:
    """Says of all alerts of each INCIDENT that somebody looks after them."""
    _each(incident_ids, "acknowledge", notes, given)


@incidents.command(short_help="Resolves incidents, with all their alerts.")
@click.argument("incident_ids", nargs=-1, required=True, metavar="INCIDENT...")
@click.option("--notes", help="What you have to say.")
@options.administrator
def resolve(incident_ids: tuple[str, ...], notes: str | None, **given: Any) -> None:
    """Says of each INCIDENT, and of all its alerts, that it is over."""
    _each(incident_ids, "resolve", notes, given)


@incidents.command(short_help="Takes alerts out of an incident.")
@click.argument("incident", callback=options.filled)
@click.argument("alert_ids", nargs=-1, required=True, metavar="ALERT...")
@options.administrator
def split(incident: str, alert_ids: tuple[str, ...], **given: Any) -> None:
    """Says of each ALERT that it does not belong to INCIDENT; it joins no other by itself."""
    from tocsin.commands.api import place

    api = _api(given)

    def do(alert: str) -> str:
        api.ask("POST", f"{PATH}/{place(incident)}/split", {"alert_id": alert})
        return f"{alert}: by itself"

    one_by_one(alert_ids, do)


@incidents.command(short_help="Makes one incident of several.")
@click.argument("incident", callback=options.filled)
@click.argument("other_ids", nargs=-1, required=True, metavar="OTHER...")
@options.administrator
def merge(incident: str, other_ids: tuple[str, ...], **given: Any) -> None:
    """Takes all alerts of each OTHER incident into INCIDENT."""
    from tocsin.commands.api import place

    api = _api(given)

    def do(other: str) -> str:
        answer = api.ask("POST", f"{PATH}/{place(incident)}/merge", {"incident_id": other})
        return f"{other}: merged, {several(answer['alerts'], 'alert')} now"

    one_by_one(other_ids, do)


@incidents.command(short_help="Shows or changes what makes alerts one incident.")
@click.option("--on/--off", "enabled", default=None, help="Whether alerts are put together at all.")
@click.option("--window", type=click.IntRange(10, 3_600), metavar="SECONDS", help="How far apart alerts may begin.")
@click.option("--label", "labels", multiple=True, metavar="NAME", help="One of these must be the same. Repeat.")
@click.option("--resolve-on", type=click.Choice(["first", "last", "all"]), help="What resolves an incident.")
@click.option("--group/--no-group", "group", default=None, help="Whether what joins one is told together.")
@options.administrator
def settings(
    enabled: bool | None,
    window: int | None,
    labels: tuple[str, ...],
    resolve_on: str | None,
    group: bool | None,
    **given: Any,
) -> None:
    """Prints what makes alerts of the workspace one incident; with options it is changed first."""
    asked = {"enabled": enabled, "window_s": window, "labels": list(labels) or None, "resolve_on": resolve_on,
             "group_notifications": group}  # fmt: skip
    api, path = _api(given), "/api/v1/incident-settings"
    found = api.ask("GET", path)
    if changed := {name: value for name, value in asked.items() if value is not None}:
        found = api.ask("PUT", path, found | changed)
    options.write(json.dumps(found, indent=2))


def _each(incident_ids: tuple[str, ...], verb: str, notes: str | None, given: dict[str, Any]) -> None:
    from tocsin.commands.api import place

    api = _api(given)

    def do(incident: str) -> str:
        answer = api.ask("POST", f"{PATH}/{place(incident)}/{verb}", {"notes": notes})
        return f"{incident}: {answer['incident']['state']}, {several(len(answer['results']), 'alert')} changed"

    one_by_one(incident_ids, do)


def _api(given: dict[str, Any]) -> Api:
    from tocsin.commands.api import api_of

    return api_of(**given)
