"""Credentials that are huge, expire, are revoked or whose key is taken away end with their bearer, and nobody else.

Forged ones are in `test_forgeries.py`.
"""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from engine.access.auth import Authenticator
from protocol import messages as m
from protocol.errors import CloseCode
from tests.support.engines import SECRET
from tests.support.iso import an_isolation, dial, token_for
from tests.support.keys import jwk, jwks, signed
from tests.support.sockets import Peer

pytestmark = pytest.mark.alone

CLIENTS = 10
# The longest that an expiry may be late: one tick, and a loaded machine. (In virtual time it is held to the second.)
LATE_MAX_S = 60.0
# Longer than ten connections need to say who they are, on whatever machine.
BRIEF_S = 10
# Of a whole test, on whatever machine.
PATIENCE_S = 600


@asynccontextmanager
async def peers(make: Callable[[], Awaitable[Peer]]) -> AsyncIterator[list[Peer]]:
    opened: list[Peer] = []
    try:
        for _ in range(CLIENTS):
            opened.append(await make())
        yield opened
    finally:
        for peer in opened:
            peer.close()


async def test_a_megabyte_of_token_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_S):
        async with an_isolation(tmp_path) as isolation:

            async def fault() -> None:
                peer = await dial(isolation.engine)
                await peer.upgrade()
                await peer.say({"type": "auth", "token": "a" * 9_000})
                assert getattr(await peer.hear(), "code", None) == 107
                peer.close()
                peer = await dial(isolation.engine)
                await peer.upgrade()
                await peer.say({"type": "auth", "token": "a" * 1_000_000})
                assert (await peer.hear_close())[0] == CloseCode.TOO_BIG
                peer.close()
                async with httpx.AsyncClient(base_url=isolation.engine.http, timeout=170) as client:
                    for size in (9_000, 1_000_000):
                        headers = {"Authorization": "Bearer " + "a" * size}
                        try:
                            answer = await client.get("/api/v1/alerts", headers=headers)
                        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                            continue  # hung up on in the middle of its header
                        assert answer.status_code in (400, 401, 431)

            await isolation.check(fault)


def expiring(at: int) -> str:
    """A token that ends at a second of the wall clock."""
    return Authenticator(SECRET.encode(), lambda: at - BRIEF_S).issue("main", "eve", ttl_s=BRIEF_S)


async def test_connections_end_at_the_second_at_which_their_tokens_do(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_S):
        async with an_isolation(tmp_path) as isolation:

            async def connected() -> Peer:
                peer = await dial(isolation.engine)
                await peer.upgrade()
                return peer

            async def fault() -> None:
                async with peers(connected) as opened:
                    ends_at = int(time.time()) + BRIEF_S
                    # One of them extends its session, and ends at the second of its newer token.
                    await opened[0].say({"type": "auth", "token": expiring(ends_at)})
                    await opened[0].say({"type": "refresh", "token": expiring(ends_at + 2)})
                    for peer in opened[1:]:
                        await peer.say({"type": "auth", "token": expiring(ends_at)})
                    for peer in (opened[0], *opened):
                        assert isinstance(await peer.hear(), m.AuthSuccess)
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(is_cut_at, opened[0], ends_at + 2)
                        for peer in opened[1:]:
                            nursery.start_soon(is_cut_at, peer, ends_at)

            async def is_cut_at(peer: Peer, at: int) -> None:
                assert (await peer.hear_close())[0] == CloseCode.EXPIRED
                assert at <= time.time() < at + LATE_MAX_S

            await isolation.check(fault)


async def test_revoking_a_user_cuts_all_of_his_connections_and_no_other(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_S):
        async with an_isolation(tmp_path) as isolation:
            users = iter(range(100))

            async def fault() -> None:
                user = f"eve {next(users)}"
                token = token_for(user)

                async def connected() -> Peer:
                    peer = await dial(isolation.engine)
                    await peer.upgrade()
                    await peer.say({"type": "auth", "token": token})
                    assert isinstance(await peer.hear(), m.AuthSuccess)
                    return peer

                async with peers(connected) as opened:
                    headers = {"Authorization": f"Bearer {token_for('canary')}"}
                    async with httpx.AsyncClient(
                        base_url=isolation.engine.http, headers=headers, timeout=170
                    ) as client:
                        answer = await client.post("/api/v1/revocations", json={"user": user})
                    assert answer.json()["disconnected"] == CLIENTS
                    for peer in opened:
                        assert (await peer.hear_close())[0] == CloseCode.INVALID_TOKEN

            await isolation.check(fault, counted="tocsin_revocations")


def one_key(kid: str) -> bytes:
    """A key set with another key for each name."""
    return jwks(jwk("ES256", kid, name=kid))


async def test_a_key_that_is_taken_away_cuts_its_bearers_within_seconds(tmp_path: Path) -> None:
    path, numbers = tmp_path / "set.json", iter(range(100))
    path.write_bytes(one_key("first 0"))
    with trio.fail_after(PATIENCE_S):
        async with an_isolation(tmp_path, TOCSIN_IDENTITY_JWKS=str(path)) as isolation:

            async def connected(kid: str) -> Peer:
                payload = {"sub": "eve", "workspaceId": "main", "exp": int(time.time()) + 600}
                peer = await dial(isolation.engine)
                await peer.upgrade()
                await peer.say({"type": "auth", "token": signed("ES256", payload, kid=kid, name=kid)})
                assert isinstance(await peer.hear(), m.AuthSuccess)
                return peer

            async def fault() -> None:
                number = next(numbers)
                async with peers(lambda: connected(f"first {number}")) as opened:
                    path.write_bytes(one_key(f"then {number}"))
                    isolation.engine.process.send_signal(signal.SIGHUP)
                    for peer in opened:
                        assert (await peer.hear_close())[0] == CloseCode.INVALID_TOKEN
                async with peers(lambda: connected(f"then {number}")) as opened:
                    path.write_bytes(b'{"keys": [')  # half written: nobody is cut for that
                    isolation.engine.process.send_signal(signal.SIGHUP)
                    await isolation.some_messages()
                    await opened[0].say({"type": "ping"})
                    assert await opened[0].hear() == m.Pong()
                    path.write_bytes(one_key(f"first {number + 1}"))
                    # No signal: the engine looks for itself.
                    with trio.fail_after(PATIENCE_S):
                        for peer in opened:
                            assert (await peer.hear_close())[0] == CloseCode.INVALID_TOKEN

            await isolation.check(fault, counted="tocsin_key_changes_total")
