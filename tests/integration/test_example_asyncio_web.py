"""The example application on asyncio, run as it stands."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import trio

from tests.support.engines import ROOT, environment

PATIENCE_S = 30.0


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


async def test_the_application_rings_and_shows_it_and_stops(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_S):
        process = await trio.lowlevel.open_process(
            [sys.executable, str(ROOT / "docs/examples/asyncio_web.py")],
            stderr=subprocess.PIPE, cwd=tmp_path, env=environment(PORT="0"),
        )  # fmt: skip
        try:
            address = await address_of(process)
            host, port = address.removeprefix("http://").split(":")
            async with (
                httpx.AsyncClient(base_url=address) as http,
                await trio.open_tcp_stream(host, int(port)) as stream,
            ):
                assert "EventSource('/alerts')" in (await http.get("/")).text
                await stream.send_all(b"GET /alerts HTTP/1.1\r\nHost: shop\r\n\r\n")
                await heard(stream, b": subscribed")
                answers = [(await http.post("/pay")).json()["why"] for _ in range(2)]
                told = await heard(stream, b"data: {")
                # With the stream still open: stopping does not wait for it.
                process.send_signal(signal.SIGTERM)
                with trio.fail_after(10):
                    await process.wait()
        finally:
            process.kill()
            await process.wait()
            assert process.stderr is not None
            await process.stderr.aclose()
    assert answers == ["fired", "duplicate"]
    assert b'"title":"Payment failed"' in told
    # The engine was closed in good order: its log is written back.
    assert (tmp_path / "shop-data/tocsin.db").exists()
    assert not (tmp_path / "shop-data/tocsin.db-wal").exists()
