"""An engine in a world of its own: whatever is handed in is what the whole engine uses."""

from __future__ import annotations

from pathlib import Path

from engine.app import Engine
from engine.world import World
from protocol.items import TriggerInput
from tests.support.engines import a_config
from tests.support.stores import NOW


async def test_time_and_ids_come_from_the_world(tmp_path: Path) -> None:
    ids = iter(f"0197ef00-0000-7000-8000-{n:012x}" for n in range(1_000))
    world = World(clock=lambda: NOW, new_id=lambda: next(ids))
    async with Engine(a_config(tmp_path, store="memory:"), world) as engine:
        token = engine.issue_token("acme", "ada")
        who = engine.service.authenticate(token)
        [result] = await engine.service.trigger(who, [TriggerInput(framework_id="checkout", title="hot")])
        assert result.alert_id is not None
        alert = await engine.service.alert(who, result.alert_id)
    assert alert.triggered_at == "2026-01-01T00:00:00.000000Z"
    assert who.expires_at == NOW // 1_000_000 + 86_400
    assert alert.id.startswith("0197ef00-0000-7")
