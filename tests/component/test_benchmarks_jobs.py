"""The benchmark of the queue: says how fast it is, and that a job that is done twice, or never, is no figure."""

from __future__ import annotations

import msgspec
import pytest
import trio

import benchmarks
from actors.hands import WorkerLimits
from actors.workers import Workers
from benchmarks import jobs, jobs_alone, jobs_beside
from benchmarks.control import BenchmarkError
from benchmarks.jobs_engine import CHAINS, Chains, Pace, Paced
from benchmarks.options import Options
from benchmarks.peers import postgres, redis
from benchmarks.report import Figures
from engine.jobs.counts import JobCounts
from engine.jobs.desk import Desk
from engine.jobs.kinds import Hopeless, Kinds, Result
from protocol.jobs import Claimed, Queue
from tests.support.jobs import clock, working


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "SHORT_BACKLOG", 402)
    monkeypatch.setattr(jobs, "SHORT_SECONDS", 0.1)
    monkeypatch.setattr(jobs, "_COMMITS", 5)
    # Processes of their own: `tests/integration/test_benchmarks.py` has them.
    monkeypatch.setattr(jobs_beside, "run", lambda options, figures: None)
    monkeypatch.setattr(redis, "bullmq", lambda: ([], "not in these tests"))
    # `test_benchmarks_postgres.py` has these.
    monkeypatch.setattr(postgres, "why_none", lambda: "not in these tests")


def test_it_says_how_many_a_second_and_how_long_until_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmarks.main(["jobs", "--short", "--runs", "1", "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out)
    figures = report["figures"]
    assert figures["jobs_per_s"] > 0
    assert 0 < figures["start_p50_ms"] <= figures["start_p99_ms"]
    assert report["conditions"]["backlog"] == 402
    assert report["warnings"] == [
        "Postgres is left out: not in these tests",
        "bullmq is left out: not in these tests",
        "procrastinate is left out: there is no Postgres of our own",
    ]


def test_jobs_that_fail_are_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: jobs_alone.Bench, claimed: Claimed, args: jobs_alone.Asked) -> Result:
        return Hopeless("no")

    monkeypatch.setattr(jobs_alone.Bench, "_run", fail)
    monkeypatch.setattr(jobs_alone, "DEADLINE_S", 0.5)
    with pytest.raises(BenchmarkError, match="of 402 jobs 0 were done, 0 settled"):
        jobs.run(Options(short=True, runs=1))


def test_jobs_that_are_done_twice_are_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    once = jobs_alone.Bench._run

    async def twice(self: jobs_alone.Bench, claimed: Claimed, args: jobs_alone.Asked) -> Result:
        await once(self, claimed, args)
        return await once(self, claimed, args)

    monkeypatch.setattr(jobs_alone.Bench, "_run", twice)
    with pytest.raises(BenchmarkError, match="804 were done"):
        jobs.run(Options(short=True, runs=1))


def test_a_rate_that_the_jobs_did_not_keep_is_warned_of() -> None:
    kept, missed = Figures(), Figures()
    jobs_beside.note(Paced(1_910, 1.0, 5.0), 2_000, kept)
    jobs_beside.note(Paced(1_890, 1.0, 5.0), 2_000, missed)
    assert kept.warnings == []
    assert missed.warnings == ["beside the fan-out only 1890 of 2000 jobs a second were done"]


async def test_chains_keep_a_rate_until_they_are_told_another(autojump_clock: object) -> None:
    chains = Chains(clock)
    limits = WorkerLimits(slots=dict.fromkeys(Queue, CHAINS))
    async with chains.open_store("memory:", clock=clock) as store:
        desk = Desk(Kinds(chains.kinds.values()), clock)
        async with working(store, Workers(store, desk, JobCounts(), clock, "bench", limits)):
            assert await chains.keep(Pace(500)) == Paced()
            await trio.sleep(1)
            done = await chains.keep(Pace(0))
            await trio.sleep(1)
            assert await chains.keep(Pace(0)) == Paced(seconds=pytest.approx(1))
    assert done.seconds == pytest.approx(1)
    assert done.jobs == pytest.approx(2_000, abs=2 * CHAINS * len(Queue))
    assert 0 <= done.start_p99_ms < 10


@pytest.mark.parametrize(
    ("there", "why"),
    [
        ({"node"}, "there is no redis-server here"),
        ({"redis-server"}, "there is no node here, or it does not find the npm package"),
    ],
    ids=["no redis", "no node"],
)
def test_a_peer_that_is_not_there_is_left_out_with_a_reason(
    there: set[str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("shutil.which", lambda name: name if name in there else None)
    assert redis.bullmq() == ([], why)
