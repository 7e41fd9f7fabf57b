"""Active hours: stretches, midnight, days, and the jumps of a zone's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.agenda import NEVER
from engine.core.rules.schedule import DAYS, check_hours, hours_of
from protocol.rules import ActiveHours
from protocol.times import parse_rfc3339, rfc3339

HOUR = 3_600_000_000
OFFICE = ActiveHours(start="09:00", end="17:00", days=("mon", "tue", "wed", "thu", "fri"), zone="Europe/Berlin")
NIGHT = ActiveHours(start="22:00", end="06:00", days=("fri",), zone="UTC")


def at(text: str) -> int:
    return parse_rfc3339(text)


def until(hours: ActiveHours, text: str) -> tuple[bool, str]:
    is_active, change = hours_of(hours).at(at(text))
    return is_active, rfc3339(change)[:16]


def test_office_hours_begin_and_end_by_the_clock_on_the_wall() -> None:
    assert until(OFFICE, "2026-01-05T07:59:59Z") == (False, "2026-01-05T08:00")
    assert until(OFFICE, "2026-01-05T08:00:00Z") == (True, "2026-01-05T16:00")
    assert until(OFFICE, "2026-07-06T07:00:00Z") == (True, "2026-07-06T15:00")
    assert until(OFFICE, "2026-01-09T16:00:00Z") == (False, "2026-01-12T08:00")


def test_a_stretch_past_midnight_belongs_to_the_day_on_which_it_starts() -> None:
    assert until(NIGHT, "2026-01-10T05:59:00Z") == (True, "2026-01-10T06:00")
    assert until(NIGHT, "2026-01-10T22:30:00Z") == (False, "2026-01-16T22:00")


def test_days_that_touch_are_one_stretch() -> None:
    weekend = ActiveHours(days=("sat", "sun"))
    assert until(weekend, "2026-01-10T12:00:00Z") == (True, "2026-01-12T00:00")
    assert until(ActiveHours(start="12:00", end="12:00", days=("sat", "sun")), "2026-01-10T12:00:00Z") == (
        True,
        "2026-01-12T12:00",
    )


@pytest.mark.parametrize("hours", [ActiveHours(), ActiveHours(start="08:00", end="08:00", days=DAYS)])
def test_hours_of_all_days_never_end(hours: ActiveHours) -> None:
    assert hours_of(hours).at(0) == (True, NEVER)


def test_the_hour_that_comes_twice_is_inside_both_times() -> None:
    # Berlin, 2026-10-25: 03:00 summer time (01:00 UTC) becomes 02:00.
    hours = ActiveHours(start="02:00", end="02:30", zone="Europe/Berlin")
    assert until(hours, "2026-10-25T00:00:00Z") == (True, "2026-10-25T01:30")


def test_a_time_that_is_skipped_counts_as_so_much_later() -> None:
    # Berlin, 2026-03-29: 02:00 (01:00 UTC) becomes 03:00, so 02:30 reads 03:30.
    assert until(ActiveHours(start="01:00", end="02:30", zone="Europe/Berlin"), "2026-03-29T00:30:00Z") == (
        True,
        "2026-03-29T01:30",
    )
    assert until(ActiveHours(start="02:30", end="04:00", zone="Europe/Berlin"), "2026-03-29T00:30:00Z") == (
        False,
        "2026-03-29T01:30",
    )


def test_a_stretch_that_the_jump_swallows_is_left_out() -> None:
    hours = ActiveHours(start="02:30", end="03:15", zone="Europe/Berlin")
    assert until(hours, "2026-03-29T00:30:00Z") == (False, "2026-03-30T00:30")


def test_a_week_whose_only_stretch_is_swallowed_is_passed_over() -> None:
    hours = ActiveHours(start="02:30", end="03:15", days=("sun",), zone="Europe/Berlin")
    assert until(hours, "2026-03-23T00:00:00Z") == (False, "2026-04-05T00:30")


def test_a_clock_that_was_set_back_is_asked_anew() -> None:
    assert hours_of(OFFICE).at(at("2026-01-05T12:00:00Z"))[0]
    assert not hours_of(OFFICE).at(at("2026-01-04T12:00:00Z"))[0]


clocks = st.builds(
    lambda hour, minute: f"{hour:02d}:{minute:02d}", st.integers(0, 23), st.sampled_from([0, 15, 30, 59])
)


@given(
    st.builds(
        ActiveHours,
        start=clocks,
        end=clocks,
        days=st.lists(st.sampled_from(DAYS), unique=True).map(tuple),
        zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    ),
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)),
)
def test_away_from_jumps_the_wall_clock_decides(hours: ActiveHours, naive: datetime) -> None:
    wall = naive.replace(tzinfo=UTC).astimezone(ZoneInfo(hours.zone))
    jumps = {(wall + timedelta(hours=each)).utcoffset() for each in (-72, -48, -24, 0, 24, 48, 72)}
    if len(jumps) > 1:
        return
    clock = wall.strftime("%H:%M")
    today, before = DAYS[wall.weekday()], DAYS[wall.weekday() - 1]
    days = hours.days or DAYS
    expected = (
        today in days and hours.start <= clock < hours.end
        if hours.start < hours.end
        else (today in days and clock >= hours.start) or (before in days and clock < hours.end)
    )
    now = at(naive.isoformat(timespec="seconds") + "Z")
    assert hours_of(hours).at(now)[0] is expected


@given(st.sampled_from([OFFICE, NIGHT]), st.integers(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z")))
def test_nothing_changes_before_the_next_change_and_then_it_does(hours: ActiveHours, now: int) -> None:
    is_active, change = hours_of(hours).at(now)
    assert now < change <= now + 8 * 24 * HOUR
    assert hours_of(hours).at(change - 1)[0] is is_active
    assert hours_of(hours).at(change)[0] is not is_active


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "Europe", "", "a" * 1_000, "/etc/passwd"])
def test_a_zone_that_does_not_exist_is_named(zone: str) -> None:
    with pytest.raises(ValueError, match=r"zone: .* is no time zone; write a name like"):
        hours_of(ActiveHours(zone=zone))


@pytest.mark.parametrize("zone", ["localtime", "posixrules", "Factory", "Mars/Olympus"])
def test_a_zone_that_is_another_one_on_each_machine_is_not_taken_in(zone: str) -> None:
    with pytest.raises(ValueError, match=r"zone: .* is no time zone; write a name like"):
        check_hours(ActiveHours(zone=zone))
    assert check_hours(OFFICE) is hours_of(OFFICE)


def test_a_day_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="days: 'monday' is no day; use mon"):
        hours_of(ActiveHours(days=("monday",)))
