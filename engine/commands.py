"""Turns what clients send into commands: severity words mapped, times in microseconds, nothing that a store chokes on.

Pure. Every door's input goes through here, so a machine never meets a foreign value.
"""

from __future__ import annotations

from engine.severity import parse_severity
from protocol.commands import Observe, Ring
from protocol.errors import BadRequest
from protocol.messages import ReadingInput, TriggerInput
from protocol.names import check_id
from protocol.times import TIME_MAX_US, parse_rfc3339

NUL = "\0"


def to_ring(trigger: TriggerInput) -> Ring:
    """The command for a trigger. Raises BadRequest with the field that is wrong."""
    labels = trigger.labels
    severity = None
    if trigger.severity is not None:
        severity, original = parse_severity(trigger.severity)
        if original is not None:
            labels = {**labels, "severity": labels.get("severity", original)}
    _refuse_nul(
        f"{trigger.title}{trigger.message}{trigger.alert_type}{trigger.dedup_key}{trigger.severity}", trigger.labels
    )
    for name, value in (("rule_id", trigger.rule_id), ("project_id", trigger.project_id)):
        if value is not None:
            check_id(value, name)
    if trigger.assigned_to is not None:
        check_id(trigger.assigned_to, "assigned_to")
    return Ring(
        rule_id=trigger.rule_id,
        alert_type=trigger.alert_type,
        current_value=trigger.current_value,
        threshold_value=trigger.threshold_value,
        comparison=trigger.comparison,
        severity=severity,
        title=trigger.title,
        message=trigger.message,
        labels=labels,
        dedup_key=trigger.dedup_key,
        project_id=trigger.project_id,
        assigned_to=trigger.assigned_to,
    )


def to_observe(reading: ReadingInput, now_us: int) -> Observe:
    """The command for a reading that arrives at `now_us`. Raises BadRequest with the field that is wrong."""
    check_id(reading.metric, "metric")
    _refuse_nul("", reading.labels)
    return Observe(metric=reading.metric, value=reading.value, at=_moment(reading.at, now_us), labels=reading.labels)


def _moment(at: str | None, now_us: int) -> int:
    if at is None:
        return now_us
    try:
        moment = parse_rfc3339(at)
    except ValueError as fault:
        raise BadRequest(f"at {at[:64]!r} is not a time: write 2026-01-31T12:00:00Z") from fault
    if not 0 <= moment <= TIME_MAX_US:
        raise BadRequest(f"at {at[:64]!r} is out of range: use years 1970 to 9999")
    return moment


def _refuse_nul(texts: str, labels: dict[str, str]) -> None:
    if NUL in texts or any(NUL in name or NUL in value for name, value in labels.items()):
        raise BadRequest("a text contains the NUL character; leave it out")
