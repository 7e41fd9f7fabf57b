"""Which chain an alert has, and what comes after a step of it. Pure.

Of several chains that mean an alert the one that names its rule counts, then one that names its framework, then one for
all; of equals the one with the least id: one answer, whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from protocol.escalation import Escalation
from protocol.model import Alert
from protocol.notify import Change, Delivery
from protocol.times import parse_rfc3339

# What begins a chain, if it has not begun: when an alert that was quiet rings, or a small one has become severe enough,
# that is the first that anybody hears of it.
BEGINS = frozenset({Change.FIRED, Change.REPEATED, Change.RAISED, Change.REOPENED, Change.UNACKNOWLEDGED})
_BY_CHAINS = frozenset({Change.ESCALATED, Change.REMINDER})


class NextStep(NamedTuple):
    """Which step of which round is next, and how long to wait for it."""

    round: int
    step: int
    wait_s: float


def chain_of(alert: Alert, chains: Iterable[Escalation]) -> Escalation | None:
    """The chain of an alert; None: it has none."""
    fits = [chain for chain in chains if _means(chain, alert)]
    return min(fits, key=lambda chain: (not chain.rules, not chain.frameworks, chain.id), default=None)


def _means(chain: Escalation, alert: Alert) -> bool:
    if not chain.enabled or alert.severity.rank < chain.min_severity.rank:
        return False
    if chain.rules and alert.rule_id not in chain.rules:
        return False
    return not chain.frameworks or alert.framework_id in chain.frameworks


def since_of(alert: Alert) -> int:
    """Which beginning of an alert is the present one: when it was given back or re-opened (microseconds), else 0.

    Of the same beginning each step is told once; steps of an earlier one are told no more.
    """
    return 0 if alert.active_since is None else parse_rfc3339(alert.active_since)


def version_of(place: str, since: str, chain: str) -> str:
    """What a step, or a reminder, is called in the ledger. What people named comes last and cannot be mistaken."""
    return f"{place}:{since}:{chain}"


def has_begun(told: Iterable[Delivery], since: str, chain: str) -> bool:
    """Whether anybody was told of anything by this chain since then."""
    chains = (line.version.partition(":")[2] for line in told if is_of_chain(line))
    return f"{since}:{chain}" in chains


def is_of_chain(line: Delivery) -> bool:
    """Whether a chain wanted somebody told."""
    return line.change in _BY_CHAINS


def first(chain: Escalation) -> NextStep | None:
    """Where a chain begins; None: it only reminds."""
    return NextStep(0, 0, chain.steps[0].after_s) if chain.steps else None


def following(chain: Escalation, round_: int, step: int) -> NextStep | None:
    """What comes after a step; None: nothing."""
    if step + 1 < len(chain.steps):
        return NextStep(round_, step + 1, chain.steps[step + 1].after_s)
    if round_ < chain.repeat and chain.steps:
        return NextStep(round_ + 1, 0, chain.steps[0].after_s)
    return None
