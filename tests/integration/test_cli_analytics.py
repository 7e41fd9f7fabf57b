"""`tocsin analytics` against a real engine."""

from __future__ import annotations

import json
from pathlib import Path

from protocol.items import TriggerInput
from tests.support.shell import a_shell


async def test_alerts_are_counted_and_shown_on_the_command_line(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, said):
        one = TriggerInput(framework_id="web", title="Disk full", severity="critical")
        await engine.service.trigger(engine.principal("ann"), [one])
        assert (
            await said("analytics", "counts", "--json")
            == "1 hour has changes that are not counted yet: they are soon\n"
        )
        await engine._up.counting.turn(10**15)
        head, line = (await said("analytics", "counts", "--by", "month", "--group", "framework")).splitlines()
        assert head.split()[:4] == ["SINCE", "(UTC)", "FRAMEWORK", "RULE"]
        assert line.split()[1:5] == ["web", "-", "-", "1"]
        (item,) = [
            json.loads(each)
            for each in (await said("analytics", "counts", "--group", "severity", "--json")).splitlines()
        ]
        assert (item["severity"], item["alerts"], item["rule_id"]) == ("critical", 1, None)
        assert (await said("analytics", "rules")).split()[:2] == ["RULE", "FRAMEWORK"]
        assert await said("analytics", "counts", "--framework", "other", "--json") == ""
