"""The example application on asyncio, run as it stands."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import trio

from tests.support.engines import ROOT, environment

PATIENCE_S = 600.0
# Runs the example, and breaks the engine's trio loop as soon as the example serves.
ENGINE_DIES = """
import asyncio, runpy, sys
import trio, uvicorn
import tocsin.aio

def breaks():
    raise ZeroDivisionError("the engine's loop broke")

async def die(inner):
    trio.lowlevel.current_trio_token().run_sync_soon(breaks)

serve = uvicorn.Server.main_loop

async def main_loop(self):
    asyncio.ensure_future(self.config.app.state.engine.call(die))
    await serve(self)

uvicorn.Server.main_loop = main_loop
runpy.run_path(sys.argv[1], run_name="__main__")
"""


async def address_of(process: trio.Process) -> str:
    """Where it serves, as soon as it says so; what it logs after that is read and let go."""
    assert process.stderr is not None
    said = b""
    while not (found := re.search(rb"running on (http://\S+)", said)):
        some = await process.stderr.receive_some()
        assert some, said.decode()
        said += some
    return found[1].decode()


async def heard(stream: trio.SocketStream, word: bytes) -> bytes:
    """What the stream said, up to the end of the chunk with this word."""
    said = b""
    while word not in said:
        some = await stream.receive_some()
        assert some, said.decode()
        said += some
    return said


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_the_application_rings_and_shows_it_and_stops(tmp_path: Path, stop: signal.Signals) -> None:
    with trio.fail_after(PATIENCE_S):
        process = await trio.lowlevel.open_process(
            [sys.executable, str(ROOT / "docs/examples/asyncio_web.py")],
            stderr=subprocess.PIPE, cwd=tmp_path, env=environment(PORT="0"),
        )  # fmt: skip
        try:
            address = await address_of(process)
            host, port = address.removeprefix("http://").split(":")
            async with (
                # Each request on a connection of its own: that server closes idle ones after five seconds.
                httpx.AsyncClient(
                    base_url=address, timeout=170, limits=httpx.Limits(max_keepalive_connections=0)
                ) as http,
                await trio.open_tcp_stream(host, int(port)) as stream,
            ):
                assert "EventSource('/alerts')" in (await http.get("/")).text
                await stream.send_all(b"GET /alerts HTTP/1.1\r\nHost: shop\r\n\r\n")
                await heard(stream, b": subscribed")
                answers = [(await http.post("/pay")).json()["why"] for _ in range(2)]
                told = await heard(stream, b"data: {")
                # With the stream still open: stopping does not wait for it.
                process.send_signal(stop)
                assert process.stderr is not None
                with trio.fail_after(170):
                    last_words = b"".join([some async for some in process.stderr])
                    await process.wait()
        finally:
            process.kill()
            await process.wait()
            assert process.stderr is not None
            await process.stderr.aclose()
    assert answers == ["fired", "duplicate"]
    assert b'"title":"Payment failed"' in told
    assert b"Traceback" not in last_words
    assert b"Finished server process" in last_words, last_words.decode()
    # The engine was closed in good order: its log is written back.
    assert (tmp_path / "shop-data/tocsin.db").exists()
    assert not (tmp_path / "shop-data/tocsin.db-wal").exists()


async def test_when_the_engine_ends_the_application_ends_and_says_why(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_S):
        process = await trio.run_process(
            [sys.executable, "-c", ENGINE_DIES, str(ROOT / "docs/examples/asyncio_web.py")],
            check=False, capture_stderr=True, cwd=tmp_path, env=environment(PORT="0"),
        )  # fmt: skip
    assert b"ZeroDivisionError: the engine's loop broke" in process.stderr
    assert process.returncode != 0
