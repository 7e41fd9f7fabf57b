"""Real engines for tests: in this process, or as `python -m tocsin serve` in one of their own, which can be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import trio

from benchmarks.peers.ports import a_port
from engine.app import Engine
from engine.configuration.config import Config
from engine.sections.doors import Api, Gateway
from engine.sections.jobs import ScheduleSetting

ROOT = Path(__file__).resolve().parents[2]
ANY_PORT = "127.0.0.1:0"
# What an engine looks at by itself would come between what a test does.
UNWATCHED = {"watch_host": False, "watch_self": False}
# A start takes half a second, and a stop no more than ten; a loaded machine gets its time.
READY_S = 170.0
STOP_S = 120.0
SECRET = "a secret for tests, 32 bytes long or more"
# Only what a program needs: settings of whoever runs the tests must not reach it. Nor is it measured for coverage: that
# halves its speed, what a killed program did would not be counted anyway, and the rest is tested in this process too.
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH")


def a_config(folder: Path, **settings: Any) -> Config:
    """On free ports, with its data in the folder, without the host's vitals and its own, and quick to drain.

    Nobody is told to ask again before a test's own time is over: what fifty ask at once takes as long as it takes.
    """
    settings = {"gateway": Gateway(drain_s=1.0, close_s=0.5), "api": Api(answer_s=250)} | settings
    return Config(**{"data": folder, "ws": ANY_PORT, "http": ANY_PORT, **UNWATCHED} | settings)


def paused(*names: str) -> tuple[ScheduleSetting, ...]:
    """Schedules of the engine's own that fire nothing by themselves, which at some minutes of the day would come
    between. Who asks for one has it done all the same."""
    return tuple(ScheduleSetting(name=name, paused=True) for name in names)


@asynccontextmanager
async def an_engine(folder: Path, **settings: Any) -> AsyncIterator[Engine]:
    """An engine in this process."""
    async with Engine(a_config(folder, **settings)) as engine:
        yield engine


def environment(**settings: str) -> dict[str, str]:
    """The variables of a program under test: ours on the path, nothing of the caller's settings."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    kept["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [kept.get("PYTHONPATH")])])
    # The second filter is for coverage, which warns of packages that a program did not import.
    return kept | {"PYTHONWARNINGS": "error,ignore:Module", "PYTHONUNBUFFERED": "1"} | settings


def command(*arguments: str) -> list[str]:
    """The command line of `tocsin` with these arguments."""
    return [sys.executable, "-m", "tocsin", *arguments]


def _variables(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """What an engine with its data in the folder is started with."""
    ours = {
        "TOCSIN_DATA": str(folder),
        "TOCSIN_SECRET": SECRET,
        "TOCSIN_WATCH_HOST": "false",
        "TOCSIN_WATCH_SELF": "false",
        # A machine that is full of tests holds a loop up for as long as a bug would, while all is imported.
        "TOCSIN_WATCHDOG_EXIT_S": "120",
    }
    return environment(**(ours | dict(settings)))


class EngineProcess:
    """An engine that is ready, in a process of its own."""

    def __init__(self, process: Any, ready: Mapping[str, Any], ready_line: str) -> None:
        self.process = process
        self.ready_line = ready_line
        self.ws: str = ready["ws"]
        self.http: str = ready["http"]
        self.pid: int = ready["pid"]

    @property
    def ws_address(self) -> str:
        """HOST:PORT, to start another one in its place."""
        return self.ws.removeprefix("ws://")

    async def kill(self) -> None:
        """As a power cut would: no drain, no goodbye."""
        self.process.kill()
        await self.process.wait()

    async def wait(self, within_s: float) -> int:
        """Its exit code. Raises TooSlowError."""
        with trio.fail_after(within_s):
            return await self.process.wait()


@asynccontextmanager
async def an_engine_process(
    folder: Path,
    *arguments: str,
    ws: str = ANY_PORT,
    stderr: int | None = None,
    program: Sequence[str] | None = None,
    **settings: str,
) -> AsyncIterator[EngineProcess]:
    """`tocsin serve`, ready; ended by its id at the end. Its log is `folder/stderr`, if `stderr` is not a pipe.

    `program`: what is run instead of `tocsin`, with the same arguments. Nobody else is given its port when it is gone.
    """
    ws = f"127.0.0.1:{a_port()}" if ws == ANY_PORT else ws
    with (folder / "stderr").open("ab") as log:
        process = await trio.lowlevel.open_process(
            [*(program or command()), "serve", "--ws", ws, "--http", ANY_PORT, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log if stderr is None else stderr,
            env=_variables(folder, settings),
            cwd=folder,
        )
    try:
        with trio.fail_after(READY_S):
            line = await first_line(process)
        if not line:
            raise RuntimeError(f"the engine did not start: {(folder / 'stderr').read_text()}")
        yield EngineProcess(process, json.loads(line), line)
    finally:
        with trio.CancelScope(shield=True):
            if process.returncode is None:
                process.terminate()
                with trio.move_on_after(STOP_S):
                    await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
            for stream in filter(None, (process.stdout, process.stderr)):
                await stream.aclose()


async def first_line(process: trio.Process) -> str:
    """The first line that it prints; empty if it ends without one."""
    assert process.stdout is not None
    text = b""
    while not text.endswith(b"\n"):
        data = await process.stdout.receive_some(1)
        if not data:
            return ""
        text += data
    return text.decode().rstrip("\n")


@contextmanager
def a_shared_engine(folder: Path, **settings: str) -> Iterator[EngineProcess]:
    """An engine for several tests, which each have a trio loop of their own: started and ended without one."""
    with (
        (folder / "stderr").open("ab") as log,
        subprocess.Popen(
            command("serve", "--ws", ANY_PORT, "--http", ANY_PORT),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_variables(folder, settings),
            cwd=folder,
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        if not line:
            raise RuntimeError(f"the engine did not start: {(folder / 'stderr').read_text()}")
        try:
            yield EngineProcess(process, json.loads(line), line.rstrip("\n"))
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
