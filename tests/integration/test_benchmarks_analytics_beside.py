"""The benchmark of the fan-out beside analytics, with a real engine: its schedules are run, and nothing is lost."""

from __future__ import annotations

import pytest

from benchmarks import beside, fanout_analytics
from benchmarks.options import Options


def test_the_fan_out_is_measured_beside_schedules_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "RUNS_MIN", 1)
    monkeypatch.setattr(fanout_analytics, "SHORT_ALERTS", 480)
    report = fanout_analytics.run(Options(clients=5, messages=20, rate=10.0, runs=1, short=True))
    assert report.verdict.is_clean
    assert report.figures["fanout_beside_last_client_p99_ms"] > 0
    assert {check.figure for check in report.checks} == {"fanout_p99_moved_percent", "beside_jobs"}
    assert {check.figure for check in report.checks} <= report.figures.keys()
