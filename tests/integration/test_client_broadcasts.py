"""Both Python clients hand an operator's word to the program, and go on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import trio

import tocsin.aio
from protocol.hints import Broadcast, BroadcastTo, Notification
from protocol.items import TriggerInput
from tests.support.asyncio_programs import run
from tests.support.engines import a_config, an_engine
from tocsin import Client


async def test_the_client_hears_an_operators_word(tmp_path: Path) -> None:
    words: list[Broadcast] = []
    async with (
        an_engine(tmp_path) as engine,
        Client(engine.ws_url, engine.issue_token("main", "ann"), on_broadcast=words.append) as client,
    ):
        await client.subscribe("web")
        assert await engine.broadcast(BroadcastTo.USER, "ann", "lunch") == 1
        await engine.service.trigger(engine.principal("test"), [TriggerInput(framework_id="web", title="T")])
        with trio.fail_after(170):
            await anext(client.alerts())
    assert [(word.message, word.by, word.target) for word in words] == [("lunch", "engine", "ann")]


def test_the_clients_of_asyncio_hear_it_too(tmp_path: Path) -> None:
    words: list[Broadcast] = []

    async def program() -> None:
        async with tocsin.aio.Engine(a_config(tmp_path)) as engine:
            token = await engine.issue_token("main", "ann")
            async with tocsin.aio.Client(engine.ws_url, token, on_broadcast=words.append) as client:
                await client.subscribe("web")
                assert await engine.broadcast(BroadcastTo.FRAMEWORK, "web", "lunch") == 1
                who = engine.principal("test")
                await engine.service.trigger(who, [TriggerInput(framework_id="web", title="T")])
                await anext(client.alerts())

    run(program)
    assert [word.message for word in words] == ["lunch"]


def test_the_clients_of_asyncio_are_notified_and_say_what_was_read(tmp_path: Path) -> None:
    told: list[Notification] = []

    async def program() -> None:
        heard = asyncio.Event()

        def note(notice: Notification) -> None:
            told.append(notice)
            heard.set()

        async with tocsin.aio.Engine(a_config(tmp_path)) as engine:
            token = await engine.issue_token("main", "ann")
            async with tocsin.aio.Client(engine.ws_url, token, on_notification=note) as client:
                await client.subscribe("user")
                who = engine.principal("boss")
                await engine.call(lambda inner: inner.shelves.users.create(who, {"id": "ann"}))
                bell = TriggerInput(framework_id="web", title="T", assigned_to="ann")
                await engine.service.trigger(who, [bell])
                async with asyncio.timeout(60):
                    await heard.wait()
                answer = await client.mark_read([told[0].key])
                assert (answer.read, answer.unread) == (1, 0)

    run(program)
    assert told[0].text == "[WARNING] T"
