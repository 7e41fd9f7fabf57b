"""What of that which was put aside goes with a digest, and what not any more. Pure.

A line was put aside when something happened; the digest comes later. What its recipient was told at once meanwhile is
not told again, what is gone cannot be told, and of what nobody told him that it began he is not told the end. So the
digest is never on top of the immediate message, and never half a story. An immediate message that still waits (for its
target, or for this digest) counts as well, and if it fails, its own line says so; but not one that is told only to
whoever was told of the beginning: that may be what is in the digest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from protocol.model import Alert
from protocol.notify import TOLD, Delivery, DeliveryState, Why


class Gathered(NamedTuple):
    """Lines that the digest tells, and those that it does not, each with the reason."""

    told: list[Delivery]
    dropped: list[tuple[Delivery, Why]]


def gather(lines: Sequence[Delivery], known: Mapping[str, Sequence[Delivery]], there: Collection[str]) -> Gathered:
    """`known`: what the ledger has of their alerts; `there`: which of these alerts there still are."""
    gathered = Gathered([], [])
    for line in lines:
        why = _needless(line, known.get(line.alert_id, ()), there)
        if why is None:
            gathered.told.append(line)
        else:
            gathered.dropped.append((line, why))
    return gathered


def _needless(line: Delivery, known: Sequence[Delivery], there: Collection[str]) -> Why | None:
    if line.alert_id not in there:
        return Why.OVER
    same = [each for each in known if (each.channel, each.recipient) == (line.channel, line.recipient)]
    if any(each.due is None and each.at >= line.at and _begins(each) for each in same):
        return Why.TOLD
    is_begun = line.change.is_start or any(_begins(each) for each in same)
    return None if is_begun else Why.NOT_TOLD


def _begins(line: Delivery) -> bool:
    """Whether somebody has heard of an alert by this line, or will."""
    return line.state in TOLD or (line.state is DeliveryState.QUEUED and line.change.is_start)


def by_weight(alerts: Sequence[Alert]) -> list[Alert]:
    """The open ones first, the most severe first."""
    return sorted(alerts, key=lambda alert: (not alert.state.is_open, -alert.severity.rank))
