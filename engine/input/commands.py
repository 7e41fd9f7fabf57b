"""Turns what clients send into commands: severity words mapped, times in microseconds, nothing that a store chokes on.

Pure. Every door's input goes through here, so a machine never meets a foreign value. Decoders refuse most of it before
(NaN, half surrogate pairs); an embedding program builds its inputs without one.
"""

from __future__ import annotations

import sys

from engine.input.severity import parse_severity
from protocol.commands import Observe, Ring
from protocol.errors import BadRequest
from protocol.items import ReadingInput, TriggerInput
from protocol.model import Comparison
from protocol.names import check_id
from protocol.times import moment_of

NUL = "\0"
FLOAT_MAX = sys.float_info.max


def to_ring(trigger: TriggerInput) -> Ring:
    """The command for a trigger. Raises BadRequest with the field that is wrong."""
    labels = trigger.labels
    severity = None
    if trigger.severity is not None:
        severity, original = parse_severity(trigger.severity)
        if original is not None:
            labels = {**labels, "severity": labels.get("severity", original)}
    _check_texts(
        f"{trigger.title}{trigger.message}{trigger.alert_type}{trigger.dedup_key}{trigger.severity}", trigger.labels
    )
    for name, value in (
        ("rule_id", trigger.rule_id),
        ("project_id", trigger.project_id),
        ("step_id", trigger.step_id),
        ("assigned_to", trigger.assigned_to),
    ):
        if value is not None:
            check_id(value, name)
    if trigger.step_id is not None and trigger.project_id not in (None, trigger.framework_id):
        raise BadRequest(
            f"an alert about a step rings on its project's channel: project_id {trigger.project_id!r} and "
            f"framework_id {trigger.framework_id!r} must be the same, or leave project_id out"
        )
    if trigger.comparison in (Comparison.BETWEEN, Comparison.OUTSIDE):
        word = trigger.comparison.value
        raise BadRequest(f"comparison {word!r} is for rules, which have an upper end as well; use > >= < <= == or !=")
    _check_finite(trigger.current_value, "current_value")
    _check_finite(trigger.threshold_value, "threshold_value")
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
        project_id=trigger.framework_id if trigger.step_id is not None else trigger.project_id,
        step_id=trigger.step_id,
        assigned_to=trigger.assigned_to,
    )


def to_observe(reading: ReadingInput, now_us: int) -> Observe:
    """The command for a reading that arrives at `now_us`. Raises BadRequest with the field that is wrong."""
    check_id(reading.metric, "metric")
    _check_texts("", reading.labels)
    _check_finite(reading.value, "value")
    at = now_us if reading.at is None else moment_of(reading.at, "at")
    return Observe(metric=reading.metric, value=reading.value, at=at, labels=reading.labels)


def is_storable(text: str) -> bool:
    """Whether every store can keep the text: Postgres takes no NUL, none takes half of a surrogate pair."""
    if NUL in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_text(text: str, what: str) -> None:
    """Raises BadRequest that names `what` if no store could keep the text."""
    if not is_storable(text):
        raise BadRequest(f"{what} contains the NUL character or half of a surrogate pair; leave it out")


def _check_texts(texts: str, labels: dict[str, str]) -> None:
    check_text(texts + "".join(labels) + "".join(labels.values()), "a text")


def _check_finite(value: float | None, what: str) -> None:
    if value is not None and not -FLOAT_MAX <= value <= FLOAT_MAX:
        raise BadRequest(f"{what} is not a finite number")
