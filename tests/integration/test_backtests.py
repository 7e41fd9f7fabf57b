"""Backtests in their own process: a real one, at its bounds, and what becomes of one that fails."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio

from engine.computing import installed, processes
from engine.trying import backtests
from engine.trying.backtest_worker import READINGS_MAX, Task, work
from engine.trying.backtests import AT_ONCE_MAX, Backtests
from protocol.errors import BadRequest, Busy, InternalError
from protocol.limits import Limit
from protocol.rules import ThresholdRule
from protocol.times import SECOND_US, rfc3339

RULE = ThresholdRule(id="hot", framework="f", metric="temp", threshold=50.0)
START = 1_700_000_000 * SECOND_US


def readings(count: int, **fields: Any) -> bytes:
    return msgspec.json.encode(
        [{"value": 60.0, "at": rfc3339(START + number * SECOND_US)} | fields for number in range(count)]
    )


@pytest.fixture
def refused() -> list[Limit]:
    return []


@pytest.fixture
def runner(refused: list[Limit], monkeypatch: pytest.MonkeyPatch) -> Backtests:
    # How long one takes on a busy machine is not what is asked here.
    monkeypatch.setattr(backtests, "WORK_MAX_S", 250.0)
    return Backtests(300.0, refused.append)


async def test_a_backtest_runs_in_a_process_of_its_own(runner: Backtests) -> None:
    found = await runner.run(RULE, readings(1_000), START + 3_600 * SECOND_US)
    assert (found.readings, found.told) == (1_000, {"fired": 1, "receipt": 4, "repeated": 3})


async def test_as_many_readings_as_are_allowed_are_replayed(runner: Backtests) -> None:
    assert (await runner.run(RULE, readings(READINGS_MAX), 0)).readings == READINGS_MAX


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"[{", "readings: "),
        (b'[{"value": 1}]', r"readings\[0\]: at is missing"),
        (b'[{"value": 1, "at": "noon"}]', r"readings\[0\]: at: 'noon' is no time"),
        (b'[{"value": 1, "at": "2026-01-31T12:00:00Z", "unit": "s"}]', "unknown field `unit`"),
        (b"[" + b",".join([b'{"value":1,"at":"x"}'] * (READINGS_MAX + 1)) + b"]", "length <= 100000"),
    ],
)
async def test_readings_that_are_none_are_refused_with_their_place(runner: Backtests, given: bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        await runner.run(RULE, given, 0)


async def test_so_many_run_at_once_and_one_more_is_busy(runner: Backtests, refused: list[Limit]) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE_MAX):
            nursery.start_soon(runner.run, RULE, readings(10), 0)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Busy, match="2 backtests are running, 2 is the limit"):
            await runner.run(RULE, readings(1), 0)
    assert refused == [Limit.BACKTESTS]
    assert (await runner.run(RULE, readings(1), 0)).readings == 1


async def test_a_process_that_fails_is_an_error_of_ours_and_in_the_log(
    runner: Backtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "COMMAND", (processes.COMMAND[0], "-c", "raise SystemExit(3)"))
    with pytest.raises(InternalError, match="the engine's log says why"):
        await runner.run(RULE, readings(1), 0)


async def test_a_process_that_takes_too_long_is_ended(runner: Backtests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "COMMAND", (processes.COMMAND[0], "-c", "import time; time.sleep(600)"))
    monkeypatch.setattr(backtests, "WORK_MAX_S", 0.2)
    with pytest.raises(BadRequest, match=r"took longer than 0.2 s"):
        await runner.run(RULE, readings(1), 0)


def test_another_metric_may_be_among_the_readings() -> None:
    outcome = work(Task(RULE, 300.0, 0, readings(3, metric="other", labels={"host": "h1"})))
    assert outcome.backtest is not None
    assert outcome.backtest.reasons == {"no_rule": 3}


async def test_after_an_upgrade_a_backtest_says_to_restart_the_engine(
    runner: Backtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "_program", lambda: installed._Program("99.0", 0))
    with pytest.raises(InternalError, match=r"another Tocsin was installed \(99\.0\) .*; restart the engine"):
        await runner.run(RULE, readings(1), 0)
