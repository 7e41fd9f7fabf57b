"""`tocsin incidents` against a real engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.app import Engine
from engine.verbs import incidents as verbs
from protocol.items import TriggerInput
from tests.support.shell import a_shell


async def ring(engine: Engine, *titles: str, **labels: str) -> list[str]:
    """Rings for each; when they belong together their ids."""
    rings = [TriggerInput(framework_id="web", title=title, labels=labels) for title in titles]
    results = await engine.service.trigger(engine.principal("ann"), rings)
    await engine._up.incident_keeper.caught_up("main")
    return [str(result.alert_id) for result in results]


async def test_incidents_are_shown_and_dealt_with_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "SEEN_MAX_S", 100.0)
    async with a_shell(tmp_path) as (engine, said):
        first = await ring(engine, "one", "two", host="h1")
        await ring(engine, "three", "four", service="pay")

        async def listed(*words: str) -> list[dict[str, Any]]:
            lines = (await said("incidents", "list", "--json", *words)).splitlines()
            return [json.loads(line) for line in lines]

        second, one = await listed("--state", "open", "--since", "1h")
        head, *_ = (await said("incidents", "list")).splitlines()
        assert head.split()[:3] == ["INCIDENT", "STATE", "SEVERITY"]
        whole = json.loads(await said("incidents", "show", one["id"]))
        assert [member["id"] for member in whole["members"]] == first
        assert "2 alerts changed" in await said("incidents", "acknowledge", one["id"], "--notes", "on it")
        assert "merged, 4 alerts now" in await said("incidents", "merge", one["id"], second["id"])
        assert "by itself" in await said("incidents", "split", one["id"], first[0])
        assert "resolved, 3 alerts changed" in await said("incidents", "resolve", one["id"])
        assert [each["id"] for each in await listed("--framework", "web")] == [one["id"]]
        assert await listed("--until", "1h") == []
        _, why = (await said("incidents", "list", "--until", "1h")).splitlines()
        assert "no incident that fits" in why and "tocsin incidents settings" in why
        settings = json.loads(await said("incidents", "settings", "--window", "60", "--label", "rack", "--no-group"))
        assert (settings["window_s"], settings["labels"], settings["group_notifications"]) == (60, ["rack"], False)
        assert json.loads(await said("incidents", "settings")) == settings
