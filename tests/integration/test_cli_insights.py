"""`tocsin insights` and `tocsin recommendations` against a real engine, whose store has some."""

from __future__ import annotations

import json
from pathlib import Path

from engine.analytics.insight_findings import insight_finding, recommendation_finding
from engine.ids import now_us
from tests.support.insights import CPU, a_recommendation, an_insight
from tests.support.shell import a_shell

NOW = "now with: tocsin schedules run insight-generation --workspace system"


async def test_how_frameworks_are_and_what_helps_is_seen_and_done_from_the_command_line(tmp_path: Path) -> None:
    now = now_us()
    async with a_shell(tmp_path) as (engine, said):
        await engine.shelves.rules.create(engine.principal("ann"), CPU)
        found = [
            insight_finding("main", an_insight(name, now, health), now)
            for name, health in (("web", 59.5), ("db", None), ("app", 70.0), ("old", 21.0))
        ]
        made = [recommendation_finding("main", a_recommendation(number, now), now) for number in (1, 2)]
        await engine._up.store.put_findings(found + made)
        head, *lines = (await said("insights", "list")).splitlines()
        assert head.split()[:4] == ["FRAMEWORK", "DAY", "HEALTH", "RISK"]
        assert [line.split()[0] for line in lines] == ["old", "web", "app", "db"]
        assert "cpu: error alerts (-40.5)" in lines[1] and "-3.5" in lines[1]
        assert lines[3].split()[2] == "-"
        shown = await said("insights", "show", "web")
        assert "pulled down by:" in shown and "risks:" in shown and "14 instead of 212" in shown
        assert json.loads(await said("insights", "show", "db", "--json"))["insight"]["health"] is None
        _, why = (await said("insights", "list", "--day", "2001-01-01")).splitlines()
        assert "no insight that fits" in why and why.endswith(NOW)
        assert await said("recommendations", "apply", "r1") == "Let cpu hold: done\n"
        _, other = (await said("recommendations", "list")).splitlines()
        assert other.split()[:4] == ["r2", "out", "of", "date"] and "the rule has changed since" in other
        assert await said("recommendations", "dismiss", "r2", "--notes", "no") == "Let cpu hold: dismissed\n"
        assert "for_s" in await said("rules", "show", "cpu")
        _, why = (await said("recommendations", "list")).splitlines()
        assert "no recommendation that fits" in why and why.endswith(NOW)
        (line,) = (
            await said("recommendations", "list", "--state", "dismissed", "--rule", "cpu", "--json")
        ).splitlines()
        assert json.loads(line)["notes"] == "no"
