"""What foreign systems post, in our words: pure translation, form by form."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from engine.core.identity import identity_of
from engine.foreign_forms import alerta, alertmanager, cloudevents, mapped, pagerduty
from engine.foreign_forms.alerta import AlertaAlert
from engine.foreign_forms.alertmanager import Webhook
from engine.foreign_forms.reports import Report, Reported, moment, number_of, to_report
from protocol.errors import BadRequest
from protocol.fields import LABELS_MAX, TEXT_MAX_CHARS, TITLE_MAX_CHARS
from protocol.model import Severity
from protocol.times import TIME_MAX_US, parse_rfc3339
from tests.support.foreign_posts import (
    ALERTA,
    ALERTMANAGER,
    CLOUDEVENT,
    GRAFANA,
    OWN_JSON,
    OWN_MAPPING,
    PAGERDUTY,
    changed,
)

NOW = parse_rfc3339("2026-01-01T12:00:00Z")


def identity(report: Report) -> str:
    return identity_of(report.framework, report.ring)


def has_ended(report: Report) -> bool:
    source = report.ring.source
    assert source is not None
    assert source.ends_at == (NOW if source.explicit_end else TIME_MAX_US)
    return source.explicit_end


def same_alert(one: Report, other: Report) -> bool:
    """The same alert and the same voice, so that the end of one is heard by the other."""
    assert one.ring.source is not None and other.ring.source is not None
    return identity(one) == identity(other) and one.ring.source.labels == other.ring.source.labels


# --- what all come to --------------------------------------------------------------------------------------------


def reported(**fields: Any) -> Report:
    return to_report(Reported(**{"form": "f", "framework": "web", "title": "t", "now": NOW, "key": "k", **fields}))


def test_overlong_and_unstorable_texts_are_cut_and_not_refused():
    labels = {f"l{n}": "v\0" for n in range(LABELS_MAX + 1)}
    ring = reported(title="t" * 600, message="m" * 9_000, labels=labels, url="u" * 3_000, key="k" * 2_000).ring
    assert (len(ring.title or ""), len(ring.message or "")) == (TITLE_MAX_CHARS, TEXT_MAX_CHARS)
    assert len(ring.labels) == LABELS_MAX
    assert "\0" not in "".join(ring.labels.values())


def test_what_has_no_identity_is_refused():
    with pytest.raises(BadRequest, match="neither a key nor a label"):
        reported(key="", labels={"empty": ""})


def test_without_a_title_the_form_is_one():
    assert reported(title="").ring.title == "f"


@pytest.mark.parametrize("text", [None, "", "0001-01-01T00:00:00Z", "yesterday"])
def test_a_time_that_is_none_is_none(text: str | None):
    assert moment(text) is None


@pytest.mark.parametrize(("value", "number"), [(5, 5.0), (True, None), ("5", None), (10**400, None), (None, None)])
def test_only_a_number_that_can_be_kept_is_one(value: object, number: float | None):
    assert number_of(value) == number


# --- Alertmanager and Grafana --------------------------------------------------------------------------------------


def webhook(post: dict[str, Any], form: str = "alertmanager", framework: str | None = None) -> list[Report]:
    alerts = msgspec.convert(post, Webhook).alerts
    return [alertmanager.report_of(alert, NOW, form, framework) for alert in alerts]


def test_alertmanagers_alerts_keep_labels_severity_texts_and_start():
    first, second = webhook(ALERTMANAGER)
    assert (first.framework, first.ring.severity, first.ring.title) == ("node", Severity.CRITICAL, "Disk of h1 is full")
    assert first.ring.message == "3 % free on /"
    assert first.ring.source is not None
    assert first.ring.source.starts_at == parse_rfc3339("2026-01-01T11:00:00.123Z")
    assert second.ring.title == "DiskFull"
    assert identity(first) != identity(second)
    assert not has_ended(first)


def test_a_resolved_alert_of_a_group_ends_what_it_rang():
    resolved = [changed(alert, status="resolved") for alert in ALERTMANAGER["alerts"]]
    for before, after in zip(webhook(ALERTMANAGER), webhook(changed(ALERTMANAGER, alerts=resolved)), strict=True):
        assert has_ended(after)
        assert same_alert(before, after)


def test_grafanas_alerts_have_their_value_and_belong_to_the_form_or_to_the_integration():
    (report,) = webhook(GRAFANA, "grafana")
    assert (report.framework, report.ring.current_value, report.ring.severity) == ("grafana", 2.5, Severity.ERROR)
    assert webhook(GRAFANA, "grafana", "shop")[0].framework == "shop"


def test_an_alert_without_labels_is_refused():
    with pytest.raises(BadRequest, match="at least one label"):
        webhook({"alerts": [{"status": "firing", "labels": {"a": ""}}]})


# --- PagerDuty -----------------------------------------------------------------------------------------------------


def page(post: dict[str, Any], framework: str | None = None) -> Report:
    event = msgspec.convert(post, pagerduty.Event)
    assert pagerduty.faults(event) == []
    return pagerduty.report_of(event, event.dedup_key or "made", NOW, framework)


def test_a_pages_fields_become_labels_and_its_details_the_message():
    report = page(PAGERDUTY)
    assert (report.framework, report.ring.title) == ("pagerduty", "HTTP on srv01 does not answer")
    assert report.ring.labels == {
        "source": "srv01", "component": "nginx", "group": "prod-datapipe", "class": "deploy"
    }  # fmt: skip
    assert report.ring.message == '{"ping time":"1500ms","load avg":0.75}'
    assert page(PAGERDUTY, "shop").framework == "shop"


def test_a_resolve_needs_nothing_but_the_key():
    resolve = page({"event_action": "resolve", "dedup_key": "srv01/HTTP"})
    assert has_ended(resolve)
    assert same_alert(page(PAGERDUTY), resolve)


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        ({"event_action": "trigger"}, "'payload' is missing"),
        ({"event_action": "resolve"}, "'dedup_key' is missing"),
        (changed(PAGERDUTY, dedup_key="k" * 256), "256 characters"),
        (changed(PAGERDUTY, payload=changed(PAGERDUTY["payload"], summary="")), "'payload.summary' is missing"),
    ],
)
def test_an_event_that_pagerduty_would_refuse_is_refused(event: dict[str, Any], fault: str):
    assert fault in pagerduty.faults(msgspec.convert(event, pagerduty.Event))[0]


# --- CloudEvents ---------------------------------------------------------------------------------------------------


def told(event: Any, framework: str | None = None) -> Report:
    return cloudevents.report_of(event, NOW, framework)


def test_an_events_data_gives_the_fields_and_its_attributes_the_labels():
    report = told(CLOUDEVENT)
    ring = report.ring
    assert (report.framework, ring.title, ring.current_value) == ("storage", "Disk of h1 is full", 97.0)
    assert ring.severity is Severity.CRITICAL
    assert ring.labels == {
        "source": "/monitors/eu-1", "type": "com.example.disk.full.triggered", "subject": "h1",
        "comexampleregion": "eu",
    }  # fmt: skip


@pytest.mark.parametrize(
    "over",
    [
        {"type": "com.example.disk.full.resolved"},
        {"type": "com.example.disk.full", "data": {"status": "OK"}},
        {"type": "com.example.disk.full", "data": {"state": "closed"}},
    ],
)
def test_an_event_says_that_it_is_over_by_its_type_or_its_data(over: dict[str, Any]):
    end = told(changed(CLOUDEVENT, **over), "storage")
    assert has_ended(end)
    assert same_alert(told(CLOUDEVENT, "storage"), end)


def test_data_may_be_a_text_or_base64_or_nothing():
    plain = {name: value for name, value in CLOUDEVENT.items() if name != "data"}
    assert told(plain).ring.title == "com.example.disk.full h1"
    assert told(changed(plain, data="it burns")).ring.message == "it burns"
    raw = base64.b64encode(b'{"title": "T"}').decode()
    assert told(changed(plain, data_base64=raw)).ring.title == "T"
    raw = base64.b64encode(b"\xff").decode()
    assert (
        told(changed(plain, data_base64=raw, datacontenttype="image/png")).ring.message == "\N{REPLACEMENT CHARACTER}"
    )
    assert told(changed(plain, data={"dedup_key": 5, "labels": {"host": "h1", "no": None}})).ring.labels["host"] == "h1"


def test_a_binary_event_has_its_attributes_in_headers():
    headers = {"ce-specversion": "1.0", "CE-Id": "1", "ce-source": "%2Fa%20b", "ce-type": "t"}
    report = told(cloudevents.of_headers({**headers, "content-type": "application/json"}, b'{"title": "T"}'))
    assert (report.ring.title, report.ring.labels["source"]) == ("T", "/a b")
    assert told(cloudevents.of_headers(headers, b"")).ring.title == "t"


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        (5, "a JSON object"),
        ({}, "'specversion' is missing"),
        (changed(CLOUDEVENT, source=""), "'source' is missing"),
        (changed(CLOUDEVENT, specversion="0.3"), "0.3"),
        (changed(CLOUDEVENT, subject=5), "'subject' is a text"),
        (changed(CLOUDEVENT, data=None, data_base64="?"), "not base64"),
    ],
)
def test_what_is_no_cloudevent_is_refused(event: Any, complaint: str):
    with pytest.raises(BadRequest, match=complaint):
        told(event)


def test_binary_data_that_is_not_what_it_says_is_refused():
    with pytest.raises(BadRequest, match="not JSON"):
        cloudevents.of_headers({"content-type": "application/json"}, b"{")


# --- Alerta --------------------------------------------------------------------------------------------------------


def alerted(post: dict[str, Any], framework: str | None = None) -> Report:
    return alerta.report_of(msgspec.convert(post, AlertaAlert), NOW, framework)


def test_an_alert_of_alertas_keeps_its_attributes():
    report = alerted(ALERTA)
    assert (report.framework, report.ring.title) == ("example.com", "NodeDown on web04")
    assert report.ring.severity is Severity.ERROR
    assert report.ring.labels == {
        "region": "EU", "rack": "7", "environment": "Production", "resource": "web04", "event": "NodeDown",
        "group": "Network", "origin": "nagios3/mon01", "type": "nagiosAlert", "value": "PingFail",
        "service": "example.com", "tags": "linux,dc2",
    }  # fmt: skip


@pytest.mark.parametrize("over", [{"severity": "normal"}, {"severity": "Cleared"}, {"status": "closed"}])
def test_a_correlated_event_that_is_well_ends_the_alert(over: dict[str, Any]):
    up = alerted(changed(ALERTA, event="NodeUp", **over))
    assert has_ended(up)
    assert same_alert(alerted(ALERTA), up)


def test_alertas_defaults_and_numbers_are_understood():
    report = alerted({"resource": "r", "event": "e", "severity": "security", "value": 5}, "shop")
    assert (report.framework, report.ring.current_value, report.ring.severity) == ("shop", 5.0, Severity.CRITICAL)
    assert alerted({"resource": "r", "event": "e", "severity": "minor"}).framework == "alerta"
    with pytest.raises(BadRequest, match="must not be empty"):
        alerted({"resource": "", "event": "e"})


# --- plain JSON ----------------------------------------------------------------------------------------------------


def test_a_mapping_finds_the_fields_of_each_item():
    reports = [mapped.report_of(item, OWN_MAPPING, NOW, None) for item in mapped.items_of(OWN_JSON, OWN_MAPPING)]
    assert [(r.framework, r.ring.title, r.ring.dedup_key) for r in reports] == [
        ("json", "Queue is long", "7"), ("json", "Queue is slow", "8")
    ]  # fmt: skip
    assert (reports[0].ring.severity, reports[0].ring.current_value) == (Severity.CRITICAL, 12_000.0)
    assert reports[0].ring.labels == {"host": "q1"}


def test_an_item_whose_status_says_so_is_over():
    over = changed(OWN_JSON["hits"][0], **{"is": "OK"})
    before, after = (mapped.report_of(item, OWN_MAPPING, NOW, "q") for item in (OWN_JSON["hits"][0], over))
    assert has_ended(after)
    assert same_alert(before, after)


def test_without_a_mapping_our_own_names_are_understood():
    body = {"title": "T", "severity": "error", "framework_id": "web", "labels": {"host": "h", "gone": None}}
    report = mapped.report_of(body, {}, NOW, None)
    assert (report.framework, report.ring.labels) == ("web", {"host": "h"})
    assert mapped.report_of({"title": "T"}, {}, NOW, None).ring.dedup_key == "T"
    assert mapped.items_of([1, 2], {}) == [1, 2]


def test_paths_lead_through_lists_and_to_nothing():
    body = {"a": [{"b": 1}], "c": None}
    assert [mapped.lookup(body, path) for path in ("a.0.b", "a.1.b", "a.x", "c.d", "z", "a.-1")] == [1, *[None] * 5]


def test_an_item_without_a_name_is_refused():
    with pytest.raises(BadRequest, match=r"nothing at 'check\.name'"):
        mapped.report_of({}, OWN_MAPPING, NOW, None)
    with pytest.raises(BadRequest, match="no list at 'hits'"):
        mapped.items_of({"hits": 5}, OWN_MAPPING)


@pytest.mark.parametrize(
    ("mapping", "complaint"),
    [
        ({"titel": "a"}, "'titel' is none"),
        ({"title": "{{ alert.title }}"}, "no templates"),
        ({"title": "alert['title']"}, "no templates"),
        ({"title": "a..b"}, "dotted paths"),
        ({"title": "a" * 300}, "dotted paths"),
        ({"severity": "level"}, "at least title or key"),
        ({"labels.": "a"}, "is none"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused(mapping: dict[str, str], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        mapped.check_mapping(mapping)


def test_a_good_mapping_is_taken():
    mapped.check_mapping(OWN_MAPPING)
    mapped.check_mapping({})
