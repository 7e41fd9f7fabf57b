"""Two processes at one database file: who wins a job, and what a settlement under another lease changes."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from engine.ids import now_us
from engine.stores import Retention
from engine.stores.sqlite.open import open_database
from protocol.jobs import Queue
from tests.support.engines import ROOT, environment, first_line
from tests.support.jobs import a_job
from tests.support.racing_node import Answer, SharedDatabase, answered

RACES = 1_000


class Node:
    """A process that races."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process

    async def race(self, answers: list[Answer]) -> None:
        """Has it claim once."""
        assert self._process.stdin is not None
        await self._process.stdin.send_all(b"go\n")
        answers.append(msgspec.json.decode(await first_line(self._process), type=Answer))


@asynccontextmanager
async def a_node(file: Path, name: str) -> AsyncIterator[Node]:
    with file.with_name(f"{name}.log").open("wb") as log:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "tests.support.racing_node", str(file), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment(),
            cwd=ROOT,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert await first_line(process) == "ready"
        yield Node(process)
        await process.stdin.aclose()
        assert await process.wait() == 0
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdin.aclose()
            await process.stdout.aclose()


@pytest.mark.timeout(180)
async def test_a_thousand_races_of_two_processes_have_one_winner_each_whose_finish_counts_once(tmp_path: Path) -> None:
    file, winners = tmp_path / "store.db", Counter[str]()
    async with (
        open_database(SharedDatabase(file), Retention(), now_us, None) as store,
        a_node(file, "n1") as first,
        a_node(file, "n2") as second,
    ):
        for _ in range(RACES):
            (made,) = await answered(lambda: store.enqueue([a_job()]))
            one: list[Answer] = []
            other: list[Answer] = []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(first.race, one)
                nursery.start_soon(second.race, other)
            (won,) = [node for node, (answer,) in {"n1": one, "n2": other}.items() if answer.won]
            winners[won] += 1
            both = [*one, *other]
            assert [lease.job for answer in both for lease in answer.won] == [made.id]
            assert sorted(held for answer in both for held in answer.held) == [False, False, True]
        counts = await store.queue_counts()
    assert (counts[Queue.ALERT].completed, counts[Queue.PREDICTION].waiting) == (RACES, RACES)
    print(f"{RACES} races: {dict(winners)}")
    assert len(winners) == 2, "nobody raced"
