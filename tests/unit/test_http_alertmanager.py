import pytest

from engine.core.identity import fingerprint
from engine.foreign_forms.places import allowed_id, framework_of
from engine.http.alertmanager import (
    RESOLVE_TIMEOUT_S,
    URL_MAX_CHARS,
    PostableAlert,
    to_gettable,
    to_report,
)
from protocol.errors import BadRequest
from protocol.fields import LABEL_MAX_CHARS, LABELS_MAX, TITLE_MAX_CHARS
from protocol.model import Severity
from protocol.names import is_id
from protocol.rows import Row, SourceReport, SuppressionWindow
from protocol.times import SECOND_US, parse_rfc3339
from tests.support.http_service import ALERT

NOW = parse_rfc3339("2026-01-01T12:00:00Z")
TIMEOUT_US = RESOLVE_TIMEOUT_S * SECOND_US


def posted(labels: dict[str, str] | None = None, **fields: object) -> PostableAlert:
    return PostableAlert(labels=labels or {"alertname": "DiskFull", "job": "node"}, **fields)  # type: ignore[arg-type]


def test_a_prometheus_alert_becomes_a_ring_of_its_framework() -> None:
    framework, ring = to_report(
        posted(
            {"alertname": "DiskFull", "job": "node", "severity": "page"},
            annotations={"summary": "Disk is full", "description": "No space on /"},
            starts_at="2026-01-01T11:59:00.123456789Z",
            ends_at="2026-01-01T12:04:00Z",
            generator_url="http://prometheus/graph?x",
        ),
        NOW,
    )
    assert framework == "node"
    assert (ring.title, ring.message, ring.severity) == ("Disk is full", "No space on /", Severity.CRITICAL)
    assert ring.labels == {"alertname": "DiskFull", "job": "node", "severity": "page"}
    assert ring.source is not None
    assert ring.source.labels == ring.labels
    assert ring.source.annotations == {"summary": "Disk is full", "description": "No space on /"}
    assert ring.source.starts_at == NOW - 60 * SECOND_US + 123_456
    assert (ring.source.ends_at, ring.source.explicit_end) == (NOW + 240 * SECOND_US, False)
    assert ring.source.generator_url == "http://prometheus/graph?x"


def test_without_a_severity_label_the_rule_or_the_default_decides() -> None:
    assert to_report(posted(), NOW)[1].severity is None


@pytest.mark.parametrize(
    ("labels", "annotations", "title"),
    [({"alertname": "A"}, {"summary": "S"}, "S"), ({"alertname": "A"}, {}, "A"), ({"x": "y"}, {}, "alert")],
)
def test_the_title_is_the_summary_else_the_name(
    labels: dict[str, str], annotations: dict[str, str], title: str
) -> None:
    assert to_report(posted(labels, annotations=annotations), NOW)[1].title == title


@pytest.mark.parametrize("ends_at", [None, "", "0001-01-01T00:00:00Z"])
def test_no_end_means_the_resolve_timeout(ends_at: str | None) -> None:
    source = to_report(posted(ends_at=ends_at), NOW)[1].source
    assert source is not None
    assert (source.starts_at, source.ends_at, source.explicit_end) == (NOW, NOW + TIMEOUT_US, False)


@pytest.mark.parametrize("ends_at", ["2026-01-01T12:00:00Z", "2026-01-01T11:00:00+00:00"])
def test_an_end_that_has_come_was_said_by_the_source(ends_at: str) -> None:
    source = to_report(posted(ends_at=ends_at), NOW)[1].source
    assert source is not None
    assert source.explicit_end
    assert source.starts_at <= source.ends_at <= NOW


def test_an_end_beyond_what_can_be_written_is_the_last_moment_that_can() -> None:
    source = to_report(posted(ends_at="9999-12-31T23:59:59.999999-23:00"), NOW)[1].source
    assert source is not None
    assert source.ends_at == parse_rfc3339("9999-12-31T23:59:59Z")


@pytest.mark.parametrize("labels", [{"a": ""}, {"a": "", "b": ""}])
def test_an_alert_without_labels_is_refused(labels: dict[str, str]) -> None:
    with pytest.raises(BadRequest, match="at least one label"):
        to_report(PostableAlert(labels=labels), NOW)


def test_a_time_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(BadRequest, match="startsAt: 'yesterday' is not"):
        to_report(posted(starts_at="yesterday"), NOW)


def test_too_many_labels_are_refused() -> None:
    with pytest.raises(BadRequest, match=f"labels: {LABELS_MAX + 1} are too many"):
        to_report(posted({f"l{n}": "x" for n in range(LABELS_MAX + 1)}), NOW)


def test_overlong_texts_are_cut_and_nul_is_replaced_rather_than_the_alert_lost() -> None:
    labels = {"alertname": "x" * 5_000, "nul": "a\0b"}
    annotations = {"summary": "s" * 5_000}
    _, ring = to_report(posted(labels, annotations=annotations, generator_url="u" * 9_000), NOW)
    assert ring.labels["alertname"] == "x" * LABEL_MAX_CHARS
    assert ring.labels["nul"] == "a\N{REPLACEMENT CHARACTER}b"
    assert len(ring.title or "") == TITLE_MAX_CHARS
    assert ring.source is not None
    assert len(ring.source.generator_url) == URL_MAX_CHARS


@pytest.mark.parametrize(
    ("labels", "framework"),
    [
        ({"framework_id": "a", "framework": "b", "job": "c"}, "a"),
        ({"framework": "b", "job": "c"}, "b"),
        ({"framework_id": " ", "job": "c"}, "c"),
        ({"x": "y"}, "prometheus"),
        ({"job": "api*<v2>"}, "api__v2_"),
    ],
)
def test_the_framework_is_the_first_label_that_names_one(labels: dict[str, str], framework: str) -> None:
    assert framework_of(labels, "prometheus") == framework


@pytest.mark.parametrize(
    "text", ["ok", "a/../b", "..", ".", "a\nb", "*", "x" * 300, "\x00", "é/ü:1", "a/./b", "#" * 200]
)
def test_any_name_is_mapped_to_an_allowed_one(text: str) -> None:
    assert is_id(allowed_id(text))
    assert not is_id(text) or allowed_id(text) == text


def source(**labels: str) -> SourceReport:
    return SourceReport(
        labels=labels, annotations={"summary": "S"}, starts_at=NOW, ends_at=NOW + SECOND_US, generator_url="u"
    )


def test_each_label_set_is_listed_with_its_fingerprint() -> None:
    sources = (source(alertname="A", severity="warning"), source(alertname="A", severity="critical"))
    row = Row(alert=ALERT, identity="i", window=SuppressionWindow(until=NOW), sources=sources)
    first, second = to_gettable(row, NOW)
    assert (first.labels, second.labels) == (sources[0].labels, sources[1].labels)
    assert first.fingerprint == fingerprint(sources[0].labels) != second.fingerprint
    assert (first.starts_at, first.ends_at) == ("2026-01-01T12:00:00.000000Z", "2026-01-01T12:00:01.000000Z")
    assert (first.status.state, first.receivers[0].name, first.generator_url) == ("active", "tocsin", "u")
    assert first.updated_at == ALERT.last_seen_at


def test_a_source_that_gave_a_key_alone_is_listed_with_what_its_alert_says() -> None:
    keyed = SourceReport(labels={"key": "a\nb"}, annotations={}, starts_at=NOW, ends_at=NOW, generator_url="u")
    (shown,) = to_gettable(Row(alert=ALERT, identity="i", window=SuppressionWindow(until=NOW), sources=(keyed,)), NOW)
    assert shown.labels == {"alertname": "Slow", "framework_id": "web", "host": "h1", "severity": "error"}
    assert shown.fingerprint == fingerprint(shown.labels)
    assert (shown.annotations["summary"], shown.generator_url) == (ALERT.title, "u")


@pytest.mark.parametrize(("message", "described"), [(None, False), ("It is slow", True)])
def test_an_alert_of_our_own_is_listed_with_labels_that_name_it(message: str | None, described: bool) -> None:
    alert = type(ALERT)(**{f: getattr(ALERT, f) for f in ALERT.__struct_fields__} | {"message": message})
    (shown,) = to_gettable(Row(alert=alert, identity="i", window=SuppressionWindow(until=NOW)), NOW)
    assert shown.labels == {"alertname": "Slow", "framework_id": "web", "host": "h1", "severity": "error"}
    assert shown.annotations.get("description") == message
    assert ("description" in shown.annotations) is described
    assert shown.ends_at > shown.starts_at
