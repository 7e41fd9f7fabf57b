"""The story of an alert as `tocsin alerts show` tells it: what people did, and what came by itself.

The record (`/audit`) has what people did. Here its end is added if no person has brought it about, and each step of
escalation and each reminder, out of the ledger of who was told.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Line = dict[str, Any]
# What nobody did, and whoever reads the story of a night looks for.
_BY_ITSELF = ("escalated", "reminder")


def whole_story(record: list[Line], alert: Line, deliveries: Iterable[Line]) -> list[Line]:
    """The newest first, as the record has it."""
    more = [*_ending(record, alert), *_steps(deliveries)]
    # A stable sort: what happened at one moment stays as the record has it.
    return sorted([*more, *record], key=lambda each: str(each["at"]), reverse=True) if more else record


def _ending(record: list[Line], alert: Line) -> list[Line]:
    """The end, if no person but a rule, a source or time has brought it about."""
    ended, verbs = alert.get("resolved_at"), {line["verb"] for line in record if line["at"] == alert.get("resolved_at")}
    if ended is None or "resolve" in verbs:
        return []
    return [_line(ended, alert.get("resolved_by"), alert["state"], None)]


def _steps(deliveries: Iterable[Line]) -> list[Line]:
    """A line for each step, with who was woken by it, and who was not and why."""
    steps: dict[tuple[str, str], list[Line]] = {}
    for each in deliveries:
        if each["change"] in _BY_ITSELF:
            steps.setdefault((each["at"], each["change"]), []).append(each)
    return [_line(at, None, change, "; ".join(_told(those))) for (at, change), those in steps.items()]


def _told(those: list[Line]) -> list[str]:
    told: list[str] = []
    untold: list[str] = []
    for each in those:
        place = f"{each['recipient']} by {each['channel']}"
        if each["state"] == "suppressed":
            untold.append(f"not {place}: {each['why']}")
        else:
            told.append(place)
    return [", ".join(told) or "nobody was told", *untold]


def _line(at: str, by: str | None, verb: str, notes: str | None) -> Line:
    return {"at": at, "by": by, "verb": verb, "before": {}, "after": {}, "notes": notes}
