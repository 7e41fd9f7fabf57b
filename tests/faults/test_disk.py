"""Disks that fail, fill or are held by somebody else, under a real engine: no ack, no lie, and it goes on by itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.support.engines import first_line
from tests.support.injected import injected
from tests.support.iso import Isolation, an_isolation, authenticated

pytestmark = pytest.mark.alone

# How soon a client is told that nothing can be stored: while nothing can, on whatever machine. (Who is held is held for
# longer: until the store is back.)
TOLD_WITHIN_S = 60.0
BACK_WITHIN_S = 170.0

HOLDS_THE_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@asynccontextmanager
async def held_by_somebody_else(database: Path) -> AsyncIterator[None]:
    """Another program has the database locked for writing."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", HOLDS_THE_LOCK, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdin is not None
    assert await first_line(process) == "held"
    try:
        yield
    finally:
        await process.stdin.aclose()
        with trio.CancelScope(shield=True):
            await process.wait()


@asynccontextmanager
async def failing(fault: str, isolation: Isolation, folder: Path) -> AsyncIterator[None]:
    if fault == "locked":
        async with held_by_somebody_else(folder / "tocsin.db"):
            yield
    else:
        async with injected(fault, [isolation.engine.pid]):
            yield


@pytest.mark.parametrize(
    "fault",
    [
        "fdatasync,fsync:error=EIO",
        "pwrite64,write,ftruncate:error=ENOSPC:when=1+",
        "locked",
    ],
    ids=["fsync_error", "disk_full", "locked"],
)
@pytest.mark.timeout(400)
async def test_a_store_that_cannot_write_acks_nothing_and_comes_back(tmp_path: Path, fault: str) -> None:
    if "ENOSPC" in fault:
        # Sockets are written with `sendto`; of `write` only files and the log are left, and it has room here.
        fault = "pwrite64:error=ENOSPC"
    async with an_isolation(tmp_path, TOCSIN_CHANNEL_IDLE_S="1") as isolation:
        engine = isolation.engine
        peer = await authenticated(engine, "victim")
        acked: list[str] = []

        async def trigger(title: str) -> Any:
            await peer.say({"type": "trigger", "alert": {"framework_id": "web", "dedup_key": title, "title": title}})
            return await peer.hear()

        async def store_fails() -> None:
            async with failing(fault, isolation, tmp_path):
                # The first one is held: it may be stored yet, and is answered when the store is back.
                held = f"held {trio.current_time()}"
                await peer.say({"type": "trigger", "alert": {"framework_id": "web", "dedup_key": held, "title": held}})
                async with httpx.AsyncClient(timeout=170) as http:
                    while (await http.get(f"{engine.http}/readyz")).status_code != 503:
                        await trio.sleep(0.05)
                    assert (await http.get(f"{engine.http}/healthz")).status_code == 200
                began = trio.current_time()
                answer = await trigger("refused")
                assert (answer.code, answer.temporary) == (120, True), answer
                assert trio.current_time() - began < TOLD_WITHIN_S
                await peer.say({"type": "ping"})
                assert (await peer.hear()).__class__.__name__ == "Pong"
            with trio.fail_after(BACK_WITHIN_S):
                answer = await peer.hear()
            assert answer.results[0].status.value == "fired", answer
            acked.append(answer.results[0].alert_id)
            async with httpx.AsyncClient(timeout=170) as http:
                assert (await http.get(f"{engine.http}/readyz")).status_code == 200

        await isolation.check(store_fails, counted="tocsin_store_unavailable", store_stays=False)
        assert (await trigger("afterwards")).results[0].status.value == "fired"
        peer.close()
    assert len(acked) == len(set(acked)) >= 2
