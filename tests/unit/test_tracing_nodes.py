"""A trace goes with the commands to the node that decides for their workspace."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import trio
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from trio.testing import wait_all_tasks_blocked

from actors.tracing import CURRENT
from engine.sections.tracing import TracingSection
from engine.tracing.batches import ChannelTracer
from engine.tracing.exporting import Export
from engine.tracing.spans import Tracing
from protocol.forwarding import Forward
from tests.support.nodes import Node, Pair

PLACES = [f"00-{number:032x}-{number:016x}-01" for number in (1, 2)]


class Spans:
    """What a node tells of traces."""

    def __init__(self, node: Node) -> None:
        exporter = InMemorySpanExporter()
        self._exporter = exporter
        self._export = Export(exporter, 1_000)
        tracer = ChannelTracer(Tracing(TracingSection(one_in=0), self._export, node.name), "postgresql")
        node.registry._kit = dataclasses.replace(node.registry._kit, tracer=tracer)

    def of(self, name: str) -> list[Any]:
        while batch := self._export._take():
            self._exporter.export(batch)
        return [span for span in self._exporter.get_finished_spans() if span.name == name]


@contextmanager
def traced(place: str) -> Iterator[None]:
    token = CURRENT.set(place)
    try:
        yield
    finally:
        CURRENT.reset(token)


async def run_pair(using: Callable[[Pair, Spans, Spans], Any]) -> None:
    pair = Pair()
    spans = Spans(pair.a), Spans(pair.b)
    async with trio.open_nursery() as nursery:
        await pair.begin(nursery)
        await using(pair, *spans)
        nursery.cancel_scope.cancel()


async def test_the_owner_decides_in_the_traces_of_the_commands(autojump_clock: Any) -> None:
    async def using(pair: Pair, of_a: Spans, of_b: Spans) -> None:
        for place, name in zip(PLACES, ("one", "two"), strict=True):
            with traced(place):
                await pair.b.ring(name)
        await pair.b.ring("untraced")
        await wait_all_tasks_blocked()
        letters = [letter.traces for letter in pair.wires.carried if isinstance(letter, Forward)]
        assert [trace for traces in letters for trace in traces] == [*PLACES, None]
        assert {span.context.trace_id for span in of_a.of("decide")} == {1, 2}
        assert not of_b.of("decide")
        assert {span.context.trace_id for span in of_b.of("forward")} <= {1, 2}
        [span, *_] = of_b.of("forward")
        assert span.attributes["tocsin.owner"] == "a"

    await run_pair(using)


async def test_what_nobody_traces_is_forwarded_without_a_word_of_it(autojump_clock: Any) -> None:
    async def using(pair: Pair, of_a: Spans, of_b: Spans) -> None:
        await pair.b.ring("one")
        await wait_all_tasks_blocked()
        assert [letter.traces for letter in pair.wires.carried if isinstance(letter, Forward)] == [()]
        assert not of_a.of("decide")
        assert not of_b.of("forward")

    await run_pair(using)


async def test_an_owner_that_does_not_answer_is_a_span_that_failed(autojump_clock: Any) -> None:
    async def using(pair: Pair, of_a: Spans, of_b: Spans) -> None:
        lost = iter([True])
        pair.wires.loses = lambda to, letter: next(lost, False)
        with traced(PLACES[0]):
            await pair.b.ring("one")
        await trio.sleep(3)
        assert [span.status.status_code for span in of_b.of("forward")] == [StatusCode.ERROR, StatusCode.UNSET]

    await run_pair(using)


async def test_a_word_of_another_version_that_is_no_traceparent_harms_nobody(autojump_clock: Any) -> None:
    async def using(pair: Pair, of_a: Spans, of_b: Spans) -> None:
        with traced("what will be"):
            await pair.b.ring("one")
        await wait_all_tasks_blocked()
        assert len(pair.b.answers.all) == 1
        assert not of_a.of("decide")

    await run_pair(using)
