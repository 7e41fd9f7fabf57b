"""`tocsin maintenance`: planned quiet, once or every week, in a running engine, over HTTP."""

from __future__ import annotations

import re
from typing import Any

import click

from tocsin.commands import options, times
from tocsin.commands.listing import json_option, show
from tocsin.commands.shelves import Kind, add_bulk, add_show, own_fields
from tocsin.commands.silences import matcher_of, matchers_in_words

_WEEKLY = re.compile(r"(?:(?P<days>[a-z]{3}(?:,[a-z]{3})*)\s+)?(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)")


def _state(window: dict[str, Any]) -> str:
    """As of this machine's clock; the engine's decides what is quiet."""
    import msgspec

    from engine.core.agenda import NEVER
    from engine.core.quieting import window_of_maintenance
    from protocol.quieting import Maintenance
    from protocol.times import rfc3339

    if window["archived_at"] is not None:
        return "ended"
    planned = window_of_maintenance(msgspec.convert(own_fields(window), Maintenance))
    is_on, change = planned.at(times.now_us())
    if change == NEVER:
        return "on" if is_on else "over"
    return f"{'on until' if is_on else 'off until'} {rfc3339(change)}"


def _whom(window: dict[str, Any]) -> str:
    words = [", ".join(window["frameworks"]), matchers_in_words(window["matchers"])]
    return " ".join(filter(None, words)) or "everything"


def _when(window: dict[str, Any]) -> str:
    weekly, bounds = window["weekly"], [window["starts_at"], window["ends_at"]]
    words = []
    if weekly is not None:
        days = ",".join(weekly["days"]) or "every day"
        words = [f"{days} {weekly['start']}-{weekly['end']} {weekly['zone']}"]
    words += [f"{word} {at}" for word, at in zip(("from", "until"), bounds, strict=True) if at]
    return " ".join(words)


MAINTENANCE = Kind(
    "maintenance",
    "window",
    {"WINDOW": "id", "STATE": _state, "FOR": _whom, "WHEN": _when, "TITLE": "title"},
)


@click.group(short_help="Shows maintenance windows; plans and ends them.")
def maintenance() -> None:
    """Planned quiet in a running engine: alerts inside a window are stored and shown, and do not ring.

    \b
    tocsin maintenance add --title "new disks" --framework db --for 2h
    tocsin maintenance add --title backup --framework db --weekly "sun 02:00-04:00" --zone Europe/Berlin
    tocsin maintenance list
    tocsin maintenance end ID
    """


@maintenance.command("list", short_help="Shows maintenance windows.")
@click.option("--ended", is_flag=True, help="Only those that were ended.")
@json_option
@options.administrator
def list_windows(ended: bool, as_json: bool, **given: Any) -> None:
    """Shows windows in the order of their ids: whether each is on now, and until when that is so."""
    found = MAINTENANCE.api(given).pages(MAINTENANCE.path, {"archived": "true"} if ended else {})
    show(found, MAINTENANCE.columns, as_json)


add_show(maintenance, MAINTENANCE)


@maintenance.command(short_help="Plans a maintenance window.")
@click.argument("matchers", nargs=-1)
@click.option("--title", required=True, callback=options.filled, help="What is done; shown with every alert's mark.")
@click.option("--framework", "frameworks", multiple=True, metavar="NAME", help="For this framework. Repeat.")
@click.option("--everything", is_flag=True, help="For the whole workspace.")
@click.option("--for", "lasts", metavar="TIME", callback=times.lasting, help="How long: 90s, 30m, 2h, 7d.")
@click.option("--from", "starts_at", metavar="TIME", callback=times.future, help="From when on (RFC 3339, or in: 2h).")
@click.option("--until", "ends_at", metavar="TIME", callback=times.future, help="Until when.")
@click.option("--weekly", metavar="WHEN", callback=options.filled, help='Every week: "sat,sun 22:00-06:00".')
@click.option("--zone", metavar="NAME", callback=options.filled, help="With --weekly: whose clock. [UTC]")
@options.administrator
def add(
    matchers: tuple[str, ...],
    title: str,
    frameworks: tuple[str, ...],
    everything: bool,
    lasts: int | None,
    starts_at: str | None,
    ends_at: str | None,
    weekly: str | None,
    zone: str | None,
    **given: Any,
) -> None:
    """Plans a window for frameworks, for what all MATCHERS match (as for silences), or for everything. Prints the id.

    Once (--from, or now, and --for or --until), or every week, then within --from and --until if they are given.
    """
    if everything is bool(matchers or frameworks):
        raise click.UsageError("say whom it is for: --framework, MATCHERS, or --everything")
    body: dict[str, Any] = {
        "title": title,
        "frameworks": list(frameworks),
        "matchers": [matcher_of(text) for text in matchers],
    }
    if weekly is not None:
        if lasts is not None:
            raise click.UsageError("--for is for a window that comes once; --weekly says itself how long")
        body |= {"weekly": _hours(weekly, zone), "starts_at": starts_at, "ends_at": ends_at}
    else:
        if zone is not None:
            raise click.UsageError("--zone goes with --weekly; times say their zone themselves")
        body |= times.span(starts_at, lasts, ends_at)
    options.write(MAINTENANCE.api(given).ask("POST", MAINTENANCE.path, body)["id"])


add_bulk(maintenance, MAINTENANCE, "archive", "ended", "Ends windows for good, also weekly ones.", name="end")


def _hours(weekly: str, zone: str | None) -> dict[str, Any]:
    found = _WEEKLY.fullmatch(weekly.strip().lower())
    if found is None:
        raise click.UsageError(f'--weekly {weekly!r:.60} is no time: write "sat,sun 22:00-06:00", or "22:00-06:00"')
    days = found["days"].split(",") if found["days"] else []
    return {"days": days, "start": found["start"], "end": found["end"], "zone": zone or "UTC"}
