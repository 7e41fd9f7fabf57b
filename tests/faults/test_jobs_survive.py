"""kill -9 and SIGSTOP with jobs in hand: each is done at least once, ends once, and what follows from it happens once.

A real engine with a kind of job of the test's own: chains, where the end of a step enqueues the next one in the same
transaction. A step that was lost would end its chain; one that ended twice would be two steps from there on.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import trio

from engine.ids import now_us
from engine.stores import open_store
from engine.stores.sqlite_job_ends import COMPLETED
from tests.support.engines import EngineProcess, an_engine_process
from tests.support.working_engine import Chains, Step

CHAINS, STEPS, KILLS = 40, 30, 10
EXPECTED = {(chain, step) for chain in range(CHAINS) for step in range(STEPS)}
PROGRAM = [sys.executable, "-m", "tests.support.working_engine"]


class Told:
    """What the engine's jobs said that they did."""

    def __init__(self) -> None:
        self.steps: Counter[tuple[int, int]] = Counter()
        self._rest = b""

    async def listen(self, engine: EngineProcess, until: int) -> bool:
        """Reads until so many different steps were done; False: the engine has ended."""
        while len(self.steps) < until:
            data = await engine.process.stdout.receive_some()
            if not data:
                self._rest = b""
                return False
            *lines, self._rest = (self._rest + data).split(b"\n")
            # An embedded engine's log goes there as well.
            for line in (line for line in lines if line.startswith(b"did ")):
                _, chain, step = line.split()
                self.steps[int(chain), int(step)] += 1
        return True


async def first_steps(folder: Path) -> None:
    """Puts the beginning of each chain into the store that the engine will open."""
    chains = Chains(STEPS)
    async with open_store(f"sqlite:///{folder / 'tocsin.db'}", clock=now_us) as store:
        await store.enqueue([chains.job(Step(chain, 0)) for chain in range(CHAINS)])


def ended(folder: Path) -> Counter[tuple[int, int]]:
    """How often each step ended well, as the store has it."""
    with closing(sqlite3.connect(folder / "tocsin.db")) as base:
        rows = base.execute("SELECT args FROM job_done WHERE kind LIKE 'step_%' AND state = ?", (COMPLETED,)).fetchall()
        ((left,),) = base.execute("SELECT count(*) FROM job WHERE kind LIKE 'step_%'").fetchall()
    assert left == 0
    steps = [msgspec.json.decode(args, type=Step) for (args,) in rows]
    return Counter((step.chain, step.step) for step in steps)


@pytest.mark.timeout(300)
async def test_ten_kills_lose_no_job_and_end_none_twice(tmp_path: Path) -> None:
    chance, told = random.Random(20261122), Told()
    await first_steps(tmp_path)
    for _ in range(KILLS):
        async with an_engine_process(tmp_path, program=PROGRAM, STEPS=str(STEPS)) as engine:
            await told.listen(engine, min(len(told.steps) + chance.randrange(1, 120), len(EXPECTED)))
            for _ in range(chance.randrange(100)):  # anywhere between two statements
                await trio.lowlevel.checkpoint()
            await engine.kill()
            # What the pipe still holds was done.
            await told.listen(engine, sys.maxsize)
    async with an_engine_process(tmp_path, program=PROGRAM, STEPS=str(STEPS)) as engine:
        assert await told.listen(engine, len(EXPECTED))
    assert set(told.steps) == EXPECTED
    assert ended(tmp_path) == dict.fromkeys(EXPECTED, 1)


@pytest.mark.timeout(120)
async def test_a_process_that_is_stopped_for_longer_than_its_lease_loses_nothing(tmp_path: Path) -> None:
    told = Told()
    await first_steps(tmp_path)
    async with an_engine_process(tmp_path, program=PROGRAM, STEPS=str(STEPS), LEASE_S="15") as engine:
        assert await told.listen(engine, 100)
        engine.process.send_signal(signal.SIGSTOP)
        await trio.sleep(16)  # the stop is what is tested, and nothing tells that it was long enough
        engine.process.send_signal(signal.SIGCONT)
        assert await told.listen(engine, len(EXPECTED))
    assert set(told.steps.values()) == {1}
    assert ended(tmp_path) == dict.fromkeys(EXPECTED, 1)
