"""RFC 6455 conformance of our transport: all server cases of kosoku against a conversation that echoes.

A case passes when the peer behaves as required, acceptably, or as the standard leaves open.
"""

from __future__ import annotations

import asyncio

import trio
from kosoku import FailureError, run_fuzzingclient

from actors.gateway import GatewayLimits
from actors.websocket import WebSocketLimits
from tests.support.sockets import serving

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


async def test_every_server_case_of_the_conformance_suite_passes() -> None:
    async with serving(limits=GatewayLimits(outbox_max_bytes=2**26), websocket=LIFTED) as served:
        ran, failed = await trio.to_thread.run_sync(run_cases, served.address[1])
        assert failed == []
        assert ran == CASES
        assert served.roster.errors == 0
