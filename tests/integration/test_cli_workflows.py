"""`tocsin workflows` against a real engine: from a definition in a file to a project that is done."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import trio
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from tests.support.engines import an_engine
from tests.support.workflows import a_workflow
from tocsin.cli import cli

PATIENCE_S = 30.0


def run(*arguments: str) -> Result:
    cleared = dict.fromkeys(("TOCSIN_TOKEN", "TOCSIN_URL", "TOCSIN_SECRET", "TOCSIN_DATA"))
    return CliRunner().invoke(cli, ["workflows", *arguments], prog_name="tocsin", env=cleared)


async def test_a_project_is_set_rung_for_and_moved_on_from_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "roofing.json"
    file.write_bytes(msgspec.json.encode(a_workflow(2)))
    with capture_logs(), trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path) as engine:

            async def said(*arguments: str) -> str:
                given = ("--api", engine.http_url, "--data", str(tmp_path))
                result = await trio.to_thread.run_sync(lambda: run(*arguments, *given))
                assert result.exit_code == 0, result.stderr
                return result.stdout

            assert await said("put", str(file)) == "workflow roofing made, version 1\n"
            assert (await said("list")).splitlines()[1].split()[:2] == ["roofing", "Roofing"]
            assert json.loads(await said("show", "roofing"))["id"] == "roofing"
            assert await said("track", "a/b", "roofing", "--assign", "foreman=fred") == "a/b is on i0\n"
            assert (await said("generate", "a/b", "c")).splitlines()[1].split()[:4] == ["a/b", "fired", "fired", "i0"]
            moved = json.loads(await said("advance", "a/b", "--item", "i0", "--notes", "done", "--json"))
            assert (moved["status"], moved["item_id"]) == ("advanced", "i1")
            assert (await said("trackers", "--item", "i1")).splitlines()[1].split()[:3] == ["a/b", "roofing", "i1"]
            assert await said("trackers", "--late", "--json") == ""


def test_what_makes_no_sense_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    for arguments, said in (
        (("put", str(broken)), "is no JSON"),
        (("track", "42", "roofing", "--assign", "foreman"), "say ROLE=USER"),
    ):
        result = run(*arguments, "--api", "http://127.0.0.1:9", "--data", str(tmp_path))
        assert result.exit_code == 2
        assert said in result.stderr
