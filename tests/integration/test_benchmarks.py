"""The benchmarks against the real engine, tiny: what is measured elsewhere at full size works at all."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import benchmarks
from benchmarks import jobs, jobs_beside
from benchmarks.options import Options

NODE_MODULES = Path(__file__).parent.parent / "node" / "node_modules"
SMALL = ["--json", "--clients", "10", "--messages", "5", "--rate", "100", "--runs", "1"]


@pytest.mark.parametrize(
    ("arguments", "figure"),
    [
        (["fanout", "--idle", "5", "--open", "1000"], "last_client_p99_ms"),
        (["fanout", "--busy"], "busy_store_last_client_p99_ms"),
        (["burst"], "deliveries_per_s"),
        (["ingest", "--short"], "single_triggers_per_s"),
        (["suppress", "--short"], "triggers_per_s"),
        (["readings", "--short"], "readings_per_s"),
        (["jobs", "--short"], "fanout_beside_last_client_p99_ms"),
        (["slow_reader"], "slowed_delivery_p95_ms"),
        (["storm"], "all_back_s"),
        (["storm", "--store"], "all_back_s"),
        (["connections", "--seconds", "0.5"], "connects_per_s"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_a_scenario_loses_nothing_and_leaves_nothing(arguments: list[str], figure: str, capsys, tmp_path: Path):
    assert benchmarks.main([*arguments, *SMALL, "--folder", str(tmp_path)]) == 0
    outcome = msgspec.json.decode(capsys.readouterr().out)
    assert outcome["figures"][figure] > 0
    assert [outcome["figures"][fault] for fault in ("missing", "duplicated", "reordered")] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == [], "everything that a benchmark made is gone"


def test_another_queue_does_the_same_jobs_in_the_same_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("NODE_PATH", str(NODE_MODULES))
    monkeypatch.setattr(jobs_beside, "run", lambda options, figures: None)
    monkeypatch.setattr(jobs, "SHORT_BACKLOG", 402)
    monkeypatch.setattr(jobs, "SHORT_SECONDS", 0.1)
    report = jobs.run(Options(short=True, runs=1, folder=tmp_path))
    assert report.warnings == []
    for fsync in ("always", "everysec"):
        figures = [report.figures[f"bullmq_{fsync}_{name}"] for name in ("jobs_per_s", "start_p50_ms", "start_p99_ms")]
        assert all(figure > 0 for figure in figures)
        assert figures[1] <= figures[2]
    assert list(tmp_path.iterdir()) == []


def test_the_lists_of_a_million_alerts_are_measured_over_http_and_in_the_store(capsys, tmp_path: Path):
    assert benchmarks.main(["api", "--short", "--json", "--runs", "1", "--folder", str(tmp_path)]) == 0
    figures = msgspec.json.decode(capsys.readouterr().out)["figures"]
    assert 0 < figures["api_p50_ms"] <= figures["api_p95_ms"] <= figures["api_worst_list_p95_ms"]
    assert 0 < figures["query_p50_ms"] <= figures["query_p95_ms"]
    assert list(tmp_path.iterdir()) == []
