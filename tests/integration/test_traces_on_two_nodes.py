"""A trace over two nodes on one Postgres: asked here, decided there, told to followers of both, notified by either."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from engine.app import Engine
from engine.configuration.fields import Secret
from engine.sections.jobs import Jobs
from engine.sections.notify import Notify
from engine.sections.tracing import TracingSection
from engine.tracing import exporting
from engine.world import World
from tests.integration.test_traces import CALLER, TRACE, Told, parent_of
from tests.support.engines import SECRET, a_config
from tests.support.http_sink import a_sink
from tests.support.postgres_server import PostgresDatabase
from tocsin import Client

PATIENCE_S = 170.0


@asynccontextmanager
async def two_nodes(folder: Path, url: str, notifier: str = "ab") -> AsyncIterator[list[tuple[Engine, Told]]]:
    """`notifier`: which of them notify; the others have no worker for it."""
    async with AsyncExitStack() as stack:
        nodes = []
        for name in "ab":
            (folder / name).mkdir()
            told = Told()
            config = a_config(
                folder / name,
                store=url,
                secret=Secret(SECRET),
                tracing=TracingSection(one_in=0),
                notify=Notify(allow_private=("127.0.0.1/32",)),
                jobs=Jobs() if name in notifier else Jobs(notification_slots=0),
            )
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


@pytest.mark.parametrize("notifier", ["a", "b"], ids=["by who was asked", "by who decided"])
async def test_whichever_node_notifies_it_is_in_the_trace_of_the_trigger(
    tmp_path: Path, postgres_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch, notifier: str
) -> None:
    monkeypatch.setattr(exporting, "FLUSH_S", 0.01)
    async with a_sink() as sink, two_nodes(tmp_path, postgres_database.url, notifier) as nodes:
        (asked, _), (_, told_there) = nodes
        notifies, told = nodes["ab".index(notifier)]
        workspace = await a_workspace_of_another(asked)
        headers = {"Authorization": f"Bearer {asked.issue_token(workspace, 'ann')}", "traceparent": CALLER}
        async with httpx.AsyncClient(timeout=PATIENCE_S, headers=headers) as http:
            pager = {"id": "pager", "channel": "webhook", "url": sink.url()}
            made = await http.post(f"{notifies.http_url}/api/v1/endpoints", json=pager)
            assert made.status_code == 201, made.text
            body = {"alert": {"framework_id": "web", "title": "Disk full", "severity": "critical"}}
            answer = await http.post(f"{asked.http_url}/api/v1/triggers", json=body)
            assert answer.status_code == 200, answer.text
        (got,) = await sink.wait_for(1)
        decide = (await told_there.spans("decide"))["decide"]
        spans = await told.spans("job route", "job send", "POST")
    route, send, post = (spans[name] for name in ("job route", "job send", "POST"))
    assert {span.context.trace_id for span in (decide, route, send, post)} == {TRACE}
    parents = [parent_of(route), parent_of(send), parent_of(post)]
    assert parents == [decide.context.span_id, route.context.span_id, send.context.span_id]
    assert str(got.headers["traceparent"]) == f"00-{TRACE:032x}-{post.context.span_id:016x}-01"
