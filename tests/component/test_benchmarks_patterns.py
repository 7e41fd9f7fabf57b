"""The benchmark of patterns: what it counts, and that nothing is found where people merely work by day."""

from __future__ import annotations

import json

import pytest

import benchmarks.cli as benchmarks
from benchmarks import patterns
from benchmarks.planted import office, planted


def test_what_is_told_right_planted_and_how_many_alerts_are_counted() -> None:
    score = patterns.scored(lambda seed: planted(seed, each=1, sources=4), range(2))
    assert (score.told, score.right, score.planted) == (14, 14, 14)
    assert score.alerts > 1_000
    assert score.seconds > 0


def test_that_people_work_by_day_is_no_pattern() -> None:
    score = patterns.scored(lambda seed: office(seed, sources=20), range(3))
    assert score.told == 0


def test_a_short_run_meets_its_goals(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SHORT_HISTORIES", 1)
    assert benchmarks.main(["patterns", "--short", "--runs", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["figures"].keys() == {
        "false_in_noise", "false_in_office", "precision_percent", "recall_percent", "alerts_per_s",
    }  # fmt: skip
    assert all(check["met"] for check in report["checks"])
