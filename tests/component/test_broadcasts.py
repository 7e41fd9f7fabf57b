"""An operator's word: whom it reaches, whom it does not, and what is left of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from engine.app import Engine
from protocol.errors import BadRequest, PermissionDenied, UnknownChannel
from protocol.fields import TEXT_MAX_CHARS
from protocol.hints import BroadcastTo
from tests.support.engines import an_engine

CLIENTS = {
    "ann": ("main", "web"),
    "bob": ("main", "db"),
    "cid": ("main", None),
    "eve": ("other", "web"),
}


class Room:
    """Ann follows `web`, Bob `db`, Cid everything; Eve follows the `web` of another workspace."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sockets: dict[str, WebSocketConnection] = {}
        self.ids: dict[str, str] = {}

    async def enter(self, socket: WebSocketConnection, user: str) -> None:
        workspace, framework = CLIENTS[user]
        wanted = {"frameworkId": framework} if framework else {"channel": "workspace"}
        token = self.engine.issue_token(workspace, user, "viewer")
        await say(socket, type="auth", token=token)
        await say(socket, type="subscribe", **wanted)
        self.ids[user] = (await hear(socket))["clientId"]
        assert (await hear(socket))["type"] == "subscribed"
        self.sockets[user] = socket

    async def who_heard(self, message: str) -> set[str]:
        """Each is asked to say something after it; who was told has heard it before."""
        found = set()
        for user, socket in self.sockets.items():
            await say(socket, type="ping")
            while (heard := await hear(socket))["type"] != "pong":
                if heard["type"] == "broadcast":
                    assert heard["message"] == message
                    found.add(user)
        return found


async def say(socket: WebSocketConnection, **message: Any) -> None:
    await socket.send_message(msgspec.json.encode(message).decode())


async def hear(socket: WebSocketConnection) -> dict[str, Any]:
    with trio.fail_after(60):
        message: dict[str, Any] = msgspec.json.decode(await socket.get_message())
        return message


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with an_engine(tmp_path) as engine, AsyncExitStack() as stack:
        room = Room(engine)
        for user in CLIENTS:
            await room.enter(await stack.enter_async_context(open_websocket_url(engine.ws_url)), user)
        yield room


@pytest.mark.parametrize(
    ("to", "target", "told"),
    [
        ("framework", "web", {"ann", "cid"}),
        ("project", "db", {"bob", "cid"}),
        ("framework", "nosuch", {"cid"}),
        ("user", "bob", {"bob"}),
        ("user", "eve", set()),
        ("workspace", "main", {"ann", "bob", "cid"}),
    ],
)
async def test_it_reaches_whom_it_is_for_and_nobody_else(room: Room, to: str, target: str, told: set[str]) -> None:
    headers = {"Authorization": f"Bearer {room.engine.issue_token('main', 'boss')}"}
    async with httpx.AsyncClient(base_url=room.engine.http_url, headers=headers) as client:
        body = {"to": to, "id": target, "message": "lunch"}
        response = await client.post("/api/v1/broadcast", json=body)
        assert (response.status_code, response.json()) == (200, {"told": len(told)})
        act = (await client.get("/api/v1/audit")).json()["items"][0]
    assert await room.who_heard("lunch") == told
    assert (act["verb"], act["target"], act["by"]) == ("broadcast", f"{to} {target}", "boss")


async def test_a_client_is_told_alone(room: Room) -> None:
    assert await room.engine.broadcast(BroadcastTo.CLIENT, room.ids["bob"], "you") == 1
    assert await room.who_heard("you") == {"bob"}


@pytest.mark.parametrize("to", [BroadcastTo.CLIENT, BroadcastTo.WORKSPACE])
async def test_what_belongs_to_another_workspace_is_answered_as_what_does_not_exist(
    room: Room, to: BroadcastTo
) -> None:
    theirs = room.ids["eve"] if to is BroadcastTo.CLIENT else "other"
    answers = []
    for target in (theirs, "nosuch"):
        with pytest.raises(UnknownChannel) as caught:
            await room.engine.broadcast(to, target, "hello")
        answers.append(caught.value.message)
    assert answers[0] == answers[1]
    assert await room.who_heard("") == set()


@pytest.mark.parametrize("message", ["", "x" * (TEXT_MAX_CHARS + 1), "a\0b"])
async def test_what_cannot_be_told_is_refused(room: Room, message: str) -> None:
    with pytest.raises(BadRequest, match="message"):
        await room.engine.broadcast(BroadcastTo.USER, "ann", message)


async def test_a_token_that_is_limited_to_channels_may_not(room: Room) -> None:
    who = msgspec.structs.replace(room.engine.principal("boss"), channels=("web",))
    with pytest.raises(PermissionDenied, match="limited to channels"):
        await room.engine.broadcast(BroadcastTo.FRAMEWORK, "web", "hello", who)
