"""The engine's verbs, against a store in memory and real channels: triggers, changes, lists, a socket's form."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from engine.stores import AlertQuery
from protocol import messages as m
from protocol.commands import Ring
from protocol.errors import BadRequest, PermissionDenied, UnknownChannel
from protocol.items import ItemResult, ReadingInput
from protocol.model import AlertState, Principal, Reason, Status
from protocol.rows import SourceReport
from protocol.times import SECOND_US
from tests.support.actors import Answers, clock
from tests.support.verbs import ANN, UNKNOWN_ID, Bench, a_trigger, bench, reasons, who

__all__ = ["bench"]

# Triggers and readings


async def test_a_trigger_fires_and_its_repetition_is_suppressed_with_the_same_alert(bench):
    (first,) = await bench.ring("checkout")
    (second,) = await bench.ring("checkout")
    assert (first.status, first.offset) == (Status.FIRED, 1)
    assert (second.status, second.alert_id) == (Status.SUPPRESSED, first.alert_id)


async def test_results_come_in_the_order_of_the_items_whatever_their_channels(bench):
    results = await bench.ring("a", "b", "a", "c")
    assert reasons(results) == [Reason.FIRED, Reason.FIRED, Reason.DUPLICATE, Reason.FIRED]
    assert results[2].alert_id == results[0].alert_id
    alert = await bench.service.alert(ANN, results[1].alert_id)
    assert alert.framework_id == "b"


async def test_one_bad_item_refuses_the_request_and_nothing_of_it_happens(bench):
    for bad in (a_trigger("../x"), a_trigger("b", rule_id="*"), a_trigger("b", title="\0")):
        with pytest.raises(BadRequest):
            await bench.service.trigger(ANN, [a_trigger("a"), bad])
    assert (await bench.service.alerts(ANN, AlertQuery(workspace="acme"))).items == []
    assert bench.figure('tocsin_triggers_total{framework_id="a"}') is None


async def test_readings_are_held_against_the_rules_of_their_frameworks(bench):
    results = await bench.service.read(
        who("producer"),
        [ReadingInput(framework_id="checkout", metric="cpu", value=value) for value in (50.0, 97.5)],
    )
    assert reasons(results) == [Reason.BELOW_THRESHOLD, Reason.FIRED]


@pytest.mark.parametrize("fields", [{"framework_id": "../x"}, {"metric": "*"}, {"at": "now"}])
async def test_a_bad_reading_refuses_the_request(bench, fields):
    good = {"framework_id": "checkout", "metric": "cpu", "value": 97.5}
    with pytest.raises(BadRequest):
        await bench.service.read(ANN, [ReadingInput(**good), ReadingInput(**good | fields)])
    assert (await bench.service.alerts(ANN, AlertQuery(workspace="acme"))).items == []


async def test_a_token_limited_to_channels_triggers_only_there(bench):
    by = who("producer", channels=("checkout",))
    assert reasons(await bench.ring("checkout", by=by)) == [Reason.FIRED]
    with pytest.raises(PermissionDenied):
        await bench.ring("checkout", "search", by=by)


async def test_the_workspace_is_the_tokens(bench):
    await bench.ring("checkout", by=who(workspace="umbrella"))
    assert reasons(await bench.ring("checkout")) == [Reason.FIRED]


def a_report(**labels: str) -> Ring:
    now = clock()
    source = SourceReport(labels=labels, annotations={}, starts_at=now, ends_at=now + 600 * SECOND_US)
    return Ring(title="Down", alert_type="Down", labels=labels, source=source)


async def test_a_source_that_sends_again_refreshes_and_is_listed_as_all_open_alerts_are(bench):
    report = ("checkout", a_report(alertname="Down"))
    assert reasons(await bench.service.report(ANN, [report])) == [Reason.FIRED]
    assert reasons(await bench.service.report(ANN, [report])) == [Reason.REFRESHED]
    await bench.service.report(ANN, [("search", a_report(alertname="Slow"))])
    await bench.rung("checkout")
    rows = (await bench.service.open_rows(who("viewer"), None)).items
    assert sorted(row.alert.framework_id for row in rows) == ["checkout", "checkout", "search"]
    (only,) = (await bench.service.open_rows(who("viewer", channels=("search",)), None)).items
    assert only.alert.framework_id == "search"


# Acknowledge and resolve


async def test_an_alert_is_acknowledged_and_resolved_by_whom_the_token_says(bench):
    alert_id = await bench.rung()
    (seen,) = await bench.service.acknowledge(who("responder"), [alert_id], "looking")
    (over,) = await bench.service.resolve(who("responder"), [alert_id], None)
    assert (seen.status, over.status) == (Status.ACKNOWLEDGED, Status.RESOLVED)
    alert = await bench.service.alert(ANN, alert_id)
    assert (alert.state, alert.acknowledged_by, alert.resolved_by) == (AlertState.RESOLVED, "ann", "ann")


async def test_what_a_source_reported_is_acknowledged_by_what_it_reported(bench):
    alert_id = await bench.rung(dedup_key="disk-7")
    result = await bench.service.acknowledge_reported(ANN, "checkout", Ring(dedup_key="disk-7"))
    assert (result.reason, result.alert_id) == (Reason.ACKNOWLEDGED, alert_id)


async def test_resolving_what_is_over_succeeds_and_acknowledging_it_does_not(bench, autojump_clock):
    alert_id = await bench.rung()
    await bench.service.resolve(ANN, [alert_id], None)
    await trio.sleep(1_000)  # past the suppression window: the machine has forgotten the alert, the store has not
    (again,) = await bench.service.resolve(ANN, [alert_id], None)
    (late,) = await bench.service.acknowledge(ANN, [alert_id], None)
    assert (again.status, again.reason, again.alert_id) == (Status.RESOLVED, Reason.ALREADY, alert_id)
    assert (late.status, late.reason, late.alert_id) == (Status.REJECTED, Reason.ALREADY, alert_id)


async def test_unknown_foreign_and_hidden_alerts_answer_exactly_alike(bench):
    foreign = (await bench.ring("checkout", by=who(workspace="umbrella")))[0].alert_id
    hidden = await bench.rung("search")
    by = who("responder", channels=("checkout",))
    ids = [UNKNOWN_ID, foreign, hidden, "a\0b", "\ud800", "x" * 5_000]
    for verb in (bench.service.acknowledge, bench.service.resolve):
        results = await verb(by, ids, None)
        assert set(reasons(results)) == {Reason.UNKNOWN_ALERT}
        assert len({(each.status, each.message, each.offset) for each in results}) == 1
        assert [each.alert_id for each in results[:3]] == ids[:3], "what was asked about, and nothing else of it"
    for alert_id in (UNKNOWN_ID, foreign, hidden):
        with pytest.raises(UnknownChannel, match="there is no such alert"):
            await bench.service.alert(by, alert_id)
    assert not {"a\0b", "\ud800"} & set(bench.store.located), "a store is not asked for what it cannot even look up"


async def test_many_alerts_are_changed_at_once_and_answered_in_order(bench):
    first, second = await bench.rung("a"), await bench.rung("b")
    results = await bench.service.acknowledge(ANN, [second, UNKNOWN_ID, first, second], None)
    assert [result.alert_id for result in results] == [second, UNKNOWN_ID, first, second]
    assert results[1].reason is Reason.UNKNOWN_ALERT


async def test_notes_that_no_store_can_keep_are_refused(bench):
    alert_id = await bench.rung()
    with pytest.raises(BadRequest, match="notes"):
        await bench.service.acknowledge(ANN, [alert_id], "a\0b")
    assert (await bench.service.alert(ANN, alert_id)).state is AlertState.ACTIVE


# Reading


async def test_a_page_of_alerts_is_always_of_the_askers_workspace_and_channels(bench):
    for framework in ("a", "b"):
        await bench.rung(framework)
    await bench.ring("a", by=who(workspace="umbrella"))
    query = AlertQuery(workspace="umbrella", frameworks=None)
    page = await bench.service.alerts(who("viewer"), query)
    assert [alert.framework_id for alert in page.items] == ["b", "a"]
    limited = await bench.service.alerts(who("viewer", channels=("a",)), query)
    assert [alert.framework_id for alert in limited.items] == ["a"]


# The socket's form of the same verbs


async def submitted(bench: Bench, request: m.ClientMessage, by: Principal = ANN) -> list[ItemResult]:
    answers = Answers()
    await bench.service.submit(by, request, answers)
    await wait_all_tasks_blocked()
    (results,) = answers.all
    return list(results)


async def test_every_request_of_a_socket_is_answered_by_callback(bench):
    (fired,) = await submitted(bench, m.Trigger(alert=a_trigger("a")))
    both = await submitted(bench, m.Trigger(alerts=[a_trigger("b"), a_trigger("a")]))
    assert reasons([fired, *both]) == [Reason.FIRED, Reason.FIRED, Reason.DUPLICATE]
    reading = m.Reading(readings=[ReadingInput(framework_id="checkout", metric="cpu", value=91.0)])
    assert reasons(await submitted(bench, reading)) == [Reason.FIRED]
    assert reasons(await submitted(bench, m.Acknowledge(alert_id=fired.alert_id))) == [Reason.ACKNOWLEDGED]
    ids = [fired.alert_id, both[0].alert_id]
    assert reasons(await submitted(bench, m.Resolve(alert_ids=ids))) == [Reason.RESOLVED] * 2


@pytest.mark.parametrize(
    "request_",
    [
        m.Trigger(),
        m.Trigger(alert=a_trigger(), alerts=[a_trigger()]),
        m.Acknowledge(),
        m.Acknowledge(alert_id="a", alert_ids=["a"]),
        m.Resolve(),
        m.Ping(),
        m.Auth(token="t"),
        m.Subscribe(channel="workspace"),
    ],
    ids=repr,
)
async def test_a_request_that_says_nothing_or_two_things_is_refused(bench, request_):
    with pytest.raises(BadRequest):
        await bench.service.submit(ANN, request_, Answers())
