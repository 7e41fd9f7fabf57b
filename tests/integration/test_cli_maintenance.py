"""`tocsin maintenance` against a real engine, and the example of `docs/quieting.md`."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from protocol.items import TriggerInput
from tests.support.engines import ROOT
from tests.support.shell import a_shell, run

DOC = (ROOT / "docs" / "quieting.md").read_text()


async def test_a_window_of_now_keeps_quiet_until_it_is_ended(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, said):
        window = (await said("maintenance", "add", "--title", "new disks", "--framework", "db", "--for", "2h")).strip()
        [line] = (await said("maintenance", "list", "--json")).splitlines()
        until = json.loads(line)["ends_at"][:19] + "Z"
        row = (await said("maintenance", "list")).splitlines()[1]
        assert row.startswith(f"{window}  on until {until}  db ")
        assert row.endswith("  new disks")
        [rung] = await engine.service.trigger(engine.principal("p"), [TriggerInput(framework_id="db", title="x")])
        assert rung.reason.value == "maintenance"
        assert f"maintenance by {window} until {until}" in await said("alerts", "list")
        assert "new disks" in await said("alerts", "show", str(rung.alert_id))
        ended = await said("maintenance", "end", window, "nothing", code=1)
        assert ended == f"{window}: ended\nnothing: there is no such maintenance\n"
        assert await said("maintenance", "end", window) == f"{window}: ended already\n"
        assert await said("maintenance", "list", "--json") == ""
        assert (await said("maintenance", "list", "--ended")).splitlines()[1].split()[1] == "ended"
        assert json.loads(await said("maintenance", "show", window))["archived_at"]


async def test_windows_that_come_again_or_later_say_whom_they_are_for_and_when(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (_, said):
        weekly = ("--weekly", "Sat,sun 22:00-06:00", "--zone", "Europe/Berlin", "--until", "2999-01-01T00:00:00Z")
        await said("maintenance", "add", "host=web-1", 'team!~"a|b"', "--title", "w", *weekly)
        later = ("--from", "2999-01-01T00:00:00Z", "--for", "30m")
        await said("maintenance", "add", "--everything", "--title", "l", *later)
        await said("maintenance", "add", "--everything", "--title", "d", "--weekly", "00:00-24:00")
        over = ("--from", "2020-01-01T00:00:00Z", "--until", "2020-01-02T00:00:00Z")
        await said("maintenance", "add", "--everything", "--title", "o", *over)
        rows = {line.split()[-1]: line for line in (await said("maintenance", "list")).splitlines()[1:]}
        assert "  host=web-1 team!~a|b  sat,sun 22:00-06:00 Europe/Berlin until 2999-01-01T00:00:00Z  " in rows["w"]
        assert re.search(r"  o(n|ff) until \d{4}-", rows["w"])
        assert "  off until 2999-01-01T00:00:00Z  everything " in rows["l"]
        assert rows["l"].rstrip(" l").endswith("from 2999-01-01T00:00:00Z until 2999-01-01T00:30:00Z")
        assert rows["d"].split()[1:-1] == ["on", "everything", "every", "day", "00:00-24:00", "UTC"]
        assert "  over " in rows["o"]
        wrong = await said("maintenance", "add", "--everything", "--title", "x", "--weekly", "xyz 22:00-06:00", code=1)
        assert "'xyz' is no day" in wrong


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--for", "1h"), "say whom it is for"),
        (("a=b", "--everything", "--for", "1h"), "say whom it is for"),
        (("a", "--for", "1h"), "is no matcher"),
        (("a=b",), "say either --for"),
        (("a=b", "--for", "soon"), "'soon' is no time: write 90s"),
        (("a=b", "--from", "tomorrow", "--for", "1h"), "'tomorrow' is no time: write 2026"),
        (("a=b", "--weekly", "sundays"), '"sat,sun 22:00-06:00"'),
        (("a=b", "--weekly", "22:00-06:00", "--for", "1h"), "--for is for a window that comes once"),
        (("a=b", "--for", "1h", "--zone", "UTC"), "--zone goes with --weekly"),
    ],
)
def test_what_cannot_be_meant_is_said(arguments: tuple[str, ...], said: str) -> None:
    done = run("maintenance", "add", *arguments, "--title", "x", TOCSIN_TOKEN="t")
    assert done.exit_code == 2
    assert said in done.output


async def test_the_example_of_the_page_is_taken_as_it_stands(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```sh\n(tocsin maintenance.*?)^```", DOC, re.M | re.S)
    lines = block.replace("\\\n", "").splitlines()
    async with a_shell(tmp_path) as (_, said):
        named: dict[str, str] = {}
        for line in lines:
            words = [named.get(word, word) for word in shlex.split(line, comments=True)[1:]]
            named["ID"] = (await said(*words)).split()[0]
        assert await said("maintenance", "list", "--json") == ""
