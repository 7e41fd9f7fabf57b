"""An alert's whole life through real doors: HTTP, a socket, the command line, the store; and ten thousand at once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import trio

from protocol.changes import changed
from protocol.items import TriggerInput
from protocol.messages import AlertMessage
from protocol.model import AlertState, EventKind
from tests.support.engines import an_engine
from tocsin.client import Client

MANY = 10_000


async def test_ten_thousand_alerts_are_resolved_in_one_request_and_told_as_twenty_events(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine, Client(engine.ws_url, engine.issue_token("main", "ann")) as client:
        who, ids = engine.principal("ann"), []
        for start in range(0, MANY, 500):
            inputs = [TriggerInput(framework_id="web", title=str(n)) for n in range(start, start + 500)]
            ids += [result.alert_id for result in await engine.service.trigger(who, inputs)]
        await client.subscribe("web")
        headers = {"Authorization": f"Bearer {engine.issue_token('main', 'bob')}"}
        async with httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=170) as http:
            began = time.perf_counter()
            answer = await http.post("/api/v1/alerts/resolve", json={"alertIds": ids, "notes": "all of it"})
            seconds = time.perf_counter() - began
            assert answer.status_code == 200, answer.text
            assert {result["reason"] for result in answer.json()["results"]} == {"resolved"}
            assert [result["alertId"] for result in answer.json()["results"]] == ids
            told: list[AlertMessage] = []
            with trio.fail_after(170):
                while sum(len(message.ids) for message in told) < MANY:
                    told += await client.alerts().take(100)
            print(f"\n{MANY} alerts resolved in {seconds * 1e3:.0f} ms, told as {len(told)} events")
            assert len(told) == MANY // 500
            assert sorted(alert_id for message in told for alert_id in message.ids) == sorted(ids)
            assert {message.by for message in told} == {"bob"}
            again = await http.post("/api/v1/alerts/resolve", json={"alertIds": ids})
            assert {result["reason"] for result in again.json()["results"]} == {"already"}
            open_ones = await http.post("/api/v1/alerts/resolve", json={"filter": {"all": True}, "dry_run": True})
            assert open_ones.json() == {"matched": 0, "results": []}
            story = (await http.get(f"/api/v1/alerts/{ids[0]}/audit")).json()["items"]
            assert [(line["verb"], line["by"], line["address"]) for line in story] == [
                ("resolve", "bob", "127.0.0.1"),
                ("fired", "", ""),
            ]


async def test_who_follows_and_who_recovers_knows_what_the_store_knows_after_a_bulk(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine, Client(engine.ws_url, engine.issue_token("main", "ann")) as client:
        who = engine.principal("ann")
        await client.subscribe("workspace")
        inputs = [TriggerInput(framework_id="web", title=str(n), assigned_to="ann") for n in range(5)]
        ids = [result.alert_id or "" for result in await engine.service.trigger(who, inputs)]
        await engine.service.acknowledge(who, ids, "mine")
        known: dict[str, Any] = {}
        with trio.fail_after(170):
            while len(known) < 5 or any(alert.state is not AlertState.ACKNOWLEDGED for alert in known.values()):
                message = await anext(client.alerts())
                if message.data is not None:
                    known[message.data.id] = message.data
                elif message.change is not None:
                    known |= {each: changed(known[each], message.event, message.change) for each in message.ids}
        assert known == {alert_id: await engine.service.alert(who, alert_id) for alert_id in ids}
        async with Client(engine.ws_url, engine.issue_token("main", "ann")) as late:
            await late.subscribe("user", snapshot=True)
            shown = [await anext(late.alerts()) for _ in ids]
            assert {message.data.id for message in shown if message.data} == set(ids)
            assert {message.event for message in shown} == {EventKind.OPEN}


async def test_the_command_line_lists_acts_shows_and_says_what_was_refused(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        who = engine.principal("ann")
        inputs = [TriggerInput(framework_id="web", title=f"disk {n}") for n in range(3)]
        ids = [result.alert_id or "" for result in await engine.service.trigger(who, inputs)]
        options = ["--api", engine.http_url, "--token", engine.issue_token("main", "zoe")]

        async def tocsin(*words: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "tocsin", "alerts", *words, *options]
            return await trio.to_thread.run_sync(
                lambda: subprocess.run(command, capture_output=True, text=True, timeout=170)
            )

        listed = await tocsin("list", "--state", "active", "--framework", "web", "--json")
        assert [json.loads(line)["id"] for line in listed.stdout.splitlines()] == ids[::-1]
        assert "disk 0" in (await tocsin("list")).stdout
        assert f"{ids[0]} acknowledged" in (await tocsin("ack", ids[0], "--notes", "mine")).stdout
        assert f"{ids[0]} unacknowledged" in (await tocsin("unack", ids[0])).stdout
        assert f"{ids[1]} assigned" in (await tocsin("assign", ids[1], "--to", "bob")).stdout
        assert f"{ids[1]} commented" in (await tocsin("comment", ids[1], "--notes", "fan")).stdout
        assert (await tocsin("resolve", "--all", "--framework", "web", "--dry-run")).stdout == "3 alerts are meant\n"
        assert (await tocsin("resolve", "--all", "--framework", "web")).stdout.count(" resolved\n") == 3
        refused = await tocsin("ack", ids[0])
        assert (refused.returncode, "rejected (already)" in refused.stdout) == (1, True)
        assert f"{ids[1]} reopened" in (await tocsin("reopen", ids[1])).stdout
        story = (await tocsin("show", ids[1])).stdout
        assert "assigned_to: - -> bob" in story
        assert "zoe" in story
        shown = json.loads((await tocsin("show", ids[1], "--json")).stdout)
        assert [line["verb"] for line in shown["story"]] == ["reopen", "resolve", "comment", "assign", "fired"]
        wrong = await tocsin("resolve")
        assert (wrong.returncode, "say either some IDs, or --all" in wrong.stderr) == (2, True)
        assert (await tocsin("assign", ids[0])).returncode == 2
