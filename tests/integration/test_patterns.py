"""Patterns, end to end: a history in the store, a run of the schedule, the hint (`pattern_found`), a word on it."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import httpx
import trio
from click.testing import CliRunner

from benchmarks.planted import History
from engine.app import Engine
from engine.ids import now_us
from engine.stores import open_store
from protocol import messages as m
from protocol.hints import PatternFound
from protocol.patterns import PatternKind
from tests.support.engines import a_config, paused
from tests.support.patterns import fill_with
from tests.support.sockets import Peer
from tocsin.cli import cli


async def a_follower(
    engine: Engine, sock: trio.socket.SocketType, channel: str, **more: Any
) -> tuple[Peer, m.Subscribed]:
    host, _, port = engine.ws_url.removeprefix("ws://").rpartition(":")
    await sock.connect((host, int(port)))
    peer = Peer(sock)
    await peer.upgrade()
    await peer.say({"type": "auth", "token": engine.issue_token("acme", "ann")})
    await peer.say({"type": "subscribe", "channel": channel, **more})
    assert isinstance(await peer.hear(), m.AuthSuccess)
    answer = await peer.hear()
    assert isinstance(answer, m.Subscribed)
    return peer, answer


async def found(peer: Peer) -> PatternFound:
    while not isinstance(told := await peer.hear(), PatternFound):
        pass
    return told


async def test_what_is_found_is_told_to_who_follows_and_can_be_dismissed(tmp_path: Path) -> None:
    config = a_config(tmp_path, schedules=paused("pattern-detection"))
    history = History(Random(1), 30)
    history.plant(PatternKind.RECURRING, "backup")
    async with open_store(config.store_url) as store:
        await fill_with(store, history, now_us())
    async with Engine(config) as engine:
        operator = {"Authorization": f"Bearer {engine.issue_token('system', 'root')}"}
        ann = {"Authorization": f"Bearer {engine.issue_token('acme', 'ann')}"}
        with trio.socket.socket() as one, trio.socket.socket() as other:
            everything, level = await a_follower(engine, one, "workspace")
            web, _ = await a_follower(engine, other, "alerts:web")
            async with httpx.AsyncClient(base_url=engine.http_url, timeout=170) as http:
                before = (await http.get("/api/v1/patterns", headers=ann)).json()
                assert before == {"items": [], "next_cursor": None, "run": None}
                asked = await http.post("/api/v1/schedules/pattern-detection/run", headers=operator)
                assert asked.status_code == 202, asked.text
                told, told_of_web = await found(everything), await found(web)
                assert (told.channel, told_of_web.channel) == ("alerts:acme:*", "alerts:acme:web")
                assert told.data == told_of_web.data
                assert told.data.kind is PatternKind.RECURRING
                with trio.socket.socket() as third:
                    where = {"epoch": level.epoch, "offset": level.offset}
                    back, _ = await a_follower(engine, third, "workspace", recover=where)
                    assert (await found(back)).data.id == told.data.id, "who was away hears of it when he is back"
                answer = (await http.get("/api/v1/patterns", headers=ann)).json()
                (pattern,) = answer["items"]
                assert (pattern["id"], pattern["evidence"]) == (told.data.id, list(told.data.evidence))
                assert {each["kind"] for each in answer["run"]["lacking"]} == {"co_occurrence", "sequence", "noisy"}
                proof = await http.get(f"/api/v1/alerts/{pattern['evidence'][0]}", headers=ann)
                assert proof.json()["rule_id"] == "backup"
                said = await http.post(f"/api/v1/patterns/{pattern['id']}/dismiss", json={"notes": "ours"}, headers=ann)
                assert said.json()["said"]["by"] == "ann"
                metrics = (await http.get("/metrics", headers=operator)).text
        assert "\ntocsin_patterns_told_total 1.0\n" in metrics
        assert "\ntocsin_patterns_dismissed_total 1.0\n" in metrics
        await by_command(engine, pattern["id"])


async def by_command(engine: Engine, pattern: str) -> None:
    """The same from a terminal."""
    environment = {
        "TOCSIN_HTTP": engine.http_url.removeprefix("http://"),
        "TOCSIN_TOKEN": engine.issue_token("acme", "ann"),
    }

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["patterns", *arguments], env=environment)
        assert result.exit_code == 0, result.output
        return result.output

    listed = await trio.to_thread.run_sync(run, "list", "--state", "dismissed")
    assert "comes back every day" in listed
    assert "noisy: needs 4 rules or names to compare, has 1" in listed
    assert "no pattern that fits" not in listed
    assert "no pattern that fits: last looked for at 20" in await trio.to_thread.run_sync(
        run, "list", "--kind", "noisy"
    )
    # The engine's own log is in between: it runs in this process.
    assert (await trio.to_thread.run_sync(run, "confirm", pattern)).endswith(f"{pattern}: confirmed\n")
    shown = await trio.to_thread.run_sync(run, "show", pattern)
    assert json.loads(shown[shown.index("{") :])["state"] == "confirmed"
    assert (await trio.to_thread.run_sync(run, "dismiss", pattern, "--notes", "no")).endswith(": dismissed\n")
