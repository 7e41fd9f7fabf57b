"""`tocsin endpoints`: where notifications go, a new secret for one, a test of one."""

from __future__ import annotations

from typing import Any

import click

from tocsin.commands import options
from tocsin.commands.directory import group_of
from tocsin.commands.shelves import Kind, add_bulk, once


def _format(endpoint: dict[str, Any]) -> str | None:
    """Only a webhook's receiver gets one of several forms."""
    return endpoint["format"] if endpoint["channel"] == "webhook" else None


ENDPOINTS = Kind(
    "endpoints",
    "endpoint",
    {
        "ENDPOINT": "id", "CHANNEL": "channel", "FORMAT": _format,
        "TARGET": lambda each: each["url"] or each["address"],
        "FROM": "min_severity", "FRAMEWORKS": "frameworks", "ENABLED": "enabled",
        "WRONG": lambda each: each["why_off"] or each["unreachable"] or None,
        "VERSION": "version", "CHANGED": "updated_at", "BY": "updated_by",
    },
    example="min_severity=error",
)  # fmt: skip

endpoints = group_of(
    ENDPOINTS,
    "Where notifications go besides to people: webhooks, Slack channels, mailboxes (docs/notifications.md). The secret "
    "of a new webhook is printed once.",
    "pager channel=webhook url=https://hooks.example.com/tocsin min_severity=error",
)
add_bulk(endpoints, ENDPOINTS, "enable", "enabled", "Switches endpoints on.")
add_bulk(endpoints, ENDPOINTS, "disable", "disabled", "Switches endpoints off: nothing is sent to them.")


@endpoints.command("rotate", short_help="Gives an endpoint a new secret.")
@click.argument("object_id", metavar="ENDPOINT", callback=options.filled)
@click.option("--secret", default="", help="The new one; without it we make one, for a webhook.")
@click.option("--keep", type=click.FloatRange(0), help="For so long (s) the old one goes on signing. [a day]")
@options.administrator
def rotate(object_id: str, secret: str, keep: float | None, **given: Any) -> None:
    """Gives ENDPOINT a new secret; what is sent is signed with both until the old one ends."""
    body = ({"secret": secret} if secret else {}) | ({} if keep is None else {"keep_s": keep})
    answer = ENDPOINTS.api(given).ask("POST", f"{ENDPOINTS.address(object_id)}/rotate", body)
    options.write(f"endpoint {object_id} has a new secret, version {answer['version']}{once(answer)}")


@endpoints.command("test", short_help="Sends an endpoint a test notification.")
@click.argument("object_id", metavar="ENDPOINT", callback=options.filled)
@options.administrator
def test(object_id: str, **given: Any) -> None:
    """Sends ENDPOINT a test notification, and says what came of it; exit code 1 if it did not arrive."""
    answer = ENDPOINTS.api(given).ask("POST", f"{ENDPOINTS.address(object_id)}/test")
    options.write(answer["outcome"] + (f": {answer['cause']}" if answer["cause"] else ""))
    if answer["outcome"] not in ("delivered", "sent"):
        raise SystemExit(1)
