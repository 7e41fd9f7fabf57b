"""A language model that puts insights into words: what it is told, what is kept of it, and what may go wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.analytics.explainer import Explainer
from engine.configuration.fields import Secret
from engine.core.analytics.explaining import TEXT_MAX_CHARS, text_of
from engine.core.breaker import FAILURES_MAX, PROBE_US
from engine.sections.explaining import ExplainerSection
from engine.sections.notify import Notify
from protocol.insights import Insight
from protocol.items import TriggerInput
from tests.support.http_sink import Sink, a_sink, answer, hang
from tests.support.insights import ANN, an_insight_bench

LOOPBACK = Notify(allow_private=("127.0.0.0/8",))
ILL = Insight(framework_id="web", day="2026-01-31", at="", health=40.0, risk=60.0, categories=())
WELL = msgspec.structs.replace(ILL, framework_id="db", health=100.0)


def said(text: Any) -> bytes:
    return msgspec.json.encode({"choices": [{"message": {"role": "assistant", "content": text}}]})


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with a_sink() as sink:
        sink.usual = lambda got: answer(200, said("Look at cpu first."))
        yield sink


def an_explainer(sink: Sink, clock: list[int], notify: Notify = LOOPBACK, **settings: Any) -> Explainer:
    section = ExplainerSection(url=sink.url("/v1/chat/completions"), model="small", key=Secret("k3y"), **settings)
    return Explainer(section, notify, lambda: clock[0])


async def test_the_least_healthy_are_explained_and_marked_as_made_by_a_model(sink: Sink) -> None:
    worse = msgspec.structs.replace(ILL, framework_id="api", health=10.0)
    explainer = an_explainer(sink, [0], frameworks_max=1)
    well, ill, worst = await explainer.explain("acme", [WELL, ILL, worse])
    assert (well.explanation, ill.explanation) == (None, None)
    assert worst.explanation is not None
    assert (worst.explanation.text, worst.explanation.model) == ("Look at cpu first.", "small")
    assert worst.explanation.is_generated
    (got,) = sink.got
    assert (got.path, got.headers["authorization"]) == ("/v1/chat/completions", "Bearer k3y")
    assert (got.json["model"], [each["role"] for each in got.json["messages"]]) == ("small", ["system", "user"])
    assert explainer.statistics() == {"explained": 1, "unexplained": 0}


async def test_without_a_url_nobody_is_asked(sink: Sink) -> None:
    explainer = Explainer(ExplainerSection(), LOOPBACK, lambda: 0)
    assert await explainer.explain("acme", [ILL]) == [ILL]
    assert sink.connections == 0


async def test_what_producers_write_is_not_told(tmp_path: Path, sink: Sink) -> None:
    secrets = {"labels": {"token": "s3cr3t-label"}, "title": "s3cr3t-title", "message": "s3cr3t-message"}
    section = ExplainerSection(url=sink.url(), key=Secret("k3y"))
    async with an_insight_bench(tmp_path, explainer=section, notify=LOOPBACK) as bench:
        alert = TriggerInput(framework_id="web", severity="critical", dedup_key="s3cr3t-key", **secrets)
        rung = await bench.engine.service.trigger(ANN, [alert])
        await bench.engine.service.acknowledge(ANN, [rung[0].alert_id or ""], "s3cr3t-note")
        bench.now[0] += 3_600_000_000
        await bench.run()
        insight = (await bench.verbs.get(ANN, "web")).insight
    assert insight.explanation is not None
    (got,) = sink.got
    assert b"s3cr3t" not in got.body
    assert (rung[0].alert_id or "").encode() not in got.body
    facts = msgspec.json.decode(got.json["messages"][1]["content"])
    assert (facts["framework"], facts["health"]) == ("web", insight.health)


@pytest.mark.parametrize(
    "behaviour",
    [answer(500), answer(200, b"<html>"), answer(200, said("")), answer(200, b'{"choices": []}'), answer(200, said(5))],
)
async def test_an_answer_that_is_none_leaves_the_insight_as_it_was(sink: Sink, behaviour: Any) -> None:
    sink.usual = lambda got: behaviour
    explainer = an_explainer(sink, [0])
    assert await explainer.explain("acme", [ILL]) == [ILL]
    assert explainer.statistics() == {"explained": 0, "unexplained": 1}


async def test_one_that_says_nothing_is_given_up_in_time(sink: Sink) -> None:
    sink.usual = lambda got: hang
    assert await an_explainer(sink, [0], answer_s=1.0).explain("acme", [ILL]) == [ILL]


async def test_a_private_address_is_refused_unless_it_is_allowed(sink: Sink) -> None:
    assert await an_explainer(sink, [0], Notify()).explain("acme", [ILL]) == [ILL]
    assert sink.connections == 0


async def test_one_that_fails_again_and_again_is_left_alone_for_a_while(sink: Sink) -> None:
    sink.usual = lambda got: answer(503)
    clock = [0]
    explainer = an_explainer(sink, clock)
    for _ in range(FAILURES_MAX + 3):
        await explainer.explain("acme", [ILL])
    assert len(sink.got) == FAILURES_MAX
    clock[0] += 2 * PROBE_US
    sink.usual = lambda got: answer(200, said("Well again."))
    (one,) = await explainer.explain("acme", [ILL])
    assert one.explanation is not None


def test_what_is_kept_is_one_paragraph_that_steers_nothing() -> None:
    assert text_of(said("one\n\n two\x1b[31m\u202e three")) == "one two [31m three"
    assert len(text_of(said("x" * 10_000)) or "") == TEXT_MAX_CHARS
