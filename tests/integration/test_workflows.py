"""Workflows against a real engine: over HTTP, on sockets, beside running channels, in races."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from engine.app import Engine
from engine.sections.doors import Limits
from protocol import messages as m
from protocol.hints import AlertsRefresh, NewAlert
from protocol.items import TriggerInput
from protocol.model import ChannelKey, EventKind
from protocol.workflows import Completion, TrackerInput
from tests.support.engines import an_engine
from tests.support.sockets import Peer
from tests.support.workflows import a_workflow, keep


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with an_engine(tmp_path) as engine:
        await keep(engine._up.store, a_workflow(items=4, inactive=[2]), "main")
        yield engine


def http(engine: Engine, workspace: str = "main", role: str = "admin", **more: Any) -> httpx.AsyncClient:
    token = engine.issue_token(workspace, "boss", role, **more)
    return httpx.AsyncClient(base_url=engine.http_url, headers={"Authorization": f"Bearer {token}"}, timeout=170)


@asynccontextmanager
async def a_peer(engine: Engine, user: str, *channels: str) -> AsyncIterator[Peer]:
    """A client that follows these channels."""
    with trio.socket.socket() as sock:
        host, _, port = engine.ws_url.removeprefix("ws://").rpartition(":")
        await sock.connect((host, int(port)))
        peer = Peer(sock)
        await peer.upgrade()
        await peer.say({"type": "auth", "token": engine.issue_token("main", user, "editor")})
        for channel in channels:
            await peer.say({"type": "subscribe", "channel": channel})
        for _ in range(1 + len(channels)):
            assert isinstance(await peer.hear(), m.AuthSuccess | m.Subscribed)
        yield peer


async def heard(peer: Peer, count: int) -> list[m.ServerMessage]:
    """So many messages, proofs of silence aside."""
    found: list[m.ServerMessage] = []
    while len(found) < count:
        message = await peer.hear()
        if not isinstance(message, m.PositionMessage):
            found.append(message)
    return found


def tags(messages: list[m.ServerMessage]) -> list[str]:
    return sorted(
        f"alert {message.event.value} {message.data.step_id}"
        if isinstance(message, m.AlertMessage)
        else str(message.__struct_config__.tag)
        for message in messages
    )


async def put(client: httpx.AsyncClient, project: str, **more: Any) -> httpx.Response:
    headers = {"If-Match": more.pop("version")} if "version" in more else {}
    return await client.put(
        f"/api/v1/workflows/trackers/{project}", json={"workflow_id": "roofing"} | more, headers=headers
    )


async def test_a_project_goes_through_its_workflow_over_http(engine: Engine) -> None:
    async with http(engine) as boss:
        made = await put(boss, "42", assignees={"foreman": "fred"})
        assert (made.status_code, made.headers["etag"]) == (200, '"1"'), made.text
        assert {name: made.json()[name] for name in ("item_id", "steps", "done", "is_late")} == {
            "item_id": "i0", "steps": 3, "done": 0, "is_late": False,
        }  # fmt: skip
        [rung] = (await boss.post("/api/v1/workflows/generate", json={"project_ids": ["42"]})).json()["results"]
        assert (rung["status"], rung["reason"], rung["item_id"]) == ("fired", "fired", "i0")
        alert = (await boss.get(f"/api/v1/alerts/{rung['alert_id']}")).json()
        assert (alert["alert_type"], alert["severity"], alert["title"]) == ("Work Flow Line Item", "warning", "Step 0")
        assert (alert["project_id"], alert["step_id"], alert["assigned_to"]) == ("42", "i0", "fred")
        for status, item in (("advanced", "i1"), ("advanced", "i3"), ("finished", None)):
            answer = await boss.post("/api/v1/workflows/advance", json={"project_id": "42"})
            [moved] = answer.json()["results"]
            assert (moved["status"], moved["item_id"]) == (status, item)
        done = (await boss.get("/api/v1/workflows/trackers/42")).json()
        assert (done["done"], done["step"], [each["item_id"] for each in done["completed"]]) == (
            3, None, ["i0", "i1", "i3"],
        )  # fmt: skip
        listed = (await boss.get("/api/v1/workflows/alerts?project_id=42&status=COMPLETED")).json()["items"]
        assert [each["step_id"] for each in listed] == ["i3", "i1", "i0"]
        assert (await boss.get("/api/v1/workflows/alerts?project_id=42&status=ACTIVE")).json()["items"] == []


async def test_the_projects_and_the_assignees_followers_hear_alerts_and_the_references_hints(engine: Engine) -> None:
    async with http(engine) as boss:
        await put(boss, "42", assignees={"foreman": "fred"})
        async with a_peer(engine, "ann", "project:42") as ann, a_peer(engine, "fred", "user") as fred:
            await boss.post("/api/v1/workflows/generate", json={"project_ids": ["42"]})
            first = await heard(ann, 3)
            assert tags(first) == ["alert fired i0", "alerts_refresh", "new_alert"]
            [hint] = [each for each in first if isinstance(each, NewAlert)]
            assert (hint.data.title, hint.data.priority, hint.data.project_id) == ("Step 0", "MEDIUM", "42")
            assert hint.data.message == "BUILD / Start: foreman"
            [refresh] = [each for each in first if isinstance(each, AlertsRefresh)]
            assert (refresh.data.project_id, refresh.data.type) == ("42", "workflow_progression")
            assert tags(await heard(fred, 3)) == ["alert fired i0", "alerts_refresh", "new_alert"]
            await boss.post("/api/v1/workflows/advance", json={"project_id": "42"})
            assert tags(await heard(ann, 5)) == [
                "alert fired i1", "alert resolved i0", "alerts_refresh", "new_alert", "workflow_updated",
            ]  # fmt: skip
            assert tags(await heard(fred, 1)) == ["alert resolved i0"]


async def test_a_channel_that_runs_recalls_what_a_batch_did_before_it_decides_anything(engine: Engine) -> None:
    async with http(engine) as boss:
        await put(boss, "42")
        async with a_peer(engine, "ann", "project:42") as ann:
            trigger = {"alert": {"framework_id": "42", "step_id": "i0", "title": "by hand"}}
            [rung] = (await boss.post("/api/v1/triggers", json=trigger)).json()["results"]
            again = (await boss.post("/api/v1/workflows/generate", json={"project_ids": ["42"]})).json()["results"][0]
            assert (again["reason"], again["alert_id"]) == ("duplicate", rung["alertId"])
            moved = (await boss.post("/api/v1/workflows/advance", json={"project_id": "42"})).json()["results"][0]
            late = (await boss.post(f"/api/v1/alerts/{rung['alertId']}/acknowledge", json={})).json()
            assert (late["status"], late["code"]) == (409, 107), "the advance has resolved it"
            trigger["alert"]["step_id"] = "i1"
            [next_one] = (await boss.post("/api/v1/triggers", json=trigger)).json()["results"]
            assert (next_one["reason"], next_one["alertId"]) == ("duplicate", moved["alert_id"])
            trigger["alert"]["step_id"] = "i0"
            [old] = (await boss.post("/api/v1/triggers", json=trigger)).json()["results"]
            assert old["reason"] == "fired", "its window has ended with it"
            alerts = [each for each in await heard(ann, 7) if isinstance(each, m.AlertMessage)]
            assert [(each.event, each.data.step_id) for each in alerts][:3] == [
                (EventKind.FIRED, "i0"), (EventKind.RESOLVED, "i0"), (EventKind.FIRED, "i1"),
            ]  # fmt: skip
            offsets = [each.offset for each in alerts]
            assert offsets == list(range(1, len(offsets) + 1))


async def test_batches_and_triggers_in_races_leave_exactly_one_alert_for_each_step(engine: Engine) -> None:
    projects, who = [f"p{number:02}" for number in range(40)], engine.principal("racer")
    for project in projects:
        await engine.workflows.track(who, project, TrackerInput(workflow_id="roofing"), 0)
    answers: list[Any] = []

    async def ring(number: int) -> None:
        project = projects[number % 40]
        inputs = [TriggerInput(framework_id=project, step_id=step, title="race") for step in ("i0", "i1")]
        answers.extend(await engine.service.trigger(who, inputs))

    async def move(number: int) -> None:
        if number % 2:
            await engine.workflows.generate(who, projects)
        else:
            await engine.workflows.advance(who, [Completion(project_id=each, item_id="i0") for each in projects])

    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(ring, number)
            nursery.start_soon(move, number)
    assert not [answer for answer in answers if answer.status.value == "rejected"]
    for project in projects:
        shown, _ = await engine.workflows.tracker(who, project)
        assert [done.item_id for done in shown.completed] == ["i0"], "completed once, whoever was first"
        async with http(engine) as boss:
            found = (await boss.get(f"/api/v1/workflows/alerts?project_id={project}&status=active")).json()["items"]
        steps = [each["step_id"] for each in found]
        assert steps.count("i1") == 1
        assert steps.count("i0") <= 1
    assert await engine._up.store.duplicates() == 0
    assert engine.workflows.statistics()["projects_advanced"] == 40


async def test_another_workspaces_projects_do_not_exist(engine: Engine) -> None:
    async with http(engine) as boss, http(engine, "rival") as rival:
        await put(boss, "42")
        await boss.post("/api/v1/workflows/generate", json={"project_ids": ["42"]})
        theirs = (await rival.get("/api/v1/workflows/trackers/42")).json()
        nobodys = (await rival.get("/api/v1/workflows/trackers/43")).json()
        assert theirs == nobodys
        assert theirs["status"] == 404
        for verb, body in (("generate", {"project_ids": ["42"]}), ("advance", {"project_id": "42"})):
            [result] = (await rival.post(f"/api/v1/workflows/{verb}", json=body)).json()["results"]
            assert (result["status"], result["reason"], result["item_id"]) == ("rejected", "unknown_project", None)
        assert (await rival.get("/api/v1/workflows/trackers")).json()["items"] == []
        assert (await rival.get("/api/v1/workflows/alerts")).json()["items"] == []
        assert (await put(rival, "42")).json()["detail"] == "there is no workflow 'roofing'"
        assert (await rival.delete("/api/v1/workflows/trackers/42", headers={"If-Match": '"1"'})).status_code == 404


async def test_a_token_for_some_channels_moves_and_sees_only_those(engine: Engine) -> None:
    async with http(engine) as boss, http(engine, channels=["42"]) as limited:
        for project in ("42", "43"):
            await put(boss, project)
        answer = await limited.post("/api/v1/workflows/generate", json={"project_ids": ["43", "42", "42"]})
        assert [each["reason"] for each in answer.json()["results"]] == ["unknown_project", "fired", "twice"]
        seen = (await limited.get("/api/v1/workflows/trackers")).json()["items"]
        assert [each["project_id"] for each in seen] == ["42"]
        assert (await limited.get("/api/v1/workflows/trackers/43")).status_code == 404
        assert (await put(limited, "43")).status_code == 404
        assert len((await limited.get("/api/v1/workflows/alerts")).json()["items"]) == 1
        assert (await limited.get("/api/v1/workflows/alerts?project_id=43")).json()["items"] == []


async def test_two_who_change_a_tracker_at_once_do_not_undo_each_other(engine: Engine) -> None:
    async with http(engine) as boss:
        await put(boss, "42")
        assert (await put(boss, "42")).status_code == 412
        changed = await put(boss, "42", version='"1"', assignees={"foreman": "gina"})
        assert (changed.status_code, changed.json()["assignees"]) == (200, {"foreman": "gina"})
        assert (await put(boss, "42", version='"1"', item_id="i1")).status_code == 412
        assert (await boss.delete("/api/v1/workflows/trackers/42", headers={"If-Match": '"1"'})).status_code == 412
        assert (await boss.delete("/api/v1/workflows/trackers/42", headers={"If-Match": '"2"'})).status_code == 204
        assert (await boss.get("/api/v1/workflows/trackers/42")).status_code == 404
        acts = [act for act in (await boss.get("/api/v1/audit")).json()["items"] if "tracker" in act["verb"]]
        assert [(act["verb"], act["target"]) for act in acts] == [
            ("delete_tracker", "42"), ("set_tracker", "42"), ("set_tracker", "42"),
        ]  # fmt: skip


async def test_the_history_of_a_tracker_is_for_who_may_read_it_in_pages(engine: Engine) -> None:
    path = "/api/v1/workflows/trackers/42/history"
    async with http(engine) as boss, http(engine, role="viewer") as viewer:
        assert (await viewer.get(path)).status_code == 404, "it follows no workflow"
        await put(boss, "42")
        body = {"project_id": "42", "item_id": "i0", "notes": "wants it red"}
        assert (await boss.post("/api/v1/workflows/advance", json=body)).status_code == 200
        await boss.delete("/api/v1/workflows/trackers/42")
        first = (await viewer.get(f"{path}?limit=2")).json()
        rest = (await viewer.get(f"{path}?limit=2&cursor={first['next_cursor']}")).json()
        lines = first["items"] + rest["items"]
        assert [line["verb"] for line in lines] == ["delete_tracker", "advance_tracker", "set_tracker"]
        assert (lines[1]["notes"], lines[1]["before"]["item_id"], lines[1]["after"]["item_id"]) == (
            "wants it red", "i0", "i1",
        )  # fmt: skip
        assert {line["address"] for line in lines} == {""}, "that is for administrators"
        assert (await boss.get(path)).json()["items"][0]["address"] == "127.0.0.1"
    async with http(engine, channels=["43"]) as limited:
        assert (await limited.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("generate", {"project_ids": []}, "length >= 1"),
        ("generate", {"project_ids": ["a/../b"]}, "project_id"),
        ("generate", {"project_ids": [f"p{n}" for n in range(2_001)]}, "length <= 2000"),
        ("generate", {"project_ids": ["42"], "force": True}, "unknown field"),
        ("advance", {}, "say either project_id"),
        ("advance", {"project_id": "42", "items": [{"project_id": "42"}]}, "say either project_id"),
        ("advance", {"items": [{"project_id": "42"}], "item_id": "i0"}, "within items"),
        ("advance", {"items": [{"project_id": "42", "next": "i9"}]}, "unknown field"),
        ("advance", {"project_id": "42", "item_id": "\u0000"}, "item_id"),
    ],
)
async def test_a_bad_request_is_refused_with_what_is_wrong(engine: Engine, path: str, body: Any, said: str) -> None:
    async with http(engine) as boss:
        answer = await boss.post(f"/api/v1/workflows/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, 107)
        assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("trackers?is_late=false", "only true is a filter"),
        ("trackers?cursor=%21", "cursor"),
        ("trackers?is_late=true&cursor=NDI", "cursor"),
        ("trackers?item_id=a%2F..%2Fb", "item_id"),
        ("alerts?status=ACTIVE", "say which project"),
        ("alerts?project_id=42&status=OLD", "status"),
        ("alerts?cursor=NDI", "cursor"),
    ],
)
async def test_a_bad_question_is_refused_with_what_is_wrong(engine: Engine, query: str, said: str) -> None:
    async with http(engine) as boss:
        answer = await boss.get(f"/api/v1/workflows/{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, 107)
        assert said in answer.json()["detail"]


async def test_pages_of_trackers_late_ones_and_alerts_show_each_once(engine: Engine) -> None:
    who, projects = engine.principal("ed"), [f"p{number}" for number in range(7)]
    await keep(engine._up.store, a_workflow(workflow_id="urgent", days=0), "main")
    for project in projects:
        await engine.workflows.track(who, project, TrackerInput(workflow_id="urgent"), 0)
    await engine.workflows.generate(who, projects)
    async with http(engine) as boss:
        for query in ("trackers?", "trackers?is_late=true&", "trackers?item_id=i0&", "trackers?workflow_id=urgent&"):
            assert sorted(await pages(boss, query)) == projects
        assert await pages(boss, "trackers?item_id=i1&") == []
        assert sorted(await pages(boss, "alerts?")) == projects


async def pages(client: httpx.AsyncClient, query: str) -> list[str]:
    found, cursor = list[str](), ""
    while True:
        page = (await client.get(f"/api/v1/workflows/{query}limit=3{cursor}")).json()
        found += [each["project_id"] for each in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def test_a_definition_is_made_seen_changed_and_followed_over_http(engine: Engine) -> None:
    phases = [
        {
            "phase_type": "LEAD",
            "sections": [
                {
                    "display_name": "First contact",
                    "items": [
                        {"id": "call", "item_name": "Call the customer", "responsible_role": "sales", "alert_days": 1},
                        {"id": "visit", "item_name": "Visit", "responsible_role": "sales", "alert_days": 3},
                    ],
                }
            ],
        }
    ]
    async with http(engine) as boss:
        made = await boss.post("/api/v1/workflows", json={"id": "sale", "name": "A sale", "phases": phases})
        assert (made.status_code, made.headers["location"]) == (201, "/api/v1/workflows/sale"), made.text
        for slip, said in (
            ({"id": "trackers", "phases": phases}, "word of the API"),
            ({"id": "x", "phases": []}, "phases"),
            ({"id": "x", "phases": phases * 2}, "two line items have the id 'call'"),
            ({"id": "x", "phases": [{"phase_type": "LEAD", "sections": [], "order": 1}]}, "order"),
        ):
            refused = await boss.post("/api/v1/workflows", json=slip)
            assert (refused.status_code, refused.json()["code"]) == (400, 107)
            assert said in refused.json()["detail"]
        assert (await put(boss, "43", workflow_id="sale")).json()["step"]["section"] == "First contact"
        phases[0]["sections"][0]["items"][1]["is_active"] = False  # type: ignore[index]
        changed = await boss.put(
            "/api/v1/workflows/sale", json={"id": "sale", "phases": phases}, headers={"If-Match": made.headers["etag"]}
        )
        assert changed.status_code == 200, changed.text
        [moved] = (await boss.post("/api/v1/workflows/advance", json={"project_id": "43"})).json()["results"]
        assert moved["status"] == "finished", "the visit is not active any more"
        assert [each["id"] for each in (await boss.get("/api/v1/workflows")).json()["items"]] == ["roofing", "sale"]


async def test_a_thousand_projects_advance_at_once_while_fifty_race_for_the_same_alerts(tmp_path: Path) -> None:
    limits = Limits(producer_items_per_s=1e6, producer_items_burst=1_000_000, workspace_items_per_s=10_000_000)
    async with an_engine(tmp_path, limits=limits) as engine:
        store, who = engine._up.store, engine.principal("racer")
        await keep(store, a_workflow(items=5, inactive=[2]), "main")
        projects = [f"p{number:04}" for number in range(1_000)]
        steps = ["i0", "i1", "i2", "i3", "i4"]
        batches: dict[str, list[Completion]] = {step: [] for step in steps}
        for number, project in enumerate(projects):
            step = steps[number % 5]
            await engine.workflows.track(who, project, TrackerInput(workflow_id="roofing", item_id=step), 0)
            batches[step].append(Completion(project_id=project, item_id=step))
        # Of the last step's half is finished already.
        await engine.workflows.advance(who, batches["i4"][:100])
        everything = [each for batch in batches.values() for each in batch]
        # All fifty ring these, and each a share of the others.
        hot = projects[:40]
        fired: Counter[tuple[str, str | None]] = Counter()

        async def ring(number: int) -> None:
            some = hot + projects[40 + number :: 50]
            inputs = [TriggerInput(framework_id=each, step_id=step) for each in some for step in ("i1", "i3")]
            results = await engine.service.trigger(who, inputs)
            assert not [result for result in results if result.status.value == "rejected"]
            told = zip(inputs, results, strict=True)
            fired.update((each.framework_id, each.step_id) for each, result in told if result.reason.value == "fired")

        answers: list[Any] = []

        async def advance() -> None:
            answers.append(await engine.workflows.advance(who, everything))

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(ring, number)
                if number in (10, 30):
                    nursery.start_soon(advance)
                if number % 10 == 5:
                    nursery.start_soon(engine.workflows.generate, who, projects)
        moved = [result.status.value for answer in answers for result in answer]
        assert (moved.count("advanced"), moved.count("finished")) == (800, 100), "each once, by one of the two"
        assert await store.duplicates() == 0
        for project in projects:
            place = (await store.recall(ChannelKey("main", project))).rows
            open_steps = [row.alert.step_id for row in place if row.alert.state.is_open]
            shown, _ = await engine.workflows.tracker(who, project)
            assert len(open_steps) == len(set(open_steps))
            assert shown.item_id is None or open_steps.count(shown.item_id) == 1
        # These went from i0 to i1: nobody but the fifty rang i3, all at once, and one of them was the first.
        assert [fired[project, "i3"] for project in hot[::5]] == [1] * 8


async def test_an_archived_project_neither_rings_nor_moves_on_until_it_is_restored(engine: Engine) -> None:
    async with http(engine) as boss:
        for project in ("p1", "p2"):
            await put(boss, project)
        made = await boss.post("/api/v1/frameworks", json={"id": "p1", "name": "P1", "kind": "project"})
        assert made.status_code == 201, made.text
        await boss.post("/api/v1/frameworks/p1/archive")
        rung = await boss.post("/api/v1/workflows/generate", json={"project_ids": ["p1", "p2"]})
        moved = await boss.post("/api/v1/workflows/advance", json={"items": [{"project_id": "p1"}]})
        said = [*rung.json()["results"], *moved.json()["results"]]
        assert [(each["status"], each["reason"]) for each in said] == [
            ("rejected", "archived"),
            ("fired", "fired"),
            ("rejected", "archived"),
        ]
        assert "restore it" in said[0]["message"]
        await boss.post("/api/v1/frameworks/p1/restore")
        again = await boss.post("/api/v1/workflows/generate", json={"project_ids": ["p1"]})
        assert again.json()["results"][0]["item_id"] == "i0"
        assert again.json()["results"][0]["status"] == "fired"


async def test_in_an_archived_workspace_no_project_rings(engine: Engine) -> None:
    async with http(engine) as boss, http(engine, "system") as operator:
        await put(boss, "p1")
        await operator.post("/api/v1/workspaces", json={"id": "main", "name": "Main"})
        gone = await operator.post("/api/v1/workspaces/main/archive")
        assert gone.status_code == 200, gone.text
        rung = await boss.post("/api/v1/workflows/generate", json={"project_ids": ["p1"]})
        assert rung.json()["results"][0]["reason"] == "archived"
