"""The benchmark of the queue: says how fast it is, and that a job that is done twice, or never, is no figure."""

from __future__ import annotations

import msgspec
import pytest

import benchmarks
from benchmarks import jobs, jobs_beside
from benchmarks.control import BenchmarkError
from benchmarks.options import Options
from engine.jobs.kinds import Hopeless, Result
from protocol.jobs import Claimed


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "SHORT_BACKLOG", 402)
    monkeypatch.setattr(jobs, "SHORT_SECONDS", 0.1)
    # Processes of their own: `tests/integration/test_benchmarks.py` has them.
    monkeypatch.setattr(jobs_beside, "run", lambda options, figures: None)


def test_it_says_how_many_a_second_and_how_long_until_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmarks.main(["jobs", "--short", "--runs", "1", "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out)
    figures = report["figures"]
    assert figures["jobs_per_s"] > 0
    assert 0 < figures["start_p50_ms"] <= figures["start_p99_ms"]
    assert report["conditions"]["backlog"] == 402


def test_jobs_that_fail_are_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: jobs.Bench, claimed: Claimed, args: jobs.Asked) -> Result:
        return Hopeless("no")

    monkeypatch.setattr(jobs.Bench, "_run", fail)
    monkeypatch.setattr(jobs, "DEADLINE_S", 0.5)
    with pytest.raises(BenchmarkError, match="of 402 jobs 0 were done, 0 settled"):
        jobs.run(Options(short=True, runs=1))


def test_jobs_that_are_done_twice_are_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    once = jobs.Bench._run

    async def twice(self: jobs.Bench, claimed: Claimed, args: jobs.Asked) -> Result:
        await once(self, claimed, args)
        return await once(self, claimed, args)

    monkeypatch.setattr(jobs.Bench, "_run", twice)
    with pytest.raises(BenchmarkError, match="804 were done"):
        jobs.run(Options(short=True, runs=1))
