"""The forms of a webhook are those of the products whose names they have: our own doors for them take what we send."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from engine.app import Engine
from engine.core.identity import fingerprint
from engine.notify.forms import body_of
from protocol.endpoints import Format
from protocol.model import AlertState, Severity
from protocol.notify import Change, Outgoing
from protocol.times import rfc3339
from tests.support.engines import an_engine
from tests.support.posts import TOKEN, Post, a_message, an_alert, post
from tests.support.stores import NOW

__all__ = ["post"]
ROUTING_KEY = "a" * 32


def body(form: Format, message: Outgoing, waiting: int = 0) -> Any:
    return msgspec.json.decode(body_of(form, message, "Pager", ROUTING_KEY, waiting).content)


def resolved(**fields: Any) -> Outgoing:
    alert = an_alert(state=AlertState.RESOLVED, resolved_at="2026-01-05T10:00:00.000000Z")
    return a_message(change=Change.RESOLVED, alerts=(alert,), **fields)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[tuple[Engine, httpx.AsyncClient]]:
    async with an_engine(tmp_path) as engine:
        headers = {"Authorization": f"Bearer {engine.issue_token('main', 'peer', 'admin')}"}
        async with httpx.AsyncClient(base_url=engine.http_url, headers=headers) as client:
            yield engine, client


async def states(client: httpx.AsyncClient) -> list[tuple[str, str, str]]:
    items = (await client.get("/api/v1/alerts")).json()["items"]
    return [(item["title"], item["severity"], item["state"]) for item in items]


@pytest.mark.parametrize("form", [Format.ALERTMANAGER, Format.PAGERDUTY])
async def test_what_we_send_opens_and_resolves_one_alert_at_the_door_for_it(door: Any, form: Format) -> None:
    _, client = door
    path = f"/api/v1/ingest/{form.value}"
    for message, state in ((a_message(), "active"), (resolved(), "resolved")):
        answer = await client.post(path, json=body(form, message))
        assert answer.status_code in (200, 202), answer.text
        assert await states(client) == [("Search is slow", "error", state)]


async def test_what_we_send_as_a_cloud_event_is_taken_as_one(door: Any) -> None:
    _, client = door
    found = body_of(Format.CLOUDEVENTS, a_message(), "Pager", "", 0)
    headers = {"Content-Type": found.media_type}
    answer = await client.post("/api/v1/ingest/cloudevents?framework_id=web", content=found.content, headers=headers)
    assert answer.status_code in (200, 202), answer.text


def test_our_own_form_is_type_time_and_data_with_the_alerts_as_the_api_shows_them() -> None:
    message = a_message(by="ann", more=3)
    found = body(Format.TOCSIN, message, waiting=12)
    assert (found["type"], found["timestamp"]) == ("alert.fired", rfc3339(NOW))
    data = found["data"]
    assert (data["workspace"], data["change"], data["by"], data["more"], data["waiting"]) == (
        *("acme", "fired", "ann", 3, 12),
    )
    assert (data["subject"], data["text"], data["is_test"]) == ("Search is slow", "950 > 500", False)
    assert data["alerts"] == [msgspec.to_builtins(message.alerts[0])]


def test_a_cloud_event_has_the_messages_key_as_its_id_and_the_alert_as_its_subject() -> None:
    found = body(Format.CLOUDEVENTS, a_message(workspace="a b/c"))
    assert (found["specversion"], found["id"], found["type"]) == ("1.0", "msg_1", "tocsin.alert.fired")
    assert (found["source"], found["subject"], found["datacontenttype"]) == (
        *("/tocsin/a%20b%2Fc", "a1", "application/json"),
    )
    digest = body(Format.CLOUDEVENTS, a_message(change=Change.DIGEST, alerts=(an_alert(), an_alert(id="a2"))))
    assert "subject" not in digest and len(digest["data"]["alerts"]) == 2


def test_alertmanagers_form_has_labels_status_and_fingerprint_as_alertmanager_has() -> None:
    closed = an_alert(id="a2", state=AlertState.RESOLVED, resolved_at=None, message="was slow", alert_type="Latency")
    message = a_message(change=Change.DIGEST, alerts=(an_alert(), closed), more=7)
    found = body(Format.ALERTMANAGER, message)
    assert (found["version"], found["status"], found["receiver"], found["truncatedAlerts"]) == (
        *("4", "firing", "Pager", 7),
    )
    first, second = found["alerts"]
    assert first["labels"] == {
        "alertname": "Search is slow",
        "host": "h1",
        "severity": "error",
        "framework": "web",
    }
    assert (first["status"], first["endsAt"], first["fingerprint"]) == (
        *("firing", "0001-01-01T00:00:00Z", fingerprint(first["labels"])),
    )
    assert (second["status"], second["endsAt"], second["labels"]["alertname"]) == (
        *("resolved", closed.last_seen_at, "Latency"),
    )
    assert second["annotations"] == {"summary": "Search is slow", "description": "was slow"}
    assert found["commonLabels"] == {"host": "h1", "severity": "error", "framework": "web"}
    assert body(Format.ALERTMANAGER, a_message(alerts=()))["commonLabels"] == {}


@pytest.mark.parametrize("change", [Change.FIRED, Change.RAISED, Change.ACKNOWLEDGED, Change.RESOLVED, Change.EXPIRED])
@pytest.mark.parametrize("state", list(AlertState))
def test_a_message_means_the_same_at_each_attempt_whatever_the_alert_is_by_then(
    change: Change, state: AlertState
) -> None:
    alert = an_alert(state=state, resolved_at=None if state.is_open else "2026-01-05T10:00:00.000000Z")
    message = a_message(change=change, alerts=(alert,))
    found = body(Format.ALERTMANAGER, message)
    status, [one] = found["status"], found["alerts"]
    assert {status, one["status"]} == {"resolved" if change.is_end else "firing"}
    assert (one["endsAt"] == "0001-01-01T00:00:00Z") is not change.is_end
    action = body(Format.PAGERDUTY, message)["event_action"]
    assert action == ("resolve" if change.is_end else "acknowledge" if change is Change.ACKNOWLEDGED else "trigger")
    assert body(Format.TOCSIN, message)["type"] == f"alert.{change.value}"
    assert body(Format.CLOUDEVENTS, message)["type"] == f"tocsin.alert.{change.value}"


def test_pagerduty_opens_acknowledges_and_resolves_an_incident_by_the_alerts_id() -> None:
    actions = {
        change: body(Format.PAGERDUTY, a_message(change=change))["event_action"]
        for change in (Change.FIRED, Change.RAISED, Change.ACKNOWLEDGED, Change.RESOLVED, Change.EXPIRED)
    }
    assert list(actions.values()) == ["trigger", "trigger", "acknowledge", "resolve", "resolve"]
    found = body(Format.PAGERDUTY, a_message(rendered=None, text="by hand"))
    assert (found["routing_key"], found["dedup_key"], found["payload"]["severity"]) == (ROUTING_KEY, "a1", "error")
    assert (found["payload"]["summary"], found["payload"]["source"]) == ("Search is slow", "web")
    assert found["payload"]["custom_details"]["text"] == "by hand"


def test_a_digest_is_the_incident_of_its_first_alert_so_that_the_end_of_that_closes_it() -> None:
    alerts = (an_alert(id="a2", severity=Severity.CRITICAL), an_alert())
    found = body(Format.PAGERDUTY, a_message(change=Change.DIGEST, alerts=alerts, more=8))
    assert (found["event_action"], found["dedup_key"], found["payload"]["severity"]) == ("trigger", "a2", "critical")
    end = body(Format.PAGERDUTY, a_message(change=Change.RESOLVED, alerts=(alerts[0],)))
    assert (end["event_action"], end["dedup_key"]) == ("resolve", "a2")
    over = tuple(msgspec.structs.replace(alert, state=AlertState.RESOLVED) for alert in alerts)
    assert body(Format.PAGERDUTY, a_message(change=Change.DIGEST, alerts=over))["event_action"] == "resolve"
    assert found["payload"]["custom_details"]["alerts"] == 10
    empty = body(Format.PAGERDUTY, a_message(alerts=(), rendered=None))
    assert (empty["payload"]["summary"], empty["payload"]["severity"]) == ("Tocsin", "info")


async def test_pagerdutys_event_has_the_routing_key_and_no_signature(post: Post) -> None:
    await post.made(format="pagerduty", secret=ROUTING_KEY)
    await post.sends()
    [got] = post.sink.got
    assert got.json["routing_key"] == ROUTING_KEY
    assert "webhook-signature" not in got.headers and got.headers["webhook-id"] == "msg_1"
    assert TOKEN not in got.body.decode()
