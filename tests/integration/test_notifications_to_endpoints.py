"""From a trigger to a server that somebody wrote down: a real engine, real sockets, real time."""

from __future__ import annotations

from pathlib import Path

import httpx
import trio

from engine.app import Engine
from engine.sections.notify import Notify
from protocol.items import TriggerInput
from tests.support.engines import an_engine
from tests.support.http_sink import a_sink, answer

NOTIFY = Notify(allow_private=("127.0.0.1/32",))


async def ring(engine: Engine, **fields: str) -> str:
    bell = TriggerInput(framework_id="web", title="disk full", **fields)
    (result,) = await engine.service.trigger(engine.principal("boss"), [bell])
    return str(result.alert_id)


def http(engine: Engine) -> httpx.AsyncClient:
    token = engine.issue_token(engine.config.workspace, "boss", "admin")
    return httpx.AsyncClient(base_url=engine.http_url, headers={"Authorization": f"Bearer {token}"}, timeout=170)


async def test_what_rings_reaches_the_hook_and_its_end_too_each_under_its_key_of_the_ledger(tmp_path: Path) -> None:
    with trio.fail_after(170):
        async with a_sink() as sink, an_engine(tmp_path, notify=NOTIFY) as engine, http(engine) as boss:
            body = {"id": "pager", "channel": "webhook", "url": sink.url()}
            assert (await boss.post("/api/v1/endpoints", json=body)).status_code == 201
            alert = await ring(engine)
            await sink.wait_for(1)
            await boss.post(f"/api/v1/alerts/{alert}/resolve", json={})
            got = await sink.wait_for(2)
            ledger = (await boss.get(f"/api/v1/alerts/{alert}/deliveries")).json()["items"]
            assert [each.headers["webhook-id"] for each in got] == [line["key"] for line in ledger]
            assert [line["change"] for line in ledger] == ["fired", "resolved"]


async def test_a_hook_that_fails_gets_the_same_message_again(tmp_path: Path) -> None:
    with trio.fail_after(170):
        async with a_sink() as sink, an_engine(tmp_path, notify=NOTIFY) as engine, http(engine) as boss:
            sink.behave.append(answer(503))
            body = {"id": "pager", "channel": "webhook", "url": sink.url()}
            assert (await boss.post("/api/v1/endpoints", json=body)).status_code == 201
            await ring(engine)
            first, second = await sink.wait_for(2)
            assert first.headers["webhook-id"] == second.headers["webhook-id"]


async def test_what_a_hook_refused_is_sent_when_its_job_is_retried_under_the_same_id(tmp_path: Path) -> None:
    with trio.fail_after(170):
        async with a_sink() as sink:
            sink.behave.append(answer(400))
            # An engine that stops has settled what it did.
            async with an_engine(tmp_path, notify=NOTIFY) as engine, http(engine) as boss:
                await boss.post("/api/v1/endpoints", json={"id": "pager", "channel": "webhook", "url": sink.url()})
                alert = await ring(engine)
                await sink.wait_for(1)
            async with an_engine(tmp_path, notify=NOTIFY) as engine, http(engine) as boss:
                (failed,) = (await boss.get("/api/v1/jobs?state=failed")).json()["items"]
                assert (await boss.post(f"/api/v1/jobs/{failed['id']}/retry")).status_code == 200
                refused, taken = await sink.wait_for(2)
            assert refused.headers["webhook-id"] == taken.headers["webhook-id"]
            async with an_engine(tmp_path, notify=NOTIFY) as engine, http(engine) as boss:
                (line,) = (await boss.get(f"/api/v1/alerts/{alert}/deliveries")).json()["items"]
                assert (line["state"], line["attempts"]) == ("delivered", 2)


async def test_steps_of_workflows_are_notified_as_any_alert_is(tmp_path: Path) -> None:
    phases = [{"phase_type": "LEAD", "sections": [{"display_name": "S", "items": [{"id": "i0", "item_name": "Call"}]}]}]
    with trio.fail_after(170):
        async with a_sink() as sink, an_engine(tmp_path, notify=NOTIFY) as engine, http(engine) as boss:
            await boss.post("/api/v1/endpoints", json={"id": "pager", "channel": "webhook", "url": sink.url()})
            await boss.post("/api/v1/workflows", json={"id": "roofing", "phases": phases})
            await boss.put("/api/v1/workflows/trackers/42", json={"workflow_id": "roofing"})
            await boss.post("/api/v1/workflows/generate", json={"project_ids": ["42"]})
            await sink.wait_for(1)
            await boss.post("/api/v1/workflows/advance", json={"project_id": "42"})
            assert len(await sink.wait_for(2)) == 2


async def test_a_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    with trio.fail_after(170):
        async with a_sink() as sink:
            async with an_engine(tmp_path, notify=NOTIFY) as engine, http(engine) as boss:
                body = {"id": "pager", "channel": "webhook", "url": sink.url()}
                await boss.post("/api/v1/endpoints", json=body)
                chain = {"id": "all", "steps": [{"after_s": 3, "endpoints": ["pager"]}]}
                assert (await boss.post("/api/v1/escalations", json=chain)).status_code == 201
                alert = await ring(engine, severity="critical")
                await sink.wait_for(1)
            async with an_engine(tmp_path, notify=NOTIFY) as engine, http(engine) as boss:
                await sink.wait_for(2)
                ledger = (await boss.get(f"/api/v1/alerts/{alert}/deliveries")).json()["items"]
                assert [line["change"] for line in ledger] == ["fired", "escalated"]
                assert sink.got[1].headers["webhook-id"] == ledger[1]["key"]


async def test_what_waits_for_an_earlier_message_says_so_on_whatever_page(tmp_path: Path) -> None:
    with trio.fail_after(170):
        async with a_sink() as sink, an_engine(tmp_path, notify=NOTIFY) as engine, http(engine) as boss:
            sink.behave.append(answer(429, Retry_After="3600"))
            await boss.post("/api/v1/endpoints", json={"id": "pager", "channel": "webhook", "url": sink.url()})
            alert = await ring(engine)
            await sink.wait_for(1)
            await boss.post(f"/api/v1/alerts/{alert}/resolve", json={})
            path = f"/api/v1/alerts/{alert}/deliveries?limit=1"
            first = (await boss.get(path)).json()
            while first["next_cursor"] is None or first["items"][0]["cause"] is None:
                await trio.testing.wait_all_tasks_blocked(0.02)
                first = (await boss.get(path)).json()
            second = (await boss.get(f"{path}&cursor={first['next_cursor']}")).json()
            (held,), (behind,) = first["items"], second["items"]
            assert held["explanation"] == "It waits for its target (answered 429)."
            assert behind["explanation"] == "It waits for the message before it (fired)."
