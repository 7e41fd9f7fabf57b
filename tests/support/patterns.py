"""Histories put into a store, and patterns to ask about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from benchmarks.planted import History
from engine.analytics.pattern_findings import finding_of
from engine.stores import Store
from engine.stores.findings import Finding
from protocol.model import AlertState, ChannelKey, Severity
from protocol.patterns import Pattern, PatternKind, Source
from protocol.rows import Row
from protocol.times import SECOND_US, rfc3339
from tests.support.stores import NOW, a_commit, a_row, an_alert, committed

ALERTS_A_COMMIT = 200


async def fill_with(
    store: Store,
    history: History,
    until_us: int,
    workspace: str = "acme",
    severities: Mapping[str, Severity] = MappingProxyType({}),
) -> None:
    """Has the alerts of a history in the store, ending at this moment; `severities` of rules, else warnings."""
    shift_us = until_us - int(history.until * SECOND_US)
    key = ChannelKey(workspace, "web")
    rows = [_row(each, shift_us, severities) for each in sorted(history.alerts, key=lambda each: each.at)]
    for start in range(0, len(rows), ALERTS_A_COMMIT):
        some = rows[start : start + ALERTS_A_COMMIT]
        await committed(store, a_commit(key, base=start, rows=some))


def _row(one: Any, shift_us: int, severities: Mapping[str, Severity]) -> Row:
    def moment(seconds: float) -> int:
        return int(seconds * SECOND_US) + shift_us

    alert = an_alert(at=moment(one.at), framework_id="web", rule_id=one.source.rule_id, title=one.source.name)
    severity = severities.get(one.source.rule_id, Severity.WARNING)
    alert = replace(alert, severity=severity, labels={"host": one.identity})
    # As different as people are, and the same each time.
    some = int(one.at) * 7_919
    alert = replace(alert, occurrences=1 + some % 3)
    if one.is_heeded:
        heeded_at = one.at + min(30 + some % 1_200, ((one.ended_at or one.at + 3_600) - one.at) / 2)
        alert = replace(alert, acknowledged_at=rfc3339(moment(heeded_at)), acknowledged_by="ann")
    if one.ended_at is not None:
        alert = replace(alert, state=AlertState.RESOLVED, resolved_at=rfc3339(moment(one.ended_at)))
    return replace(a_row(alert, until=0), identity=one.identity)


def a_pattern(pattern_id: str = "p1", **changes: Any) -> Pattern:
    pattern = Pattern(
        id=pattern_id,
        kind=PatternKind.CO_OCCURRENCE,
        framework="web",
        sources=(Source("web", "cpu", "CPU"), Source("web", "disk", "Disk")),
        summary="CPU (web) and Disk (web) come together: 9 of 10 times that the rarer one came.",
        confidence=0.8,
        support=9,
        occasions=10,
        lift=12.0,
        evidence=("a1", "a2"),
        first_at=rfc3339(NOW - 9 * SECOND_US),
        last_at=rfc3339(NOW),
        found_at=rfc3339(NOW),
        since=rfc3339(NOW),
    )
    return replace(pattern, **changes)


def findings_of(patterns: Sequence[Pattern], workspace: str = "acme") -> list[Finding]:
    """As they are kept."""
    return [finding_of(workspace, each, NOW) for each in patterns]
