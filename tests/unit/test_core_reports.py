"""The weekly report: when it is due, what it says, and that it says it to everybody's mail program."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.analytics.calendar import DAY_US, HOUR_US, WEEK_US
from engine.core.reports.as_html import html
from engine.core.reports.as_text import text
from engine.core.reports.document import Document, Line, Section
from engine.core.reports.due import is_timely, last_due
from engine.core.reports.said import change_of, percent, several, span
from engine.core.reports.weekly import document_of
from protocol.analytics import Figures
from protocol.model import Severity
from protocol.predictions import Accuracy, PredictionKind
from protocol.preferences import WeeklyReport
from protocol.times import SECOND_US, parse_rfc3339, rfc3339
from tests.support.notices import HOSTILE
from tests.support.reports import (
    a_breach,
    a_prediction,
    a_week,
    an_empty_week,
    an_insight,
    counted,
    figures,
)
from tests.unit.test_core_notices import Seen

MONDAY_AT_8 = WeeklyReport()


def us(moment: str) -> int:
    return parse_rfc3339(moment)


@pytest.mark.parametrize(
    ("wanted", "zone", "now", "at", "week"),
    [
        (MONDAY_AT_8, "UTC", "2026-11-23T08:00:00Z", "2026-11-23T08:00:00Z", "2026-W48"),
        (MONDAY_AT_8, "UTC", "2026-11-23T07:59:59Z", "2026-11-16T08:00:00Z", "2026-W47"),
        (MONDAY_AT_8, "UTC", "2026-11-29T23:59:59Z", "2026-11-23T08:00:00Z", "2026-W48"),
        (MONDAY_AT_8, "Europe/Berlin", "2026-11-23T07:00:00Z", "2026-11-23T07:00:00Z", "2026-W48"),
        (MONDAY_AT_8, "Europe/Berlin", "2026-07-06T06:00:00Z", "2026-07-06T06:00:00Z", "2026-W28"),
        # There it is Monday while it is Sunday in Greenwich, and Monday still when it is Tuesday there.
        (MONDAY_AT_8, "Pacific/Auckland", "2026-11-22T19:00:00Z", "2026-11-22T19:00:00Z", "2026-W48"),
        (WeeklyReport(hour=23), "America/Los_Angeles", "2026-11-24T07:30:00Z", "2026-11-24T07:00:00Z", "2026-W48"),
        (MONDAY_AT_8, "Asia/Kathmandu", "2026-11-23T02:15:00Z", "2026-11-23T02:15:00Z", "2026-W48"),
        (WeeklyReport(day="fri", hour=0), "UTC", "2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "2026-W53"),
        # 02:00 is skipped on that Sunday: it is 03:00 then.
        (WeeklyReport(day="sun", hour=2), "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-29T01:00:00Z", "2026-W13"),
    ],
)
def test_it_is_due_by_the_wall_clock_of_its_reader(
    wanted: WeeklyReport, zone: str, now: str, at: str, week: str
) -> None:
    assert last_due(wanted, zone, us(now)) == (us(at), week)


@given(
    st.builds(WeeklyReport, day=st.sampled_from(("mon", "wed", "sun")), hour=st.integers(0, 23)),
    st.sampled_from(("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")),
    st.integers(us("2025-01-01T00:00:00Z"), us("2028-01-01T00:00:00Z")),
)
def test_the_last_moment_is_within_a_week_and_at_its_hour(wanted: WeeklyReport, zone: str, now: int) -> None:
    due = last_due(wanted, zone, now)
    assert 0 <= now - due.at <= WEEK_US + HOUR_US
    there = datetime.fromtimestamp(due.at / SECOND_US, ZoneInfo(zone))
    assert there.strftime("%a").lower() == wanted.day
    assert there.hour in (wanted.hour, wanted.hour + 1)
    assert last_due(wanted, zone, due.at) == due, "asked again at that moment it is the same"


def test_what_is_too_late_is_not_sent() -> None:
    due = last_due(MONDAY_AT_8, "UTC", us("2026-11-24T08:00:00Z"))
    assert is_timely(due, us("2026-11-24T08:00:00Z"), 86_400.0)
    assert not is_timely(due, us("2026-11-24T08:00:01Z"), 86_400.0)


def test_of_nothing_there_is_one_sentence_and_no_heading() -> None:
    document = document_of(an_empty_week())
    assert document.lead == "No alerts this week."
    assert document.sections == ()
    assert Seen(html(document)).tags.count("h2") == 0
    assert document.foot.startswith("Days are those of UTC; Mon 23 Nov is not in it: it was not over.")
    before = document_of(an_empty_week(before=Figures(**figures(3)), days=[counted(-7, Severity.INFO, 3)]))
    assert before.lead == "No alerts this week; 3 the week before."
    assert [section.title for section in before.sections] == ["Alerts by day", "By severity"]


@pytest.mark.parametrize(
    ("alerts", "said"),
    [(1, "1 alert has come since, on Mon 23 Nov."), (1_234, "1,234 alerts have come since")],
)
def test_what_came_today_is_no_part_of_the_week_and_told(alerts: int, said: str) -> None:
    document = document_of(an_empty_week(today=alerts))
    assert document.lead.startswith(f"No alerts this week. {said}")
    assert document.sections == ()


def test_a_week_is_told_whole() -> None:
    document = document_of(a_week())
    assert document.title == "Alerts of acme, Mon 16 Nov to Sun 22 Nov"
    assert document.lead == "82 alerts, 5.9 times as many as the week before (14). 4 of them are still open."
    assert [section.title for section in document.sections] == [
        "The week in figures",
        "Alerts by day",
        "By severity",
        "Loudest rules",
        "Open incidents",
        "Health by framework",
        "New patterns",
        "Expected next",
        "How the last predictions came out",
        "Recommended",
    ]
    said = text(document)
    for line in (
        "Until resolved: 30 min (in half of the cases; in 19 of 20 within 1 d 1 h)",
        "Noise: 31 % (needed nobody; 50 % the week before)",
        "Sat 21 Nov  24 (2)  ########################",
        "critical  8 (14)  ###",
        "web-cpu (web)      41   85 %           1 min 1 s",
        "* CRITICAL web is down",
        "  open, since 2026-11-22 01:00:00 CET; 12 alerts, 3 open",
        "web  41 (-12)  ##########  cpu: error alerts were open for 6.0 hours in the last day",
        "* 2026-11-23: about 12 alerts",
        "  rule hot, 93 % probable before 2026-11-24 01:00:00 CET, probably at 2026-11-23 15:00:00 CET",
        "  It would have notified 14 times instead of 212. It ends and begins again within minutes.",
        "To stop this report: https://alerts.example.com/people/preferences",
    ):
        assert line in said.splitlines(), line


def test_both_forms_say_the_same() -> None:
    document = document_of(a_week())
    seen = " ".join(Seen(html(document)).said.split())
    for section in document.sections:
        texts = [section.title, section.foot, *section.head]
        texts += [word for tile in section.tiles for word in tile]
        texts += [word for bar in section.bars for word in (bar.name, bar.value, bar.note)]
        texts += [cell for row in section.rows for cell in row]
        texts += [word for line in section.lines for word in (line.text, line.note, line.tone.upper())]
        for each in texts:
            assert each in seen
            assert each in text(document)


def test_html_loads_nothing_and_runs_nothing() -> None:
    document = html(document_of(a_week()))
    seen = Seen(document)
    assert set(seen.tags) <= {
        *("html", "head", "meta", "title", "style", "body", "div", "h1", "h2", "p", "table", "tr", "td", "th"),
        *("strong", "span", "a", "br"),
    }
    assert "url(" not in document
    assert "@import" not in document
    assert seen.links == ["https://alerts.example.com/", "https://alerts.example.com/people/preferences"]


def test_nobody_writes_markup_or_lines_of_his_own() -> None:
    plain, hostile = document_of(a_week("web")), document_of(a_week(HOSTILE))
    assert Seen(html(hostile)).tags == Seen(html(plain)).tags
    assert len(text(hostile).splitlines()) == len(text(plain).splitlines())
    assert "\u202e" not in text(hostile) + html(hostile)
    assert "\n" not in document_of(a_week(workspace=HOSTILE)).title


def test_the_longest_bar_fills_its_line_and_what_is_there_is_seen() -> None:
    days = [counted(0, Severity.CRITICAL, 1), counted(1, Severity.INFO, 10_000), counted(1, Severity.WARNING, 7)]
    (by_day, *_) = [each for each in document_of(a_week(days=days)).sections if each.title == "Alerts by day"]
    assert [round(bar.share, 3) for bar in by_day.bars[:3]] == [0.0, 1.0, 0.0]
    document = html(document_of(an_empty_week(days=days, now=Figures(**figures(10_008)))))
    assert 'width="1%"' in document
    assert "Mon 16 Nov       1  #" in text(document_of(an_empty_week(days=days, now=Figures(**figures(10_008)))))


def test_without_a_week_before_nothing_is_compared() -> None:
    week = an_empty_week(days=[counted(0, Severity.INFO, 1)], now=Figures(**figures(1, active=1)))
    document = document_of(week)
    assert document.lead == "1 alert, none the week before. 1 of them is still open."
    assert "In brackets" not in text(document)
    assert document.link == document.leave == ""


def test_who_sees_some_frameworks_is_told_which() -> None:
    assert document_of(an_empty_week(frameworks=("db", "web"))).lead == "No alerts this week. Only of db, web."


def test_what_is_not_known_is_not_told() -> None:
    bare = {"scored": 3, "brier": None, "wape_percent": None, "coverage_percent": None}
    more: dict[str, Any] = {"warned": 1, "missed": 0, "false_alarms": 0, "lead_s": None, "calibration": []}
    document = document_of(
        an_empty_week(
            insights=[an_insight("web", None, None)],
            predictions=[
                a_prediction(PredictionKind.BREACH, a_breach("a", expected_at=None)),
                a_prediction(PredictionKind.COUNT, None),
            ],
            accuracy=[
                Accuracy(kind=PredictionKind.BREACH, **bare, **more),
                Accuracy(kind=PredictionKind.COUNT, **(bare | {"scored": 0}), **more),
            ],
        )
    )
    said = text(document).splitlines()
    assert "web  unknown" in said
    assert "  93 % probable before 2026-11-24 01:00:00 CET" in said
    assert "* When thresholds are reached: 3 predictions" in said
    assert "  1 warning came true, 0 did not; 0 came without one" in said
    assert not [line for line in said if "How many" in line]


def test_a_line_of_which_there_is_nothing_to_say_is_one_line() -> None:
    document = Document("Week", "", (Section("Things", lines=(Line("one"), Line("two", "and more"))),), "")
    assert text(document).splitlines()[-5:-1] == ["* one", "* two", "  and more", ""]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((0, "0 s"), (0.4, "0 s"), (5, "5 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3_600, "1 h")),
        *((3_660, "1 h 1 min"), (3_601, "1 h"), (86_400, "1 d"), (90_000, "1 d 1 h"), (-5, "0 s")),
    ],
)
def test_spans(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_shares_and_changes() -> None:
    assert [percent(share) for share in (0, 0.001, 0.5, 0.999, 1)] == ["0 %", "under 1 %", "50 %", "over 99 %", "100 %"]
    assert several(1, "alert") == "1 alert"
    assert change_of(5, 0) == "none the week before"
    assert change_of(5, 5) == "as many as the week before"
    assert change_of(6, 5) == "20 % more than the week before (5)"
    assert change_of(4, 5) == "20 % fewer than the week before (5)"
    assert change_of(15, 5) == "3.0 times as many as the week before (5)"


def test_days_of_the_week_before_have_the_same_weekday() -> None:
    week = a_week(days=[counted(-7, Severity.INFO, 8), counted(0, Severity.INFO, 4)])
    bars = next(section.bars for section in document_of(week).sections if section.title == "Alerts by day")
    assert (bars[0].share, bars[0].before) == (0.5, 1.0)
    assert rfc3339(week.since_us + DAY_US).startswith("2026-11-17")
