"""What is counted of alerts, once more and in plain Python: a store's counts are held against it."""

# ruff: noqa: S101  # rows that tell everything apart have everything

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from engine.core.analytics.calendar import Width, start_of
from engine.core.analytics.counts import ENDED, FIGURES, Counts, total
from engine.core.analytics.durations import bin_of
from engine.stores import Store
from engine.stores.aggregates import AggregateQuery, AggregateRow, Dimension
from protocol.model import Alert, AlertState, QuietedBy, Severity
from protocol.times import SECOND_US, parse_rfc3339, rfc3339

EVERYTHING = (Dimension.FRAMEWORK, Dimension.RULE, Dimension.SEVERITY)
_BY_ITSELF = (None, "rule", "source")


class Whose(NamedTuple):
    """Which counts: of a stretch of time that starts then."""

    start: int
    framework: str
    rule: str
    severity: Severity


def counted(alert: Alert, is_notified: bool = False) -> Counts:
    """What one alert adds to the counts of its hour."""
    at = parse_rfc3339(alert.triggered_at)
    ended = None if alert.resolved_at is None else parse_rfc3339(alert.resolved_at)
    taken = None if alert.acknowledged_at is None else parse_rfc3339(alert.acknowledged_at)
    noise = bool(getattr(alert, "noise", False))
    is_resolved = alert.state is AlertState.RESOLVED
    by_person = is_resolved and alert.resolved_by not in _BY_ITSELF
    by_itself = alert.state is AlertState.EXPIRED or (is_resolved and not by_person)
    lasted = (parse_rfc3339(alert.last_seen_at) if ended is None else ended) - at
    is_heeded = not noise and (taken is not None or by_person)
    is_brief = by_itself and lasted <= 120 * SECOND_US
    taken_ms = 0 if taken is None else max(taken // 1_000 - at // 1_000, 0)
    ended_ms = max(ended // 1_000 - at // 1_000, 0) if is_resolved and ended is not None else 0
    figures = {
        "alerts": 1,
        **{state.value: int(alert.state is state) for state in AlertState},
        "suppressed": alert.occurrences - 1,
        "quieted": int(alert.quieted_by is not None),
        "notified": int(is_notified),
        "noisy": int(noise or (not is_heeded and (alert.quieted_by is not None or is_brief))),
        "confirmed": int(is_heeded),
        "false_alarms": int(noise or (not is_heeded and by_itself)),
        "taken": int(taken is not None),
        "taken_ms": taken_ms,
        "ended": int(is_resolved and ended is not None),
        "ended_ms": ended_ms,
    }
    times = {bin_of(taken_ms): 1} if taken is not None else {}
    if figures["ended"]:
        times[ENDED + bin_of(ended_ms)] = 1
    return Counts(tuple(figures[name] for name in FIGURES), times)


def by_hand(alerts: Iterable[Alert], width: Width, notified: frozenset[str] = frozenset()) -> dict[Whose, Counts]:
    """All of them, by the stretch of time that they were triggered in, framework, rule and severity."""
    found: defaultdict[Whose, list[Counts]] = defaultdict(list)
    for alert in alerts:
        start = start_of(width, parse_rfc3339(alert.triggered_at))
        whose = Whose(start, alert.framework_id, alert.rule_id or "", alert.severity)
        found[whose].append(counted(alert, alert.id in notified))
    return {whose: total(each) for whose, each in found.items()}


async def by_store(store: Store, workspace: str, width: Width, since_us: int, until_us: int) -> dict[Whose, Counts]:
    """The same as the store has counted it."""
    query = AggregateQuery(
        workspace=workspace, since_us=since_us, until_us=until_us, width=width, group=EVERYTHING, limit=1_000_000
    )
    return {_whose(row): row.counts for row in (await store.aggregates(query)).rows}


def merged(hours: Mapping[Whose, Counts], width: Width) -> dict[Whose, Counts]:
    """Counts by the hour as those of a longer time."""
    found: defaultdict[Whose, list[Counts]] = defaultdict(list)
    for whose, counts in hours.items():
        found[whose._replace(start=start_of(width, whose.start))].append(counts)
    return {whose: total(each) for whose, each in found.items()}


def _whose(row: AggregateRow) -> Whose:
    assert row.start is not None
    assert row.framework is not None
    assert row.rule_id is not None
    assert row.severity is not None
    return Whose(row.start, row.framework, row.rule_id, row.severity)


def changed(alert: Alert, now: int, random: random.Random) -> Alert:
    """The alert after something that may happen to it at `now`, whatever that is: counts know no life cycle."""
    at = rfc3339(now)
    person = random.choice(("ann", "bob"))
    match random.randrange(8):
        case 0:
            return replace(alert, state=AlertState.ACKNOWLEDGED, acknowledged_at=at, acknowledged_by=person)
        case 1:
            return replace(alert, state=AlertState.RESOLVED, resolved_at=at, resolved_by=person)
        case 2:
            return replace(
                alert, state=AlertState.RESOLVED, resolved_at=at, resolved_by=random.choice(("rule", "source"))
            )
        case 3:
            return replace(alert, state=AlertState.EXPIRED)
        case 4:
            return replace(
                alert,
                state=AlertState.ACTIVE,
                acknowledged_at=None,
                acknowledged_by=None,
                resolved_at=None,
                resolved_by=None,
            )
        case 5:
            return replace(alert, severity=random.choice(list(Severity)), occurrences=alert.occurrences + 1)
        case 6:
            return replace(alert, quieted_by=random.choice([None, QuietedBy.SILENCED]))
        case _:
            return replace(alert, occurrences=alert.occurrences + random.randrange(50), last_seen_at=at)
