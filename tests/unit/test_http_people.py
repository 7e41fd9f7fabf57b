"""The HTTP door to what people do: one alert, many, by filter, and the trail."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from engine.access.audit import TrailWanted
from engine.verbs.people import Deed
from protocol.changes import JUDGING_ACTIONS, PEOPLES_ACTIONS, Action
from protocol.model import AlertState, QuietedBy, Severity
from protocol.times import parse_rfc3339
from tests.support.http_api import RESULT, client, problem, service
from tests.support.http_service import ALERT, FakeService

__all__ = ["client", "service"]

# What each verb needs besides.
NEEDS: dict[Action, dict[str, Any]] = {Action.ASSIGN: {"assigned_to": "bob"}}
OPEN = (AlertState.ACTIVE, AlertState.ACKNOWLEDGED)
CLOSED = (AlertState.RESOLVED, AlertState.EXPIRED)
LINE = {
    "at": "1970-01-01T00:00:00.000000Z",
    "by": "ada",
    "verb": "disconnect",
    "target": "c1",
    "address": "::1",
    "notes": None,
    "before": {},
    "after": {},
}


@pytest.mark.parametrize("action", PEOPLES_ACTIONS)
async def test_a_changed_alert_is_returned_whole(
    client: httpx.AsyncClient, service: FakeService, action: Action
) -> None:
    body = {"notes": "on it"} | NEEDS.get(action, {})
    response = await client.post(f"/api/v1/alerts/{ALERT.id}/{action.value}", json=body)
    assert (response.status_code, response.json()["state"]) == (200, "acknowledged")
    deed = Deed(action=action, notes="on it", assignee=body.get("assigned_to"), address="127.0.0.1")
    assert service.asked == [(action.value, ([ALERT.id], deed))]


async def test_notes_are_optional_but_for_a_comment(client: httpx.AsyncClient, service: FakeService) -> None:
    assert (await client.post(f"/api/v1/alerts/{ALERT.id}/acknowledge")).status_code == 200
    assert service.asked[0][1][1].notes is None
    assert "a comment needs some words" in problem(await client.post(f"/api/v1/alerts/{ALERT.id}/comment"), 400, 107)


async def test_noise_is_said_with_an_acknowledgement_an_end_or_a_comment_and_nothing_else(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    for action in PEOPLES_ACTIONS:
        body = {"noise": True} | NEEDS.get(action, {})
        response = await client.post(f"/api/v1/alerts/{ALERT.id}/{action.value}", json=body)
        if action in JUDGING_ACTIONS:
            assert (response.status_code, service.asked[-1][1][1].noise) == (200, True)
        else:
            assert "it goes with acknowledge, resolve and comment" in problem(response, 400, 107)
    answer = await client.post("/api/v1/alerts/resolve", json={"alertIds": [ALERT.id], "noise": False})
    assert (answer.status_code, service.asked[-1][1][1].noise) == (200, False)


async def test_assigning_says_whom_or_nobody_and_no_other_verb_does(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    path = f"/api/v1/alerts/{ALERT.id}"
    assert "say whom to assign to" in problem(await client.post(f"{path}/assign", json={}), 400, 107)
    assert "goes with assign" in problem(await client.post(f"{path}/resolve", json={"assigned_to": "bob"}), 400, 107)
    assert "assigned_to" in problem(await client.post(f"{path}/assign", json={"assigned_to": "a*"}), 400, 107)
    assert (await client.post(f"{path}/assign", json={"assigned_to": None})).status_code == 200
    assert service.asked[-1][1][1].assignee is None


@pytest.mark.parametrize("action", PEOPLES_ACTIONS)
async def test_many_alerts_are_changed_at_once(client: httpx.AsyncClient, service: FakeService, action: Action) -> None:
    body = {"alertIds": ["a", "b"], "notes": "n"} | NEEDS.get(action, {})
    response = await client.post(f"/api/v1/alerts/{action.value}", json=body)
    assert response.json() == {"matched": 2, "results": [RESULT, RESULT]}
    assert service.asked[0][1][0] == ["a", "b"]


@pytest.mark.parametrize(("action", "states"), [(Action.RESOLVE, OPEN), (Action.REOPEN, CLOSED)])
async def test_a_filter_without_states_means_those_that_the_verb_is_for(
    client: httpx.AsyncClient, service: FakeService, action: Action, states: Any
) -> None:
    response = await client.post(f"/api/v1/alerts/{action.value}", json={"filter": {"framework_id": "web"}})
    assert response.json() == {"matched": 1, "results": [RESULT]}
    (_, [query]), (verb, (ids, _)) = service.asked
    assert (query.framework, query.states, query.workspace) == ("web", states, "acme")
    assert (verb, ids) == (action.value, [ALERT.id])


async def test_every_part_of_a_filter_reaches_the_query_and_a_dry_run_changes_nothing(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    wanted = {
        "framework_id": "web",
        "state": ["active"],
        "severity": ["critical", "error"],
        "rule_id": "r",
        "assigned_to": "eve",
        "quieted": ["storm"],
        "since": "2026-01-01T00:00:00Z",
        "until": "2026-01-02T00:00:00Z",
    }
    response = await client.post("/api/v1/alerts/resolve", json={"filter": wanted, "dry_run": True})
    assert response.json() == {"matched": 1, "results": []}
    [(_, [query])] = service.asked
    assert (query.states, query.severities) == ((AlertState.ACTIVE,), (Severity.CRITICAL, Severity.ERROR))
    assert (query.rule_id, query.assigned_to, query.quieted) == ("r", "eve", (QuietedBy.STORM,))
    assert query.since_us == parse_rfc3339("2026-01-01T00:00:00Z")
    assert query.until_us == parse_rfc3339("2026-01-02T00:00:00Z")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({}, "say either"),
        ({"alertIds": ["a"], "filter": {}}, "say either"),
        ({"alertIds": []}, "length >= 1"),
        ({"alertIds": ["a"] * 10_001}, "length <= 10000"),
        ({"filter": {"framework": "web"}}, "unknown field"),
        ({"filter": {"state": ["open"]}}, "Invalid enum value"),
        ({"filter": {"since": "now"}}, "filter.since: 'now' is no time"),
    ],
)
async def test_a_bulk_that_means_nothing_or_too_much_is_refused(
    client: httpx.AsyncClient, service: FakeService, body: Any, complaint: str
) -> None:
    assert complaint in problem(await client.post("/api/v1/alerts/resolve", json=body), 400, 107)
    assert service.asked == []


async def test_a_bulk_of_ten_thousand_is_taken(client: httpx.AsyncClient) -> None:
    ids = [f"018f0000-0000-7000-8000-{n:012x}" for n in range(10_000)]
    response = await client.post("/api/v1/alerts/acknowledge", json={"alertIds": ids})
    assert response.json()["matched"] == 10_000


async def test_the_trail_comes_with_every_filter(client: httpx.AsyncClient, service: FakeService) -> None:
    parameters = "user=eve&verb=assign&target=a&since=1970-01-01T00:00:01Z&until=1970-01-01T00:00:02Z&limit=7&cursor=c"
    response = await client.get(f"/api/v1/audit?{parameters}")
    assert response.json() == {"items": [LINE], "next_cursor": "7"}
    wanted = TrailWanted(
        by="eve", verb="assign", target="a", since_us=1_000_000, until_us=2_000_000, cursor="c", limit=7
    )
    assert service.asked == [("acts", [wanted])]


async def test_the_story_of_an_alert_comes_in_pages(client: httpx.AsyncClient, service: FakeService) -> None:
    response = await client.get(f"/api/v1/alerts/{ALERT.id}/audit?limit=3&cursor=x")
    assert response.json() == {"items": [LINE], "next_cursor": None}
    assert service.asked == [("story", [ALERT.id, "x", 3])]
    problem(await client.get("/api/v1/alerts/a%2A/audit"), 404, 102)
