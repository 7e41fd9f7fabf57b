"""Identity in a whole engine: tickets, revocations and rotated keys, on real sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import trio

from engine.app import Engine
from protocol import messages as m
from protocol.errors import CloseCode
from tests.support.engines import an_engine
from tests.support.sockets import Peer

Connect = Callable[..., Awaitable[tuple[Peer, Any]]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens connections that have said `auth`; gives each with the answer. They are closed at the end."""
    peers: list[Peer] = []

    async def connect(engine: Engine, **credentials: str) -> tuple[Peer, Any]:
        address = urlsplit(engine.ws_url)
        peer = Peer(trio.socket.socket())
        peers.append(peer)
        await peer.sock.connect((address.hostname, address.port))
        assert (await peer.upgrade()).startswith("HTTP/1.1 101")
        await peer.say({"type": "auth", **credentials})
        return peer, await peer.hear()

    yield connect
    for peer in peers:
        peer.close()


def api(engine: Engine, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=engine.http_url, headers={"Authorization": f"Bearer {token}"}, timeout=170)


async def test_a_revoked_user_is_cut_refused_and_stays_so_after_a_restart(tmp_path: Path, connect: Connect) -> None:
    with trio.fail_after(170):
        async with an_engine(tmp_path) as engine:
            eves, admins = engine.issue_token("main", "eve", "viewer"), engine.issue_token("main", "ada")
            eve, _ = await connect(engine, token=eves)
            ada, _ = await connect(engine, token=admins)
            async with api(engine, admins) as client:
                answer = await client.post("/api/v1/revocations", json={"user": "eve", "reason": "left"})
                assert (answer.status_code, answer.json()["disconnected"]) == (200, 1)
                assert (await client.get("/api/v1/revocations")).json()["items"][0]["reason"] == "left"
            assert await eve.hear_close() == (CloseCode.INVALID_TOKEN, "this token is not valid any more")
            await ada.say({"type": "ping"})
            assert await ada.hear() == m.Pong(), "nobody else is touched"
            metrics = engine.metrics.render().decode()
            assert "tocsin_revocations 1.0" in metrics
        async with an_engine(tmp_path) as engine:
            _, answer = await connect(engine, token=eves)
            assert isinstance(answer, m.AuthFailed)
            assert answer.message == "invalid token"
            async with api(engine, eves) as client:
                assert (await client.get("/api/v1/alerts")).status_code == 401
            assert 'tocsin_auth_refused_total{reason="revoked"} 2.0' in engine.metrics.render().decode()


async def test_a_refresh_with_a_revoked_token_fails(tmp_path: Path, connect: Connect) -> None:
    with trio.fail_after(170):
        async with an_engine(tmp_path) as engine:
            stolen = engine.identity.authenticator.issue("main", "ann", token_id="stolen")
            peer, _ = await connect(engine, token=engine.issue_token("main", "ann"))
            async with api(engine, engine.issue_token("main", "ada")) as client:
                assert (await client.post("/api/v1/revocations", json={"jti": "stolen"})).json()["disconnected"] == 0
            await peer.say({"type": "refresh", "token": stolen})
            assert isinstance(await peer.hear(), m.AuthFailed)


async def test_a_ticket_opens_one_connection_and_one_page(tmp_path: Path, connect: Connect) -> None:
    with trio.fail_after(170):
        async with an_engine(tmp_path) as engine:
            async with api(engine, engine.issue_token("main", "ann", "viewer")) as client:
                tickets = [(await client.post("/api/v1/tickets")).json()["ticket"] for _ in range(2)]
            _, answer = await connect(engine, ticket=tickets[0])
            assert isinstance(answer, m.AuthSuccess)
            assert answer.user_id == "ann"
            _, answer = await connect(engine, ticket=tickets[0])
            assert isinstance(answer, m.AuthFailed)
            async with httpx.AsyncClient(base_url=engine.http_url, timeout=170) as client:
                statuses = [(await client.get(f"/api/v1/alerts?ticket={tickets[1]}")).status_code for _ in range(2)]
            assert statuses == [200, 401]
            refusals = [line for line in engine.metrics.render().decode().splitlines() if 'reason="ticket"' in line]
            assert refusals == ['tocsin_auth_refused_total{reason="ticket"} 2.0']


async def test_auth_with_both_or_neither_of_token_and_ticket_is_malformed(tmp_path: Path, connect: Connect) -> None:
    with trio.fail_after(170):
        async with an_engine(tmp_path) as engine:
            for credentials in ({}, {"token": engine.issue_token("main", "ann"), "ticket": "x"}):
                _, answer = await connect(engine, **credentials)
                assert isinstance(answer, m.ErrorMessage)
                assert (answer.code, answer.message) == (107, "say either token or ticket")
                assert json.dumps(credentials.get("ticket")) not in answer.message
