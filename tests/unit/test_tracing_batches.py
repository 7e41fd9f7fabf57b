"""Spans of batches: whose children they are, what they are linked to, when they end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from actors.tracing import BatchTrace
from engine.sections.tracing import TracingSection
from engine.tracing.batches import FOLLOWED_MAX, ChannelTracer
from engine.tracing.exporting import Export
from engine.tracing.spans import LINKS_MAX, Tracing
from protocol.effects import Decision
from protocol.jobs import NewJob, Queue
from protocol.model import ChannelKey
from protocol.tracing import TraceParent
from tests.support.actors import an_event

KEY = ChannelKey("acme", "web")
JOB = NewJob(queue=Queue.NOTIFICATION, kind="route")


def a_place(number: int) -> str:
    return str(TraceParent(f"{number:032x}", f"{number:016x}"))


class Told:
    """A tracer of channels, and the spans that have ended."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.export = Export(self.exporter, 1_000)
        self.tracer = ChannelTracer(Tracing(TracingSection(one_in=0), self.export, "here:1"), "sqlite")

    def spans(self, name: str) -> Sequence[ReadableSpan]:
        while batch := self.export._take():
            self.exporter.export(batch)
        return [span for span in self.exporter.get_finished_spans() if span.name == name]


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_batch_in_which_nothing_is_traced_is_not_followed(told: Told) -> None:
    assert told.tracer.batch(KEY, [], 240) is None


def test_a_batch_is_a_child_of_the_first_trace_and_linked_with_the_others(told: Told) -> None:
    batch = told.tracer.batch(KEY, [a_place(1), a_place(2), a_place(3)], 5)
    assert batch is not None
    batch.decided(Decision(results=(), offset=1))
    first, *apart = told.spans("decide")
    assert first.parent is not None and (first.parent.trace_id, first.parent.span_id) == (1, 1)
    assert [link.context.trace_id for link in first.links] == [2, 3]
    assert [span.context.trace_id for span in apart] == [2, 3]
    assert {link.context.span_id for span in apart for link in span.links} == {first.context.span_id}
    assert (first.attributes or {})["messaging.batch.message_count"] == 5


def test_of_many_strangers_in_a_batch_so_many_are_told(told: Told) -> None:
    batch = told.tracer.batch(KEY, [a_place(number) for number in range(1, 240)], 240)
    assert batch is not None
    batch.decided(Decision(results=(), offset=1))
    first, *apart = told.spans("decide")
    assert (len(first.links), len(apart)) == (LINKS_MAX, FOLLOWED_MAX)


def test_jobs_know_the_decision_that_they_come_from(told: Told) -> None:
    batch = told.tracer.batch(KEY, [a_place(1)], 1)
    assert batch is not None
    decision = batch.decided(Decision(results=(), offset=1, jobs=(JOB,)))
    [span] = told.spans("decide")
    assert [job.trace for job in decision.jobs] == [f"00-{1:032x}-{span.context.span_id:016x}-01"]


def test_what_need_not_be_stored_has_no_commit_and_what_nobody_follows_no_fan_out(told: Told) -> None:
    batch = told.tracer.batch(KEY, [a_place(1)], 1)
    assert batch is not None
    batch.decided(Decision(results=(), offset=1))
    batch.told(0)
    assert not told.spans("commit")
    assert not told.spans("fan-out")


def test_a_fan_out_ends_when_all_is_written(told: Told) -> None:
    batch = told.tracer.batch(KEY, [a_place(1)], 1)
    assert batch is not None
    batch.decided(Decision(results=(), offset=1, jobs=(JOB,)))
    batch.committed(True)
    batch.told(1_000)
    assert told.spans("commit")
    assert not told.spans("fan-out")
    told.tracer.drained()
    [span] = told.spans("fan-out")
    assert (span.attributes or {})["tocsin.messages"] == 1_000
    told.tracer.drained()
    assert len(told.spans("fan-out")) == 1


def test_a_commit_that_came_too_late_says_so(told: Told) -> None:
    batch = told.tracer.batch(KEY, [a_place(1)], 1)
    assert batch is not None
    batch.decided(Decision(results=(), offset=1, jobs=(JOB,)))
    batch.committed(False)
    [span] = told.spans("commit")
    assert span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize("is_decided", [False, True])
def test_what_goes_wrong_ends_each_span_once(told: Told, is_decided: bool) -> None:
    batch = told.tracer.batch(KEY, [a_place(1), a_place(2)], 2)
    assert batch is not None
    if is_decided:
        batch.decided(Decision(results=(), offset=1, jobs=(JOB,)))
    batch.failed(ValueError("poison"))
    assert [span.status.status_code for span in told.spans("commit")] == [StatusCode.ERROR] * is_decided
    expected = StatusCode.UNSET if is_decided else StatusCode.ERROR
    assert [span.status.status_code for span in told.spans("decide")] == [expected] * 2


def test_where_a_decision_stands_is_known_until_it_is_told(told: Told) -> None:
    def decided() -> BatchTrace:
        batch = told.tracer.batch(KEY, [a_place(1)], 1)
        assert batch is not None
        batch.decided(Decision(results=(), offset=7, events=(an_event(offset=7),)))
        assert told.tracer.place_of(KEY, 7) == place_of(told.spans("decide")[-1])
        assert told.tracer.place_of(KEY, 6) is None
        return batch

    decided().told(0)
    assert told.tracer.place_of(KEY, 7) is None
    decided().committed(False)
    assert told.tracer.place_of(KEY, 7) is None
    decided().failed(ValueError())
    assert not told.tracer.places


def place_of(span: ReadableSpan) -> str:
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"


def test_what_another_node_has_decided_is_a_fan_out_here_if_somebody_follows(told: Told) -> None:
    told.tracer.relayed(KEY, a_place(9), 0)
    told.tracer.relayed(KEY, a_place(9), 12)
    told.tracer.drained()
    [span] = told.spans("fan-out")
    assert span.context.trace_id == 9
