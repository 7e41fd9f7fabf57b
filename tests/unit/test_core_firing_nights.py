"""Nights in which clocks change, and leap days: however often one looks, each moment is found once, none is missed."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.firing import Cron, Missed, plan
from protocol.times import SECOND_US

MINUTE_US = 60 * SECOND_US
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca")
LINES = (
    *("30 2 * * *", "0 2 * * *", "30 1 * * *", "0 3 * * *", "0 */6 * * *", "*/30 * * * *", "15 0 29 2 *"),
    *("30 * * * *", "45 */2 * * *"),
)


LORD_HOWE = "Australia/Lord_Howe"


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND_US


# Before and after a change of clocks somewhere in these zones, or a leap day.
SPANS = [
    (us("2026-03-08T00:00"), us("2026-03-09T00:00")),
    (us("2026-03-28T22:00"), us("2026-03-29T22:00")),
    (us("2026-10-24T22:00"), us("2026-10-25T22:00")),
    (us("2026-11-01T00:00"), us("2026-11-02T00:00")),
    (us("2026-04-04T06:00"), us("2026-04-05T06:00")),
    (us("2026-10-03T06:00"), us("2026-10-04T06:00")),
    (us("2028-02-28T12:00"), us("2028-03-01T12:00")),
]


@given(
    zone=st.sampled_from(ZONES),
    line=st.sampled_from(LINES),
    span=st.sampled_from(SPANS),
    looks=st.lists(st.integers(0, 24 * 60), max_size=8),
    back_us=st.integers(0, 90 * MINUTE_US),
)
def test_who_looks_often_finds_what_one_look_finds(
    zone: str, line: str, span: tuple[int, int], looks: list[int], back_us: int
) -> None:
    cron, (since, until) = Cron(line, zone), span
    whole = cron.moments_before(until, since, 1_000)[::-1]
    last, found, skipped = since, [], 0
    for at in [*sorted(since + minutes * MINUTE_US for minutes in looks), until]:
        # The clock is set back after each look, and comes up again.
        for now in (at, max(since, at - back_us), at):
            planned = plan(cron, Missed.CATCH_UP, last, now)
            if planned is not None:
                assert planned.fire > last
                last, skipped = planned.fire, skipped + planned.skipped
                found += [run.until for run in planned.runs]
    assert found == sorted(set(found))
    assert set(found) <= set(whole)
    # Beyond so many at once they are left out, and counted.
    assert len(found) + skipped == len(whole)


@pytest.mark.parametrize(
    ("line", "zone", "span", "moments"),
    [
        # 02:30 is not there: it runs as soon as the hour is over.
        ("30 2 * * *", "Europe/Berlin", SPANS[1], ["2026-03-29T01:00"]),
        # 02:30 is there twice: it runs once.
        ("30 2 * * *", "Europe/Berlin", SPANS[2], ["2026-10-25T00:30"]),
        ("30 2 * * *", "America/New_York", SPANS[0], ["2026-03-08T07:00"]),
        ("30 1 * * *", "America/New_York", SPANS[3], ["2026-11-01T05:30"]),
        ("15 0 29 2 *", "UTC", SPANS[6], ["2028-02-29T00:15"]),
    ],
)
def test_a_run_of_the_night_comes_once(line: str, zone: str, span: tuple[int, int], moments: list[str]) -> None:
    assert Cron(line, zone).moments_before(span[1], span[0], 10) == [us(moment) for moment in moments]


@pytest.mark.parametrize("zone", ZONES)
def test_what_comes_every_half_hour_comes_so_in_every_night(zone: str) -> None:
    for since, until in SPANS:
        moments = Cron("*/30 * * * *", zone).moments_before(until, since, 1_000)[::-1]
        assert {after - before for before, after in pairwise(moments)} == {30 * MINUTE_US}
        assert len(moments) == (until - since) // (30 * MINUTE_US)


@pytest.mark.parametrize("line", ["30 * * * *", "45 */2 * * *", "*/10 * * * *"])
@pytest.mark.parametrize("span", [("2026-04-04T00:00", "2026-04-06T00:00"), ("2026-10-03T00:00", "2026-10-05T00:00")])
def test_where_clocks_change_by_half_an_hour_what_is_due_next_is_what_is_due_then(
    line: str, span: tuple[str, str]
) -> None:
    cron, (since, until) = Cron(line, LORD_HOWE), (us(span[0]), us(span[1]))
    ahead, last = [], since
    while (last := cron.next_after(last) or until + 1) <= until:
        planned = plan(cron, Missed.COALESCE, last - 1, last)
        assert planned is not None
        assert planned.fire == last
        ahead.append(last)
    assert cron.moments_before(until, since, 1_000)[::-1] == ahead
