"""`tocsin silences` against a real engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs

from tests.support.engines import an_engine
from tests.support.shell import PATIENCE_S, in_thread, run


async def test_silences_are_made_listed_and_ended_from_the_command_line(tmp_path: Path) -> None:
    # The engine shares this process, and its log must not be in what the command prints.
    with capture_logs(), trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path) as engine:
            given = ("--api", engine.http_url, "--data", str(tmp_path))
            made = await in_thread(
                *("silences", "add", "host=web-3", 'alertname=~"Disk.*"', "--for", "2h", "--comment", "disk"), *given
            )
            assert made.exit_code == 0, made.output
            name = made.output.strip()
            later = await in_thread(
                *("silences", "add", "a!=b", "c=d", "--from", "2999-01-01T00:00:00Z"),
                *("--until", "2999-01-02T00:00:00Z", "--comment", "later", *given),
            )
            assert later.exit_code == 0, later.output
            lines = (await in_thread("silences", "list", *given)).output.splitlines()
            assert lines[0].split() == ["SILENCE", "STATE", "MATCHERS", "FROM", "UNTIL", "AUTHOR", "COMMENT"]
            assert lines[1].split()[:4] == [name, "active", "host=web-3", "alertname=~Disk.*"]
            assert lines[2].split()[1] == "pending"
            ended = await in_thread("silences", "expire", name, *given)
            assert ended.output.strip() == f"{name}: expired"
            expired = await in_thread("silences", "list", "--state", "expired", "--json", *given)
            assert [json.loads(line)["id"] for line in expired.output.splitlines()] == [name]
            table = await in_thread("silences", "list", "--state", "expired", *given)
            assert table.output.splitlines()[1].split()[1] == "expired"
            refused = await in_thread("silences", "expire", "nobody", *given)
            assert (refused.exit_code, refused.output) == (1, "nobody: there is no such silence\n")
            planned = ("silences", "add", "a=b", "--from", "2999-01-01T00:00:00Z", "--for", "2h", "--comment", "x")
            assert (await in_thread(*planned, *given)).exit_code == 0
            last = (await in_thread("silences", "list", *given)).output.splitlines()[-1].split()
            assert last[3:5] == ["2999-01-01T00:00:00Z", "2999-01-01T02:00:00Z"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("host", "--for", "1h"), "is no matcher: write label=value"),
        (("a=b", "--for", "soon"), "is no time: write 90s"),
        (("a=b",), "say either --for"),
    ],
)
def test_what_cannot_be_meant_is_said(arguments: tuple[str, ...], said: str) -> None:
    result = run("silences", "add", *arguments, "--comment", "x")
    assert result.exit_code == 2
    assert said in result.output
