"""The engine's verbs: who may, and which channel is meant."""

from __future__ import annotations

import pytest
import trio

from engine.stores import AlertQuery
from protocol.commands import Ring
from protocol.effects import RecipientMark
from protocol.errors import BadRequest, LimitReached, PermissionDenied, Unauthorized, UnknownChannel
from protocol.items import ReadingInput
from protocol.model import ChannelKey, DerivedKey, Severity
from protocol.times import rfc3339
from tests.support.actors import START_US
from tests.support.verbs import ANN, UNKNOWN_ID, bench, who

__all__ = ["bench"]

# Who


async def test_the_bearer_of_a_good_token_is_known_and_of_a_bad_one_is_not(bench):
    assert bench.service.authenticate(bench.token).user == "ann"
    with pytest.raises(Unauthorized):
        bench.service.authenticate("rubbish")


@pytest.mark.parametrize("role", ["viewer", "responder"])
async def test_who_may_not_trigger_is_refused_before_anything_else(bench, role):
    by = who(role)
    reading = ReadingInput(framework_id="../x", metric="cpu", value=1.0)
    with pytest.raises(PermissionDenied):
        await bench.ring("../x", by=by)
    with pytest.raises(PermissionDenied):
        await bench.service.read(by, [reading])
    with pytest.raises(PermissionDenied):
        await bench.service.report(by, [("checkout", Ring())])


@pytest.mark.parametrize("role", ["viewer", "producer"])
async def test_who_may_not_respond_is_refused(bench, role):
    for verb in (bench.service.acknowledge, bench.service.resolve):
        with pytest.raises(PermissionDenied):
            await verb(who(role), [UNKNOWN_ID], None)


async def test_an_unknown_role_may_not_even_read(bench):
    by = who("nobody")
    for read in (
        lambda: bench.service.alerts(by, AlertQuery(workspace="acme")),
        lambda: bench.service.alert(by, UNKNOWN_ID),
        lambda: bench.service.open_rows(by, None),
    ):
        with pytest.raises(PermissionDenied):
            await read()
    with pytest.raises(PermissionDenied):
        bench.service.locate(by, "workspace", None)


async def test_a_request_of_nothing_is_answered_with_nothing_and_at_once(bench, autojump_clock):
    began = trio.current_time()
    service = bench.service
    for verb in (service.trigger, service.read, service.report):
        assert await verb(ANN, []) == []
    for change in (service.acknowledge, service.resolve):
        assert await change(ANN, [], None) == []
    assert trio.current_time() == began


async def test_a_ticket_too_many_is_refused_and_counted(bench):
    with pytest.raises(LimitReached, match="32 unused tickets, limit 32"):
        for _ in range(33):
            bench.service.issue_ticket(ANN)
    assert bench.figure('tocsin_refused_total{limit="tickets_per_user"}') == 1


@pytest.mark.parametrize("text", ["\ud800", "a\0b"])
async def test_a_text_that_no_store_takes_is_nobodys_id(bench, text):
    for question in (bench.service.alert(ANN, text), bench.service.recipients(ANN, text, None, 10)):
        with pytest.raises(UnknownChannel, match="there is no such alert"):
            await question


async def test_recipients_are_shown_to_who_may_see_the_alert(bench):
    alert_id = await bench.rung()
    mark = RecipientMark(
        stream=ChannelKey("acme", "checkout"), user="bob", is_seen=True, min_severity=Severity.INFO, after=0, until=1,
        at=START_US,
    )  # fmt: skip
    await bench.store.recipient_marks([mark])
    page = await bench.service.recipients(who("viewer"), alert_id, None, 10)
    assert [(item.user, item.received_at) for item in page.items] == [("bob", rfc3339(START_US))]
    for by in (who("viewer", channels=("search",)), who(workspace="umbrella")):
        with pytest.raises(UnknownChannel):
            await bench.service.recipients(by, alert_id, None, 10)


# Which channel


@pytest.mark.parametrize(
    ("channel", "framework_id", "expected"),
    [
        (None, "checkout", ChannelKey("acme", "checkout")),
        (None, "node:9100", ChannelKey("acme", "node:9100")),
        ("alerts:checkout", None, ChannelKey("acme", "checkout")),
        ("alerts:acme:checkout", None, ChannelKey("acme", "checkout")),
        ("workspace", None, DerivedKey("acme")),
        ("user", None, DerivedKey("acme", "ann")),
    ],
)
async def test_a_channel_is_asked_for_by_name_or_framework(bench, channel, framework_id, expected):
    assert bench.service.locate(who("viewer"), channel, framework_id) == expected


@pytest.mark.parametrize(
    ("channel", "framework_id", "fault"),
    [
        (None, None, BadRequest),
        ("workspace", "checkout", BadRequest),
        (None, "../x", BadRequest),
        ("", None, UnknownChannel),
        ("alerts:umbrella:checkout", None, UnknownChannel),
        ("user:somebody else", None, UnknownChannel),
    ],
)
async def test_a_channel_that_is_not_asked_for_rightly_is_refused(bench, channel, framework_id, fault):
    with pytest.raises(fault):
        bench.service.locate(ANN, channel, framework_id)


async def test_a_token_limited_to_channels_reads_these_and_not_the_workspace(bench):
    by = who(channels=("checkout",))
    assert bench.service.locate(by, "project:checkout", None) == ChannelKey("acme", "checkout")
    for channel in ("alerts:search", "workspace", "user"):
        with pytest.raises(PermissionDenied):
            bench.service.locate(by, channel, None)
