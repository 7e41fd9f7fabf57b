"""Rows on Postgres without one: what stands in for it, what is said where there is none, and what `--store` takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import benchmarks
from benchmarks import ingest, jobs, jobs_beside, rig
from benchmarks.control import BenchmarkError
from benchmarks.options import Options
from benchmarks.peers import cluster, postgres, queues, redis
from benchmarks.report import Figures
from protocol.jobs import Queue
from tests.support.stand_in import StandIn
from tests.support.tiny import TINY, hurry


class FakeServer:
    """What a server of our own answers; `migrated` gives files of the embedded store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0

    @contextlib.contextmanager
    def migrated(self) -> Iterator[str]:
        self._made += 1
        yield f"sqlite:///{self._folder / f'{self._made}.db'}"

    @contextlib.contextmanager
    def empty(self) -> Iterator[str]:
        yield "postgresql://nowhere"

    def commits(self, count: int, rate: float = 0, rows: int = 1) -> list[float]:
        return [2.0] * count

    def commit_p50_ms(self, count: int) -> float:
        return 2.0

    def rows_per_s(self, clients: int, count: int, rows: int) -> float:
        return 90_000.0


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> postgres.Place:
    """A server of our own that costs nothing."""
    place = postgres.Place("a stand-in", FakeServer(tmp_path))  # type: ignore[arg-type]
    monkeypatch.setattr(postgres, "place", lambda options, figures: contextlib.nullcontext(place))
    return place


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Two engines: the one on the embedded store, and one that is told its store, which is noted."""
    plain, other, told = StandIn(), StandIn(), {}
    hurry(monkeypatch)

    @contextlib.contextmanager
    def of_its_own(self: rig.Rig, name: str, *, pinned: bool = True, **settings: str) -> Iterator[StandIn]:
        told.update(settings)
        yield other

    monkeypatch.setattr(rig.Rig, "engine", lambda self, pinned=True: plain)
    monkeypatch.setattr(rig.Rig, "engine_of_its_own", of_its_own)
    yield told
    plain.close()
    other.close()


def test_ingest_on_postgres_stands_beside_ingest_on_sqlite_with_a_goal_and_a_floor_of_its_own(
    engines: dict[str, str], place: postgres.Place, tmp_path: Path
) -> None:
    report = ingest.run(TINY)
    assert engines == {"TOCSIN_STORE": f"sqlite:///{tmp_path / '1.db'}"}
    figures = report.figures
    assert figures["postgres_triggers_per_s"] > 0
    assert figures["postgres_single_ack_p99_ms"] > 0
    assert (figures["postgres_commit_p50_ms"], figures["postgres_floor_rows_per_s"]) == (2.0, 90_000.0)
    assert [(check.figure, check.limit) for check in report.checks][-1] == ("postgres_triggers_per_s", 5_000)
    assert report.conditions["store"] == "SQLite; a stand-in"


def test_ingest_in_a_database_that_was_brought_has_no_floor(engines: dict[str, str]) -> None:
    report = ingest.run(replace(TINY, store_url="postgresql://brought"))
    assert engines == {"TOCSIN_STORE": "postgresql://brought"}
    assert report.figures["postgres_triggers_per_s"] > 0
    assert "postgres_commit_p50_ms" not in report.figures
    assert report.conditions["store"] == "SQLite; a Postgres that was brought"


@pytest.fixture
def few_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "SHORT_BACKLOG", 42)
    monkeypatch.setattr(jobs, "SHORT_SECONDS", 0.02)
    monkeypatch.setattr(jobs, "_COMMITS", 5)
    monkeypatch.setattr(jobs_beside, "run", lambda options, figures: None)
    monkeypatch.setattr(redis, "bullmq", lambda: ([], "not in these tests"))


def test_jobs_on_postgres_are_held_against_commits_of_the_same_server(
    few_jobs: None, place: postgres.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[queues.Work] = []

    def done(name: str, program: list[str], folder: Path, work: queues.Work) -> queues.Done:
        asked.append(work)
        return queues.Done(100.0, 5.0, 9.0)

    monkeypatch.setattr(postgres, "procrastinate", lambda: (["program"], ""))
    monkeypatch.setattr(queues, "done", done)
    report = jobs.run(Options(short=True, runs=2))
    figures = report.figures
    assert figures["postgres_jobs_per_s"] > 0
    assert figures["postgres_commit_p50_ms"] == 2.0
    slowest = report.ranges["postgres_start_p50_ms"].high
    assert report.ranges["postgres_start_over_two_commits_ms"].high == pytest.approx(slowest - 4.0)
    assert {"postgres_jobs_per_s", "postgres_start_over_two_commits_ms"} <= {check.figure for check in report.checks}
    assert figures["procrastinate_jobs_per_s"] == 100.0
    names = [queue.value for queue in Queue]
    assert asked == [queues.Work("postgresql://nowhere", names, jobs.SLOTS, 42, jobs.AT_ONCE, jobs.RATE, 0.02)] * 2


def test_jobs_of_the_run_before_are_not_counted_in_a_database_that_was_brought(few_jobs: None, tmp_path: Path) -> None:
    report = jobs.run(Options(short=True, runs=2, store_url=f"sqlite:///{tmp_path / 'brought.db'}"))
    assert report.figures["postgres_jobs_per_s"] > 0
    assert "postgres_commit_p50_ms" not in report.figures
    assert "procrastinate is left out: there is no Postgres of our own" in report.warnings


def left_out(monkeypatch: pytest.MonkeyPatch, why: str) -> list[str]:
    monkeypatch.setattr(postgres, "why_none", lambda: why)
    figures = Figures()
    with postgres.place(Options(), figures) as place:
        assert place is None
    return figures.warnings


def test_where_there_can_be_no_postgres_its_rows_are_left_out_and_the_report_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert left_out(monkeypatch, "no luck") == ["Postgres is left out: no luck"]


def test_a_folder_that_is_closed_to_the_server_is_said_too(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def closed(folder: Path | None) -> Iterator[None]:
        raise cluster.NotHere("it may not enter there")
        yield

    monkeypatch.setattr(postgres, "postgres", closed)
    assert left_out(monkeypatch, "") == ["Postgres is left out: it may not enter there"]


def test_each_thing_that_is_missing_for_postgres_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(postgres, "programs", lambda: tmp_path)
    monkeypatch.setattr(postgres, "server_user", lambda: None)
    monkeypatch.setattr(postgres.importlib.util, "find_spec", lambda name: None)
    assert postgres.why_none() == "there is no psql and no pgbench and no asyncpg and no greenlet here"
    assert postgres.procrastinate() == ([], "it is not installed, or psycopg is not")


def test_a_machine_without_postgres_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    assert postgres.why_none() == "there is no Postgres 15 or newer here: apt-get install postgresql"


def test_root_without_a_user_for_the_server_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(cluster.os, "getuid", lambda: 0)
    monkeypatch.setattr(cluster.pwd, "getpwnam", nobody)
    with pytest.raises(cluster.NotHere, match="no system user `postgres`: apt-get install postgresql"):
        cluster.server_user()


def test_what_is_waited_for_in_vain_is_said_with_what_the_server_said() -> None:
    with pytest.raises(BenchmarkError, match="waited 0 s for spring\nwinter"):
        cluster.wait_for(lambda: False, 0, "spring", lambda: "winter")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["jobs", "--store"], "--store needs the URL of a Postgres database for jobs"),
        (["ingest", "--store"], "--store needs the URL of a Postgres database for ingest"),
        (["storm", "--store", "postgresql://x"], "--store takes no URL for storm"),
        (["burst", "--store", "postgresql://x"], "--store means nothing to burst: it is for storm, ingest, jobs"),
    ],
    ids=" ".join,
)
def test_a_store_that_means_nothing_is_refused(arguments: list[str], why: str, capsys) -> None:
    with pytest.raises(SystemExit) as left:
        benchmarks.main(arguments)
    assert left.value.code == 2
    assert why in capsys.readouterr().err
