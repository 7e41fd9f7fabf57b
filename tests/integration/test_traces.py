"""What OpenTelemetry is told of a request: one trace from the door to the last notification."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from engine.app import Engine
from engine.sections.notify import Notify
from engine.sections.tracing import TracingSection
from engine.tracing import exporting
from engine.world import World
from tests.support.engines import a_config
from tests.support.http_sink import Sink, a_sink, answer
from tocsin import Client

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = int(CALLER[3:35], 16)
PATIENCE_S = 170.0


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans are sent as they come, and not once a second."""
    monkeypatch.setattr(exporting, "FLUSH_S", 0.01)


class Told(InMemorySpanExporter):
    """What was exported, and who waits for more of it."""

    def __init__(self) -> None:
        super().__init__()
        self._token = trio.lowlevel.current_trio_token()
        self._more = trio.Event()

    def export(self, spans: Any) -> SpanExportResult:
        done = super().export(spans)
        self._token.run_sync_soon(self._wake)
        return done

    def _wake(self) -> None:
        self._more.set()
        self._more = trio.Event()

    async def spans(self, *names: str) -> dict[str, ReadableSpan]:
        """The last span of each name, once there is one of each of these."""
        with trio.fail_after(PATIENCE_S):
            while not set(names) <= (found := {span.name: span for span in self.get_finished_spans()}).keys():
                await self._more.wait()
        return found


class Scene:
    def __init__(self, engine: Engine, told: Told, client: httpx.AsyncClient, sink: Sink) -> None:
        self.engine = engine
        self.told = told
        self.client = client
        self.sink = sink

    async def ring(self, **headers: str) -> httpx.Response:
        body = {"alert": {"framework_id": "web", "title": "Disk full", "severity": "critical"}}
        return await self.client.post("/api/v1/triggers", json=body, headers=headers)


@asynccontextmanager
async def a_scene(folder: Path, **tracing: Any) -> AsyncIterator[Scene]:
    told = Told()
    config = a_config(folder, tracing=TracingSection(**tracing), notify=Notify(allow_private=("127.0.0.1/32",)))
    async with a_sink() as sink, Engine(config, World(spans_to=told)) as engine:
        headers = {"Authorization": f"Bearer {engine.issue_token('main', 'boss')}"}
        async with httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=170) as client:
            pager = {"id": "pager", "channel": "webhook", "url": sink.url()}
            assert (await client.post("/api/v1/endpoints", json=pager)).status_code == 201
            yield Scene(engine, told, client, sink)


def parent_of(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id


async def test_a_trigger_is_followed_to_the_last_notification_in_one_trace(tmp_path: Path) -> None:
    chain = ("POST /api/v1/triggers", "decide", "commit", "fan-out", "job route", "job send", "POST")
    async with (
        a_scene(tmp_path, one_in=0) as scene,
        Client(scene.engine.ws_url, scene.engine.issue_token("main", "ann")) as follower,
    ):
        await follower.subscribe("web")
        assert (await scene.ring(traceparent=CALLER)).status_code == 200
        (got,) = await scene.sink.wait_for(1)
        spans = await scene.told.spans(*chain)
    assert {span.context.trace_id for span in spans.values()} == {TRACE}
    request, decide, commit, fan_out, route, send, post = (spans[name] for name in chain)
    assert f"{parent_of(request):016x}" == CALLER[36:52]
    assert [parent_of(decide), parent_of(route)] == [request.context.span_id, decide.context.span_id]
    assert {parent_of(commit), parent_of(fan_out)} == {decide.context.span_id}
    assert [parent_of(send), parent_of(post)] == [route.context.span_id, send.context.span_id]
    assert str(got.headers["traceparent"]) == f"00-{TRACE:032x}-{post.context.span_id:016x}-01"


async def test_spans_say_what_they_are_in_the_words_of_the_conventions(tmp_path: Path) -> None:
    async with a_scene(tmp_path, one_in=1) as scene:
        await scene.ring()
        spans = await scene.told.spans("POST /api/v1/triggers", "decide", "commit", "job route", "job send", "POST")
    request, decide, commit, post = (spans[name] for name in ("POST /api/v1/triggers", "decide", "commit", "POST"))
    assert [each.kind for each in (request, decide, commit, post)] == [
        SpanKind.SERVER,
        SpanKind.CONSUMER,
        SpanKind.CLIENT,
        SpanKind.CLIENT,
    ]
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "url.scheme": "http",
        "http.route": "/api/v1/triggers",
        "http.response.status_code": 200,
        "tocsin.workspace": "main",
    }
    assert (decide.attributes or {})["messaging.destination.name"] == "web"
    assert (commit.attributes or {})["db.system.name"] == "sqlite"
    assert (post.attributes or {})["server.port"] == scene.sink.port
    assert request.resource.attributes["service.name"] == "tocsin"


async def test_what_nobody_samples_leaves_no_span_and_tells_no_server_of_a_trace(tmp_path: Path) -> None:
    async with a_scene(tmp_path, one_in=0) as scene:
        await scene.ring(traceparent=CALLER[:-1] + "0")
        (got,) = await scene.sink.wait_for(1)
        assert "traceparent" not in got.headers
        await scene.ring(traceparent=CALLER)
        spans = await scene.told.spans("POST /api/v1/triggers")
    assert {span.context.trace_id for span in spans.values()} == {TRACE}


async def test_a_caller_who_is_not_followed_is_linked(tmp_path: Path) -> None:
    async with a_scene(tmp_path, one_in=1, follow_callers=False) as scene:
        await scene.ring(traceparent=CALLER)
        request = (await scene.told.spans("POST /api/v1/triggers"))["POST /api/v1/triggers"]
    assert request.parent is None
    assert [link.context.trace_id for link in request.links] == [TRACE]


async def test_a_request_over_a_websocket_begins_a_trace(tmp_path: Path) -> None:
    async with a_scene(tmp_path, one_in=1) as scene:
        async with Client(scene.engine.ws_url, scene.engine.issue_token("main", "ann")) as client:
            await client.trigger("web", title="Disk full")
        spans = await scene.told.spans("websocket trigger", "decide", "job send")
    trigger, decide = spans["websocket trigger"], spans["decide"]
    assert parent_of(decide) == trigger.context.span_id
    assert (trigger.attributes or {})["tocsin.items"] == 1


async def test_what_is_handed_over_is_done_in_the_trace_of_its_request(tmp_path: Path) -> None:
    async with a_scene(tmp_path, one_in=0) as scene:
        body = {"alert": {"framework_id": "web", "title": "Disk full"}}
        headers = {"traceparent": CALLER}
        assert (await scene.client.post("/api/v1/triggers?async=true", json=body, headers=headers)).status_code == 202
        spans = await scene.told.spans("job trigger", "decide", "commit", "job route", "job send")
    assert {span.context.trace_id for span in spans.values()} == {TRACE}
    assert parent_of(spans["decide"]) == spans["job trigger"].context.span_id


async def test_a_server_that_fails_is_a_span_that_failed(tmp_path: Path) -> None:
    async with a_scene(tmp_path, one_in=1) as scene:
        scene.sink.usual = lambda got: answer(400)
        await scene.ring()
        spans = await scene.told.spans("POST", "job send")
    assert spans["POST"].status.status_code is StatusCode.ERROR
    assert (spans["POST"].attributes or {})["http.response.status_code"] == 400
    assert (spans["job send"].attributes or {})["tocsin.job.verdict"] == "failed"


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
async def test_probes_and_scrapes_are_not_followed(tmp_path: Path, path: str) -> None:
    async with a_scene(tmp_path, one_in=1) as scene:
        await scene.client.get(path)
        await scene.client.get("/api/v1/about")
        spans = await scene.told.spans("GET /api/v1/about")
    assert {name for name in spans if name.startswith("GET")} == {"GET /api/v1/about"}


async def test_a_link_that_opens_something_is_in_no_span(tmp_path: Path) -> None:
    async with a_scene(tmp_path, one_in=1) as scene:
        await scene.client.get("/act/a.secret?ticket=hidden")
        spans = await scene.told.spans("GET /act/{link}")
    written = spans["GET /act/{link}"].to_json()
    assert "secret" not in written
    assert "hidden" not in written


async def test_the_jobs_of_a_workflow_batch_belong_to_its_request(tmp_path: Path) -> None:
    item = {"id": "call", "item_name": "Call"}
    phases = [{"phase_type": "LEAD", "sections": [{"display_name": "Start", "items": [item]}]}]
    async with a_scene(tmp_path, one_in=0) as scene:
        made = await scene.client.post("/api/v1/workflows", json={"id": "roofing", "phases": phases})
        assert made.status_code == 201, made.text
        await scene.client.put("/api/v1/workflows/trackers/42", json={"workflow_id": "roofing"})
        body, headers = {"project_ids": ["42"]}, {"traceparent": CALLER}
        rung = await scene.client.post("/api/v1/workflows/generate", json=body, headers=headers)
        assert rung.json()["results"][0]["status"] == "fired", rung.text
        spans = await scene.told.spans("POST /api/v1/workflows/generate", "job route", "job send")
    assert {span.context.trace_id for span in spans.values()} == {TRACE}
    assert parent_of(spans["job route"]) == spans["POST /api/v1/workflows/generate"].context.span_id
