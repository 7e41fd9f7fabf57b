"""Kill -9 under readings: every acked reading is stored, and what rules remember goes on as if nothing had happened.

The rule is a sum over all readings, which are 1 each: its state is right if it rings at the very reading that makes as
many stored ones as its goal is. What is stored is counted in the database itself.
"""

from __future__ import annotations

import random
import sqlite3
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import trio

from engine.access.auth import Authenticator
from protocol.errors import TocsinError
from protocol.items import ReadingInput
from protocol.model import Status
from tests.support.engines import SECRET, an_engine_process
from tocsin import Client

KILLS = 6
BATCH = 10
GOAL = 6_000
RULES = f"""
workspace = "main"
[[rules]]
id = "sum"
kind = "milestone"
framework = "web"
metric = "orders"
is_cumulative = true
goals = [{GOAL}]
"""
CROWD = "".join(
    f"""
[[rules]]
id = "r{number}"
kind = "anomaly"
framework = "web"
metric = "orders"
season = "week"
warm_up = 10
"""
    for number in range(300)
)
# 150,000 times a rule hears a reading: some seconds of computing.
CROWD_READINGS = 500
# What a start has to hear again takes half a second; a loaded machine gets its time.
BACK_S = 60.0
# All of it in one go takes three seconds on an idle machine, more on any other; between two turns it is milliseconds.
STALL_S = "2"
ONE = ReadingInput(framework_id="web", metric="orders", value=1.0)


class Count:
    """How many readings were acked, and who waits for more."""

    def __init__(self) -> None:
        self.acked = 0
        self._more = trio.Event()

    def add(self, readings: int) -> None:
        self.acked += readings
        self._more.set()
        self._more = trio.Event()

    async def until(self, acked: int) -> None:
        while self.acked < acked:
            await self._more.wait()


async def send(client: Client, count: Count) -> None:
    """Batch after batch; one without an answer may have been stored, or not."""
    while True:
        try:
            results = await client.readings([ONE] * BATCH)
        except TocsinError as fault:
            assert fault.temporary, fault
            continue
        assert all(result.status is Status.BELOW_THRESHOLD for result in results), results
        count.add(len(results))


def stored(folder: Path) -> int:
    """Readings in the log, counted by what its rows say and by what they hold."""
    with sqlite3.connect(folder / "tocsin.db") as db:
        rows = db.execute("SELECT seq, readings, body FROM reading ORDER BY seq").fetchall()
    assert [seq for seq, _, _ in rows] == list(range(1, len(rows) + 1)), "the log has holes"
    held = [len(msgspec.msgpack.decode(body)[2]) for _, _, body in rows]
    assert held == [readings for _, readings, _ in rows]
    return sum(held)


async def test_acked_readings_are_stored_and_rule_state_goes_on_over_kills(tmp_path: Path) -> None:
    chance, count = random.Random(20261122), Count()
    (tmp_path / "tocsin.toml").write_text(RULES)
    token = Authenticator(SECRET.encode()).issue("main", "producer")
    async with AsyncExitStack() as engines:
        engine = await engines.enter_async_context(an_engine_process(tmp_path))
        async with Client(engine.ws, token) as client, trio.open_nursery() as nursery:
            nursery.start_soon(send, client, count)
            for _ in range(KILLS):
                await count.until(count.acked + chance.randrange(1, 500))
                await engine.kill()
                assert count.acked <= stored(tmp_path) <= count.acked + KILLS * BATCH
                engine = await engines.enter_async_context(an_engine_process(tmp_path, ws=engine.ws_address))
            nursery.cancel_scope.cancel()
        async with Client(engine.ws, token) as client:
            while (missing := GOAL - stored(tmp_path)) > 1:
                results = await client.readings([ONE] * min(missing - 1, 100))
                assert all(result.status is Status.BELOW_THRESHOLD for result in results), results
            assert missing == 1
            (last,) = await client.readings([ONE])
            assert last.status is Status.FIRED
            assert stored(tmp_path) == GOAL


def stalls_in_rules(folder: Path) -> list[list[str]]:
    """Where the loop was when it did not turn for STALL_S, if that was in a rule: a start has other parts, and on a
    machine that is busy with others any of them may take so long."""
    lines = [line for line in (folder / "stderr").read_bytes().splitlines() if b'"event":"loop_stalled"' in line]
    stacks: list[list[str]] = [msgspec.json.decode(line)["stacks"]["MainThread"] for line in lines]
    return [stack for stack in stacks if any("/engine/core/rules/" in frame for frame in stack)]


async def test_three_hundred_rules_on_one_metric_do_not_stall_the_start_after_a_kill(tmp_path: Path) -> None:
    (tmp_path / "tocsin.toml").write_text('workspace = "main"' + CROWD)
    token = Authenticator(SECRET.encode()).issue("main", "producer")
    readings = [ReadingInput(framework_id="web", metric="orders", value=float(n % 7)) for n in range(100)]
    async with (
        an_engine_process(tmp_path, TOCSIN_WATCHDOG_STALL_S=STALL_S) as engine,
        Client(engine.ws, token) as client,
    ):
        for _ in range(CROWD_READINGS // len(readings)):
            await client.readings(readings)
        await engine.kill()
    async with (
        an_engine_process(tmp_path, TOCSIN_WATCHDOG_STALL_S=STALL_S) as engine,
        Client(engine.ws, token) as client,
    ):
        with trio.fail_after(BACK_S):
            await client.readings([ONE])
    assert stalls_in_rules(tmp_path) == []
