"""What every command of `tocsin` has in common: it explains itself, and says in one line what it could not do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import trio

from tests.support.shell import a_shell, run
from tocsin.cli import cli

NOBODY = "http://127.0.0.1:1"
# What a command needs besides what its help calls required.
MORE = {
    "alerts assign": ("x", "--nobody"),
    "broadcast": ("--user", "x"),
    "connections disconnect": ("x",),
    "maintenance add": ("--everything", "--for", "1h"),
    "revoke": ("--user", "x"),
    "silences add": ("--for", "1h"),
    "trigger": ("--async",),
    "alerts comment": ("x", "--notes", "x"),
} | {f"alerts {verb}": ("x",) for verb in ("ack", "unack", "resolve", "reopen")}
VALUES = {"fields": "a=b", "matchers": "a=b", "values": "1", "most": "1"}


def leaves(group: click.Group, *words: str) -> Iterator[tuple[str, click.Command]]:
    """All commands that do something, by what is typed for them."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, *words, name)
        else:
            yield " ".join((*words, name)), command


LEAVES = dict(leaves(cli))
# The doctor goes where they go, but looks at what is there without an engine as well.
REMOTE = {
    name: each
    for name, each in LEAVES.items()
    if any(param.name == "api" for param in each.params) and name != "doctor"
}


def enough(name: str, command: click.Command, folder: Path) -> list[str]:
    """The least that a command takes."""
    given = name.split()
    for param in command.params:
        if param.required:
            value = VALUES.get(param.name or "", "x")
            if isinstance(param.type, click.Path):
                value = str(folder / "given.json")
                Path(value).write_text('{"id": "x", "rules": []}')
            given += [value] if isinstance(param, click.Argument) else [param.opts[0], value]
    return [*given, *MORE.get(name, ())]


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_each_command_says_in_sentences_what_it_does(name: str) -> None:
    done = run(*name.split(), "--help")
    assert done.exit_code == 0
    if name != "bench":
        text = LEAVES[name].help or ""
        assert text.split("\n\n")[0].rstrip().endswith((".", ":"))
        assert LEAVES[name].get_short_help_str(200).endswith((".", "`."))


def test_whatever_prints_a_list_prints_it_as_json_too() -> None:
    listing = {name for name in REMOTE if name.split()[-1] in ("list", "trackers", "series", "audit", "backtest")}
    assert len(listing) >= 12
    without = {name for name in listing if not any("--json" in param.opts for param in LEAVES[name].params)}
    assert without == set()


@pytest.mark.parametrize("name", sorted(REMOTE))
def test_an_engine_that_is_not_there_is_one_line_and_exit_1(name: str, tmp_path: Path) -> None:
    done = run(*enough(name, REMOTE[name], tmp_path), "--api", NOBODY, TOCSIN_TOKEN="t")
    assert (done.exit_code, done.stdout) == (1, ""), done.output
    assert done.stderr.startswith(f"tocsin: cannot reach {NOBODY}: ")
    assert "is the engine running there? name one that runs elsewhere with --api or TOCSIN_API, " in done.stderr
    assert done.stderr.endswith("or start one with: tocsin serve\n")


@pytest.mark.parametrize("name", sorted(REMOTE))
def test_without_token_and_key_file_it_is_said_where_one_comes_from(name: str, tmp_path: Path) -> None:
    done = run(*enough(name, REMOTE[name], tmp_path), "--api", NOBODY, "--data", str(tmp_path))
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    assert "set TOCSIN_TOKEN, or TOCSIN_DATA" in done.stderr


async def test_a_token_that_is_none_is_one_line_and_exit_1_from_every_command(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (_, said):
        for name, command in REMOTE.items():
            told = await said(*enough(name, command, tmp_path), "--token", "nonsense", code=1)
            assert told.startswith("tocsin: "), name
            assert told.count("\n") == 1, name


async def test_the_way_to_an_engine_elsewhere_is_said_once_for_all_commands(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, _):
        where = {"TOCSIN_API": engine.http_url, "TOCSIN_TOKEN": engine.issue_token("main", "ann", "viewer")}
        done = await trio.to_thread.run_sync(lambda: run("rules", "list", "--json", **where))
    assert (done.exit_code, '"id": ' in done.stdout) == (0, True), done.output
