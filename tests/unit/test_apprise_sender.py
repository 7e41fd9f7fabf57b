"""Apprise, the real one: what it says becomes an outcome, and what hangs is left to itself."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from engine.notify.apprise import WORKSPACE_THREADS_MAX, Apprise
from engine.notify.connector import tried
from engine.notify.ports import EngineBusy, Outcome, Refused, Sent, TryLater
from engine.notify.sealing import Confidential
from engine.notify.webhook import Envelope
from protocol.endpoints import Endpoint
from protocol.model import Severity
from protocol.notify import Change, Channel, Rendered
from tests.support.alerts import an_alert
from tests.support.http_sink import Sink, a_sink, answer, hang
from tests.support.posts import a_message
from tests.support.stores import NOW

# Apprise's own import, of a module that Python 3.13 has no more.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with a_sink() as sink:
        yield sink


def envelope(url: str, waiting: int = 0, **fields: Any) -> Envelope:
    return Envelope(
        message=a_message(channel=Channel.APPRISE, **fields),
        endpoint=Endpoint(id="e", channel=Channel.APPRISE),
        secret=Confidential(url=url),
        waiting=waiting,
        now=NOW,
    )


async def sends(url: str, within_s: float = 20.0, **fields: Any) -> Outcome:
    return await Apprise(within_s).deliver(envelope(url, **fields))


def address(sink: Sink) -> str:
    return f"json://127.0.0.1:{sink.port}/secret"


async def test_what_apprise_takes_is_sent_with_title_and_text(sink: Sink) -> None:
    assert await sends(address(sink), waiting=2) == Sent(is_delivered=False)
    [got] = sink.got
    assert (got.json["title"], got.json["message"]) == (
        *("Search is slow", "950 > 500\n2 more messages wait for their turn"),
    )


@pytest.mark.parametrize(
    ("change", "alerts", "kind"),
    [
        (Change.FIRED, [Severity.INFO], "info"),
        (Change.RAISED, [Severity.WARNING], "warning"),
        (Change.ACKNOWLEDGED, [Severity.ERROR], "failure"),
        (Change.DIGEST, [Severity.INFO, Severity.CRITICAL], "failure"),
        (Change.DIGEST, [], "success"),
        (Change.RESOLVED, [Severity.CRITICAL], "success"),
        (Change.TEST, [Severity.CRITICAL], "info"),
    ],
)
async def test_services_are_told_how_bad_it_is_and_that_an_end_is_good_news(
    sink: Sink, change: Change, alerts: list[Severity], kind: str
) -> None:
    await sends(address(sink), change=change, alerts=tuple(an_alert(severity=severity) for severity in alerts))
    assert [got.json["type"] for got in sink.got] == [kind]


async def test_a_message_without_a_text_says_its_subject(sink: Sink) -> None:
    await sends(address(sink), rendered=Rendered(subject="Disk full", text=""))
    await sends(address(sink), rendered=None, text="by hand")
    assert [got.json["message"] for got in sink.got] == ["Disk full", "by hand"]


async def test_what_its_service_does_not_take_is_tried_again_and_no_address_is_logged(
    sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    sink.behave.append(answer(500))
    with caplog.at_level(logging.WARNING):
        assert await sends(address(sink)) == TryLater(None, "the service did not take it")
    assert [record for record in caplog.records if record.name.startswith("apprise")] == []


async def test_a_service_that_hangs_costs_no_more_time_than_is_stated_and_few_threads() -> None:
    async with a_sink() as sink:
        sink.behave.extend([hang] * (WORKSPACE_THREADS_MAX + 1))
        apprise, outcomes = Apprise(0.2), []

        async def deliver() -> None:
            outcomes.append(await tried(apprise.deliver(envelope(address(sink)))))

        async with trio.open_nursery() as nursery:
            for _ in range(WORKSPACE_THREADS_MAX + 2):
                nursery.start_soon(deliver)
        busy = EngineBusy(1.0, "this engine is busy: no thread is free for Apprise")
        late = TryLater(None, "the service did not answer within 0.2 s")
        assert outcomes == [busy] * 2 + [late] * WORKSPACE_THREADS_MAX
        assert len(sink.got) <= WORKSPACE_THREADS_MAX


async def test_a_list_of_addresses_is_not_taken_apart(sink: Sink) -> None:
    await sends(f"json://127.0.0.1:1/x,{address(sink)}")
    assert sink.got == []


async def test_an_address_that_apprise_does_not_know_is_refused() -> None:
    assert await sends("nonsense://x") == Refused("Apprise does not understand this address")


async def test_without_the_extra_the_ledger_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    outcome = await sends("json://127.0.0.1/")
    assert isinstance(outcome, Refused) and "pip install 'tocsin[apprise]'" in outcome.cause
