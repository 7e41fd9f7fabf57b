"""`tocsin preferences`, `escalations` and `notifications`: how people are told, who is next, and what one was told."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import click

from tocsin.commands import options
from tocsin.commands.directory import group_of
from tocsin.commands.listing import Column, json_option, show
from tocsin.commands.shelves import Kind

if TYPE_CHECKING:
    from tocsin.commands.api import Api

SHOWN = 50
SHOWN_MAX = 1_000_000
_WHEN: dict[str, Column] = {"VERSION": "version", "CHANGED": "updated_at", "BY": "updated_by"}


def _alert(field: str) -> Column:
    return lambda item: (item.get("alert") or {}).get(field)


def _digest(preference: dict[str, Any]) -> str:
    digest = preference["digest"]
    at = f" at {digest['hour']:02}:00" if digest["frequency"] == "daily" else ""
    return f"{digest['frequency']}{at}"


def _quiet(preference: dict[str, Any]) -> str | None:
    hours = preference["quiet_hours"]
    return hours and f"{hours['start']}-{hours['end']}"


def _remind(chain: dict[str, Any]) -> str | None:
    return f"{chain['remind_every_s']:g}" if chain["remind_every_s"] else None


PREFERENCES = Kind(
    "preferences",
    "preference",
    {"USER": "id", "CHANNELS": "channels", "QUIET": _quiet, "DIGEST": _digest, "ZONE": "zone", **_WHEN},
    example="zone=Europe/Berlin",
)
ESCALATIONS = Kind(
    "escalations",
    "escalation",
    {
        "CHAIN": "id", "ENABLED": "enabled", "RULES": "rules", "FRAMEWORKS": "frameworks", "FROM": "min_severity",
        "STEPS": lambda chain: len(chain["steps"]), "REPEAT": "repeat", "REMIND (s)": _remind, **_WHEN,
    },
    example="remind_every_s=1800",
)  # fmt: skip
_COLUMNS: dict[str, Column] = {
    "AT (UTC)": "at", "WHAT": "kind", "READ": "is_read", "ALERT": _alert("id"), "SEVERITY": _alert("severity"),
    "STATE": _alert("state"), "TITLE": _alert("title"), "KEY": "key",
}  # fmt: skip
DELIVERIES: dict[str, Column] = {
    "AT (UTC)": "at", "WHAT": "change", "CHANNEL": "channel", "WHO": "recipient", "STATE": "state",
    "WHY": "explanation",
}  # fmt: skip

preferences = group_of(
    PREFERENCES,
    "How people want to be told: channels by severity, quiet hours, digests. Everybody changes his own; an "
    "administrator anybody's.",
    'ann \'channels={"critical": ["email", "slack"]}\' \'quiet_hours={"start": "22:00", "end": "07:00"}\'',
)
escalations = group_of(
    ESCALATIONS,
    "Whom an alert goes to next while nobody has acknowledged it, and how often people are reminded.",
    'web \'frameworks=["web"]\' \'steps=[{"after_s": 600, "teams": ["web"]}]\'',
)


@click.group(short_help="Shows what one was told in the app.")
def notifications() -> None:
    """What you were told in the app yourself.

    \b
    tocsin notifications list                      as whom TOCSIN_TOKEN says, else as who is at the keyboard
    tocsin notifications read                      all of them
    """


@notifications.command("list", short_help="Shows notifications, the newest first.")
@click.option("--last", type=click.IntRange(1, SHOWN_MAX), default=SHOWN, show_default=True, help="How many at most.")
@json_option
@options.administrator
def list_notifications(last: int, as_json: bool, **given: Any) -> None:
    """Shows your notifications, the newest first."""
    show(itertools.islice(_api(given).pages("/api/v1/notifications", {}), last), _COLUMNS, as_json)


@notifications.command("read", short_help="Says that you have read them.")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@options.administrator
def read(keys: tuple[str, ...], **given: Any) -> None:
    """Says that you have read these notifications; without KEY: all of them. Exit code 1 if you have none of a KEY."""
    body = {"keys": list(keys)} if keys else {}
    answer = _api(given).ask("POST", "/api/v1/notifications/read", body)
    options.write(f"{answer['read']} read")
    for key in answer["unknown"]:
        options.write(f"{key}: you have no such notification")
    if answer["unknown"]:
        raise SystemExit(1)


def _api(given: dict[str, Any]) -> Api:
    from tocsin.commands.api import api_of

    return api_of(**given)
