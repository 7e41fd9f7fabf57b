"""`tocsin frameworks`, `users`, `teams` and `workspaces` against a real engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from protocol.messages import TriggerInput
from tests.support.shell import a_shell, run


@pytest.mark.parametrize(
    ("kind", "fields", "heads", "cells"),
    [
        ("frameworks", ("name=Shop", "owner=web"), ["FRAMEWORK", "KIND", "NAME", "OWNER"], ["service", "Shop", "web"]),
        ("users", ("name=Ann", "zone=Europe/Berlin"), ["USER", "NAME", "EMAIL"], ["Ann", "-", "Europe/Berlin"]),
        ("teams", ("name=Web", 'members=["ann","bob"]'), ["TEAM", "NAME", "MEMBERS", "ROTA"], ["Web", "ann,", "bob"]),
        ("workspaces", ("name=Acme", 'labels={"a":"b"}'), ["WORKSPACE", "NAME", "LABELS"], ["Acme", "a=b", "-"]),
    ],
)
async def test_each_kind_is_made_listed_changed_put_away_and_taken_back(
    tmp_path: Path, kind: str, fields: tuple[str, ...], heads: list[str], cells: list[str]
) -> None:
    async with a_shell(tmp_path) as (_, said):
        assert (await said(kind, "put", "x1", *fields)).splitlines()[0] == f"{kind[:-1]} x1 made, version 1"
        head, row = (await said(kind, "list")).splitlines()
        assert head.split()[: len(heads)] == heads
        assert row.split()[: len(cells) + 1] == ["x1", *cells]
        assert (await said(kind, "put", "x1", "name=Other")).splitlines()[0] == f"{kind[:-1]} x1 changed, version 2"
        again = await said(kind, "put", "x1", "name=Other")
        assert again.splitlines()[0] == f"{kind[:-1]} x1 was so already, version 2"
        assert json.loads(await said(kind, "show", "x1"))["name"] == "Other"
        assert await said(kind, "archive", "x1", "x2", code=1) == f"x1: archived\nx2: there is no such {kind[:-1]}\n"
        assert await said(kind, "list", "--json") == ""
        [line] = (await said(kind, "list", "--archived", "--json")).splitlines()
        assert json.loads(line)["id"] == "x1"
        assert await said(kind, "restore", "x1") == "x1: restored\n"
        assert await said(kind, "delete", "x1") == "x1: deleted\n"
        assert f"there is no such {kind[:-1]}" in await said(kind, "show", "x1", code=1)


async def test_a_file_that_show_printed_is_refused_if_somebody_was_faster(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (_, said):
        await said("teams", "put", "ops/night", "name=Night")
        file = tmp_path / "team.json"
        file.write_text(await said("teams", "show", "ops/night"))
        file.write_text(json.dumps(json.loads(file.read_text()) | {"members": ["ann"]}))
        put = ("teams", "put", "ops/night", "--file", str(file))
        assert await said(*put) == "team ops/night changed, version 2\n"
        assert "version 1 was changed meanwhile, now it is 2: read the team again" in await said(*put, code=1)
        assert await said(*put, "--version", "2") == "team ops/night was so already, version 2\n"
        assert "version 7 was changed meanwhile" in await said(
            "teams", "put", "ops/night", "name=x", "--version", "7", code=1
        )
        await said("teams", "delete", "ops/night")
        # What was seen is not there any more: nobody makes it again by mistake.
        assert "there is no such team" in await said(*put, code=1)


async def test_what_is_put_has_one_id(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (_, said):
        file = tmp_path / "team.json"
        file.write_text('{"id": "yan"}')
        assert f"{file} says id 'yan', not 'zed'" in await said("teams", "put", "zed", "--file", str(file), code=2)
        assert "FIELD=VALUE says id None, not 'zed'" in await said("teams", "put", "zed", "id=null", code=2)
        assert await said("teams", "list", "--json") == ""
        assert await said("teams", "put", "yan", "--file", str(file)) == "team yan made, version 1\n"


async def test_what_only_rang_is_listed_and_put_describes_it(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, said):
        await engine.service.trigger(engine.principal("ann"), [TriggerInput(framework_id="shop", title="x")])
        assert "seen" in (await said("frameworks", "list")).splitlines()[1].split()
        assert await said("frameworks", "put", "shop", "name=Web shop") == "framework shop changed, version 1\n"


async def test_a_team_says_who_is_on_call(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (_, said):
        rota = json.dumps({"starts_on": "2026-01-05", "order": ["ann"], "zone": "Europe/Berlin"})
        await said("teams", "put", "ops", f"rota={rota}")
        assert (await said("teams", "on-call", "ops")).startswith("ann")
        await said("teams", "put", "idle", "name=Idle")
        assert await said("teams", "on-call", "idle") == "nobody\n"


def test_the_example_of_a_field_is_one_of_its_kind() -> None:
    for kind, example in (("teams", "name=Web"), ("users", "role=viewer"), ("endpoints", "min_severity=error")):
        done = run(kind, "put", "x", "name", TOCSIN_TOKEN="t")
        assert (done.exit_code, f"'name' is no FIELD=VALUE; for example {example}\n" in done.output) == (2, True)


def test_what_makes_no_sense_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    broken, listed = tmp_path / "broken.json", tmp_path / "list.json"
    broken.write_text("{")
    listed.write_text("[]")
    for arguments, words in (
        (("put", "x", "name"), "is no FIELD=VALUE"),
        (("put", "x", "name=y", "--file", str(broken)), "say either FIELD=VALUE"),
        (("put", "x", "--file", str(broken)), "is no JSON"),
        (("put", "x", "--file", str(listed)), "is no JSON object"),
        (("put", "x", "--version", "-1"), "--version"),
    ):
        done = run("teams", *arguments, TOCSIN_TOKEN="t")
        assert (done.exit_code, words in done.output) == (2, True), done.output
