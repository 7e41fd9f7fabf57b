"""The benchmarks against the real engine, tiny: what is measured elsewhere at full size works at all."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import benchmarks
from benchmarks import ingest, jobs, jobs_beside
from benchmarks.options import Options
from benchmarks.peers import postgres
from benchmarks.peers.cluster import NotHere
from benchmarks.report import Figures

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
def test_a_scenario_loses_nothing_and_leaves_nothing(
    arguments: list[str], figure: str, monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path
):
    # Rows on Postgres are further down, smaller.
    monkeypatch.setattr(postgres, "why_none", lambda: "elsewhere in these tests")
    assert benchmarks.main([*arguments, *SMALL, "--folder", str(tmp_path)]) == 0
    outcome = msgspec.json.decode(capsys.readouterr().out)
    assert outcome["figures"][figure] > 0
    assert [outcome["figures"][fault] for fault in ("missing", "duplicated", "reordered")] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == [], "everything that a benchmark made is gone"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder that Postgres' user may enter as well: root's `tmp_path` is closed to him."""
    with tempfile.TemporaryDirectory(prefix="tocsin-open-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_other_queues_do_the_same_jobs_in_the_same_run(monkeypatch: pytest.MonkeyPatch, open_folder: Path):
    monkeypatch.setenv("NODE_PATH", str(NODE_MODULES))
    monkeypatch.setattr(jobs_beside, "run", lambda options, figures: None)
    monkeypatch.setattr(jobs, "SHORT_BACKLOG", 402)
    monkeypatch.setattr(jobs, "SHORT_SECONDS", 0.1)
    report = jobs.run(Options(short=True, runs=1, folder=open_folder))
    assert report.warnings == []
    for other in ("postgres", "bullmq_always", "bullmq_everysec", "procrastinate"):
        figures = [report.figures[f"{other}_{name}"] for name in ("jobs_per_s", "start_p50_ms", "start_p99_ms")]
        assert all(figure > 0 for figure in figures), other
        assert figures[1] <= figures[2], other
    assert report.figures["postgres_commit_p50_ms"] > 0
    assert list(open_folder.iterdir()) == [], "neither a server nor its folder is left"


def test_ingest_is_durable_on_a_postgres_of_its_own(monkeypatch: pytest.MonkeyPatch, open_folder: Path):
    said: list[list[str]] = []
    measured = ingest._floor

    def floor(server: postgres.Server, figures: Figures) -> None:
        names = ("fsync", "synchronous_commit", "full_page_writes")
        said.extend(server._cluster.sql("".join(f"SHOW {name};" for name in names)))
        measured(server, figures)

    monkeypatch.setattr(ingest, "_floor", floor)
    report = ingest.run(Options(runs=1, triggers=1_600, singles=64, folder=open_folder))
    assert said == [["on"]] * 3
    assert report.verdict.is_clean
    assert report.warnings == []
    figures = ("postgres_triggers_per_s", "postgres_single_ack_p99_ms", "postgres_commit_p50_ms")
    assert all(report.figures[figure] > 0 for figure in figures)
    assert report.figures["postgres_floor_rows_per_s"] > 0
    assert list(open_folder.iterdir()) == []


def test_an_interrupted_benchmark_leaves_no_server_behind(open_folder: Path):
    script = (
        "import os, signal, sys, benchmarks\n"
        "from benchmarks import jobs\n"
        # Whoever is started in the background of a shell is deaf to it from the start.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def interrupted(*_): os.kill(os.getpid(), signal.SIGINT)\n"
        "jobs._measure = interrupted\n"
        "sys.exit(benchmarks.main(['jobs', '--short', '--folder', sys.argv[1]]))\n"
    )
    command = [sys.executable, "-c", script, str(open_folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 130, done.stderr
    assert "everything that was started is ended" in done.stderr
    assert list(open_folder.iterdir()) == []
    # Its processes have the folder among their arguments. Others may end while we look.
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines.append(path.read_bytes())
    assert [line for line in lines if str(open_folder).encode() in line] == []


@pytest.mark.skipif(os.getuid() != 0, reason="whoever is not root runs Postgres himself, in any folder of his")
def test_a_folder_of_roots_that_postgres_may_not_enter_has_no_rows_on_it_and_a_reason(tmp_path: Path):
    with pytest.raises(NotHere, match="may not enter"), postgres.postgres(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_lists_of_a_million_alerts_are_measured_over_http_and_in_the_store(capsys, tmp_path: Path):
    assert benchmarks.main(["api", "--short", "--json", "--runs", "1", "--folder", str(tmp_path)]) == 0
    figures = msgspec.json.decode(capsys.readouterr().out)["figures"]
    assert 0 < figures["api_p50_ms"] <= figures["api_p95_ms"] <= figures["api_worst_list_p95_ms"]
    assert 0 < figures["query_p50_ms"] <= figures["query_p95_ms"]
    assert list(tmp_path.iterdir()) == []
