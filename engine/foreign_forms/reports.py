"""What every foreign form comes to: a framework, and the Ring of a source that reports until it says that it is over.

Pure. A foreign system re-sends, and says itself when something has ended; that is what a `SourceReport` is. Unlike
Prometheus these say nothing while nothing changes, so silence does not end what they reported. A sender drops what we
refuse, so nothing is refused for its looks: overlong texts are cut, names that we do not allow are mapped to allowed
ones. Only what has no identity is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from engine.input.commands import FLOAT_MAX
from engine.input.severity import parse_severity
from protocol.commands import Ring
from protocol.errors import BadRequest
from protocol.fields import LABEL_MAX_CHARS, LABELS_MAX, TEXT_MAX_CHARS, TITLE_MAX_CHARS
from protocol.rows import SourceReport
from protocol.times import TIME_MAX_US, parse_rfc3339

URL_MAX_CHARS = 2_048
# Words of all these systems for "it is over".
ENDED = frozenset(
    {"resolved", "resolve", "ok", "normal", "closed", "close", "cleared", "clear", "recovered", "expired"}
)


class Report(NamedTuple):
    """One reported alert: where it belongs, and what rings or ends there.

    `is_end_anywhere`: an end whose sender has not said where; it ends that alert wherever it is open.
    """

    framework: str
    ring: Ring
    is_end_anywhere: bool = False


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """What a converter has found; texts of any length. Without `key` the labels are the identity."""

    form: str
    # None: the sender has not said; then it is called like the form.
    framework: str | None
    title: str
    now: int
    labels: Mapping[str, str] = {}
    # Names the alert, whatever else changes about it.
    key: str | None = None
    message: str | None = None
    severity: str | None = None
    value: float | None = None
    url: str = ""
    starts_at: int | None = None
    ended: bool = False


def to_report(found: Reported) -> Report:
    """What the engine is asked. Raises BadRequest if it has no identity."""
    labels = clean_labels(found.labels)
    key = clean(found.key or "", LABEL_MAX_CHARS) or None
    title = clean(found.title, TITLE_MAX_CHARS)
    if key is None and not labels:
        raise BadRequest("it has neither a key nor a label, so nobody could say which alert it is")
    source = SourceReport(
        # What tells this source's word from another's: all of it, or the key, which an end may come with alone.
        labels=labels if key is None else {"key": key},
        annotations={},
        starts_at=min(found.now, found.now if found.starts_at is None else found.starts_at),
        ends_at=found.now if found.ended else TIME_MAX_US,
        generator_url=clean(found.url, URL_MAX_CHARS),
        explicit_end=found.ended,
    )
    ring = Ring(
        alert_type=found.form,
        severity=parse_severity(found.severity)[0] if found.severity else None,
        title=title or found.form,
        message=clean(found.message, TEXT_MAX_CHARS) if found.message else None,
        labels=labels,
        current_value=found.value,
        dedup_key=key,
        source=source,
    )
    return Report(found.framework or found.form, ring, found.ended and not found.framework)


def clean(text: str, chars_max: int) -> str:
    """Without what stores choke on, and not too long."""
    return text[:chars_max].replace("\0", "\N{REPLACEMENT CHARACTER}")


def clean_labels(pairs: Mapping[str, str]) -> dict[str, str]:
    """Without empty ones; at most as many as an alert may have, the first of them."""
    kept = [(name, value) for name, value in pairs.items() if name and value][:LABELS_MAX]
    return {clean(name, LABEL_MAX_CHARS): clean(value, LABEL_MAX_CHARS) for name, value in kept}


def moment(text: str | None) -> int | None:
    """A time as these systems write it, in microseconds; None for none, and for one that nobody can read.

    The year 1 is Go's way to say none.
    """
    if not text:
        return None
    try:
        at = parse_rfc3339(text)
    except ValueError:
        return None
    return min(at, TIME_MAX_US) if at > 0 else None


def number_of(value: object) -> float | None:
    """A JSON number that a store can keep; anything else is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -FLOAT_MAX <= value <= FLOAT_MAX:
        return None
    return float(value)


def text_of(value: object) -> str:
    """Any JSON value as a text: texts as they are, the rest as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def texts_of(pairs: Mapping[str, object], names: Iterable[str] | None = None) -> dict[str, str]:
    """Some members of a JSON object (all, without names) as texts; nulls are left out."""
    wanted = pairs if names is None else names
    return {name: text_of(pairs[name]) for name in wanted if pairs.get(name) is not None}
