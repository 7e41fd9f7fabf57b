"""RFC 6455 conformance of our transport: all server cases of kosoku against a conversation that echoes.

A case passes when the peer behaves as required, acceptably, or as the standard leaves open.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
from pathlib import Path

import trio
from kosoku import FailureError, run_fuzzingclient

from actors.gateway import GatewayLimits
from actors.outbox import OutboxLimits
from actors.websocket import WebSocketLimits
from engine.access.certificate import Certificate
from tests.support.certificates import Authority
from tests.support.sockets import Encryption, Served, serving

# The cases send up to 16 MiB at once and messages in a hundred thousand fragments: our bounds are tested elsewhere.
LIFTED = WebSocketLimits(
    handshake_s=30.0,
    message_max_bytes=2**25,
    fragments_max=10**6,
    reply_backlog_bytes=2**25,
)
# Compression, which we do not negotiate.
NOT_OURS = ["12.*", "13.*"]
CASES = 301


def run_cases(port: int) -> tuple[int, list[str]]:
    """How many cases ran, and those that did not pass."""
    try:
        url = f"ws://127.0.0.1:{port}/ws"
        results = asyncio.run(run_fuzzingclient(url, exclude_cases=NOT_OURS, concurrency=4))
    except FailureError as failure:
        return 0, [f"{case.case_id}: {case.result} {case.result_close}" for case in failure.results if not case.passed]
    return len(results), [case.case_id for case in results if not case.passed]


async def through_tls(nursery: trio.Nursery, served: Served, context: ssl.SSLContext) -> int:
    """A plain port whose connections reach the gateway through TLS: the suite speaks no TLS with a CA of ours."""

    async def forward(plain: trio.SocketStream) -> None:
        below = await trio.open_tcp_stream(*served.address)
        encrypted = trio.SSLStream(below, context, server_hostname="127.0.0.1", https_compatible=True)
        try:
            async with trio.open_nursery() as both:
                both.start_soon(pump, plain, encrypted, both.cancel_scope)
                both.start_soon(pump, encrypted, plain, both.cancel_scope)
        finally:
            # Also if the test ends first, when whatever awaits does no more: a socket left open would be told of in
            # some other test.
            for stream in (plain, below):
                stream.socket.close()

    start = functools.partial(trio.serve_tcp, forward, 0, host="127.0.0.1")
    [listener] = await nursery.start(start)
    port: int = listener.socket.getsockname()[1]
    return port


async def pump(source: trio.abc.Stream, sink: trio.abc.Stream, both: trio.CancelScope) -> None:
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for data in source:
            await sink.send_all(data)
    both.cancel()


async def test_every_server_case_passes_over_tls_too(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue()
    tls = Encryption(Certificate(files.cert, files.key).new_tls, files.client())
    async with (
        serving(limits=GatewayLimits(outbox=OutboxLimits(max_bytes=2**26)), websocket=LIFTED, tls=tls) as served,
        trio.open_nursery() as nursery,
    ):
        port = await through_tls(nursery, served, files.client())
        ran, failed = await trio.to_thread.run_sync(run_cases, port)
        assert failed == []
        assert ran == CASES
        assert served.roster.errors == 0
        nursery.cancel_scope.cancel()


async def test_every_server_case_of_the_conformance_suite_passes() -> None:
    async with serving(limits=GatewayLimits(outbox=OutboxLimits(max_bytes=2**26)), websocket=LIFTED) as served:
        ran, failed = await trio.to_thread.run_sync(run_cases, served.address[1])
        assert failed == []
        assert ran == CASES
        assert served.roster.errors == 0
