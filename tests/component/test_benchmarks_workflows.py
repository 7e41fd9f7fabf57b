"""The benchmark of workflow batches: counts what it says, and notices projects that are not where they should be."""

from __future__ import annotations

import msgspec
import pytest

import benchmarks
from benchmarks import workflows
from benchmarks.control import BenchmarkError
from benchmarks.options import Options


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflows, "SHORT_PROJECTS", 12)


def test_it_says_how_long_and_how_many_statements_each_batch_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmarks.main(["workflows", "--short", "--runs", "1", "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out)
    figures = report["figures"]
    assert {"generate_ms", "again_ms", "advance_ms"} <= figures.keys()
    assert 0 < figures["again_statements"] < figures["generate_statements"] <= figures["advance_statements"] <= 11
    assert report["conditions"]["projects"] == 12


def test_projects_that_do_not_advance_are_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflows, "ITEMS", 2)
    with pytest.raises(BenchmarkError, match="projects were not"):
        workflows.run(Options(short=True, runs=1))
