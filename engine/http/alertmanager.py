"""Alertmanager's words and ours: what Prometheus posts becomes a Ring, what we keep becomes what amtool reads.

Pure functions; the routes are in `alertmanager_routes.py`. Shapes as in Alertmanager's API v2 (`postableAlert`,
`gettableAlert`). A post that fails is dropped by Prometheus, so nothing is refused for its looks: names that we do not
allow are mapped to allowed ones, overlong texts are cut. Only an alert without labels has no identity and is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from engine.core.identity import fingerprint
from engine.core.quieting import QuietWindows, labels_of
from engine.foreign_forms.places import framework_of
from engine.input.severity import parse_severity
from protocol.commands import Ring
from protocol.errors import BadRequest
from protocol.fields import LABEL_MAX_CHARS, LABELS_MAX, TEXT_MAX_CHARS, TITLE_MAX_CHARS
from protocol.model import Alert, QuietedBy
from protocol.rows import Row, SourceReport
from protocol.times import SECOND_US, TIME_MAX_US, parse_rfc3339, rfc3339

# Alertmanager's default: a source that says nothing of the end has this long to speak again.
RESOLVE_TIMEOUT_S = 300.0
RECEIVER = "tocsin"
FALLBACK_FRAMEWORK = "prometheus"
# Generator URLs carry a whole query; longer ones are no use to anybody.
URL_MAX_CHARS = 2_048
# More annotations than labels are allowed would be a way round the limit on labels.
ANNOTATIONS_MAX = LABELS_MAX


class PostableAlert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One alert as Prometheus posts it. Times are RFC 3339; the year 1 is Go's way to say none."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    starts_at: str | None = None
    ends_at: str | None = None
    generator_url: str = msgspec.field(default="", name="generatorURL")


class ReceiverName(msgspec.Struct, frozen=True):
    """Who is told of an alert."""

    name: str


class AlertStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`active` or `suppressed`, and by what."""

    state: str = "active"
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    muted_by: tuple[str, ...] = ()


class GettableAlert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One label set of an open alert, as amtool and Alertmanager's page read it."""

    annotations: dict[str, str]
    ends_at: str
    fingerprint: str
    receivers: tuple[ReceiverName, ...]
    starts_at: str
    status: AlertStatus
    updated_at: str
    labels: dict[str, str]
    generator_url: str = msgspec.field(default="", name="generatorURL")


def to_report(alert: PostableAlert, now: int, resolve_timeout_s: float = RESOLVE_TIMEOUT_S) -> tuple[str, Ring]:
    """What a posted alert asks of us: the framework and the Ring. Raises BadRequest."""
    labels = _clean(alert.labels, LABELS_MAX, LABEL_MAX_CHARS, "labels")
    if not labels:
        raise BadRequest("at least one label with a value is needed")
    annotations = _clean(alert.annotations, ANNOTATIONS_MAX, TEXT_MAX_CHARS, "annotations")
    severity = parse_severity(labels["severity"])[0] if "severity" in labels else None
    title = annotations.get("summary") or labels.get("alertname") or "alert"
    return framework_of(labels, FALLBACK_FRAMEWORK), Ring(
        alert_type=FALLBACK_FRAMEWORK,
        severity=severity,
        title=title[:TITLE_MAX_CHARS],
        message=annotations.get("description"),
        labels=labels,
        source=_source_report(alert, labels, annotations, now, now + int(resolve_timeout_s * SECOND_US)),
    )


def _source_report(
    alert: PostableAlert, labels: dict[str, str], annotations: dict[str, str], now: int, silent_end: int
) -> SourceReport:
    starts_at = _moment(alert.starts_at, "startsAt")
    ends_at = _moment(alert.ends_at, "endsAt")
    end = silent_end if ends_at is None else ends_at
    # A missing start is now; an end before the start is a sender's clock that jumped, not a reason to lose the alert.
    start = min(now if starts_at is None else starts_at, end)
    return SourceReport(
        labels=labels,
        annotations=annotations,
        starts_at=start,
        ends_at=end,
        generator_url=alert.generator_url[:URL_MAX_CHARS],
        explicit_end=end <= now,
    )


NOT_SILENCED = QuietWindows(())


def to_gettable(row: Row, now: int, silences: QuietWindows = NOT_SILENCED) -> Iterator[GettableAlert]:
    """Each label set of an open alert; one that no source reports with labels is shown with labels of our making.

    What silences it is asked for each label set, as Alertmanager does; the mark of our alert says the rest.
    """
    updated_at = row.alert.last_seen_at
    for source in row.sources:
        # A sender that names its alerts by a key alone has said nothing that a reader would know it by.
        labels = labels_of(row.alert) if source.labels.keys() == {"key"} else source.labels
        yield GettableAlert(
            annotations=source.annotations or _told(row.alert),
            ends_at=rfc3339(source.ends_at),
            fingerprint=fingerprint(labels),
            receivers=(ReceiverName(RECEIVER),),
            starts_at=rfc3339(source.starts_at),
            status=_status(row.alert, source.labels, now, silences),
            updated_at=updated_at,
            labels=labels,
            generator_url=source.generator_url,
        )
    if not row.sources:
        yield _own_alert(row.alert, now, silences)


def _status(alert: Alert, labels: Mapping[str, str], now: int, silences: QuietWindows) -> AlertStatus:
    seen = {**labels_of(alert), **labels}
    silenced_by = tuple(sorted(window.ref for window in silences.concerning(seen) if window.at(now)[0]))
    muted_by: tuple[str, ...] = ()
    if alert.quieted_by not in (None, QuietedBy.SILENCED):
        muted_by = (alert.quieted_ref or alert.quieted_by.value,)
    state = "suppressed" if silenced_by or muted_by else "active"
    return AlertStatus(state=state, silenced_by=silenced_by, muted_by=muted_by)


def _own_alert(alert: Alert, now: int, silences: QuietWindows) -> GettableAlert:
    labels = labels_of(alert)
    return GettableAlert(
        annotations=_told(alert),
        # It has no end; like Alertmanager we show when it would end if nothing more were heard of it.
        ends_at=rfc3339(now + int(RESOLVE_TIMEOUT_S * SECOND_US)),
        fingerprint=fingerprint(labels),
        receivers=(ReceiverName(RECEIVER),),
        starts_at=alert.triggered_at,
        status=_status(alert, labels, now, silences),
        updated_at=alert.last_seen_at,
        labels=labels,
    )


def _told(alert: Alert) -> dict[str, str]:
    return {"summary": alert.title} | ({"description": alert.message} if alert.message else {})


def _moment(text: str | None, what: str) -> int | None:
    """Microseconds; None for no time, which Go writes as the year 1."""
    if not text:
        return None
    try:
        at = parse_rfc3339(text)
    except ValueError as fault:
        raise BadRequest(f"{what}: {text[:64]!r} is not an RFC 3339 time") from fault
    return min(at, TIME_MAX_US) if at > 0 else None


def _clean(pairs: Mapping[str, str], count_max: int, chars_max: int, what: str) -> dict[str, str]:
    """Without empty values (to Prometheus they are no label at all) and without what stores choke on; bounded."""
    if len(pairs) > count_max:
        raise BadRequest(f"{what}: {len(pairs)} are too many, at most {count_max}")
    return {_text(name, LABEL_MAX_CHARS): _text(value, chars_max) for name, value in pairs.items() if value}


def _text(text: str, chars_max: int) -> str:
    return text[:chars_max].replace("\0", "\N{REPLACEMENT CHARACTER}")
