"""`tocsin alerts` against a real engine: what is shown, what people do, and how that ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from engine.app import Engine
from protocol.items import ReadingInput, TriggerInput
from tests.support.shell import Said, a_shell, run
from tocsin.commands.alerts import because
from tocsin.commands.api import Api


async def rung(engine: Engine, *titles: str) -> list[str]:
    """Alerts of `web`, by their ids."""
    given = [TriggerInput(framework_id="web", title=title) for title in titles]
    results = await engine.service.trigger(engine.principal("prom"), given)
    return [str(result.alert_id) for result in results]


async def silenced(said: Said) -> str:
    return (await said("silences", "add", "framework_id=web", "--for", "2h", "--comment", "new disk")).strip()


async def test_a_quiet_alert_is_listed_with_why_because_of_what_and_until_when(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, said):
        silence = await silenced(said)
        [quiet] = await rung(engine, "Disk full")
        until = json.loads(await said("silences", "list", "--json"))["ends_at"]
        head, row = (await said("alerts", "list")).splitlines()
        place = head.index("QUIET")
        assert row[place:].startswith(f"silenced by {silence} until {until[:19]}Z  Disk full")
        shown = await said("alerts", "show", quiet)
        assert ["quieted_because", "new", "disk"] in [line.split() for line in shown.splitlines()]
        await said("silences", "expire", silence)
        loud = (await said("alerts", "list", "--since", "1h")).splitlines()[1]
        assert loud[place:].split() == ["-", "Disk", "full"]


async def test_what_quieted_an_alert_may_be_deleted_in_the_meantime(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, _):
        api = Api(engine.http_url, engine.issue_token("main", "ann"))
        quiet = {"quieted_by": "silenced", "quieted_ref": "gone"}
        assert await trio.to_thread.run_sync(because, api, quiet) is None


async def test_each_thing_that_people_do_ends_with_0_also_when_it_was_so_already(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, said):
        one, two = await rung(engine, "one", "two")
        both = (one, two)
        assert await said("alerts", "ack", *both) == f"{one} acknowledged\n{two} acknowledged\n"
        assert await said("alerts", "ack", one) == f"{one} acknowledged (already)\n"
        assert await said("alerts", "unack", one) == f"{one} unacknowledged\n"
        stranger = "ann is not a user of this workspace: nobody can be notified"
        assert await said("alerts", "assign", one, "--to", "ann") == f"{one} assigned {stranger}\n"
        await said("users", "put", "bob")
        assert await said("alerts", "assign", one, "--to", "bob") == f"{one} assigned\n"
        await said("alerts", "assign", one, "--to", "ann")
        assert "  ann  " in (await said("alerts", "list", "--assigned-to", "ann")).splitlines()[1]
        assert await said("alerts", "assign", one, "--nobody") == f"{one} assigned\n"
        assert await said("alerts", "comment", one, "--notes", "the fan") == f"{one} commented\n"
        assert await said("alerts", "comment", one, "--noise") == f"{one} commented\n"
        assert json.loads(await said("alerts", "show", one, "--json"))["alert"]["noise"] is True
        assert await said("alerts", "resolve", *both, "--notes", "done") == f"{one} resolved\n{two} resolved\n"
        assert await said("alerts", "resolve", one) == f"{one} resolved (already)\n"
        assert await said("alerts", "reopen", one) == f"{one} reopened\n"
        story = (await said("alerts", "show", one)).splitlines()
        assert [line.split()[2] for line in story if line.startswith("20")][:3] == ["reopen", "resolve", "comment"]
        assert any("state: resolved -> active" in line for line in story)


async def test_the_story_of_an_alert_ends_also_when_no_person_has_ended_it(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, said):
        await said("rules", "add", "id=hot", "framework=web", "metric=cpu", "threshold=90")
        by = engine.principal("p")
        readings = [ReadingInput(framework_id="web", metric="cpu", value=value) for value in (95.0, 10.0)]
        rung, _ = await engine.service.read(by, readings)
        shown = (await said("alerts", "show", str(rung.alert_id))).splitlines()
        assert [line.split()[1:3] for line in shown if line.startswith("20")] == [["rule", "resolved"], ["-", "fired"]]
        assert not any(line.startswith("alert_rule_id") for line in shown)


async def test_what_is_refused_says_why_and_exits_with_1_and_keeps_nobody_back(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, said):
        one, two = await rung(engine, "one", "two")
        absent = "00000000-0000-7000-8000-000000000000"
        told = (await said("alerts", "resolve", one, absent, code=1)).splitlines()
        assert told == [f"{one} resolved", f"{absent} rejected (unknown_alert) there is no such alert"]
        refused = await said("alerts", "ack", one, two, code=1)
        assert "rejected (already) the alert is resolved already: re-open it" in refused.splitlines()[0]
        assert refused.splitlines()[1] == f"{two} acknowledged"
        assert "there is no such alert" in await said("alerts", "show", absent, code=1)


async def test_a_filter_means_all_that_it_finds_and_a_dry_run_only_counts(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, said):
        await rung(engine, "one", "two", "three")
        which = ("--framework", "web", "--all")
        assert await said("alerts", "ack", *which, "--dry-run") == "3 alerts are meant\n"
        assert (await said("alerts", "list", "--state", "active", "--json")).count("\n") == 3
        assert (await said("alerts", "ack", *which)).count("acknowledged") == 3
        assert await said("alerts", "ack", "--framework", "other", "--all") == "no alert is meant\n"
        answer = json.loads(await said("alerts", "resolve", *which, "--json"))
        assert answer["matched"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ack",), "say either some IDs, or --all"),
        (("ack", "a", "--all"), "say either some IDs, or --all"),
        (("ack", "a", "--framework", "web"), "say either some IDs, or --all"),
        (("assign", "a"), "say either --to USER or --nobody"),
        (("comment", "a"), "--notes"),
        (("list", "--since", "noon"), "'noon' is no time"),
    ],
)
def test_what_cannot_be_meant_is_said(arguments: tuple[str, ...], said: str) -> None:
    done = run("alerts", *arguments, TOCSIN_TOKEN="t")
    assert (done.exit_code, said in done.output) == (2, True), done.output
