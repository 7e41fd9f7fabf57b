"""Incidents in a whole engine: over HTTP, beside the stream, and in what people are sent."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import trio

from engine.notify import grouping
from engine.verbs import incidents as verbs
from protocol import messages as m
from protocol.endpoints import Endpoint
from protocol.hints import IncidentUpdated
from protocol.incidents import Correlation, Happening, IncidentState
from protocol.model import Severity
from protocol.notify import Channel
from tests.support.notified import Notified, a_notified_engine
from tests.support.sockets import Peer

DESK = Endpoint(id="desk", channel=Channel.EMAIL, address="desk@example.org")
PAGER = Endpoint(id="pager", channel=Channel.WEBHOOK)
HOST = {"host": "h1"}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gives up waiting because the machine is slow."""
    monkeypatch.setattr(verbs, "SEEN_MAX_S", 100.0)
    monkeypatch.setattr(grouping, "WAITS_MAX_S", 100.0)


async def http(notified: Notified, role: str = "admin", **more: Any) -> httpx.AsyncClient:
    token = notified.engine.engine.issue_token(notified.workspace, "ann", role, **more)
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=notified.engine.http_url, headers=headers, timeout=170)


async def test_what_joins_an_incident_is_told_together_and_the_ledger_says_so(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint(DESK)
        notified.endpoint(PAGER)
        one = await notified.ring(title="one", labels=HOST, severity="error")
        other = await notified.ring(title="other", labels=HOST, severity="warning")
        third = await notified.ring(title="third", labels=HOST, severity="error")
        assert notified.sink.told().count("fired email endpoint:desk") == 1
        assert notified.sink.told().count("fired webhook endpoint:pager") == 3
        assert "fired email endpoint:desk delivered" in await notified.ledger(one)
        assert "fired email endpoint:desk queued grouped" in await notified.ledger(other)
        async with await http(notified) as ann:
            lines = (await ann.get(f"/api/v1/alerts/{other}/deliveries")).json()["items"]
            (line,) = [each for each in lines if each["channel"] == "email"]
            assert line["why"] == "grouped"
            assert "belongs to an incident that the recipient was told of" in line["explanation"]
        await notified.act("resolve", third)
        await notified.engine.pass_time(300)
        await notified.settle()
        digests = [each for each in notified.sink.got if each.change.value == "digest"]
        assert [sorted(alert.title for alert in each.alerts) for each in digests] == [["other", "third"]]
        assert digests[0].rendered is not None
        assert "joined incidents that you were told of" in digests[0].rendered.text
        assert notified.sink.told().count("resolved email endpoint:desk") == 0


async def test_a_more_severe_alert_of_the_same_incident_passes(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint(DESK)
        await notified.ring(title="one", labels=HOST, severity="warning")
        await notified.ring(title="two", labels=HOST, severity="critical")
        await notified.ring(title="three", labels=HOST, severity="critical")
        assert notified.sink.told() == ["fired email endpoint:desk"] * 2


async def test_of_one_batch_the_first_is_told_and_the_others_join_it(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint(DESK)
        async with await http(notified) as ann:
            alerts = [
                {"framework_id": "web", "title": f"t{number}", "severity": "error", "labels": HOST}
                for number in range(120)
            ]
            await ann.post("/api/v1/triggers", json={"alerts": alerts})
        await notified.settle()
        assert notified.sink.told() == ["fired email endpoint:desk"]


async def test_where_grouping_is_switched_off_each_is_told_by_itself(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint(DESK)
        settings = Correlation(group_notifications=False)
        await notified.parts.incidents.set_settings(notified.engine.principal(), settings)
        for title in ("one", "two", "three"):
            await notified.ring(title=title, labels=HOST)
        assert notified.sink.told() == ["fired email endpoint:desk"] * 3


async def test_what_resolves_is_over_and_the_next_alert_is_told_again(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint(DESK)
        for title in ("one", "two"):
            await notified.ring(title=title, labels=HOST)
        async with await http(notified) as ann:
            (incident,) = (await ann.get("/api/v1/incidents")).json()["items"]
            done = (await ann.post(f"/api/v1/incidents/{incident['id']}/resolve", json={"notes": "fixed"})).json()
            assert done["incident"]["state"] == "resolved"
            assert done["incident"]["resolved_by"] == "ann"
            assert [each["status"] for each in done["results"]] == ["resolved", "resolved"]
            again = (await ann.post(f"/api/v1/incidents/{incident['id']}/resolve")).json()
            assert again["results"] == []
            await notified.ring(title="three", labels=HOST)
            assert (await ann.get("/api/v1/incidents")).json()["items"][0]["state"] == "resolved"
        assert notified.sink.told()[-1] == "fired email endpoint:desk"


async def test_whoever_follows_the_workspace_is_told_beside_the_stream(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        address, _, port = notified.engine.ws_url.removeprefix("ws://").rpartition(":")
        with trio.socket.socket() as sock:
            await sock.connect((address, int(port)))
            ann = Peer(sock)
            await ann.upgrade()
            await ann.say({"type": "auth", "token": await notified.engine.token("ann")})
            await ann.say({"type": "subscribe", "channel": "workspace"})
            assert isinstance(await ann.hear(), m.AuthSuccess)
            assert isinstance(await ann.hear(), m.Subscribed)
            one = await notified.ring(title="one", labels=HOST)
            other = await notified.ring(title="other", labels=HOST, severity="critical")
            hint = await ann.hear()
            while not isinstance(hint, IncidentUpdated):
                hint = await ann.hear()
        assert (hint.data.event, hint.data.state) == (Happening.JOINED, IncidentState.OPEN)
        assert (hint.data.alerts, hint.data.open_alerts, hint.data.alert_id) == (2, 2, other)
        assert (hint.data.title, hint.data.severity) == ("one", Severity.CRITICAL)
        assert one != other


async def test_an_incident_is_read_split_merged_and_acknowledged(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        ids = [await notified.ring(title=f"t{number}", labels=HOST) for number in range(3)]
        others = [await notified.ring(title=f"o{number}", labels={"service": "pay"}) for number in range(2)]
        async with await http(notified) as ann:
            second, first = (await ann.get("/api/v1/incidents?state=open&limit=5")).json()["items"]
            assert (first["alerts"], second["alerts"]) == (3, 2)
            whole = (await ann.get(f"/api/v1/incidents/{first['id']}")).json()
            assert [member["id"] for member in whole["members"]] == ids
            assert [member["tie"] for member in whole["members"]] == ["", "host=h1", "host=h1"]
            assert whole["causes"][0]["alert_id"] == ids[0]
            assert whole["causes"][0]["why"].startswith("it began first")
            assert (await ann.get(f"/api/v1/alerts/{ids[1]}")).json()["incident_id"] == first["id"]

            done = (await ann.post(f"/api/v1/incidents/{first['id']}/acknowledge", json={"notes": "on it"})).json()
            assert done["incident"]["state"] == "acknowledged"

            merged = await ann.post(f"/api/v1/incidents/{first['id']}/merge", json={"incident_id": second["id"]})
            assert [member["id"] for member in merged.json()["members"]] == [*ids, *others]
            gone = (await ann.get(f"/api/v1/incidents/{second['id']}")).json()
            assert (gone["state"], gone["merged_into"], gone["members"]) == ("merged", first["id"], [])
            (listed,) = (await ann.get("/api/v1/incidents?state=merged")).json()["items"]
            assert listed["id"] == second["id"]
            for place, body in (
                (f"{second['id']}/split", {"alert_id": others[0]}),
                (f"{second['id']}/merge", {"incident_id": first["id"]}),
                (f"{first['id']}/merge", {"incident_id": second["id"]}),
                (f"{second['id']}/acknowledge", {}),
                (f"{second['id']}/resolve", {}),
            ):
                refused = await ann.post(f"/api/v1/incidents/{place}", json=body)
                assert refused.status_code == 409, place
                assert first["id"] in refused.json()["detail"]

            split = await ann.post(f"/api/v1/incidents/{first['id']}/split", json={"alert_id": ids[2]})
            assert ids[2] not in [member["id"] for member in split.json()["members"]]
            assert split.json()["story"][-1]["by"] == "ann"
            twice = await ann.post(f"/api/v1/incidents/{first['id']}/split", json={"alert_id": ids[2]})
            assert twice.status_code == 404
            itself = await ann.post(f"/api/v1/incidents/{first['id']}/merge", json={"incident_id": first["id"]})
            assert itself.status_code == 400
            assert "incident_id" not in (await ann.get(f"/api/v1/alerts/{ids[2]}")).json()
            verbs = [line["verb"] for line in (await ann.get("/api/v1/audit")).json()["items"]]
            assert {"merge_incident", "split_incident"} <= set(verbs)
        # What was split off stays by itself, and the others go on together.
        await notified.act("resolve", ids[2])
        await notified.ring(title="late", labels=HOST)
        async with await http(notified) as ann:
            assert (await ann.get(f"/api/v1/incidents/{first['id']}")).json()["alerts"] == 5


async def test_a_token_for_some_frameworks_sees_its_part_and_changes_nothing_of_others(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        secret = await notified.ring(title="secret", framework_id="bank", labels=HOST, severity="critical")
        mine = await notified.ring(title="mine", framework_id="web", labels=HOST, severity="warning")
        async with await http(notified, channels=["web"]) as ann:
            (incident,) = (await ann.get("/api/v1/incidents")).json()["items"]
            part = {"title": "mine", "severity": "warning", "alerts": 1, "open_alerts": 1, "frameworks": ["web"]}
            assert incident | part | {"has_others": True} == incident
            whole = await ann.get(f"/api/v1/incidents/{incident['id']}")
            assert whole.json() | incident == whole.json(), "what it is in the list it is by itself"
            assert [member["id"] for member in whole.json()["members"]] == [mine]
            assert whole.json()["causes"] == [], "what may have caused it may be among the others"
            assert "secret" not in whole.text
            assert secret not in whole.text
            # Not even by asking framework after framework.
            assert (await ann.get("/api/v1/incidents?framework_id=bank")).status_code == 403
            for verb in ("acknowledge", "resolve"):
                assert (await ann.post(f"/api/v1/incidents/{incident['id']}/{verb}")).status_code == 403
            body = {"alert_id": mine}
            assert (await ann.post(f"/api/v1/incidents/{incident['id']}/split", json=body)).status_code == 403
            assert (await ann.put("/api/v1/incident-settings", json={})).status_code == 403
        async with await http(notified, channels=["bank", "web"]) as both:
            seen = (await both.get(f"/api/v1/incidents/{incident['id']}")).json()
            assert (seen["severity"], seen["alerts"], seen["has_others"]) == ("critical", 2, False)
        async with await http(notified, channels=["other"]) as stranger:
            assert (await stranger.get("/api/v1/incidents")).json()["items"] == []
            assert (await stranger.get(f"/api/v1/incidents/{incident['id']}")).status_code == 404


async def test_settings_are_shown_changed_and_refused_in_words(mock_clock: None) -> None:
    async with a_notified_engine() as notified, await http(notified) as ann:
        assert (await ann.get("/api/v1/incident-settings")).json()["resolve_on"] == "last"
        body = {"enabled": False, "labels": ["rack"], "window_s": 60, "resolve_on": "all"}
        changed = (await ann.put("/api/v1/incident-settings", json=body)).json()
        assert changed == body | {"group_notifications": True}
        for wrong in ({"labels": ["a", "a"]}, {"labels": [""]}, {"window_s": 5}, {"window": 60}):
            assert (await ann.put("/api/v1/incident-settings", json=wrong)).status_code == 400
        for number in range(2):
            await notified.ring(title=f"t{number}", labels={"rack": "r1"})
        assert (await ann.get("/api/v1/incidents")).json()["items"] == []
