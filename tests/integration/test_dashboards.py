"""The dashboards that we ship: what Grafana needs of each, and every query answered by a real Prometheus."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import yaml

from benchmarks.peers.ports import a_port
from docs.dashboards import ALL
from docs.generate_dashboards import FOLDER, render
from engine.access.auth import Authenticator
from tests.support.engines import ROOT, SECRET, EngineProcess, an_engine_process
from tocsin import Client

GRAFANA = ROOT / "deploy" / "grafana"
FILES = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
PATIENCE_S = 600.0
# As they are on a page that nobody has chosen anything on; the window is four scrapes.
VARIABLES = {"$node": ".*", "$__rate_interval": "8s"}
# Of Grafana's own (packages/grafana-data/src/valueFormats/categories.ts), those that we use.
UNITS = frozenset({"short", "ops", "s", "bytes", "percent", "percentunit", "bool"})
QUERIES = [
    (name, panel["title"], target["expr"])
    for name, board in FILES.items()
    for panel in board["panels"]
    for target in panel["targets"]
]


def test_the_files_are_what_would_be_written_now() -> None:
    assert FILES.keys() == {each.uid for each in ALL}
    for each in ALL:
        assert (FOLDER / f"{each.uid}.json").read_text() == render(each), "run `make docs`"


def test_there_are_the_five_that_the_reference_planned() -> None:
    titles = [board["title"].removeprefix("Tocsin: ") for board in FILES.values()]
    assert titles == ["alert processing", "cache", "connections", "system health", "queues"]


@pytest.mark.parametrize("name", FILES)
def test_a_dashboard_has_what_grafana_needs(name: str) -> None:
    board = FILES[name]
    assert (board["uid"], len(name) <= 40) == (name, True)
    panels, variables = board["panels"], {each["name"]: each for each in board["templating"]["list"]}
    assert sorted(each["id"] for each in panels) == list(range(1, len(panels) + 1))
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    assert variables["node"]["type"] == "query"
    for panel in panels:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        refs = [target["refId"] for target in panel["targets"]]
        assert sorted(set(refs)) == refs != []
        assert all(
            re.search(r"\$(?!node\b|__rate_interval\b)\w+", target["expr"]) is None for target in panel["targets"]
        )


@pytest.mark.parametrize("name", FILES)
def test_no_two_panels_stand_on_the_same_place(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in FILES[name]["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_grafana_finds_prometheus_and_the_dashboards_where_compose_puts_them() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    assert services["prometheus"]["profiles"] == services["grafana"]["profiles"] == ["watch"]
    mounts = {
        target: ROOT / "deploy" / source
        for source, target, *_ in (each.split(":") for each in services["grafana"]["volumes"])
    }
    [source] = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "tocsin.yaml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    [provider] = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "tocsin.yaml").read_text())["providers"]
    assert mounts[provider["options"]["path"]].resolve() == FOLDER
    assert mounts["/etc/grafana/provisioning"].resolve() == GRAFANA / "provisioning"
    for each in services["prometheus"]["volumes"]:
        source_path, target = each.split(":")[:2]
        if target.startswith("/etc") and not target.endswith(".token"):
            assert (ROOT / "deploy" / source_path).is_file()


@asynccontextmanager
async def prometheus(folder: Path, engine: EngineProcess) -> AsyncIterator[str]:
    """One that scrapes the engine each second; its address."""
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            {"job_name": "tocsin", "static_configs": [{"targets": [engine.http.removeprefix("http://")]}]}
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    program = shutil.which("prometheus")
    assert program, "prometheus is not installed: make system"
    address = f"127.0.0.1:{a_port()}"
    options = (f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}")
    with (folder / "prometheus.log").open("wb") as log:
        process = await trio.lowlevel.open_process(
            [program, *options, f"--web.listen-address={address}"], stdout=log, stderr=log
        )
        try:
            yield f"http://{address}"
        finally:
            process.terminate()
            with trio.CancelScope(shield=True):
                await process.wait()


async def make_traffic(engine: EngineProcess, client: httpx.AsyncClient, socket: Client, number: int) -> None:
    """A little of everything that a panel is about."""
    alert = {"framework_id": "web", "title": f"slow {number}"}
    for path in ("/api/v1/triggers", "/api/v1/triggers", "/api/v1/triggers?async=true"):
        (await client.post(path, json={"alerts": [alert]})).raise_for_status()
    (await client.get("/api/v1/rules")).raise_for_status()
    reading = {"framework_id": "web", "metric": "load", "value": number}
    (await client.post("/api/v1/readings", json={"readings": [reading]})).raise_for_status()
    while (await anext(socket.alerts())).data.title != alert["title"]:
        pass


async def has_data(prometheus: httpx.AsyncClient, query: str) -> bool:
    """Whether a query is answered with at least one number."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    answer = (await prometheus.get("/api/v1/query", params={"query": query})).json()
    assert answer["status"] == "success", (query, answer)
    return any(each["value"][1] != "NaN" for each in answer["data"]["result"])


def a_token(user: str) -> str:
    return Authenticator(SECRET.encode()).issue("main", user, "admin")


async def up(client: httpx.AsyncClient) -> None:
    """Returns when it answers."""
    while True:
        try:
            (await client.get("/-/ready")).raise_for_status()
        except httpx.HTTPError:
            await trio.sleep(0.05)
        else:
            return


async def test_every_query_of_every_panel_is_answered_with_data(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_S):
        async with an_engine_process(tmp_path, TOCSIN_WATCH_SELF="true") as engine, prometheus(tmp_path, engine) as url:
            headers = {"Authorization": f"Bearer {a_token('ann')}"}
            async with (
                httpx.AsyncClient(base_url=engine.http, headers=headers, timeout=PATIENCE_S) as client,
                httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as server,
                Client(engine.ws, a_token("bob")) as socket,
            ):
                await up(server)
                await socket.subscribe("web")
                missing: list[Any] = QUERIES
                number = 0
                while missing:
                    number += 1
                    await make_traffic(engine, client, socket, number)
                    missing = [each for each in missing if not await has_data(server, each[2])]
                assert not await has_data(server, "tocsin_nothing_total"), "what there is not is seen to be missing"
