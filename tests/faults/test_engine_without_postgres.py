"""An engine whose Postgres is gone or frozen, while nobody triggers anything: it finds out by itself, and says so.

A trigger that comes when it is known is refused at once, also for a channel that nobody has used yet; what was held
before is stored when the server is back. Time is real, as the server's is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from engine.app import Engine
from engine.sections.doors import Api
from tests.support.engines import an_engine
from tests.support.postgres_fixtures import migrated_template
from tests.support.postgres_server import APP, PostgresServer

# Gone is known with the next beat, one second later, frozen with the end of a transaction's time, which is six more.
# A loaded machine gets its time.
KNOWN_WITHIN_S = 120.0
BACK_WITHIN_S = 120.0
# Refused without asking anybody; without that it would be held for as long as a request may take here: ANSWER_S.
AT_ONCE_S, ANSWER_S = 60.0, 250.0


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    server = PostgresServer.start()
    yield server
    server.remove()


class Watch:
    """Asks an engine over HTTP."""

    def __init__(self, engine: Engine, client: httpx.AsyncClient) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {engine.issue_token('acme', 'boss')}"}

    async def until(self, status: int, within_s: float) -> None:
        """Waits until `/readyz` says this."""
        with trio.fail_after(within_s):
            while await self.status("/readyz") != status:
                await trio.sleep(0.05)

    async def status(self, path: str) -> int:
        return (await self._client.get(path)).status_code

    async def ring(self, framework: str, title: str = "disk") -> httpx.Response:
        body = {"alerts": [{"framework_id": framework, "title": title}]}
        return await self._client.post("/api/v1/triggers", json=body, headers=self._headers)

    async def figure(self, name: str) -> float:
        lines = (await self._client.get("/metrics")).text.splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).rpartition(" ")[2])


@asynccontextmanager
async def watched(folder: Path, url: str) -> AsyncIterator[Watch]:
    async with (
        an_engine(folder, store=url, api=Api(answer_s=ANSWER_S)) as engine,
        httpx.AsyncClient(base_url=engine.http_url, timeout=170) as client,
    ):
        yield Watch(engine, client)


def stop(server: PostgresServer) -> None:
    server.stop("immediate")


@pytest.mark.parametrize(
    ("goes", "comes"),
    [(stop, PostgresServer.start_again), (PostgresServer.freeze, PostgresServer.thaw)],
    ids=["gone", "frozen"],
)
async def test_it_is_unready_before_anybody_has_tried_and_refuses_triggers_at_once(
    tmp_path: Path, server: PostgresServer, goes: Callable[[Any], None], comes: Callable[[Any], None]
) -> None:
    url = server.url(migrated_template(server), APP)
    async with watched(tmp_path, url) as watch:
        assert (await watch.ring("used")).json()["results"][0]["status"] == "fired"
        goes(server)
        await watch.until(503, KNOWN_WITHIN_S)
        assert await watch.figure("tocsin_store_available") == 0
        for framework in ("used", "new"):
            with trio.fail_after(AT_ONCE_S):
                refused = await watch.ring(framework)
            assert (refused.status_code, refused.json()["code"]) == (503, 120), refused.text
        assert await watch.status("/healthz") == 200
        comes(server)
        await watch.until(200, BACK_WITHIN_S)
        assert await watch.figure("tocsin_store_available") == 1
        for framework in ("used", "new"):
            assert (await watch.ring(framework, "afterwards")).json()["results"][0]["status"] == "fired"
