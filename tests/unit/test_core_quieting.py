"""Silences and maintenance windows: whom they mean, and when."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.agenda import NEVER
from engine.core.quieting import Mark, QuietWindows, in_force, labels_of, window_of_maintenance, window_of_silence
from protocol.model import Alert, AlertState, QuietedBy, Severity
from protocol.quieting import Maintenance, Matcher, Operator, Silence
from protocol.rules import ActiveHours
from protocol.times import parse_rfc3339

AT = parse_rfc3339("2026-01-05T12:00:00Z")


def an_alert(**fields: Any) -> Alert:
    given: dict[str, Any] = {
        "id": "a",
        "framework_id": "web",
        "severity": Severity.ERROR,
        "state": AlertState.ACTIVE,
        "current_value": None,
        "threshold_value": None,
        "title": "Disk full",
        "occurrences": 1,
        "triggered_at": "",
        "last_seen_at": "",
        "notification_sent": False,
        "labels": {"host": "h1"},
    }
    return Alert(**given | fields)


def a_silence(*matchers: Matcher, id: str = "s", start: str = "00", end: str = "18") -> Silence:
    return Silence(
        id=id,
        matchers=matchers,
        starts_at=f"2026-01-05T{start}:00:00Z",
        ends_at=f"2026-01-05T{end}:00:00Z",
        author="ann",
        comment="",
    )


def matcher(name: str, operator: str, value: str) -> Matcher:
    return Matcher(name=name, operator=Operator(operator), value=value)


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("host", "=", "h1", True),
        ("host", "=", "h2", False),
        ("host", "!=", "h1", False),
        ("host", "!=", "h2", True),
        ("host", "=~", "h[0-9]", True),
        ("host", "=~", "h", False),
        ("host", "!~", "h.*", False),
        ("host", "!~", "h", True),
        ("none", "=", "", True),
        ("none", "!=", "x", True),
        ("none", "=~", "x?", True),
        ("alertname", "=", "Disk full", True),
        ("severity", "=", "error", True),
        ("framework_id", "=", "web", True),
        ("rule_id", "=", "", True),
    ],
)
def test_a_matcher_is_held_against_a_label(name: str, operator: str, value: str, expected: bool) -> None:
    window = window_of_silence(a_silence(matcher(name, operator, value)))
    assert window.means(labels_of(an_alert())) is expected
    assert bool(QuietWindows([window]).concerning(labels_of(an_alert()))) is expected


def test_all_matchers_must_match() -> None:
    both = a_silence(matcher("host", "=", "h1"), matcher("severity", "=", "info"))
    assert not QuietWindows([window_of_silence(both)]).concerning(labels_of(an_alert()))


def test_an_alerts_own_severity_and_name_go_first_and_its_framework_never() -> None:
    labels = labels_of(an_alert(rule_id="r", labels={"severity": "page", "alertname": "X", "framework_id": "lie"}))
    assert labels == {"severity": "page", "alertname": "X", "framework_id": "web", "rule_id": "r"}


def test_a_silence_is_in_force_from_its_start_to_its_end() -> None:
    window = window_of_silence(a_silence(matcher("host", "=", "h1"), start="06", end="18"))
    hour = 3_600_000_000
    assert window.at(AT - 7 * hour) == (False, AT - 6 * hour)
    assert window.at(AT - 6 * hour) == (True, AT + 6 * hour)
    assert window.at(AT + 6 * hour) == (False, NEVER)


def test_of_several_the_one_that_lasts_longest_counts_then_the_least_id() -> None:
    windows = [window_of_silence(a_silence(id=name, end=end)) for name, end in [("c", "14"), ("b", "18"), ("a", "18")]]
    mark, due = in_force(windows, AT)
    assert mark == Mark(QuietedBy.SILENCED, "a", "2026-01-05T18:00:00.000000Z")
    assert due == AT + 2 * 3_600_000_000


def test_maintenance_every_week_is_on_in_its_hours_between_its_bounds() -> None:
    weekly = ActiveHours(start="11:00", end="13:00", days=("mon",))
    planned = Maintenance(id="m", title="Patch", weekly=weekly, ends_at="2026-01-12T12:00:00Z")
    window = window_of_maintenance(planned)
    assert window.at(AT) == (True, AT + 3_600_000_000)
    assert window.at(AT + 2 * 3_600_000_000) == (False, parse_rfc3339("2026-01-12T11:00:00Z"))
    assert window.at(parse_rfc3339("2026-01-12T11:30:00Z")) == (True, parse_rfc3339("2026-01-12T12:00:00Z"))
    assert window.at(parse_rfc3339("2026-01-12T12:00:00Z")) == (False, NEVER)


def test_maintenance_is_for_its_frameworks_or_for_all() -> None:
    once = {"starts_at": "2026-01-05T00:00:00Z", "ends_at": "2026-01-06T00:00:00Z"}
    some = window_of_maintenance(Maintenance(id="m", title="", frameworks=("web", "api"), **once))
    assert [some.means({"framework_id": each}) for each in ("web", "api", "db")] == [True, True, False]
    assert [some.means_framework(each) for each in ("web", "db")] == [True, False]
    assert window_of_maintenance(Maintenance(id="m", title="", **once)).means({"framework_id": "db"})


def test_a_matcher_on_the_framework_says_which_channels_it_can_concern() -> None:
    window = window_of_silence(a_silence(matcher("framework_id", "=~", "w.*"), matcher("host", "=", "h9")))
    assert [window.means_framework(each) for each in ("web", "api")] == [True, False]


def test_a_window_without_an_end_says_none() -> None:
    always = window_of_maintenance(Maintenance(id="m", title="", weekly=ActiveHours()))
    assert in_force([always], AT) == (Mark(QuietedBy.MAINTENANCE, "m", None), NEVER)


def test_what_all_of_them_name_does_not_make_an_alert_ask_all_of_them() -> None:
    shared = (matcher("team", "=", "ops"), matcher("framework_id", "=", "web"))
    those = [
        window_of_silence(a_silence(*shared, matcher("host", "=", f"h{number}"), id=f"s{number}"))
        for number in range(100)
    ]
    windows = QuietWindows([*those, window_of_silence(a_silence(*shared, id="whole team"))])
    labels = {"team": "ops", "host": "h7", "framework_id": "web"}
    assert {window.ref for window in windows.concerning(labels)} == {"s7", "whole team"}
    assert windows.cost(labels) == 3 + 2, "the matchers of these two, and of no other"
