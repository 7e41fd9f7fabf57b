"""`tocsin silences`: what is kept quiet by people, in a running engine, over HTTP."""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.parse import quote

import click

from tocsin.commands import options

_HEADS = ("SILENCE", "STATE", "MATCHERS", "FROM", "UNTIL", "AUTHOR", "COMMENT")
_MATCHER = re.compile(r"\s*(?P<name>[^=!~]+?)\s*(?P<operator>=~|!~|!=|=)\s*\"?(?P<value>.*?)\"?\s*", re.DOTALL)
_DURATION = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[smhdw])")
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@click.group(short_help="Shows silences; makes and ends them.")
def silences() -> None:
    """What people keep quiet in a running engine: alerts that a silence matches are stored and shown, and do not ring.

    \b
    tocsin silences add host=web-3 --for 2h --comment "new disk"
    tocsin silences list --state active
    tocsin silences expire ID
    """


@silences.command("list", short_help="Shows silences.")
@click.option("--state", multiple=True, metavar="WORD", help="pending, active, expired. Repeat.")
@click.option("--json", "as_json", is_flag=True, help="Prints one JSON object per silence.")
@options.administrator
def list_silences(state: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Shows silences in the order of their ids; those that are over only if asked for (--state expired)."""
    from tocsin.commands.api import api_of

    api = api_of(**given)
    wanted = {"state": ",".join(state or ("pending", "active"))}
    found = list(api.pages("/api/v1/silences", wanted))
    if as_json:
        for silence in found:
            options.write(json.dumps(silence))
        return
    options.write_table([_HEADS, *map(_row, found)])


@silences.command(short_help="Makes a silence.")
@click.argument("matchers", nargs=-1, required=True)
@click.option("--comment", required=True, callback=options.filled, help="Why; shown with every alert's mark.")
@click.option("--for", "lasts", metavar="TIME", callback=options.filled, help="How long: 90s, 30m, 2h, 7d.")
@click.option("--from", "starts_at", metavar="TIME", callback=options.filled, help="From when on (RFC 3339). [now]")
@click.option("--until", "ends_at", metavar="TIME", callback=options.filled, help="Until when (RFC 3339).")
@options.administrator
def add(
    matchers: tuple[str, ...],
    comment: str,
    lasts: str | None,
    starts_at: str | None,
    ends_at: str | None,
    **given: Any,
) -> None:
    """Silences what all MATCHERS match: host=web-3, severity!=critical, alertname=~"Disk.*", team!~"db|web".

    Besides an alert's own labels: alertname, framework_id, severity, rule_id. Prints the id.
    """
    from tocsin.commands.api import api_of

    if (lasts is None) is (ends_at is None):
        raise click.UsageError("say either --for (how long) or --until (a time)")
    if lasts is not None and starts_at is not None:
        raise click.UsageError("--for counts from now; with --from say --until")
    body = {
        "matchers": [_matcher(text) for text in matchers],
        "starts_at": starts_at or "",
        "ends_at": ends_at or _end_of(lasts or ""),
        "comment": comment,
    }
    options.write(api_of(**given).ask("POST", "/api/v1/silences", body)["id"])


@silences.command(short_help="Ends silences now.")
@click.argument("silence_ids", nargs=-1, required=True, metavar="ID...")
@options.administrator
def expire(silence_ids: tuple[str, ...], **given: Any) -> None:
    """Ends silences now; what they kept quiet and is still open rings. Prints each id."""
    from tocsin.commands.api import api_of

    api = api_of(**given)
    for silence_id in silence_ids:
        # A slash is written twice over: servers decode it before they look for routes.
        name = quote(silence_id.replace("/", "%2F"), safe="")
        options.write(api.ask("POST", f"/api/v1/silences/{name}/expire")["id"])


def _row(silence: dict[str, Any]) -> list[str]:
    from tocsin.terminal import printable

    matchers = " ".join(f"{each['name']}{each['operator']}{each['value']}" for each in silence["matchers"])
    shown = [silence["id"], _state(silence), matchers, silence["starts_at"], silence["ends_at"]]
    return [printable(str(text)) for text in (*shown, silence["author"], silence["comment"])]


def _state(silence: dict[str, Any]) -> str:
    """As of this machine's clock; the engine's decides what is quiet."""
    from protocol.times import parse_rfc3339

    now = time.time_ns() // 1_000
    if now >= parse_rfc3339(silence["ends_at"]):
        return "expired"
    return "active" if now >= parse_rfc3339(silence["starts_at"]) else "pending"


def _matcher(text: str) -> dict[str, str]:
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise click.UsageError(f"{text!r:.100} is no matcher: write label=value, with one of = != =~ !~")
    return found.groupdict()


def _end_of(lasts: str) -> str:
    from protocol.times import SECOND_US, rfc3339

    found = _DURATION.fullmatch(lasts)
    if found is None:
        raise click.UsageError(f"--for {lasts!r:.40} is no time: write 90s, 30m, 2h or 7d")
    seconds = int(found["count"]) * _UNITS_S[found["unit"]]
    return rfc3339(time.time_ns() // 1_000 + seconds * SECOND_US)
