"""`tocsin connections` against a real engine: lists, and disconnects one or all of a user."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from protocol import messages as m
from protocol.errors import CloseCode
from protocol.messages import TriggerInput
from tests.support.engines import an_engine
from tests.support.shell import PATIENCE_S, a_shell, in_thread, run
from tests.support.sockets import Peer
from tocsin.commands import options
from tocsin.commands.listing import changes


async def connect(ws_url: str, token: str) -> tuple[Peer, str]:
    host, _, port = ws_url.removeprefix("ws://").rpartition(":")
    peer = Peer(trio.socket.socket())
    await peer.sock.connect((host, int(port)))
    await peer.upgrade()
    await peer.say({"type": "auth", "token": token})
    answer = await peer.hear()
    assert isinstance(answer, m.AuthSuccess)
    return peer, answer.client_id


async def test_connections_are_listed_and_ended_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.commands.api.PAGE_ITEMS", 2)
    # The engine shares this process, and its log must not be in what the command prints.
    with capture_logs(), trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path) as engine:
            given = ("--api", engine.http_url, "--data", str(tmp_path))
            opened = [
                await connect(engine.ws_url, engine.issue_token(workspace, user, "viewer"))
                for workspace, user in (("main", "ann"), ("main", "eve"), ("main", "eve"), ("other", "bob"))
            ]
            ids = [client_id for _, client_id in opened]
            listed = (await in_thread("connections", *given)).stdout.splitlines()
            assert listed[0].split() == [
                "CLIENT", "USER", "ROLE", "ADDRESS", "SINCE", "FOLLOWS", "UNREAD", "LAG_S", "DROPPED",
            ]  # fmt: skip
            assert [line.split()[:4] for line in listed[1:]] == [
                [ids[0], "ann", "viewer", "127.0.0.1"],
                [ids[1], "eve", "viewer", "127.0.0.1"],
                [ids[2], "eve", "viewer", "127.0.0.1"],
            ]
            lines = (await in_thread("connections", "--json", "--user", "ann", *given)).stdout.splitlines()
            assert [json.loads(line)["client_id"] for line in lines] == ids[:1]
            everybody = (await in_thread("connections", "list", "--json", "--workspace", "system", *given)).stdout
            assert [json.loads(line)["client_id"] for line in everybody.splitlines()] == ids

            one = await in_thread("connections", "disconnect", ids[0], *given)
            assert (one.exit_code, one.stdout) == (0, "1 connection ended\n"), one.stderr
            both = await in_thread("connections", "disconnect", "--user", "eve", *given)
            assert both.stdout == "2 connections ended\n"
            for peer, _ in opened[:3]:
                assert (await peer.hear_close())[0] == CloseCode.FORCED
            foreign = await in_thread("connections", "disconnect", ids[3], *given)
            assert (foreign.exit_code, foreign.stderr) == (1, "tocsin: there is no such connection\n")
            for peer, _ in opened:
                peer.close()


@pytest.mark.parametrize("arguments", [(), ("x", "--user", "eve")])
def test_a_disconnection_needs_one_target(arguments: tuple[str, ...]) -> None:
    said = run("connections", "disconnect", *arguments, TOCSIN_TOKEN="t")
    assert said.exit_code == 2
    assert "say either CLIENT_ID (one connection) or --user" in said.stderr


def test_help_is_that_of_the_group() -> None:
    said = run("connections", "--help")
    assert said.exit_code == 0
    assert "disconnect" in said.stdout


async def test_the_trail_tells_who_did_what_the_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.commands.api.PAGE_ITEMS", 2)
    with capture_logs(), trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path) as engine:
            given = ("--api", engine.http_url, "--data", str(tmp_path))
            for user in ("ann", "bob", "eve"):
                boss = engine.principal("boss")
                await engine.operators.disconnect_user(boss, user, address="203.0.113.7")
            lines = [line.split() for line in (await in_thread("audit", *given)).stdout.splitlines()]
            assert lines[0] == ["AT", "(UTC)", "BY", "VERB", "TARGET", "FROM", "CHANGED", "NOTES"]
            assert [line[1:5] for line in lines[1:]] == [
                ["boss", "disconnect_user", user, "203.0.113.7"] for user in ("eve", "bob", "ann")
            ]
            assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line[0]) for line in lines[1:])
            told = (await in_thread("audit", "--json", "--last", "1", *given)).stdout.splitlines()
            assert [json.loads(line)["target"] for line in told] == ["eve"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({}, {}, ""),
        ({"version": 1}, {"version": 2}, "version: 1 -> 2"),
        ({"item_id": "i1", "version": 2}, {"item_id": None, "version": 3}, "item_id: i1 -> -, version: 2 -> 3"),
        ({"version": 0}, {"version": 1, "workflow_id": "roofing"}, "version: 0 -> 1, workflow_id: - -> roofing"),
        ({"item_id": "i1", "version": 2}, {"version": 0}, "item_id: i1 -> -, version: 2 -> 0"),
    ],
)
def test_a_line_of_the_trail_says_what_is_different(before: dict[str, Any], after: dict[str, Any], said: str) -> None:
    assert changes({"before": before, "after": after}) == said


async def test_the_trail_is_asked_by_whom_what_about_what_and_when_and_shows_why(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, said):
        [rung] = await engine.service.trigger(engine.principal("prom"), [TriggerInput(framework_id="web", title="x")])
        assert isinstance(rung.alert_id, str)
        await said("alerts", "ack", rung.alert_id, "--notes", "on it")
        await said("teams", "put", "ops", "name=Ops")

        async def told(*filters: str) -> list[str]:
            return [json.loads(line)["verb"] for line in (await said("audit", "--json", *filters)).splitlines()]

        me = options.user_name()
        assert await told() == ["create_team", "acknowledge"]
        assert await told("--by", me, "--since", "1h") == ["create_team", "acknowledge"]
        assert await told("--by", "nobody") == await told("--until", "1h") == []
        assert await told("--since", "2999-01-01T00:00:00Z") == []
        assert await told("--verb", "create_team") == await told("--target", "ops") == ["create_team"]
        line = (await said("audit", "--target", rung.alert_id)).splitlines()[1]
        assert "state: active -> acknowledged" in line
        assert line.endswith("  on it")
        assert "write 2026-01-31T12:00:00Z, or 90s" in await said("audit", "--since", "yesterday", code=2)


async def test_the_nodes_are_listed_from_the_command_line(tmp_path: Path) -> None:
    with capture_logs(), trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path, node="here") as engine:
            given = ("--api", engine.http_url, "--data", str(tmp_path))
            done = await in_thread("nodes", "--workspace", "system", *given)
            lines = done.stdout.splitlines()
            assert done.exit_code == 0, done.stderr
            assert lines[0].split() == ["NODE", "STATE", "ADDRESS", "VERSION", "STARTED", "SEEN_S", "THIS"]
            name, state, *_, this = lines[1].split()
            assert (name.partition(".")[0], state, this) == ("here", "live", "yes")
            refused = await in_thread("nodes", *given)
            assert (refused.exit_code, "nodes are for administrators" in refused.stderr) == (1, True)
