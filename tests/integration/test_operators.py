"""Operators against a real engine: who is connected, who is disconnected, what is on record, and what others learn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from engine.app import Engine
from engine.sections.doors import Gateway
from engine.verbs.operators import CURSORS
from protocol import messages as m
from protocol.errors import CloseCode
from tests.support.engines import an_engine
from tests.support.sockets import Peer


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with an_engine(tmp_path) as engine:
        yield engine


def http(engine: Engine, workspace: str, user: str = "boss", role: str = "admin") -> httpx.AsyncClient:
    token = engine.issue_token(workspace, user, role)
    return httpx.AsyncClient(base_url=engine.http_url, headers={"Authorization": f"Bearer {token}"}, timeout=170)


@asynccontextmanager
async def open_peer(engine: Engine) -> AsyncIterator[Peer]:
    with trio.socket.socket() as sock:
        host, _, port = engine.ws_url.removeprefix("ws://").rpartition(":")
        await sock.connect((host, int(port)))
        peer = Peer(sock)
        assert (await peer.upgrade()).startswith("HTTP/1.1 101")
        yield peer


async def connect(engine: Engine, peer: Peer, workspace: str, user: str) -> str:
    """Authenticates and follows something; gives the client's id."""
    await peer.say({"type": "auth", "token": engine.issue_token(workspace, user, "viewer")})
    answer = await peer.hear()
    assert isinstance(answer, m.AuthSuccess)
    await peer.say({"type": "subscribe", "channel": "workspace"})
    assert isinstance(await peer.hear(), m.Subscribed)
    return answer.client_id


async def alive(peer: Peer) -> bool:
    await peer.say({"type": "ping"})
    while not isinstance(await peer.hear(), m.Pong):
        pass
    return True


async def test_an_administrator_sees_the_connections_of_his_workspace_and_no_others(engine: Engine) -> None:
    async with open_peer(engine) as ours, open_peer(engine) as theirs:
        mine = await connect(engine, ours, "acme", "ann")
        other = await connect(engine, theirs, "rival", "eve")
        async with http(engine, "acme") as boss, http(engine, "system") as operator:
            [seen] = (await boss.get("/api/v1/connections")).json()["items"]
            assert {key: seen[key] for key in ("client_id", "workspace", "user", "role", "address")} == {
                "client_id": mine, "workspace": "acme", "user": "ann", "role": "viewer", "address": "127.0.0.1",
            }  # fmt: skip
            assert (seen["subscriptions"], seen["messages_in"]) == (1, 2)
            # Its two answers; and, if this takes long, a proof of silence.
            assert seen["messages_out"] >= 2
            assert (seen["waiting_bytes"], seen["dropped"]) == (0, 0)
            assert seen["connected_at"].startswith("20")
            everybody = (await operator.get("/api/v1/connections")).json()["items"]
            assert [each["client_id"] for each in everybody] == [mine, other]
            one = (await operator.get("/api/v1/connections?workspace=rival")).json()["items"]
            assert [each["client_id"] for each in one] == [other]


async def test_connections_come_in_pages_and_can_be_those_of_a_user(engine: Engine) -> None:
    async with trio.open_nursery() as nursery:
        ids = []
        for number in range(3):
            socket = await nursery.start(hold, engine)
            ids.append(await connect(engine, socket, "acme", f"user{number}"))
        async with http(engine, "acme") as boss:
            first = (await boss.get("/api/v1/connections?limit=2")).json()
            assert [each["client_id"] for each in first["items"]] == ids[:2]
            second = (await boss.get(f"/api/v1/connections?limit=2&cursor={first['next_cursor']}")).json()
            assert [each["client_id"] for each in second["items"]] == ids[2:]
            assert second["next_cursor"] is None
            own = (await boss.get("/api/v1/connections?user=user1")).json()["items"]
            assert [each["client_id"] for each in own] == [ids[1]]
        nursery.cancel_scope.cancel()


async def hold(engine: Engine, task_status: trio.TaskStatus[Peer]) -> None:
    async with open_peer(engine) as socket:
        task_status.started(socket)
        await trio.sleep_forever()


async def test_who_is_disconnected_gets_3503_and_it_is_on_record_with_the_address(engine: Engine) -> None:
    async with open_peer(engine) as first, open_peer(engine) as canary:
        client_id = await connect(engine, first, "acme", "eve")
        await connect(engine, canary, "acme", "ann")
        async with http(engine, "acme") as boss:
            assert (await boss.delete(f"/api/v1/connections/{client_id}")).status_code == 204
            assert await first.hear_close() == (CloseCode.FORCED, "disconnected by an administrator")
            assert await alive(canary)
            gone = await boss.delete(f"/api/v1/connections/{client_id}")
            assert gone.status_code == 404
            [act] = (await boss.get("/api/v1/audit")).json()["items"]
            assert {key: act[key] for key in ("by", "verb", "target", "address")} == {
                "by": "boss", "verb": "disconnect", "target": client_id, "address": "127.0.0.1",
            }  # fmt: skip


async def test_all_connections_of_a_user_are_ended_at_once(engine: Engine) -> None:
    async with open_peer(engine) as first, open_peer(engine) as second, open_peer(engine) as canary:
        for socket, user in ((first, "eve"), (second, "eve"), (canary, "ann")):
            await connect(engine, socket, "acme", user)
        async with http(engine, "acme") as boss:
            answer = await boss.delete("/api/v1/connections?user=eve")
            assert answer.json() == {"disconnected": 2}
        for socket in (first, second):
            assert (await socket.hear_close())[0] == CloseCode.FORCED
        assert await alive(canary)


async def test_the_operator_of_the_engine_may_disconnect_anybody_and_that_workspace_learns_nothing_of_it(
    engine: Engine,
) -> None:
    async with open_peer(engine) as socket:
        await connect(engine, socket, "acme", "eve")
        async with http(engine, "system", "root") as operator, http(engine, "acme") as boss:
            answer = await operator.delete("/api/v1/connections?user=eve&workspace=acme")
            assert answer.json() == {"disconnected": 1}
            assert (await socket.hear_close())[0] == CloseCode.FORCED
            assert (await boss.get("/api/v1/audit")).json()["items"] == []
            [act] = (await operator.get("/api/v1/audit")).json()["items"]
            assert (act["verb"], act["target"]) == ("disconnect_user", "eve of acme")


async def test_another_workspaces_connection_is_answered_exactly_as_one_that_does_not_exist(engine: Engine) -> None:
    async with open_peer(engine) as socket:
        theirs = await connect(engine, socket, "rival", "eve")
        nobody = "00000000-0000-7000-8000-000000000000"
        async with http(engine, "acme") as boss:

            async def told(method: str, path: str) -> tuple[int, Any]:
                answer = await boss.request(method, path)
                return answer.status_code, answer.json() if answer.content else None

            there = await told("DELETE", f"/api/v1/connections/{theirs}")
            assert there == await told("DELETE", f"/api/v1/connections/{nobody}")
            assert there[0] == 404
            assert await told("DELETE", "/api/v1/connections?user=eve") == (200, {"disconnected": 0})
            rival = await told("GET", "/api/v1/connections?workspace=rival")
            assert rival == await told("GET", "/api/v1/connections?workspace=nowhere")
            assert rival[0] == 404
            page = await told("GET", f"/api/v1/connections?cursor={CURSORS.after((nobody,))}")
            assert page == (200, {"items": [], "next_cursor": None})
        assert await alive(socket)


@pytest.mark.parametrize("role", ["viewer", "responder", "producer", "editor"])
async def test_nobody_but_an_administrator_sees_or_ends_connections_or_reads_the_trail(
    engine: Engine, role: str
) -> None:
    async with http(engine, "acme", role=role) as client:
        for method, path in (
            ("GET", "/api/v1/connections"),
            ("DELETE", "/api/v1/connections/x"),
            ("DELETE", "/api/v1/connections?user=eve"),
            ("GET", "/api/v1/audit"),
        ):
            answer = await client.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (403, 103)


async def test_an_administrator_of_some_channels_is_none_of_connections(engine: Engine) -> None:
    token = engine.issue_token("acme", "boss", "admin", channels=["web"])
    async with httpx.AsyncClient(
        base_url=engine.http_url, headers={"Authorization": f"Bearer {token}"}, timeout=170
    ) as client:
        answer = await client.get("/api/v1/connections")
        assert (answer.status_code, answer.json()["code"]) == (403, 103)


async def test_revocations_are_on_record_too_and_the_trail_comes_in_pages(engine: Engine) -> None:
    async with http(engine, "acme") as boss:
        await boss.post("/api/v1/revocations", json={"user": "eve", "reason": "left"})
        await boss.delete("/api/v1/revocations?user=eve")
        await boss.delete("/api/v1/connections?user=eve")
        first = (await boss.get("/api/v1/audit?limit=2")).json()
        assert [act["verb"] for act in first["items"]] == ["disconnect_user", "unrevoke_user"]
        second = (await boss.get(f"/api/v1/audit?limit=2&cursor={first['next_cursor']}")).json()
        assert [act["verb"] for act in second["items"]] == ["revoke_user"]
        assert second["next_cursor"] is None
        for path in ("/api/v1/connections", "/api/v1/alerts"):
            refused = await boss.get(path, params={"cursor": first["next_cursor"]})
            assert (refused.status_code, refused.json()["code"]) == (400, 107)
            assert "next_cursor of the page before" in refused.json()["detail"]


async def test_without_a_user_nobody_is_disconnected(engine: Engine) -> None:
    async with http(engine, "acme") as boss:
        answer = await boss.delete("/api/v1/connections")
        assert (answer.status_code, answer.json()["detail"]) == (400, "say whose connections: ?user=NAME")


async def test_behind_a_trusted_proxy_the_record_names_who_stands_behind_it(tmp_path: Path) -> None:
    settings = {"gateway": Gateway(trusted_proxies=("127.0.0.1",))}
    async with an_engine(tmp_path, **settings) as engine, http(engine, "acme") as boss:
        forwarded = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.7")]
        await boss.delete("/api/v1/connections?user=eve", headers=forwarded)
        await boss.post("/api/v1/revocations", json={"user": "eve"}, headers=forwarded)
        acts = (await boss.get("/api/v1/audit")).json()["items"]
        assert [(act["verb"], act["address"]) for act in acts] == [
            ("revoke_user", "203.0.113.7"),
            ("disconnect_user", "203.0.113.7"),
        ]


async def test_nobody_else_is_believed_about_an_address(engine: Engine) -> None:
    async with http(engine, "acme") as boss:
        await boss.delete("/api/v1/connections?user=eve", headers={"X-Forwarded-For": "203.0.113.7"})
        [act] = (await boss.get("/api/v1/audit")).json()["items"]
        assert act["address"] == "127.0.0.1"
