"""A real `tocsin serve` whose loop is held by a blocking call: shown, ended with 70; a paused process is left alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from tests.support.engines import EngineProcess, an_engine_process

pytestmark = pytest.mark.alone

# What a bug would do: a handler that runs in the loop's thread blocks it. USR1 sleeps, USR2 computes inside C and never
# lets the interpreter go.
PROGRAM = """
import signal, time
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(3600))
signal.signal(signal.SIGUSR2, lambda *_: sum(range(10**12)))
from tocsin.cli import main
main()
"""
# A loaded machine lets a loop wait for half a second, and for many while what it needs first is imported.
STALL_S, EXIT_S = 10.0, 15.0
PATIENCE_S = 170.0
QUICK = {"TOCSIN_WATCHDOG_STALL_S": str(STALL_S), "TOCSIN_WATCHDOG_EXIT_S": str(EXIT_S)}


def an_engine(folder: Path):
    return an_engine_process(folder, program=[sys.executable, "-c", PROGRAM], stderr=subprocess.PIPE, **QUICK)


async def rest_of_log(engine: EngineProcess) -> str:
    assert engine.process.stderr is not None
    with trio.fail_after(PATIENCE_S):
        return b"".join([part async for part in engine.process.stderr]).decode()


async def test_a_stalled_loop_is_shown_and_ends_the_process_with_70(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        engine.process.send_signal(signal.SIGUSR1)
        log = await rest_of_log(engine)
        assert await engine.wait(PATIENCE_S) == 70
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    # Before, the machine may have held it up for a moment.
    stalls = [line for line in lines if line["event"].startswith("loop_")][-2:]
    assert [line["event"] for line in stalls] == ["loop_stalled", "loop_given_up"]
    assert stalls[0]["stacks"]["MainThread"][0].startswith("<string>:3 ")
    assert "tocsin-logs" in stalls[0]["stacks"]


async def test_a_loop_that_computes_in_c_and_holds_the_interpreter_is_shown_and_ended_too(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        engine.process.send_signal(signal.SIGUSR2)
        log = await rest_of_log(engine)
        assert await engine.wait(PATIENCE_S) == -signal.SIGPROF
    assert 'File "<string>", line 4' in log


async def test_a_paused_process_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        for _ in range(2):
            engine.process.send_signal(signal.SIGSTOP)
            await trio.sleep(1.1 * EXIT_S)  # real time: what is tested is that the kernel's clocks went on
            engine.process.send_signal(signal.SIGCONT)
        engine.process.send_signal(signal.SIGTERM)
        log = await rest_of_log(engine)
        assert await engine.wait(PATIENCE_S) == 0
    assert "loop_" not in log
