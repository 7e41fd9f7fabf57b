"""The benchmarks of counts, with fewer alerts: that they find what is wrong, and what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

import benchmarks.cli as benchmarks
from benchmarks import counts, month, month_fill
from benchmarks.control import BenchmarkError
from benchmarks.options import Options
from benchmarks.peers import postgres
from engine.stores.tables.store import TableStore
from protocol.effects import Behind, Unavailable
from protocol.errors import StoreUnavailable


@pytest.fixture(autouse=True)
def no_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows on it: tests/integration/test_counts_on_postgres.py."""
    monkeypatch.setattr(postgres, "why_none", lambda: "not in these tests")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store's."""
    return f"sqlite:///{tmp_path}/store.db"


async def test_counts_of_random_late_and_changing_alerts_are_what_counting_by_hand_says(url: str) -> None:
    rows, different, *_ = await counts.compare(url, 20_000)
    assert rows > 10_000
    assert different == 0


async def test_counts_that_are_wrong_are_found(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = counts.merged

    def one_less(hours: Any, width: Any) -> Any:
        merged = whole(hours, width)
        del merged[next(iter(merged))]
        return merged

    monkeypatch.setattr(counts, "merged", one_less)
    assert (
        await counts.compare(url, 1_000)
    ).different == 3  # of the day, the week and the month; the hour is as it was


def lost(store: TableStore, times: int) -> Callable[..., Any]:
    """A store's commit whose first answers are lost, although it happened."""
    left, commit = [times], store.commit

    async def answer(wanted: Any) -> Any:
        outcome = await commit(wanted)
        if left[0]:
            left[0] -= 1
            return Unavailable("the answer was lost")
        return outcome

    return answer


def stand_in(monkeypatch: pytest.MonkeyPatch, change: Callable[[TableStore], None]) -> None:
    """Every store that the benchmark opens is changed first."""
    opened = counts.open_store

    class Changed:
        def __init__(self, url: str, **more: Any) -> None:
            self._context = opened(url, **more)

        async def __aenter__(self) -> Any:
            store: Any = await self._context.__aenter__()
            change(store)
            return store

        async def __aexit__(self, *fault: Any) -> None:
            await self._context.__aexit__(*fault)

    monkeypatch.setattr(counts, "open_store", Changed)


async def test_a_batch_whose_answer_was_lost_is_offered_again_and_counts_once(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, lambda store: monkeypatch.setattr(store, "commit", lost(store, 3)))
    compared = await counts.compare(url, 1_000)
    assert compared.different == 0
    assert compared.unanswered >= 3


async def test_a_store_that_stays_away_ends_the_measurement(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> Any:
        await trio.lowlevel.checkpoint()
        raise StoreUnavailable("it is away")

    stand_in(monkeypatch, lambda store: monkeypatch.setattr(store, "count_alerts", away))
    with pytest.raises(BenchmarkError, match=r"did not answer 51 times: .*it is away"):
        await counts.compare(url, 1_000)


async def test_a_commit_that_is_refused_ends_the_measurement(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(_: Any) -> Behind:
        await trio.lowlevel.checkpoint()
        return Behind(9)

    stand_in(monkeypatch, lambda store: monkeypatch.setattr(store, "commit", refused))
    with pytest.raises(BenchmarkError, match="a commit was refused"):
        await counts.compare(url, 1_000)


def test_the_scenario_says_how_many_rows_it_held_against_how_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmarks.main(["counts", "--alerts", "1000", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["figures"]["rows_compared"] > 1_000
    assert [(check["figure"], check["measured"], check["met"]) for check in report["checks"]] == [
        ("rows_different", 0, True)
    ]
    assert report["conditions"]["alerts"] == 1_000
    assert report["warnings"] == ["Postgres is left out: not in these tests"]


def test_a_month_is_filled_counted_and_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(month, "SHORT_ALERTS", 500)
    report = month.run(Options(short=True, runs=2))
    assert report.figures.keys() == {*(f"{name}_ms" for name in month.QUESTIONS), "slowest_ms", "counted_per_s"}
    assert report.figures["slowest_ms"] >= report.figures["by_day_ms"] > 0
    assert [check.figure for check in report.checks] == ["slowest_ms"]


def test_alerts_that_are_not_counted_fail_the_month(tmp_path: Path, url: str) -> None:
    month_fill.fill_sqlite(tmp_path / "store.db", 500)
    with pytest.raises(BenchmarkError, match="500 alerts were counted, not 501"):
        trio.run(month.count_all, url, 501)
    with pytest.raises(BenchmarkError, match="by_day: 500 alerts, not 501"):
        trio.run(month.ask_all, url, 501)


def test_one_history_is_compared_however_many_runs_are_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        benchmarks.main(["counts", "--runs", "2"])
    assert "--runs means nothing to counts" in capsys.readouterr().err
