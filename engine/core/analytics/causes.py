"""Which alert of an incident may be the cause of the others, and why one thinks so. Pure.

What began first comes first, unless the order in which rules ring is known from the past: an alert whose rule is known
to come before that of others is believed more than one that only happened to be earlier by a second. A candidate is no
proof, and says what speaks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.core.analytics.incident_case import began
from protocol.incidents import Member
from protocol.times import SECOND_US

CAUSES_MAX = 5


class Cause(NamedTuple):
    """A candidate. `followed`: of how many of the others it is known that their rules ring after its own."""

    member: Member
    followed: int
    why: str


def causes(members: Sequence[Member], followers: Mapping[str, frozenset[str]]) -> list[Cause]:
    """The likeliest first. `followers`: rules that were found to ring after a rule, by that rule."""
    ordered = sorted(members, key=began)
    found = [
        Cause(member, *_speaks(place, member, ordered, followers.get(member.rule_id or "", frozenset())))
        for place, member in enumerate(ordered)
    ]
    # Sorting is stable: among equals what began first stays first.
    return sorted(found, key=lambda cause: -cause.followed)[:CAUSES_MAX]


def _speaks(place: int, member: Member, ordered: Sequence[Member], known: frozenset[str]) -> tuple[int, str]:
    later = {other.rule_id for other in ordered[place + 1 :] if other.rule_id in known}
    words = [_when(place, member, ordered)]
    if later:
        words.append(f"its rule is known to ring before {', '.join(sorted(name for name in later if name))}")
    followed = sum(other.rule_id in later for other in ordered[place + 1 :])
    return followed, "; ".join(words)


def _when(place: int, member: Member, ordered: Sequence[Member]) -> str:
    if place:
        return f"it began {_seconds(member.started_at - ordered[0].started_at)} after the first"
    if len(ordered) == 1:
        return "it is the only one"
    return f"it began first, {_seconds(ordered[1].started_at - member.started_at)} before the next"


def _seconds(apart_us: int) -> str:
    return f"{apart_us / SECOND_US:.3g} s"
