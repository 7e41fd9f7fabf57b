"""`tocsin workflows` against a real engine: from a definition in a file to a project that is done."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from tests.support.shell import a_shell, run
from tests.support.workflows import a_workflow


async def test_a_project_is_set_rung_for_and_moved_on_from_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "roofing.json"
    file.write_bytes(msgspec.json.encode(a_workflow(2)))
    async with a_shell(tmp_path) as (_, said):
        assert await said("workflows", "put", str(file)) == "workflow roofing made, version 1\n"
        assert (await said("workflows", "list")).splitlines()[1].split()[:3] == ["roofing", "Roofing", "1"]
        shown = json.loads(await said("workflows", "show", "roofing"))
        assert shown["id"] == "roofing"
        item = shown["phases"][0]["sections"][0]["items"][0]
        assert item.keys() == {"id", "item_name", "responsible_role", "alert_days", "is_active"}
        assert await said("workflows", "track", "a/b", "roofing", "--assign", "foreman=fred") == "a/b is on i0\n"
        rung = (await said("workflows", "generate", "a/b")).splitlines()
        assert rung[0].split() == ["PROJECT", "STATUS", "REASON", "ITEM", "ALERT", "WHY"]
        assert rung[1].split()[:4] == ["a/b", "fired", "fired", "i0"]
        moved = json.loads(await said("workflows", "advance", "a/b", "--item", "i0", "--notes", "done", "--json"))
        assert (moved["status"], moved["item_id"]) == ("advanced", "i1")
        [_, line] = (await said("workflows", "trackers", "--item", "i1")).splitlines()
        assert (line.split()[:3], line.split()[-4:]) == (["a/b", "roofing", "i1"], ["no", "1", "of", "2"])
        assert await said("workflows", "trackers", "--late", "--json") == ""
        heads, latest, first = (await said("workflows", "history", "a/b")).splitlines()
        assert heads.split() == ["AT", "(UTC)", "BY", "VERB", "CHANGED", "NOTES"]
        assert "advance_tracker" in latest
        assert "item_id: i0 -> i1" in latest
        assert latest.endswith("done")
        assert "set_tracker" in first


async def test_what_is_refused_for_a_project_is_told_in_words_and_exits_with_1(tmp_path: Path) -> None:
    file = tmp_path / "roofing.json"
    file.write_bytes(msgspec.json.encode(a_workflow(2)))
    async with a_shell(tmp_path) as (_, said):
        await said("workflows", "put", str(file))
        await said("workflows", "track", "42", "roofing")
        rung = (await said("workflows", "generate", "42", "43", code=1)).splitlines()
        assert rung[1].split()[:2] == ["42", "fired"]
        assert rung[2].split()[:3] == ["43", "rejected", "unknown_project"]
        assert "no workflow" in rung[2]
        await said("workflows", "advance", "42", "--item", "i0")
        again = (await said("workflows", "advance", "42", "--item", "i0", code=1)).splitlines()
        assert again[1].split()[:4] == ["42", "rejected", "already", "i1"]
        assert "i1" in again[1].partition(" i1 ")[2]
        line = await said("workflows", "advance", "43", "--json", code=1)
        assert json.loads(line)["reason"] == "unknown_project"


async def test_a_definition_is_changed_and_a_change_of_an_old_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "roofing.json"
    file.write_bytes(msgspec.json.encode(a_workflow(2)))
    async with a_shell(tmp_path) as (_, said):
        await said("workflows", "put", str(file))
        file.write_text(json.dumps(json.loads(await said("workflows", "show", "roofing")) | {"name": "Roofs"}))
        assert await said("workflows", "put", str(file)) == "workflow roofing changed, version 2\n"
        assert "version 1 was changed meanwhile, now it is 2" in await said("workflows", "put", str(file), code=1)
        assert (
            await said("workflows", "put", str(file), "--version", "2")
            == "workflow roofing was so already, version 2\n"
        )
        assert await said("workflows", "archive", "roofing") == "roofing: archived\n"


async def test_a_project_is_moved_to_another_step_and_taken_off(tmp_path: Path) -> None:
    file = tmp_path / "roofing.json"
    file.write_bytes(msgspec.json.encode(a_workflow(3)))
    async with a_shell(tmp_path) as (_, said):
        await said("workflows", "put", str(file))
        await said("workflows", "track", "42", "roofing", "--assign", "foreman=fred")
        assert "tocsin: " in await said("workflows", "track", "42", "roofing", "--item", "i2", code=1)
        assert await said("workflows", "track", "42", "roofing", "--item", "i2", "--move") == "42 is on i2\n"
        [line] = (await said("workflows", "trackers", "--json")).splitlines()
        assert json.loads(line)["assignees"] == {"foreman": "fred"}
        assert await said("workflows", "untrack", "42") == "42 follows no workflow\n"
        assert "follows no workflow" in await said("workflows", "untrack", "42", code=1)


def test_what_makes_no_sense_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    nameless = tmp_path / "nameless.json"
    nameless.write_text("{}")
    for arguments, said in (
        (("put", str(broken)), "is no JSON"),
        (("put", str(nameless)), "says no id"),
        (("track", "42", "roofing", "--assign", "foreman"), "say ROLE=USER"),
    ):
        result = run("workflows", *arguments, "--api", "http://127.0.0.1:9", "--data", str(tmp_path))
        assert result.exit_code == 2
        assert said in result.stderr
