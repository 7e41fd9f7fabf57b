"""What rules wait for goes on over restarts, also in a channel that nobody uses: it is started at the start."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from engine.app import Engine
from engine.ids import now_us
from engine.world import World
from protocol.items import ReadingInput
from protocol.model import AlertState, Status
from protocol.rules import NoData, Rule, ThresholdRule
from protocol.times import SECOND_US
from tests.support.engines import a_config
from tocsin import Client

HOT = ReadingInput(framework_id="web", metric="cpu", value=95.0)
PENDING = ThresholdRule(id="hot", framework="web", metric="cpu", threshold=90.0, for_s=60.0)
SILENT = ThresholdRule(id="hot", framework="web", metric="cpu", threshold=99.0, no_data=NoData.ALERT, no_data_s=60.0)


def an_engine(folder: Path, rule: Rule, later_s: float = 0.0) -> Engine:
    """An engine whose clock is so much ahead."""
    shift = int(later_s * SECOND_US)
    return Engine(a_config(folder, rules=(rule,)), World(clock=lambda: now_us() + shift))


@pytest.mark.parametrize(
    ("rule", "answer"), [(PENDING, Status.PENDING), (SILENT, Status.BELOW_THRESHOLD)], ids=["pending", "no data"]
)
async def test_a_rule_that_waits_for_time_rings_after_a_restart_by_itself(
    tmp_path: Path, rule: Rule, answer: Status
) -> None:
    async with an_engine(tmp_path, rule) as engine:
        (result,) = await engine.service.read(engine.principal("p", "producer"), [HOT])
        assert result.status is answer
    async with an_engine(tmp_path, rule, later_s=61.0) as engine:
        token = engine.issue_token("main", "ann", "viewer")
        with trio.fail_after(170):
            async with Client(engine.ws_url, token) as client:
                # Of the workspace: following the framework's channel would start it.
                await client.subscribe("workspace", snapshot=True)
                async for message in client.alerts():
                    assert (message.data.rule_id, message.data.state) == ("hot", AlertState.ACTIVE)
                    break


async def test_a_rule_that_waited_goes_on_waiting_after_a_restart(tmp_path: Path) -> None:
    async with an_engine(tmp_path, PENDING) as engine:
        await engine.service.read(engine.principal("p", "producer"), [HOT])
    async with an_engine(tmp_path, PENDING, later_s=10.0) as engine:
        (result,) = await engine.service.read(engine.principal("p", "producer"), [HOT])
        assert result.status is Status.PENDING
    async with an_engine(tmp_path, PENDING, later_s=60.5) as engine:
        (result,) = await engine.service.read(engine.principal("p", "producer"), [HOT])
        assert result.status in (Status.FIRED, Status.SUPPRESSED)
