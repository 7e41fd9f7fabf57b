"""Computing in processes: what is heavy leaves the loop free, and ends with whoever waits for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from actors.hands import WorkerLimits
from actors.workers import Workers
from engine.computing import installed
from engine.computing.installed import InstalledAnewError
from engine.computing.processes import MEMORY_MAX_BYTES, ComputingFailedError, Processes
from engine.jobs.desk import INSTALLED_ANEW_AGAIN_US, Desk
from engine.jobs.kinds import Done, Kind, Kinds, Result
from engine.stores import Store
from protocol.jobs import Claimed, Job, JobState, Queue, Verdict
from tests.support.jobs import Observed, add, clock, job_store, working

BURNING = "tests.support.burning"


class Heavy(msgspec.Struct, frozen=True):
    """What a process is told."""

    task: str


def heavy_kind(processes: Processes) -> Kind[Heavy]:
    async def run(claimed: Claimed, args: Heavy) -> Result:
        return Done(result=(await processes.compute(BURNING, args.task.encode())).decode())

    return Kind(name="heavy", queue=Queue.ANALYTICS, args=Heavy, run=run, attempts_max=1, deadline_s=600)


def workers_on(store: Store, kind: Kind[Heavy], observed: Observed) -> Workers:
    limits = WorkerLimits(dict.fromkeys(Queue, 2), grace_s=0.1)
    return Workers(store, Desk(Kinds([kind]), clock), observed, clock, "n1", limits)


async def the_job(store: Store, number: int) -> Job:
    job = await store.job(None, number)
    assert job is not None
    return job


async def test_a_process_answers_and_knows_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_SECRET", "s")
    answer = await Processes(1).compute(BURNING, b"say hello")
    assert answer.startswith(b"(b'hello', [")
    assert b"TOCSIN_SECRET" not in answer


async def test_who_waits_for_an_answer_waits_behind_the_engine_but_not_behind_everybody() -> None:
    niceness = min(19, os.nice(0) + 10)
    behind_all, behind_us = Processes(1, is_awaited=False), Processes(1, is_awaited=True)
    assert await behind_all.compute(BURNING, b"place ") == repr((os.SCHED_IDLE, niceness)).encode()
    assert await behind_us.compute(BURNING, b"place ") == repr((os.sched_getscheduler(0), niceness)).encode()


class Watching(Observed):
    """Says when a job was claimed, and when one has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.was_begun, self.has_ended = trio.Event(), trio.Event()

    def started(self, queue: Queue, waited_s: float) -> None:
        self.was_begun.set()

    def ended(self, claimed: Claimed, verdict: Verdict, seconds: float) -> None:
        super().ended(claimed, verdict, seconds)
        self.has_ended.set()


async def test_a_job_that_burns_a_core_leaves_the_loop_to_others() -> None:
    processes, watching, turns = Processes(1), Watching(), 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    kind = heavy_kind(processes)
    async with job_store() as store, working(store, workers_on(store, kind, watching)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_turns)
            (number,) = await add(store, kind.job(Heavy("work 0.1")))
            await watching.has_ended.wait()
            nursery.cancel_scope.cancel()
        assert (await the_job(store, number)).state is JobState.COMPLETED
    # On the loop, or in a thread that holds the interpreter, it would have been a handful.
    assert turns > 200


async def test_a_deadline_ends_the_process() -> None:
    processes, watching = Processes(1), Watching()
    kind = heavy_kind(processes)
    async with job_store() as store, working(store, workers_on(store, kind, watching)):
        (number,) = await add(store, kind.job(Heavy("burn"), deadline_s=1))
        await watching.has_ended.wait()
        job = await the_job(store, number)
        assert (job.state, job.errors[0].cause) == (JobState.FAILED, "deadline: it took longer than 1 s")
        assert processes.statistics() == {"started": 1, "failed": 0, "ended_early": 1, "running": 0}


async def test_at_a_stop_the_process_ends_and_the_job_is_handed_back_with_its_attempt() -> None:
    processes, watching = Processes(1), Watching()
    kind = heavy_kind(processes)
    async with job_store() as store:
        async with working(store, workers_on(store, kind, watching)):
            (number,) = await add(store, kind.job(Heavy("burn")))
            await watching.was_begun.wait()
        job = await the_job(store, number)
        assert (job.state, job.attempt, processes.statistics()["running"]) == (JobState.WAITING, 0, 0)
        assert watching.verdicts == {Verdict.RELEASED: 1}


@pytest.mark.parametrize(
    ("task", "said"),
    [(f"take {2 * MEMORY_MAX_BYTES}", "ended with 1: MemoryError"), ("fail a bug", "ValueError: a bug")],
)
async def test_a_process_that_fails_says_why_and_is_counted(task: str, said: str) -> None:
    processes = Processes(1)
    with pytest.raises(ComputingFailedError, match=said):
        await processes.compute(BURNING, task.encode())
    assert processes.statistics()["failed"] == 1


async def test_no_more_run_at_once_than_may_and_others_wait_for_their_turn() -> None:
    processes = Processes(1)
    answers: list[bytes] = []

    async def ask(word: bytes) -> None:
        answers.append(await processes.compute(BURNING, word))

    async with trio.open_nursery() as nursery:
        for word in (b"say one", b"say two"):
            nursery.start_soon(ask, word)
        await trio.testing.wait_all_tasks_blocked()
        assert (processes.is_full, processes.statistics()["started"]) == (True, 1)
    assert (len(answers), processes.is_full) == (2, False)


async def test_who_shares_room_with_others_waits_for_his_turn_and_nobody_for_long() -> None:
    room = trio.CapacityLimiter(1)
    many, one = Processes(room), Processes(room)
    answered: list[str] = []

    async def ask(processes: Processes, *words: str) -> None:
        for word in words:
            await processes.compute(BURNING, f"say {word}".encode())
            answered.append(word)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, many, "first", "third")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask, one, "second")
    assert answered == ["first", "second", "third"]
    assert (many.statistics()["started"], one.statistics()["started"]) == (2, 1)


async def test_who_is_cancelled_while_he_waits_for_his_turn_starts_nothing_and_leaves_the_room_free() -> None:
    room = trio.CapacityLimiter(1)
    burning, waiting = Processes(room), Processes(room)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(burning.compute, BURNING, b"burn")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(waiting.compute, BURNING, b"burn")
        await trio.testing.wait_all_tasks_blocked()
        assert (burning.statistics()["running"], waiting.statistics()["running"], waiting.is_full) == (1, 0, True)
        nursery.cancel_scope.cancel()
    assert (burning.statistics()["ended_early"], waiting.statistics()["started"], room.borrowed_tokens) == (1, 0, 0)


Upgrade = Callable[[str], None]


@pytest.fixture
def upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upgrade:
    """Installs another version, as far as anybody can tell."""

    def install(version: str) -> None:
        about = tmp_path / "tocsin-0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tocsin\nVersion: {version}\n")
        (about / "RECORD").write_text("engine/app.py,sha256=another,1\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    installed._warn.cache_clear()
    return install


@pytest.mark.parametrize("version", ["99.0", metadata.version("tocsin")], ids=["other", "same"])
async def test_after_an_upgrade_nothing_is_computed_until_the_restart_and_that_is_said_once(
    upgrade: Upgrade, version: str
) -> None:
    processes = Processes(1)
    with capture_logs() as logs:
        await processes.compute(BURNING, b"say hello")
        upgrade(version)
        for _ in range(2):
            with pytest.raises(InstalledAnewError) as refused:
                await processes.compute(BURNING, b"say hello")
    assert f"another Tocsin was installed ({version}) while this one (" in str(refused.value)
    assert processes.statistics() == {"started": 1, "failed": 0, "ended_early": 0, "running": 0}
    told = [(line["event"], line["installed"]) for line in logs if line["log_level"] == "warning"]
    assert told == [("installed_anew", version)]
    # Who starts now is of that version.
    assert (await Processes(1).compute(BURNING, b"say hello")).startswith(b"(b'hello', [")


async def test_what_a_process_says_during_an_upgrade_counts_for_nothing(upgrade: Upgrade) -> None:
    processes = Processes(1)
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(InstalledAnewError):
                await processes.compute(BURNING, b"fail of another version")

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        upgrade("99.0")
    assert processes.statistics() == {"started": 1, "failed": 0, "ended_early": 0, "running": 0}


async def test_a_job_is_put_off_until_the_restart_and_loses_no_attempt(upgrade: Upgrade) -> None:
    watching, kind = Watching(), heavy_kind(Processes(1))
    upgrade("99.0")
    async with job_store() as store, working(store, workers_on(store, kind, watching)):
        (number,) = await add(store, kind.job(Heavy("say hello")))
        await watching.has_ended.wait()
        job = await the_job(store, number)
        assert (job.state, job.attempt) == (JobState.DELAYED, 0)
        assert 0 < job.run_at - clock() <= INSTALLED_ANEW_AGAIN_US
        assert "restart the engine" in job.errors[0].cause


@pytest.mark.parametrize("program", ["#!/bin/sh\necho 'not permitted' >&2\nexit 1\n", "", None])
async def test_where_nothing_can_be_put_at_the_back_it_is_computed_all_the_same(
    program: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox that forbids it, something else of that name, and a program that is gone."""
    chrt = tmp_path / "chrt"
    if program is not None:
        chrt.write_text(program)
        chrt.chmod(0o755)
    monkeypatch.setattr("engine.computing.processes._CHRT", str(chrt))
    processes = Processes(1, is_awaited=False)
    assert (await processes.compute(BURNING, b"say hello")).startswith(b"(b'hello', [")
    assert processes.statistics()["failed"] == 0
