"""Programs on asyncio: run here in bounded time, or as a process of their own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.support.engines import environment

PATIENCE_S = 600.0
# What every program of its own begins with.
BEGINNING = """
import asyncio
from pathlib import Path
import tocsin.aio
from tocsin import Config, TriggerInput

CONFIG = Config(data=Path("data"), ws="127.0.0.1:0", http="127.0.0.1:0", watch_host=False, watch_self=False)
BELL = TriggerInput(framework_id="web", title="Checkout is slow")
"""


def run(program: Callable[[], Awaitable[None]]) -> None:
    """As `asyncio.run`, in bounded time; no thread of ours may be left."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await program()

    asyncio.run(bounded())
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("tocsin")] == []


def run_alone(body: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program in a process of its own, with `folder` as its working directory."""
    return subprocess.run(
        [sys.executable, "-c", BEGINNING + textwrap.dedent(body)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
