"""kill -9, SIGSTOP and clocks that are set, with jobs in hand: each is done at least once, ends once, and what follows
from it happens once; and no moment of a schedule has two runs, or none that nobody counted.

A real engine with kinds of jobs of the test's own: chains, where the end of a step enqueues the next one in the same
transaction. A step that was lost would end its chain; one that ended twice would be two steps from there on. And a
schedule that fires each second, whose runs say for which time they are.

On Postgres the next engine is another node: it takes what the killed one had in hand when the leases have ended.
"""

from __future__ import annotations

import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import trio

from engine.ids import now_us
from engine.stores import open_store
from engine.stores.tables.job_ends import COMPLETED
from protocol.times import SECOND_US
from tests.support.bases import Base, SqliteBase, base_of
from tests.support.engines import EngineProcess, an_engine_process
from tests.support.working_engine import TICKS, Chains, Step

CHAINS, STEPS = 40, 30
# On Postgres nobody does what the killed one had in hand for as long as its leases last: each costs LEASE_S.
KILLS = {"sqlite": 10, "postgres": 1}
# The shortest that may be set.
LEASE_S = "15"
HOUR_US = 3_600 * SECOND_US
# Chains that begin later.
LATER = range(CHAINS, CHAINS + 5)
EXPECTED = {(chain, step) for chain in range(CHAINS) for step in range(STEPS)}
PROGRAM = [sys.executable, "-m", "tests.support.working_engine"]


class Told:
    """What the engine's jobs said that they did."""

    def __init__(self) -> None:
        self.steps: Counter[tuple[int, int]] = Counter()
        # What the runs of the schedule were for: since when, until when. Each as often as it was done.
        self.windows: Counter[tuple[int, int]] = Counter()
        self._rest = b""

    async def listen(self, engine: EngineProcess, until: int) -> bool:
        """Reads until so many different steps were done; False: the engine has ended."""
        return await self.hear(engine, lambda: len(self.steps) >= until)

    async def hear_ticks(self, engine: EngineProcess, count: int) -> None:
        """Reads until the schedule has run so many times more."""
        enough = len(self.windows) + count
        assert await self.hear(engine, lambda: len(self.windows) >= enough)

    async def hear(self, engine: EngineProcess, is_enough: Callable[[], bool]) -> bool:
        """Reads until it is enough; False: the engine has ended."""
        while not is_enough():
            data = await engine.process.stdout.receive_some()
            if not data:
                self._rest = b""
                return False
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._take(line)
        return True

    def _take(self, line: bytes) -> None:
        word, first, second = line.split()
        said = {b"did": self.steps, b"tick": self.windows}[word]
        said[int(first), int(second)] += 1


@pytest.fixture
def in_a_file(tmp_path: Path) -> Base:
    return SqliteBase(tmp_path)


@pytest.fixture(params=KILLS)
def kind_of_base(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def base(kind_of_base: str, request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    return base_of(kind_of_base, request, tmp_path)


async def first_steps(base: Base, numbers: Iterable[int] = range(CHAINS)) -> None:
    """Puts the beginning of each chain into the store that the engine will open."""
    chains = Chains(STEPS)
    async with open_store(base.url, clock=now_us) as store:
        await store.enqueue([chains.job(Step(chain, 0)) for chain in numbers])


def ended(base: Base) -> Counter[tuple[int, int]]:
    """How often each step ended well, as the store has it."""
    rows = base.rows(f"SELECT args FROM job_done WHERE kind LIKE 'step_%' AND state = {COMPLETED}")
    ((left,),) = base.rows("SELECT count(*) FROM job WHERE kind LIKE 'step_%'")
    assert left == 0
    steps = [msgspec.json.decode(args, type=Step) for (args,) in rows]
    return Counter((step.chain, step.step) for step in steps)


def each_second_has_a_run(told: Told, base: Base) -> None:
    """No two runs are for the same time; what is nobody's was left out because a run was going, and is counted."""
    ((skipped, failed),) = base.rows(f"SELECT skipped, failed FROM job_cron WHERE name = '{TICKS}'")
    windows = sorted(told.windows)
    assert all(since < until and until % SECOND_US == 0 for since, until in windows)
    between = [after[0] - before[1] for before, after in pairwise(windows)]
    assert min(between) >= 0, "two runs are for the same time"
    assert sum(gap > 0 for gap in between) <= skipped, "a run was lost"
    assert failed == 0


async def test_kills_lose_no_job_and_end_none_twice(kind_of_base: str, base: Base, tmp_path: Path) -> None:
    chance, told = random.Random(20261122), Told()
    settings = {"STEPS": str(STEPS), "STORE": base.url, "LEASE_S": LEASE_S}
    await first_steps(base)
    for _ in range(KILLS[kind_of_base]):
        async with an_engine_process(tmp_path, program=PROGRAM, **settings) as engine:
            await told.listen(engine, min(len(told.steps) + chance.randrange(1, 120), len(EXPECTED)))
            for _ in range(chance.randrange(100)):  # anywhere between two statements
                await trio.lowlevel.checkpoint()
            await engine.kill()
            # What the pipe still holds was done.
            await told.listen(engine, sys.maxsize)
    async with an_engine_process(tmp_path, program=PROGRAM, **settings) as engine:
        assert await told.listen(engine, len(EXPECTED))
        await told.hear_ticks(engine, 1)
    assert set(told.steps) == EXPECTED
    assert ended(base) == dict.fromkeys(EXPECTED, 1)
    each_second_has_a_run(told, base)


async def test_a_process_that_is_stopped_for_longer_than_its_lease_loses_nothing(
    tmp_path: Path, in_a_file: Base
) -> None:
    told = Told()
    await first_steps(in_a_file)
    async with an_engine_process(tmp_path, program=PROGRAM, STEPS=str(STEPS), LEASE_S="15") as engine:
        assert await told.listen(engine, 100)
        engine.process.send_signal(signal.SIGSTOP)
        await trio.sleep(16)  # the stop is what is tested, and nothing tells that it was long enough
        engine.process.send_signal(signal.SIGCONT)
        assert await told.listen(engine, len(EXPECTED))
        await told.hear_ticks(engine, 2)
    assert set(told.steps.values()) == {1}
    assert set(told.windows.values()) == {1}
    assert ended(in_a_file) == dict.fromkeys(EXPECTED, 1)
    each_second_has_a_run(told, in_a_file)


def set_clock(file: Path, hours: int) -> None:
    with file.open("r+b" if file.exists() else "wb") as opened:
        opened.write((hours * HOUR_US).to_bytes(8, signed=True))


async def test_a_clock_that_is_set_forward_and_back_ends_nothing_twice_and_loses_nothing(
    tmp_path: Path, in_a_file: Base
) -> None:
    told, clock = Told(), tmp_path / "clock"
    set_clock(clock, 0)
    await first_steps(in_a_file)
    settings, steps = {"STEPS": str(2 * STEPS), "CLOCK": str(clock)}, 2 * len(EXPECTED)
    async with an_engine_process(tmp_path, program=PROGRAM, **settings) as engine:
        await told.hear_ticks(engine, 1)
        set_clock(clock, 2)
        await told.hear_ticks(engine, 2)
        set_clock(clock, 0)
        # Jobs go on, whatever the clock says. A schedule has no moments before those that it has fired for.
        assert await told.listen(engine, min(len(told.steps) + 3 * CHAINS, steps))
        engine.process.send_signal(signal.SIGTERM)
        # What it did until it stopped is in the pipe.
        await told.listen(engine, sys.maxsize)
    set_clock(clock, 3)
    # However quick the first one was, there is something for the next one to do.
    await first_steps(in_a_file, LATER)
    steps += len(LATER) * 2 * STEPS
    async with an_engine_process(tmp_path, program=PROGRAM, **settings) as engine:
        await told.hear_ticks(engine, 2)
        assert await told.listen(engine, steps)
    # By this clock hours have passed: some are not kept any more.
    assert set(ended(in_a_file).values()) == {1}
    each_second_has_a_run(told, in_a_file)
    jumps = [until - since for since, until in told.windows if until - since > HOUR_US // 2]
    assert len(jumps) == 2, "what was jumped over has a run, once"
