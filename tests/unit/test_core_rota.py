"""Who is on call: shifts in days of a calendar, across changes of the clock, and who stands in."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.rota import OnCall, answering, on_call
from protocol.directory import Override, Rota, Team
from protocol.times import parse_rfc3339

ORDER = ("ann", "bob", "eve")


def a_team(overrides: tuple[Override, ...] = (), **changes: Any) -> Team:
    given: dict[str, Any] = {"starts_on": "2026-01-05", "order": ORDER, "overrides": overrides} | changes
    return Team(id="ops", members=ORDER, rota=Rota(**given))


def at(text: str, team: Team) -> tuple[str | None, int | None]:
    return on_call(team, parse_rfc3339(text))


def test_a_team_without_a_rota_has_nobody_on_call() -> None:
    assert on_call(Team(id="ops"), 0) == OnCall(None, None)


def test_where_nobody_is_on_call_all_members_answer() -> None:
    team = a_team()
    assert answering(team, parse_rfc3339("2026-01-05T09:00:00Z")) == ("ann",)
    assert answering(team, parse_rfc3339("2026-01-05T08:59:59Z")) == ORDER
    assert answering(Team(id="ops", members=ORDER), 0) == ORDER


@pytest.mark.parametrize(
    ("moment", "user", "until"),
    [
        ("2026-01-05T08:59:59Z", None, "2026-01-05T09:00:00Z"),
        ("2026-01-05T09:00:00Z", "ann", "2026-01-12T09:00:00Z"),
        ("2026-01-12T08:59:59Z", "ann", "2026-01-12T09:00:00Z"),
        ("2026-01-12T09:00:00Z", "bob", "2026-01-19T09:00:00Z"),
        ("2026-01-26T09:00:00Z", "ann", "2026-02-02T09:00:00Z"),
        ("2025-12-01T00:00:00Z", None, "2026-01-05T09:00:00Z"),
    ],
)
def test_each_has_a_shift_in_turn(moment: str, user: str | None, until: str) -> None:
    assert at(moment, a_team()) == (user, parse_rfc3339(until))


@pytest.mark.parametrize(
    ("moment", "user", "until"),
    [
        # Berlin goes to summer time on 2026-03-29 at 02:00: a handover at 09:00 is at 08:00 UTC before, 07:00 after.
        ("2026-03-28T07:59:00Z", "ann", "2026-03-28T08:00:00Z"),
        ("2026-03-28T08:00:00Z", "bob", "2026-03-29T07:00:00Z"),
        ("2026-03-29T06:59:00Z", "bob", "2026-03-29T07:00:00Z"),
        ("2026-03-29T07:00:00Z", "eve", "2026-03-30T07:00:00Z"),
    ],
)
def test_a_handover_stays_at_its_hour_when_the_clocks_change(moment: str, user: str, until: str) -> None:
    team = a_team(starts_on="2026-03-27", zone="Europe/Berlin", every_days=1)
    assert at(moment, team) == (user, parse_rfc3339(until))


def test_a_handover_in_the_hour_that_does_not_exist_still_happens() -> None:
    team = a_team(starts_on="2026-03-28", zone="Europe/Berlin", every_days=1, handover="02:30")
    assert at("2026-03-29T01:29:00Z", team) == ("ann", parse_rfc3339("2026-03-29T01:30:00Z"))
    assert at("2026-03-29T01:30:00Z", team)[0] == "bob"


def test_of_an_hour_that_comes_twice_the_first_counts() -> None:
    team = a_team(starts_on="2026-10-24", zone="Europe/Berlin", every_days=1, handover="02:30")
    assert at("2026-10-25T00:29:00Z", team) == ("ann", parse_rfc3339("2026-10-25T00:30:00Z"))
    assert at("2026-10-25T01:00:00Z", team)[0] == "bob"


def test_who_stands_in_counts_until_he_goes_and_the_last_in_the_list_wins() -> None:
    team = a_team(
        (
            Override(user="max", start="2026-01-06T00:00:00Z", end="2026-01-08T00:00:00Z"),
            Override(user="zoe", start="2026-01-07T00:00:00Z", end="2026-01-07T12:00:00Z"),
        )
    )
    assert at("2026-01-05T12:00:00Z", team) == ("ann", parse_rfc3339("2026-01-06T00:00:00Z"))
    assert at("2026-01-06T00:00:00Z", team) == ("max", parse_rfc3339("2026-01-07T00:00:00Z"))
    assert at("2026-01-07T00:00:00Z", team) == ("zoe", parse_rfc3339("2026-01-07T12:00:00Z"))
    assert at("2026-01-07T12:00:00Z", team) == ("max", parse_rfc3339("2026-01-08T00:00:00Z"))
    assert at("2026-01-08T00:00:00Z", team) == ("ann", parse_rfc3339("2026-01-12T09:00:00Z"))
