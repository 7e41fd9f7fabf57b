"""`tocsin predictions` against a real engine, whose store has some."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from engine.analytics.prediction_findings import finding_of, tally_finding
from engine.analytics.prediction_worker import CountTask, Task, refusal, work
from engine.core.analytics.accuracy import tallies_of
from engine.core.analytics.prediction_scores import score_count
from engine.ids import now_us
from protocol.predictions import PredictionKind
from protocol.times import SECOND_US
from tests.support.shell import a_shell

DAY_US = 86_400 * SECOND_US


async def test_what_is_expected_what_came_and_how_good_that_was_are_seen_from_the_command_line(tmp_path: Path) -> None:
    now = now_us()
    (count,) = work(Task(now - 2 * DAY_US, counts=(CountTask("web", "hot", [5] * 30),))).predictions
    scored = score_count(count, 7, now)
    refused = refusal(PredictionKind.BREACH, "web", "cold", "needs 14 days, has 3", now)
    day = finding_of("main", scored, now).at
    async with a_shell(tmp_path) as (engine, said):
        for verb, schedule in (("list", "prediction-generation"), ("accuracy", "prediction-scoring")):
            _, why = (await said("predictions", verb)).splitlines()
            assert why.endswith(f"now with: tocsin schedules run {schedule} --workspace system")
            assert await said("predictions", verb, "--json") == ""
        await engine._up.store.put_findings(
            [finding_of("main", each, now) for each in (scored, refused)]
            + [tally_finding("main", day, None, None, tallies_of([scored]), now)]
        )
        here = await engine.predictions.predictions(engine.principal("ann", "viewer"))
        assert here.items == [refused, scored]
        head, first, second = (await said("predictions", "list")).splitlines()
        assert head.split()[:3] == ["PREDICTION", "KIND", "FRAMEWORK"]
        assert "needs 14 days, has 3" in first
        assert "5.02 alerts (" in second
        assert second.split()[-1] == "7"
        (line,) = (await said("predictions", "list", "--state", "scored", "--rule", "hot", "--json")).splitlines()
        assert json.loads(line) == msgspec.to_builtins(scored)
        assert json.loads(await said("predictions", "show", scored.id)) == msgspec.to_builtins(scored)
        _, told = (await said("predictions", "accuracy", "--since", "7d")).splitlines()
        assert told.split()[:2] == ["count", "1"]
        assert await said("predictions", "show", "nobodys", code=1) != ""
