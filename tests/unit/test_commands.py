"""What a client sends becomes a command in our own words, or a BadRequest that says which field is wrong."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.input.commands import check_text, is_storable, to_observe, to_ring
from protocol.commands import Observe, Ring
from protocol.errors import BadRequest
from protocol.items import ReadingInput, TriggerInput
from protocol.model import Comparison, Severity

NOW = 1_700_000_000_000_000


def a_trigger(**fields: Any) -> TriggerInput:
    return TriggerInput(framework_id="checkout", **fields)


def a_reading(**fields: Any) -> ReadingInput:
    return ReadingInput(**{"framework_id": "host", "metric": "cpu", "value": 1.0, **fields})


def test_a_bare_trigger_leaves_everything_to_its_rule():
    assert to_ring(a_trigger()) == Ring(comparison=a_trigger().comparison)


def test_every_field_of_a_trigger_reaches_the_command():
    fields = {
        "rule_id": "cpu",
        "alert_type": "threshold",
        "current_value": 97.5,
        "threshold_value": 90.0,
        "comparison": Comparison.ABOVE,
        "title": "CPU is hot",
        "message": "über 90 %",
        "labels": {"host": "h1"},
        "dedup_key": "k",
        "project_id": "42",
        "assigned_to": "ann",
    }
    assert to_ring(a_trigger(severity="error", **fields)) == Ring(severity=Severity.ERROR, **fields)


def test_a_foreign_word_for_severity_is_kept_as_a_label():
    ring = to_ring(a_trigger(severity="page", labels={"host": "h1"}))
    assert (ring.severity, ring.labels) == (Severity.CRITICAL, {"host": "h1", "severity": "page"})


def test_a_label_named_severity_is_not_overwritten():
    ring = to_ring(a_trigger(severity="page", labels={"severity": "own"}))
    assert ring.labels == {"severity": "own"}


def test_our_own_word_for_severity_needs_no_label():
    assert to_ring(a_trigger(severity="critical")).labels == {}


@pytest.mark.parametrize("name", ["rule_id", "project_id", "assigned_to"])
@pytest.mark.parametrize("value", ["", "../x", "*", "a\nb", "x" * 129])
def test_an_id_that_is_not_allowed_is_refused_by_its_name(name, value):
    with pytest.raises(BadRequest, match=name):
        to_ring(a_trigger(**{name: value}))


@pytest.mark.parametrize("name", ["title", "message", "alert_type", "dedup_key", "severity"])
@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"], ids=["NUL", "surrogate"])
def test_a_text_that_no_store_can_keep_is_refused(name, text):
    with pytest.raises(BadRequest, match="a text contains"):
        to_ring(a_trigger(**{name: text}))


@pytest.mark.parametrize("labels", [{"a\0": "b"}, {"a": "b\0"}, {"a\ud800": "b"}, {"a": "\udfff"}], ids=ascii)
def test_a_label_that_no_store_can_keep_is_refused(labels):
    with pytest.raises(BadRequest):
        to_ring(a_trigger(labels=labels))
    with pytest.raises(BadRequest):
        to_observe(a_reading(labels=labels), NOW)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400], ids=["nan", "inf", "-inf", "10^400"])
def test_a_number_that_no_store_can_keep_is_refused_by_its_name(value):
    for name in ("current_value", "threshold_value"):
        with pytest.raises(BadRequest, match=name):
            to_ring(a_trigger(**{name: value}))
    with pytest.raises(BadRequest, match="value"):
        to_observe(a_reading(value=value), NOW)


def test_a_reading_without_a_time_is_of_now():
    reading = a_reading(labels={"core": "1"})
    assert to_observe(reading, NOW) == Observe(metric="cpu", value=1.0, at=NOW, labels={"core": "1"})


def test_a_reading_may_say_when_it_was_taken():
    assert to_observe(a_reading(at="1970-01-01T00:00:01+00:00"), NOW).at == 1_000_000


def test_a_reading_of_no_time_is_refused_by_the_fields_name():
    with pytest.raises(BadRequest, match=r"^at: 'yesterday' is no time"):
        to_observe(a_reading(at="yesterday"), NOW)


def test_a_metric_has_an_allowed_name():
    with pytest.raises(BadRequest, match="metric"):
        to_observe(a_reading(metric="a*"), NOW)


@given(st.text(st.characters()))
def test_a_text_is_storable_exactly_if_it_is_utf_8_without_nul(text):
    can_be = "\0" not in text and text.encode(errors="replace").decode() == text
    assert is_storable(text) is can_be
    if can_be:
        check_text(text, "notes")
    else:
        with pytest.raises(BadRequest, match="notes"):
            check_text(text, "notes")


@pytest.mark.parametrize("comparison", [Comparison.BETWEEN, Comparison.OUTSIDE])
def test_a_trigger_cannot_compare_with_a_range_it_has_only_one_threshold(comparison: Comparison) -> None:
    with pytest.raises(BadRequest, match="is for rules, which have an upper end as well"):
        to_ring(TriggerInput(framework_id="f", comparison=comparison))
