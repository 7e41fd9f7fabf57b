"""The JavaScript client under Node, against a real engine: in both wire forms, through a cut and a kill."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import trio

from engine.access.auth import Authenticator
from tests.support.engines import ROOT, SECRET, an_engine_process, first_line
from tocsin.client import Client

CLIENT = ROOT / "web" / "client"
BUILD_S = 280.0
PATIENCE_S = 600.0


@pytest.fixture(scope="module")
def built() -> Path:
    """The client and its tests, compiled."""
    subprocess.run(["npm", "exec", "--no", "tsc"], cwd=CLIENT, check=True, timeout=BUILD_S)
    return CLIENT / "build" / "tested" / "test"


def test_units_and_recorded_conversations_are_green(built: Path) -> None:
    files = sorted(map(str, built.glob("*.test.js")))
    done = subprocess.run(["node", "--test", *files], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout
    assert "# pass " in done.stdout


@pytest.mark.parametrize("form", ["json", "msgpack"])
async def test_it_follows_acts_and_misses_nothing_when_the_engine_is_killed(
    tmp_path: Path, built: Path, form: str
) -> None:
    token = Authenticator(SECRET.encode()).issue("main", "ann", "admin", 3_600)
    with trio.fail_after(PATIENCE_S):
        async with an_engine_process(tmp_path) as engine:
            program = await trio.lowlevel.open_process(
                ["node", str(built / "live.js"), engine.ws, token, form], stdout=subprocess.PIPE
            )
            assert await first_line(program) == "READY"
            address = engine.ws_address
            await engine.kill()
        async with an_engine_process(tmp_path, ws=address) as engine, Client(engine.ws, token) as client:
            await client.trigger("web", title="after")
            assert await program.wait() == 0
    assert program.stdout is not None
    await program.stdout.aclose()
