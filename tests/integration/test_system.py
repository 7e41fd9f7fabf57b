"""How a real engine says that it stands: what its figures tell, and its tree of parts with their restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from actors.supervisor import Started
from engine.app import Engine
from tests.support.engines import an_engine

PATIENCE_S = 170.0


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with an_engine(tmp_path) as engine:
        yield engine


async def system(engine: Engine, **headers: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=engine.http_url, timeout=PATIENCE_S) as client:
        found = await client.get("/api/v1/system", headers=headers)
        return dict(found.json(), http=found.status_code)


def parts(shown: dict[str, Any], supervisor: str) -> dict[str, dict[str, Any]]:
    [found] = [each for each in shown["supervision"] if each["name"] == supervisor]
    return {child["name"]: child for child in found["children"]}


async def test_an_engine_that_is_well_says_so_to_this_machine_without_a_token(engine: Engine) -> None:
    shown = await system(engine)
    assert (shown["http"], shown["ready"], shown["overload"]) == (200, True, "")
    assert "queues" in {finding["check"] for finding in shown["findings"]}
    # The loop is late where the machine has other work.
    assert {finding["level"] for finding in shown["findings"] if finding["check"] != "loop"} == {"OK"}


async def test_the_tree_is_told_in_the_order_of_its_start(engine: Engine) -> None:
    shown = await system(engine)
    assert [each["strategy"] for each in shown["supervision"]] == ["rest_for_one", "one_for_one", "one_for_one"]
    names = list(parts(shown, "engine"))
    assert names.index("store") < names.index("channels") < names.index("http") < names.index("gateway")
    assert all(child["running"] for child in parts(shown, "helpers").values())


async def test_a_part_that_crashed_is_counted_and_is_a_finding(engine: Engine) -> None:
    presence, again = engine._tree.up.presence, trio.Event()
    run = presence.run

    async def run_again(status: Started) -> None:
        again.set()
        await run(status)

    async def crash(status: Started) -> None:
        presence.run = run_again  # type: ignore[method-assign]
        raise RuntimeError("planted")

    presence.run = crash  # type: ignore[method-assign]
    helpers = {child.spec.name: child for child in engine._tree._helpers._children}
    running = helpers["presence"].run
    assert running is not None
    # Its next run crashes, and the one after that is good.
    running.scope.cancel()
    await again.wait()
    shown = await system(engine)
    assert parts(shown, "helpers")["presence"]["restarts"] == 2
    [finding] = [each for each in shown["findings"] if each["check"] == "restarts"]
    assert (finding["level"], finding["text"]) == ("WARNING", "2 parts were restarted")
    assert finding["advice"]


async def test_who_comes_through_a_proxy_must_be_the_engines_administrator(engine: Engine) -> None:
    far = {"X-Forwarded-For": "192.0.2.7"}
    assert (await system(engine, **far))["http"] == 401
    main, boss = engine.issue_token("main", "ann"), engine.issue_token("system", "boss")
    assert (await system(engine, **far, Authorization=f"Bearer {main}"))["http"] == 403
    assert (await system(engine, **far, Authorization=f"Bearer {boss}"))["http"] == 200
