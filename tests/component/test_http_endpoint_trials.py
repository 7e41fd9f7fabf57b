"""Endpoints over HTTP that are tried or sent to: what a test says, what takes a mark away, what arrives."""

from __future__ import annotations

import httpx
import pytest
import trio
from standardwebhooks.webhooks import Webhook

from benchmarks.peers.ports import a_port
from engine.notify.underway import WORKSPACE_TESTS_MAX
from tests.support.endpoints import PATH, Place, place
from tests.support.http_api import problem
from tests.support.http_sink import a_sink, answer, hang

__all__ = ["place"]


async def test_tests_that_hang_are_few_and_hold_up_neither_alerts_nor_other_workspaces(place: Place) -> None:
    count = WORKSPACE_TESTS_MAX
    for number in range(count + 1):
        await place.made(id=f"e{number}")
    headers = {"Authorization": f"Bearer {place.engine.issue_token('other', 'eve', 'editor')}"}
    async with httpx.AsyncClient(base_url=place.engine.http_url, headers=headers) as other:
        await other.post(PATH, json={"id": "pager", "channel": "webhook", "url": place.sink.url("/other")})
        place.sink.behave.extend([hang] * count)
        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(place.client.post, f"{PATH}/e{number}/test")
            await place.sink.wait_for(count)
            again = await place.client.post(f"{PATH}/e0/test")
            assert "a test of endpoint e0 is under way (at most 1)" in problem(again, 429, 111)
            more = await place.client.post(f"{PATH}/e{count}/test")
            assert f"{count} tests of this workspace's endpoints are under way (at most {count})" in problem(
                more, 429, 111
            )
            assert (await other.post(f"{PATH}/pager/test")).json()["outcome"] == "delivered"
            # And alerts go out by other connections than tests.
            outside = place.engine._tree.up.outbound.outside
            assert (outside.connector.statistics()["requests"], outside.trials.statistics()["requests"]) == (
                0,
                count + 1,
            )
            nursery.cancel_scope.cancel()
    refused = 'tocsin_refused_total{limit="endpoint_tests"} 2.0'
    assert refused in (await place.client.get("/metrics")).text


async def test_a_test_notification_is_marked_as_one_and_its_answer_says_what_came_of_it(place: Place) -> None:
    await place.made(id="e")
    answered = await place.client.post(f"{PATH}/e/test")
    assert answered.json() == {"outcome": "delivered", "cause": "", "after_s": None}
    [got] = place.sink.got
    assert (got.json["type"], got.json["data"]["is_test"]) == ("alert.test", True)
    assert "test" in got.json["data"]["alerts"][0]["title"]
    for behaviour, said in (
        (answer(403), {"outcome": "refused", "cause": "answered 403", "after_s": None}),
        (answer(429, Retry_After="9"), {"outcome": "try_later", "cause": "answered 429", "after_s": 9.0}),
    ):
        place.sink.behave.append(behaviour)
        assert (await place.client.post(f"{PATH}/e/test")).json() == said
    problem(await place.client.post(f"{PATH}/none/test"), 404, 102)


@pytest.mark.parametrize("form", ["alertmanager", "pagerduty"])
async def test_a_test_leaves_nothing_open_at_who_cannot_tell_it_from_an_alert(place: Place, form: str) -> None:
    await place.made(id="e", format=form, secret="a" * 32 if form == "pagerduty" else "")
    answered = await place.client.post(f"{PATH}/e/test")
    assert answered.json() == {"outcome": "delivered", "cause": "", "after_s": None}
    opened, closed = (got.json for got in place.sink.got)
    if form == "pagerduty":
        assert (opened["event_action"], closed["event_action"]) == ("trigger", "resolve")
        assert opened["dedup_key"] == closed["dedup_key"]
    else:
        assert (opened["status"], closed["status"]) == ("firing", "resolved")
        assert opened["alerts"][0]["fingerprint"] == closed["alerts"][0]["fingerprint"]
        assert (opened["groupKey"], opened["alerts"][0]["startsAt"]) == (
            closed["groupKey"],
            closed["alerts"][0]["startsAt"],
        )
    first, second = (got.headers["webhook-id"] for got in place.sink.got)
    assert first != second


async def test_a_test_whose_end_was_not_taken_says_that_something_is_open(place: Place) -> None:
    await place.made(id="e", format="pagerduty", secret="a" * 32)
    place.sink.behave.extend([answer(202), answer(500)])
    answered = (await place.client.post(f"{PATH}/e/test")).json()
    assert answered["outcome"] == "delivered"
    assert answered["cause"] == "the end of the test was not taken (answered 500): close there what it has opened"


async def test_a_test_of_a_channel_that_the_operator_has_not_set_up_says_so(place: Place) -> None:
    await place.client.post(PATH, json={"id": "e", "channel": "email", "address": "ops@example.com"})
    answered = (await place.client.post(f"{PATH}/e/test")).json()
    assert (answered["outcome"], "notify.smtp.host" in answered["cause"]) == ("refused", True)


async def test_a_test_that_arrives_takes_the_mark_away(place: Place) -> None:
    async with a_sink(port=a_port()) as other:
        gone = other.url()
    assert (await place.made(url=gone))["unreachable"] != ""
    failed = (await place.client.post(f"{PATH}/e/test")).json()
    assert failed["outcome"] == "try_later" and "Connection refused" in failed["cause"]
    async with a_sink(port=other.port) as back:
        for _ in range(2):
            assert (await place.client.post(f"{PATH}/e/test")).json()["outcome"] == "delivered"
        assert len(back.got) == 2
    shown = await place.shown()
    assert (shown["unreachable"], shown["version"], shown["health"]["sent"]) == ("", 2, 2)


async def test_an_alert_that_arrives_takes_the_mark_away_too(place: Place) -> None:
    async with a_sink(port=a_port()) as other:
        gone = other.url()
    assert (await place.made(url=gone))["unreachable"] != ""
    async with a_sink(port=other.port) as back:
        await place.client.post("/api/v1/triggers", json={"alerts": [{"framework_id": "web", "title": "Slow"}]})
        with trio.fail_after(60):
            await back.wait_for(1)
            # The mark goes with a change of the endpoint, and the account of the new one begins after it.
            while (shown := await place.shown())["unreachable"] or not shown["health"]["sent"]:
                await trio.testing.wait_all_tasks_blocked(0.01)
    assert (shown["version"], shown["health"]["sent"]) == (2, 1)


async def test_an_alert_that_fires_and_is_resolved_arrives_at_the_webhook_with_a_key_for_each(place: Place) -> None:
    key = (await place.made(secret=""))["secret"]
    alert = {"framework_id": "web", "title": "Search is slow", "severity": "error"}
    fired = (await place.client.post("/api/v1/triggers", json={"alerts": [alert]})).json()
    alert_id = fired["results"][0]["alertId"]
    with trio.fail_after(60):
        await place.sink.wait_for(1)
        await place.client.post(f"/api/v1/alerts/{alert_id}/resolve", json={})
        first, second = await place.sink.wait_for(2)
    assert [got.json["type"] for got in (first, second)] == ["alert.fired", "alert.resolved"]
    assert first.headers["webhook-id"] != second.headers["webhook-id"]
    assert [got.json["data"]["alerts"][0]["id"] for got in (first, second)] == [alert_id] * 2
    for got in (first, second):
        assert Webhook(key).verify(got.body, got.headers) == got.json


async def test_what_an_endpoint_does_not_want_does_not_arrive(place: Place) -> None:
    await place.made(min_severity="critical")
    alerts = [
        {"framework_id": "web", "title": "small", "severity": "warning"},
        {"framework_id": "web", "title": "great", "severity": "critical"},
    ]
    await place.client.post("/api/v1/triggers", json={"alerts": alerts})
    with trio.fail_after(60):
        [got] = await place.sink.wait_for(1)
    assert got.json["data"]["alerts"][0]["title"] == "great"
