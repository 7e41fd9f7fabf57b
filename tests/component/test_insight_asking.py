"""What the process of insights is told of a workspace: which rules have a chain of escalation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.analytics.insight_asking import ask_for_look
from engine.analytics.insight_tasks import HeldRule
from tests.support.insights import ANN, WORKSPACE, an_insight_bench

STEPS = [{"after_s": 60, "users": ["ann"]}]


@pytest.mark.parametrize(
    ("chain", "is_escalated"),
    [
        ({"steps": STEPS}, True),
        ({"steps": STEPS, "rules": ["cpu"]}, True),
        ({"steps": STEPS, "rules": ["disk"], "frameworks": ["web"]}, True),
        ({"steps": STEPS, "rules": ["disk"], "frameworks": ["db"]}, False),
        ({"steps": STEPS, "min_severity": "critical"}, False),
        ({"steps": STEPS, "enabled": False}, False),
        ({"steps": [], "remind_every_s": 600}, False),
    ],
)
async def test_a_rule_is_escalated_if_a_chain_begins_for_its_loud_alerts(
    chain: dict[str, Any], is_escalated: bool, tmp_path: Path
) -> None:
    async with an_insight_bench(tmp_path) as bench:
        shelves = bench.engine.shelves
        await shelves.escalations.create(ANN, {"id": "c", **chain})
        look = await ask_for_look(shelves, WORKSPACE, bench.now[0])
    rules = [held for page in look.rules for held in msgspec.msgpack.decode(page, type=list[HeldRule])]
    assert [(each.version, each.is_escalated) for each in rules if each.rule.id == "cpu"] == [(1, is_escalated)]
