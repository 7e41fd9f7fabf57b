"""Comparisons, worst values, and what a trigger takes from its rule."""

from __future__ import annotations

import pytest

from engine.core.rules.book import RuleBook, fill, title_of
from engine.core.rules.evaluation import holds, worse
from protocol.commands import Ring
from protocol.model import Comparison, Severity
from protocol.rules import ThresholdRule

CPU = ThresholdRule(id="cpu", framework="f", metric="cpu_percent", threshold=90.0, severity=Severity.ERROR)
LOW = ThresholdRule(
    id="low",
    framework="f",
    metric="free",
    threshold=5.0,
    comparison=Comparison.BELOW,
    title="Little",
    suppression_s=9.0,
)


@pytest.mark.parametrize(
    ("comparison", "truth"),
    [(">", "001"), (">=", "011"), ("<", "100"), ("<=", "110"), ("==", "010"), ("!=", "101")],
)
def test_each_comparison_below_at_and_above_the_threshold(comparison: str, truth: str) -> None:
    outcome = [holds(value, Comparison(comparison), 2.0) for value in (1.0, 2.0, 3.0)]
    assert outcome == [letter == "1" for letter in truth]


@pytest.mark.parametrize(
    ("comparison", "expected"), [(">", 7.0), (">=", 7.0), ("<", 3.0), ("<=", 3.0), ("==", 3.0), ("!=", 3.0)]
)
def test_the_worse_value_is_further_in_the_direction_of_the_comparison(comparison: str, expected: float) -> None:
    assert worse(Comparison(comparison), 7.0, 3.0) == expected


def test_a_value_is_worse_than_none() -> None:
    assert worse(Comparison.ABOVE, None, 1.0) == 1.0
    assert worse(Comparison.ABOVE, 1.0, None) == 1.0
    assert worse(Comparison.ABOVE, None, None) is None


def test_a_rule_fills_in_what_the_trigger_leaves_out() -> None:
    firing = fill(Ring(rule_id="low", current_value=4.0), LOW)
    assert (firing.severity, firing.threshold, firing.comparison) == (Severity.WARNING, 5.0, Comparison.BELOW)
    assert (firing.title, firing.suppression_s) == ("Little", 9.0)
    assert not firing.is_below


def test_what_the_trigger_says_goes_before_the_rule() -> None:
    ring = Ring(
        rule_id="low",
        severity=Severity.CRITICAL,
        threshold_value=1.0,
        comparison=Comparison.AT_MOST,
        title="Nothing",
        current_value=1.5,
    )
    firing = fill(ring, LOW)
    assert (firing.severity, firing.threshold, firing.comparison) == (Severity.CRITICAL, 1.0, Comparison.AT_MOST)
    assert firing.title == "Nothing"
    assert firing.is_below


@pytest.mark.parametrize(
    ("ring", "title"),
    [
        (Ring(title="T", labels={"alertname": "N"}, alert_type="A"), "T"),
        (Ring(labels={"alertname": "N"}, alert_type="A"), "N"),
        (Ring(alert_type="A"), "A"),
        (Ring(), "Alert"),
    ],
)
def test_an_alert_without_rule_always_has_a_title(ring: Ring, title: str) -> None:
    assert fill(ring, None).title == title


def test_a_trigger_without_rule_is_a_warning_and_rings_without_values() -> None:
    firing = fill(Ring(), None)
    assert firing.severity is Severity.WARNING
    assert not firing.is_below
    assert not fill(Ring(current_value=1.0), None).is_below


def test_a_rule_without_title_is_called_by_its_condition() -> None:
    assert title_of(CPU) == "cpu_percent > 90"
    assert fill(Ring(rule_id="cpu"), CPU).title == "cpu_percent > 90"


def test_the_book_gives_all_rules_by_id_and_the_enabled_ones_by_metric() -> None:
    off = ThresholdRule(id="off", framework="f", metric="cpu_percent", threshold=1.0, enabled=False)
    book = RuleBook([CPU, LOW, off])
    assert set(book.by_id) == {"cpu", "low", "off"}
    assert list(book.watching("cpu_percent", {})) == [CPU]
    assert list(book.watching("unknown", {})) == []
