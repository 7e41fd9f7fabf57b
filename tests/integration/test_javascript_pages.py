"""The example pages of the JavaScript client and its hook, in a real browser against a real engine."""

from __future__ import annotations

from pathlib import Path

import trio

from benchmarks.peers.ports import a_port
from engine.access.auth import Authenticator
from tests.support.engines import ROOT, SECRET, an_engine_process

CLIENT = ROOT / "web" / "client"
PATIENCE_S = 600.0


async def test_the_example_pages_show_what_happens_and_act_on_it(tmp_path: Path) -> None:
    token = Authenticator(SECRET.encode()).issue("main", "ann", "admin", 3_600)
    port = a_port()
    with trio.fail_after(PATIENCE_S):
        await trio.run_process(["npm", "exec", "--no", "tsc"], cwd=CLIENT)
        origins = f"http://127.0.0.1:{port}"
        async with an_engine_process(tmp_path, TOCSIN_GATEWAY_ORIGINS=origins) as engine:
            program = CLIENT / "build" / "tested" / "test" / "pages.js"
            await trio.run_process(["node", str(program), engine.ws, token, str(tmp_path), str(port), engine.http])
    assert {"hook_page_light.png", "hook_page_dark.png"} <= {file.name for file in tmp_path.iterdir()}
