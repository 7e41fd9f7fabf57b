"""When schedules fire, and what of what was missed is made good."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.firing import CATCH_UP_MAX, MISSED_MAX, Cron, Plan, Window, check, plan
from protocol.schedules import Missed
from protocol.times import SECOND_US, parse_rfc3339, rfc3339

HOURLY = Cron("0 * * * *")
NIGHTLY = Cron("30 2 * * *", "Europe/Berlin")
HOUR_US = 3_600 * SECOND_US


def at(text: str) -> int:
    return parse_rfc3339(f"2026-{text}Z")


def test_nothing_is_due_before_the_next_moment() -> None:
    assert plan(HOURLY, Missed.COALESCE, at("01-01T10:00:00"), at("01-01T10:59:59")) is None


def test_a_moment_is_due_from_itself_on() -> None:
    last, now = at("01-01T10:00:00"), at("01-01T11:00:00")
    assert plan(HOURLY, Missed.COALESCE, last, now) == Plan(now, (Window(last, now),), 0)


@pytest.mark.parametrize("missed", list(Missed))
def test_a_clock_that_steps_back_fires_nothing_twice(missed: Missed) -> None:
    assert plan(HOURLY, missed, at("01-01T11:00:00"), at("01-01T10:30:00")) is None
    assert plan(HOURLY, missed, at("01-01T11:00:00"), at("01-01T11:00:01")) is None


def test_coalesced_one_run_covers_all_that_was_missed() -> None:
    last, now = at("01-01T10:00:00"), at("01-03T12:34:56")
    assert plan(HOURLY, Missed.COALESCE, last, now) == Plan(
        at("01-03T12:00:00"), (Window(last, at("01-03T12:00:00")),), 0
    )


def test_caught_up_each_missed_run_has_its_own_window() -> None:
    last = at("01-01T10:00:00")
    planned = plan(HOURLY, Missed.CATCH_UP, last, at("01-01T13:10:00"))
    assert planned == Plan(
        last + 3 * HOUR_US, tuple(Window(last + n * HOUR_US, last + (n + 1) * HOUR_US) for n in range(3)), 0
    )


def test_only_so_many_are_caught_up_the_newest_ones() -> None:
    last = at("01-01T10:00:00")
    planned = plan(HOURLY, Missed.CATCH_UP, last, last + 100 * HOUR_US)
    assert planned is not None
    assert (len(planned.runs), planned.skipped) == (CATCH_UP_MAX, 100 - CATCH_UP_MAX)
    assert planned.runs[-1].until == last + 100 * HOUR_US


def test_however_long_the_pause_only_so_many_moments_are_looked_at() -> None:
    last = at("01-01T10:00:00")
    planned = plan(Cron("* * * * *"), Missed.CATCH_UP, last, last + 10_000 * HOUR_US)
    assert planned is not None
    assert (planned.skipped, planned.fire) == (MISSED_MAX - CATCH_UP_MAX, last + 10_000 * HOUR_US)


def test_skipped_what_is_too_late_does_not_run() -> None:
    last = at("01-01T10:00:00")
    assert plan(HOURLY, Missed.SKIP, last, at("01-01T13:10:00")) == Plan(at("01-01T13:00:00"), (), 3)


def test_skipped_what_is_in_time_runs_all_the_same() -> None:
    last = at("01-01T10:00:00")
    newest = Window(at("01-01T12:00:00"), at("01-01T13:00:00"))
    assert plan(HOURLY, Missed.SKIP, last, at("01-01T13:00:30")) == Plan(newest.until, (newest,), 2)


def test_in_the_night_that_skips_its_hour_the_run_comes_right_after() -> None:
    found = NIGHTLY.moments_before(at("03-30T12:00:00"), at("03-27T12:00:00"), 10)
    assert [rfc3339(moment)[5:16] for moment in found] == ["03-30T00:30", "03-29T01:00", "03-28T01:30"]


def test_in_the_night_that_doubles_its_hour_the_run_comes_once() -> None:
    found = NIGHTLY.moments_before(at("10-26T12:00:00"), at("10-23T12:00:00"), 10)
    assert [rfc3339(moment)[5:16] for moment in found] == ["10-26T01:30", "10-25T00:30", "10-24T00:30"]


def test_a_leap_day_is_a_day() -> None:
    assert Cron("0 0 29 2 *").next_after(at("01-01T00:00:00")) == parse_rfc3339("2028-02-29T00:00:00Z")


@given(
    st.sampled_from(["30 2 * * *", "*/30 * * * *", "0 3 * * 0", "15 1,2,3 * * *", "0 0 1 * *"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    st.integers(0, 500 * 24),
    st.integers(1, 72),
)
def test_looking_back_finds_just_the_moments_that_looking_forward_meets(
    line: str, zone: str, start: int, hours: int
) -> None:
    cron, after = Cron(line, zone), at("01-01T00:00:00") + start * HOUR_US
    until, ahead = after + hours * HOUR_US, list[int]()
    moment = cron.next_after(after)
    while moment is not None and moment <= until:
        ahead.append(moment)
        moment = cron.next_after(moment)
    assert cron.moments_before(until, after, MISSED_MAX)[::-1] == ahead


def test_what_is_wrong_with_a_line_is_said_with_an_example_of_a_right_one() -> None:
    now = at("01-01T00:00:00")
    assert check(HOURLY, now) is None
    assert check(Cron("0 0 31 2 *"), now) == (
        "'0 0 31 2 *' is not a cron line: Bad day-of-month; write minute hour day month weekday, such as '0 2 * * *'"
    )
    assert "Wrong number of fields" in (check(Cron("hourly"), now) or "")


def test_a_line_with_a_sign_that_nobody_sees_is_refused() -> None:
    for line in ("0 2 * * *\n", "0 2\t* * *", "0 2 * * *\u200b"):
        assert "has a sign that nobody sees" in (check(Cron(line), 0) or "")


def test_a_line_with_a_star_goes_by_the_time_that_has_passed_and_another_one_by_the_wall_clock() -> None:
    def moments(line: str, day: str) -> list[str]:
        since = parse_rfc3339(f"{day}T22:30:00Z")
        found = Cron(line, "Europe/Berlin").moments_before(since + 4 * HOUR_US, since, 10)
        return [rfc3339(moment)[11:16] for moment in reversed(found)]

    assert moments("0 */2 * * *", "2027-10-30") == ["00:00", "01:00"], "02:00 twice"
    assert moments("0 0-23/2 * * *", "2027-10-30") == ["00:00"]
    assert moments("0 */2 * * *", "2027-03-27") == ["23:00", "02:00"], "00:00, and 04:00: there is no 02:00"
    assert moments("0 0-23/2 * * *", "2027-03-27") == ["23:00", "01:00", "02:00"]


def test_a_line_that_will_never_fire_again_is_refused() -> None:
    class Never(Cron):
        def next_after(self, at: int) -> int | None:
            return None

    assert check(Never("0 0 29 2 *"), 0) == "'0 0 29 2 *' never fires again"


def test_a_run_covers_those_that_were_left_out_before_it() -> None:
    covered, last, now = at("01-01T08:00:00"), at("01-01T10:00:00"), at("01-01T12:00:00")
    assert plan(HOURLY, Missed.COALESCE, last, now, covered) == Plan(now, (Window(covered, now),), 0)
    first, second = Window(covered, last + HOUR_US), Window(last + HOUR_US, now)
    assert plan(HOURLY, Missed.CATCH_UP, last, now, covered) == Plan(now, (first, second), 0)


def test_a_zone_that_does_not_exist_is_what_is_wrong_with_it() -> None:
    for zone in ("Europe/Atlantis", "../etc", "localtime", "Factory"):
        assert check(Cron("0 2 * * *", zone), at("01-01T00:00:00")) == (
            f"there is no time zone {zone!r} here; write one such as Europe/Berlin, or UTC"
        )
