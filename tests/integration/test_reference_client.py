"""The reference's client works unchanged: Node's `ws`, the bare URL, no subprotocol."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import trio

from engine.app import Engine
from engine.configuration.config import Config
from protocol.items import TriggerInput
from tests.support.engines import first_line

SCRIPT = Path(__file__).parent.parent / "node" / "reference_client.mjs"


@pytest.mark.parametrize("mode", ["in_turn", "burst"])
async def test_the_references_client_connects_subscribes_and_hears_the_alert(tmp_path: Path, mode: str) -> None:
    config = Config(data=tmp_path / "data", ws="127.0.0.1:0", http="127.0.0.1:0", watch_host=False)
    with trio.fail_after(170):
        async with Engine(config) as engine:
            token = engine.issue_token("main", "dashboard", role="viewer")
            process = await trio.lowlevel.open_process(
                ["node", str(SCRIPT), engine.ws_url, token, "web", mode], stdout=subprocess.PIPE
            )
            assert process.stdout is not None
            assert await first_line(process) == "READY"
            alert = TriggerInput(framework_id="web", title="Latency", current_value=95, threshold_value=90)
            await engine.service.trigger(engine.principal("test"), [alert])
            assert await process.wait() == 0
            await process.stdout.aclose()


async def test_a_page_in_javascript_closes_what_a_change_of_many_has_closed(tmp_path: Path) -> None:
    config = Config(data=tmp_path / "data", ws="127.0.0.1:0", http="127.0.0.1:0", watch_host=False)
    with trio.fail_after(170):
        async with Engine(config) as engine:
            token, who = engine.issue_token("main", "dashboard", role="viewer"), engine.principal("ann")
            script = SCRIPT.with_name("bulk_client.mjs")
            process = await trio.lowlevel.open_process(
                ["node", str(script), engine.ws_url, token, "web", "3"], stdout=subprocess.PIPE
            )
            assert process.stdout is not None
            assert await first_line(process) == "READY"
            fired = await engine.service.trigger(who, [TriggerInput(framework_id="web", title=t) for t in "abc"])
            await engine.service.resolve(who, [result.alert_id or "" for result in fired])
            assert await process.wait() == 0
            await process.stdout.aclose()
