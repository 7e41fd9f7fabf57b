"""The forecast benchmark: its peers, its scores, its series, and what it says of data that are not there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks.cli as benchmarks
from benchmarks import forecast
from benchmarks.control import BenchmarkError
from benchmarks.forecast_series import KINDS, Course, courses

ROOT = Path(__file__).parents[2]


def a_corpus(folder: Path, days: int = 140) -> Path:
    """Something that is laid out as the taxi rides are, and grows."""
    path = folder / forecast.TAXI
    path.parent.mkdir(parents=True)
    rows = [f"2014-07-01 00:00:00,{1000 + 10 * (step % 48) + step // 48 + step * 7 % 13}" for step in range(days * 48)]
    path.write_text("\n".join(["timestamp,value", *rows]) + "\n")
    return folder


def test_peers_say_what_they_are_called() -> None:
    weeks = [[float(week * 100 + step) for step in range(14)] for week in range(5)]
    values = [value for week in weeks for value in week]
    assert forecast.seasonal_naive(values, 2, 2).expected == weeks[-1][:2]
    assert forecast.seasonal_median(values, 2, 2).expected == [250.0, 251.0]


def test_wape_and_coverage_are_those_of_the_sums() -> None:
    course = Course("x", 2, [1.0, 2.0, 10.0, None, 20.0, 40.0])

    def told(values: object, per_day: int, ahead: int) -> forecast.Told:
        return forecast.Told([12.0, 30.0], [9.0, 0.0], [15.0, 35.0])

    days = forecast.scored(course, [1, 2], told)
    assert days == [forecast.Day(2.0, 10.0, 1, 1), forecast.Day(8.0 + 10.0, 60.0, 0, 2)]
    assert forecast.score(days) == forecast.Score(100 * 20 / 70, 100 / 3)


def test_each_stretch_of_fourteen_days_is_won_or_lost() -> None:
    good, bad = forecast.Day(1.0, 10.0, 0, 1), forecast.Day(2.0, 10.0, 0, 1)
    assert forecast.better([good] * 15 + [bad] * 15, [bad] * 15 + [good] * 15) == pytest.approx(100 * 8 / 17)


def test_series_are_drawn_from_their_seed() -> None:
    assert courses(1) == courses(1) != courses(2)
    assert [course.name for course in courses(3)] == [f"{kind}-0" for kind in KINDS]


def test_own_series_are_forecast_where_no_data_are_given(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOCSIN_NAB_DATA", raising=False)
    assert benchmarks.main(["forecast", "--short", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["conditions"]["data"] == "our own series"
    assert {f"{kind}-0_ours_wape" for kind in KINDS} <= report["figures"].keys()


def test_it_is_started_as_a_script_and_holds_itself_against_its_peers(tmp_path: Path) -> None:
    asked = [sys.executable, "benchmarks/forecast.py", "--data", str(a_corpus(tmp_path)), "--short", "--json"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, timeout=170, check=True)
    report = json.loads(done.stdout)
    assert report["figures"]["autumn_ours_wape"] < report["figures"]["autumn_median_wape"]
    assert {check["figure"] for check in report["checks"]} == {"share_of_median", "autumn_coverage", "all_coverage"}
    assert report["figures"]["stretches_better_percent"] in (0, 100)


def test_data_that_are_not_there_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmarks.main(["forecast", "--data", str(tmp_path)]) == 1
    assert "--data is a checkout of github.com/numenta/NAB" in capsys.readouterr().err
    with pytest.raises(BenchmarkError, match="needs 14 days"):
        forecast.ours([1.0] * 20, 2, 2)
