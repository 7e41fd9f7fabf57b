"""Rules in a whole engine: a change holds from the next reading on, others keep their state, and a list is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from engine.stores.objects import ObjectChange
from tests.support.engines import an_engine
from tests.support.shelves import a_desk, who
from tests.support.stores import NOW

RULE = {"framework": "web", "metric": "cpu", "kind": "threshold", "threshold": 90}


@asynccontextmanager
async def a_client(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with an_engine(folder) as engine:
        headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ann', 'admin')}"}
        async with httpx.AsyncClient(base_url=f"{engine.http_url}/api/v1", headers=headers) as client:
            yield client


async def read(client: httpx.AsyncClient, value: float, metric: str = "cpu") -> Any:
    body = {"readings": [{"framework_id": "web", "metric": metric, "value": value}]}
    [result] = (await client.post("/readings", json=body)).json()["results"]
    return result["status"], result["reason"]


async def test_a_rule_holds_from_the_next_reading_on_until_it_is_switched_off(tmp_path: Path) -> None:
    async with a_client(tmp_path) as client:
        assert await read(client, 95) == ("below_threshold", "no_rule")
        await client.post("/rules", json=RULE | {"id": "hot"})
        assert (await read(client, 95))[0] == "fired"
        await client.patch("/rules/hot", json={"threshold": 99}, headers={"If-Match": '"1"'})
        assert (await read(client, 95))[0] != "fired"
        await client.post("/rules/bulk", json={"action": "disable", "ids": ["hot"]})
        assert (await read(client, 100))[1] in ("no_rule", "disabled")


async def test_a_change_of_one_rule_leaves_the_state_of_another(tmp_path: Path) -> None:
    async with a_client(tmp_path) as client:
        averaged = {"id": "average", "metric": "load", "aggregate": "avg", "window_s": 600, "threshold": 50}
        await client.post("/rules", json=RULE | averaged)
        await client.post("/rules", json=RULE | {"id": "hot"})
        await read(client, 90, "load")
        await client.patch("/rules/hot", json={"threshold": 80}, headers={"If-Match": '"1"'})
        # Alone it is below 50; with what the window still has of 90 it is not.
        status, reason = await read(client, 40, "load")
        assert (status, reason) in (("suppressed", "duplicate"), ("repeated", "repeated"))


async def test_after_a_restart_the_rules_hold_again(tmp_path: Path) -> None:
    async with a_client(tmp_path) as client:
        await client.post("/rules", json=RULE | {"id": "hot"})
    async with a_client(tmp_path) as client:
        assert (await read(client, 95))[0] == "fired"


async def test_1200_rules_of_a_workspace_are_listed_in_three_pages(tmp_path: Path) -> None:
    async with a_desk(f"sqlite:///{tmp_path}/store.db") as desk, desk.client(who()) as client:
        await desk.store.change_objects([_stored(number) for number in range(1_200)])
        found, sizes, cursor = list[str](), list[int](), ""
        while cursor is not None:
            page = (await client.get(f"/api/v1/rules?limit=500{cursor and f'&cursor={cursor}'}")).json()
            found += [each["id"] for each in page["items"]]
            sizes.append(len(page["items"]))
            cursor = page["next_cursor"]
        assert sizes == [500, 500, 200]
        assert found == [f"rule-{number:04d}" for number in range(1_200)]


def _stored(number: int) -> ObjectChange:
    return ObjectChange(
        workspace="acme",
        kind="rule",
        id=f"rule-{number:04d}",
        body=f'{{"kind":"threshold","id":"rule-{number:04d}","framework":"web","metric":"m{number}","threshold":90.0,'
        f'"title":"Metric {number} is above 90","labels":{{"team":"shop","tier":"1"}}}}',
        framework="web",
        by="ada",
        at=NOW,
        verb="create_rule",
    )
