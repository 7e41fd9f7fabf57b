"""`tocsin broadcast` against a real engine, with people who are connected."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.messages import Broadcast
from tests.integration.test_cli_connections import connect
from tests.support.shell import a_shell, run


async def test_a_word_reaches_whom_it_is_meant_for_and_says_how_many(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, said):
        ann, ann_id = await connect(engine.ws_url, engine.issue_token("main", "ann", "viewer"))
        eve, _ = await connect(engine.ws_url, engine.issue_token("main", "eve", "viewer"))
        other, _ = await connect(engine.ws_url, engine.issue_token("other", "bob", "viewer"))
        assert await said("broadcast", "restart at noon") == "told to 2 connections\n"
        assert await said("broadcast", "you, too", "--workspace", "other") == "told to 1 connection\n"
        assert await said("broadcast", "call me", "--user", "eve") == "told to 1 connection\n"
        assert await said("broadcast", "hello", "--client", ann_id) == "told to 1 connection\n"
        assert await said("broadcast", "web goes down", "--framework", "web") == "told to 0 connections\n"
        assert await said("broadcast", "the roof is on", "--project", "42") == "told to 0 connections\n"
        assert "there is no such connection" in await said("broadcast", "x", "--client", "nobody", code=1)
        words = [[await peer.hear() for _ in range(n)] for peer, n in ((ann, 2), (eve, 2), (other, 1))]
        assert all(isinstance(word, Broadcast) for those in words for word in those)
        assert [[word.message for word in those if isinstance(word, Broadcast)] for those in words] == [
            ["restart at noon", "hello"],
            ["restart at noon", "call me"],
            ["you, too"],
        ]
        for peer in (ann, eve, other):
            peer.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x", "--user", "a", "--client", "b"), "say one of --framework"),
        (("",), "it is empty"),
        (("x",), "the token does not say its workspace"),
    ],
)
def test_what_cannot_be_meant_is_said(arguments: tuple[str, ...], said: str) -> None:
    done = run("broadcast", *arguments, TOCSIN_TOKEN="t")
    assert (done.exit_code, said in done.output) == (2, True), done.output


async def test_a_token_of_the_environment_says_its_workspace(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, said):
        token = engine.issue_token("acme", "boss", "admin")
        assert await said("broadcast", "hi", "--token", token) == "told to 0 connections\n"
        viewer = engine.issue_token("acme", "ann", "viewer")
        assert "viewer" in await said("broadcast", "hi", "--token", viewer, code=1)
