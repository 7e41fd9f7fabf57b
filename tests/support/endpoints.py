"""An engine with an endpoint, and the target that it sends to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.app import Engine
from engine.sections.notify import Notify
from protocol.endpoints import Endpoint
from tests.support.engines import an_engine
from tests.support.http_sink import Sink, a_sink

PATH = "/api/v1/endpoints"
ANY = {"If-Match": "*"}


@dataclass
class Place:
    """An engine that may send to loopback, somebody who may edit, and a server to send to."""

    engine: Engine
    client: httpx.AsyncClient
    sink: Sink

    async def made(self, **given: Any) -> Any:
        given = {"id": "e", "channel": "webhook", "url": self.sink.url("/secret-path")} | given
        answer = await self.client.post(PATH, json=given)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def changed(self, **given: Any) -> Any:
        answer = await self.client.patch(f"{PATH}/e", json=given, headers=ANY)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def shown(self) -> Any:
        return (await self.client.get(f"{PATH}/e")).json()

    def kept(self) -> Endpoint:
        parts = self.engine._tree.up
        found = parts.outbound.book.get("main", "e")
        assert found is not None
        return found

    def secrets(self) -> list[str]:
        parts = self.engine._tree.up
        return [each.value for each in parts.shelves.endpoints.open("main", self.kept()).secrets]

    def url(self) -> str:
        return self.engine._tree.up.shelves.endpoints.open("main", self.kept()).url


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    notify = Notify(allow_private=("127.0.0.1/32",), apprise_schemes=("json",))
    async with a_sink() as sink, an_engine(tmp_path, notify=notify) as engine:
        headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ada', 'editor')}"}
        async with httpx.AsyncClient(base_url=engine.http_url, headers=headers) as client:
            yield Place(engine, client, sink)
