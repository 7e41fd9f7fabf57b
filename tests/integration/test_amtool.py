"""Alertmanager's own command line against a real engine: alerts and silences added, queried and expired."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from engine.app import Engine
from tests.support.engines import an_engine
from tocsin.client import Client

PATIENCE_S = 600.0
HOT = {
    "id": "hot", "kind": "threshold", "framework": "web", "metric": "cpu", "comparison": ">", "threshold": 90,
}  # fmt: skip
Amtool = Callable[..., Awaitable[str]]


def amtool_of(engine: Engine, folder: Path) -> Amtool:
    """Runs `amtool` as an administrator of the engine's workspace; what it printed."""
    token = engine.issue_token("main", "ada")
    (folder / "http.yml").write_text(json.dumps({"authorization": {"credentials": token}}))
    where = [f"--alertmanager.url={engine.http_url}", f"--http.config.file={folder / 'http.yml'}"]

    async def amtool(*arguments: str) -> str:
        with trio.fail_after(PATIENCE_S):
            done = await trio.run_process(
                ["amtool", *arguments, *where],
                capture_stdout=True,
                capture_stderr=True,  # it warns that our version is not an Alertmanager's
            )
        return str(done.stdout.decode())

    return amtool


async def listed(amtool: Amtool, *arguments: str) -> list[Any]:
    found: list[Any] = json.loads(await amtool(*arguments, "--output=json"))
    return found


async def test_amtool_adds_and_queries_alerts_and_silences(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        amtool = amtool_of(engine, tmp_path)
        async with Client(engine.ws_url, engine.issue_token("main", "ann", "viewer")) as client:
            await client.subscribe("workspace")
            await amtool("alert", "add", "alertname=DiskFull", "host=h1", "job=node", "--annotation=summary=Full")
            await amtool("alert", "add", "alertname=DiskFull", "host=h2", "job=node")
            assert sorted(each["labels"]["host"] for each in await listed(amtool, "alert", "query")) == ["h1", "h2"]
            assert [each["labels"]["host"] for each in await listed(amtool, "alert", "query", "host=~h[2-9]")] == ["h2"]

            name = (
                await amtool("silence", "add", "alertname=DiskFull", "host=h1", "--comment=new disk", "--duration=1h")
            ).strip()
            [silence] = await listed(amtool, "silence", "query")
            assert (silence["id"], silence["createdBy"], silence["comment"]) == (name, "ada", "new disk")
            assert silence["status"] == {"state": "active"}
            events = [await anext(client.alerts()) for _ in range(3)]
            assert [each.event.value for each in events] == ["fired", "fired", "quieted"]
            assert events[-1].data.quieted_ref == name

            assert [each["labels"]["host"] for each in await listed(amtool, "alert", "query")] == ["h2"]
            [quiet] = await listed(amtool, "alert", "query", "--silenced")
            assert (quiet["labels"]["host"], quiet["status"]["state"]) == ("h1", "suppressed")
            assert quiet["status"]["silencedBy"] == [name]

            await amtool("silence", "update", name, "--comment=newer disk", "--duration=2h")
            [silence] = await listed(amtool, "silence", "query", "alertname=DiskFull")
            assert (silence["id"], silence["comment"]) == (name, "newer disk")
            await amtool("silence", "expire", name)
            assert await listed(amtool, "silence", "query") == []
            assert [each["id"] for each in await listed(amtool, "silence", "query", "--expired")] == [name]
            rung = [await anext(client.alerts())]
            while rung[-1].event.value == "quieted":
                rung.append(await anext(client.alerts()))
            assert (rung[-1].event.value, rung[-1].data.quieted_by) == ("repeated", None)


async def test_amtool_lists_what_our_own_doors_and_foreign_keys_rang(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        amtool = amtool_of(engine, tmp_path)
        async with httpx.AsyncClient(
            base_url=str(engine.http_url), headers={"Authorization": f"Bearer {engine.issue_token('main', 'ada')}"}
        ) as http:
            await posted(http, "/api/v1/rules", **HOT)
            await posted(http, "/api/v1/readings", readings=[{"framework_id": "web", "metric": "cpu", "value": 95}])
            await posted(http, "/api/v1/triggers", alert={"framework_id": "web", "title": "Backup failed"})
            await posted(http, "/api/v1/ingest/alerta", resource="db1", event="Down", severity="critical")
        shown = {each["labels"]["alertname"]: each for each in await listed(amtool, "alert", "query")}
        assert sorted(shown) == ["Backup failed", "Down on db1", "hot"]
        assert shown["Down on db1"]["annotations"] == {"summary": "Down on db1"}
        assert [each["labels"]["alertname"] for each in await listed(amtool, "alert", "query", "rule_id=hot")] == [
            "hot"
        ]


async def posted(http: httpx.AsyncClient, path: str, **body: Any) -> None:
    answer = await http.post(path, json=body)
    assert answer.is_success, answer.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("silence", "add", "alertname=~.*", "--comment=all"), "matcher"),
        (("silence", "add", "alertname=A", "--comment= "), "comment"),
        (("alert", "query", "--receiver=((("), "regular expression"),
        # What is not in the API that it knows, it tells by its number alone.
        (("silence", "expire", "nobody"), "404"),
    ],
)
async def test_amtool_shows_what_we_refuse_and_why(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    async with an_engine(tmp_path) as engine:
        with pytest.raises(subprocess.CalledProcessError) as caught:
            await amtool_of(engine, tmp_path)(*arguments)
    told = caught.value.stderr.decode()
    assert said in told
    assert "no consumer" not in told
