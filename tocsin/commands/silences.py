"""`tocsin silences`: what is kept quiet by people, in a running engine, over HTTP."""

from __future__ import annotations

import re
from typing import Any

import click

from tocsin.commands import options, times
from tocsin.commands.listing import json_option, show
from tocsin.commands.shelves import Kind, add_show, one_by_one

_MATCHER = re.compile(r"\s*(?P<name>[^=!~]+?)\s*(?P<operator>=~|!~|!=|=)\s*\"?(?P<value>.*?)\"?\s*", re.DOTALL)


def matcher_of(text: str) -> dict[str, str]:
    """`host=web-3` as the API has it. Raises UsageError."""
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise click.UsageError(f"{text!r:.100} is no matcher: write label=value, with one of = != =~ !~")
    return found.groupdict()


def matchers_in_words(matchers: list[dict[str, str]]) -> str:
    """The same for people."""
    return " ".join(f"{each['name']}{each['operator']}{each['value']}" for each in matchers)


SILENCES = Kind(
    "silences",
    "silence",
    {
        "SILENCE": "id", "STATE": "state", "MATCHERS": lambda silence: matchers_in_words(silence["matchers"]),
        "FROM": "starts_at", "UNTIL": "ends_at", "AUTHOR": "author", "COMMENT": "comment",
    },
)  # fmt: skip


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
@json_option
@options.administrator
def list_silences(state: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Shows silences in the order of their ids; those that are over only if asked for (--state expired)."""
    found = SILENCES.api(given).pages(SILENCES.path, {"state": ",".join(state or ("pending", "active"))})
    show(found, SILENCES.columns, as_json)


add_show(silences, SILENCES)


@silences.command(short_help="Makes a silence.")
@click.argument("matchers", nargs=-1, required=True)
@click.option("--comment", required=True, callback=options.filled, help="Why; shown with every alert's mark.")
@click.option("--for", "lasts", metavar="TIME", callback=times.lasting, help="How long: 90s, 30m, 2h, 7d.")
@click.option("--from", "starts_at", metavar="TIME", callback=times.future, help="From when on (RFC 3339, or in: 2h).")
@click.option("--until", "ends_at", metavar="TIME", callback=times.future, help="Until when.")
@options.administrator
def add(
    matchers: tuple[str, ...],
    comment: str,
    lasts: int | None,
    starts_at: str | None,
    ends_at: str | None,
    **given: Any,
) -> None:
    """Silences what all MATCHERS match: host=web-3, severity!=critical, alertname=~"Disk.*", team!~"db|web".

    Besides an alert's own labels: alertname, framework_id, severity, rule_id. Prints the id.
    """
    body = {"matchers": [matcher_of(text) for text in matchers], "comment": comment}
    body |= times.span(starts_at, lasts, ends_at)
    if starts_at is None:
        # From now on by the engine's clock, whatever ours says.
        body["starts_at"] = ""
    options.write(SILENCES.api(given).ask("POST", SILENCES.path, body)["id"])


@silences.command(short_help="Ends silences now.")
@click.argument("silence_ids", nargs=-1, required=True, metavar="ID...")
@options.administrator
def expire(silence_ids: tuple[str, ...], **given: Any) -> None:
    """Ends silences now; what they kept quiet and is still open rings. Exits with 1 if one is none."""
    api = SILENCES.api(given)

    def expire_one(name: str) -> str:
        return f"{api.ask('POST', f'{SILENCES.address(name)}/expire')['id']}: expired"

    one_by_one(silence_ids, expire_one)
