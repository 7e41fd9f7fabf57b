"""A trace over two nodes on one Postgres: asked here, decided there, told to followers of both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from engine.app import Engine
from engine.configuration.fields import Secret
from engine.sections.tracing import TracingSection
from engine.tracing import exporting
from engine.world import World
from tests.integration.test_traces import CALLER, TRACE, Told
from tests.support.engines import SECRET, a_config
from tests.support.postgres_server import PostgresDatabase
from tocsin import Client

PATIENCE_S = 60


@asynccontextmanager
async def two_nodes(folder: Path, url: str) -> AsyncIterator[list[tuple[Engine, Told]]]:
    async with AsyncExitStack() as stack:
        nodes = []
        for name in "ab":
            (folder / name).mkdir()
            told = Told()
            config = a_config(folder / name, store=url, secret=Secret(SECRET), tracing=TracingSection(one_in=0))
            engine = await stack.enter_async_context(Engine(config, World(spans_to=told)))
            nodes.append((engine, told))
        yield nodes


async def a_workspace_of_another(engine: Engine) -> str:
    """Each node is the owner of half of all names, once they know each other."""
    nodes = engine._tree.up.nodes
    assert nodes is not None
    changed = trio.Event()
    nodes.on_change(lambda: changed.set())
    with trio.fail_after(PATIENCE_S):
        while True:
            for number in range(100):
                if nodes.membership.owner_of(name := f"w{number}") is not None:
                    return name
            await changed.wait()
            changed = trio.Event()


async def test_what_is_asked_here_and_decided_there_is_one_trace(
    tmp_path: Path, postgres_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "FLUSH_S", 0.01)
    async with two_nodes(tmp_path, postgres_database.url) as nodes:
        (asked, told_here), (owner, told_there) = nodes
        workspace = await a_workspace_of_another(asked)
        token = asked.issue_token(workspace, "ann")
        async with Client(asked.ws_url, token) as here, Client(owner.ws_url, token) as there:
            for client in (here, there):
                await client.subscribe("web")
            body = {"alert": {"framework_id": "web", "title": "Disk full"}}
            headers = {"Authorization": f"Bearer {token}", "traceparent": CALLER}
            async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
                answer = await http.post(f"{asked.http_url}/api/v1/triggers", json=body, headers=headers)
            assert answer.status_code == 200, answer.text
            with trio.fail_after(PATIENCE_S):
                mine = await told_here.spans("POST /api/v1/triggers", "forward", "fan-out")
                theirs = await told_there.spans("decide", "commit", "fan-out")
    assert {span.context.trace_id for span in (*mine.values(), *theirs.values())} == {TRACE}
    request, decide = mine["POST /api/v1/triggers"], theirs["decide"]
    assert decide.parent is not None and decide.parent.span_id == request.context.span_id
    for relayed in (mine["fan-out"], theirs["fan-out"]):
        assert relayed.parent is not None and relayed.parent.span_id == decide.context.span_id
    assert (theirs["commit"].attributes or {})["db.system.name"] == "postgresql"
