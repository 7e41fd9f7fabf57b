"""What goes wrong in a part that is followed goes on going wrong, and its span says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from actors.tracing import CURRENT
from engine.notify.network import TargetRefused
from engine.sections.notify import Notify
from engine.sections.tracing import TracingSection
from engine.tracing.exporting import Export
from engine.tracing.following import Following
from engine.tracing.spans import Tracing
from protocol import messages as m
from protocol.errors import PermissionDenied
from protocol.jobs import Claimed, Lease, Queue, Settlement, Verdict
from protocol.model import Principal

PLACE = f"00-{1:032x}-{1:016x}-01"
WHO = Principal(workspace="acme", user="ann", role="admin", expires_at=0)


class Told:
    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.export = Export(self.exporter, 1_000)
        self.following = Following(Tracing(TracingSection(one_in=1), self.export, "here:1"), "memory:")

    def spans(self) -> Sequence[ReadableSpan]:
        while batch := self.export._take():
            self.exporter.export(batch)
        return self.exporter.get_finished_spans()


class Failing:
    """A desk that takes nothing."""

    def authenticate(self, token: str) -> Principal:
        return WHO

    async def redeem(self, ticket: str) -> Principal:
        return WHO

    def locate(self, *asked: Any) -> Any:
        return asked

    async def mark_read(self, *asked: Any) -> tuple[int, int]:
        return 2, 1

    async def submit(self, *asked: Any) -> None:
        raise PermissionDenied("the role 'viewer' may not trigger")

    async def do(self, claimed: Claimed) -> Settlement:
        raise ValueError("a bug")

    def failed(self, claimed: Claimed, cause: str, traceback: str | None = None) -> Settlement:
        return Settlement(lease=claimed.lease, verdict=Verdict.FAILED)


def a_claim(trace: str | None) -> Claimed:
    return Claimed(
        lease=Lease(1, 1), queue=Queue.ALERT, kind="trigger", workspace="acme", framework=None, args="{}", attempt=1,
        attempts_max=3, deadline_s=30, created_at=0, waiting_since=0, trace=trace,
    )  # fmt: skip


async def test_a_request_that_is_refused_is_a_span_that_failed() -> None:
    told = Told()
    desk = told.following.desk(Failing())
    with pytest.raises(PermissionDenied):
        await desk.submit(WHO, m.Trigger(alerts=[]), lambda results: None)
    [span] = told.spans()
    assert span.status.status_code is StatusCode.ERROR
    assert "viewer" in (span.status.description or "")
    assert CURRENT.get() is None


async def test_what_is_no_request_goes_to_the_desk_as_it_is() -> None:
    told = Told()
    desk = told.following.desk(Failing())
    assert desk.authenticate("t") == await desk.redeem("t") == WHO
    assert await desk.mark_read(WHO, None) == (2, 1)
    assert desk.locate(WHO, "web", None) == (WHO, "web", None)  # type: ignore[comparison-overlap]
    assert told.spans() == ()


async def test_a_job_that_raises_is_a_span_that_failed_and_one_without_a_trace_is_none() -> None:
    told = Told()
    jobs = told.following.jobs(Failing())
    for trace in (PLACE, None):
        with pytest.raises(ValueError, match="a bug"):
            await jobs.do(a_claim(trace))
    [span] = told.spans()
    assert (span.status.status_code, span.context.trace_id) == (StatusCode.ERROR, 1)
    assert jobs.failed(a_claim(None), "a bug").verdict is Verdict.FAILED


async def test_a_server_that_may_not_be_reached_is_a_span_that_failed() -> None:
    told = Told()
    way_out = told.following.connector(Notify())
    token = CURRENT.set(PLACE)
    try:
        with pytest.raises(TargetRefused):
            await way_out.post(("acme", "pager"), "http://127.0.0.1:8080/hook?secret=x", b"{}", {})
    finally:
        CURRENT.reset(token)
        await way_out.aclose()
    [span] = told.spans()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["server.address"] == "127.0.0.1"
    assert "secret" not in span.to_json()


@pytest.mark.parametrize(("status", "said"), [(503, "answered 503"), (0, "not answered")])
async def test_a_request_that_we_failed_says_so(status: int, said: str) -> None:
    told = Told()

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        if status:
            await send({"type": "http.response.start", "status": status, "headers": []})

    async def nowhere(*message: Any) -> Any:
        return None

    scope: Any = {"type": "http", "method": "GET", "path": "/nosuch", "scheme": "http", "headers": []}
    await told.following.app(broken)(scope, nowhere, nowhere)
    [span] = told.spans()
    assert (span.name, span.status.description) == ("GET", said)
