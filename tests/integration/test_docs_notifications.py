"""`docs/notifications.md` tells the truth: each object, setting and program of the page, against a real engine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import trio

from engine.configuration.settings import load
from engine.core.notices.notice import WORDS
from engine.sections.notify import Notify
from protocol.items import TriggerInput
from protocol.notify import DeliveryState, Why
from tests.integration.test_docs_workflows import assert_within
from tests.support.engines import ROOT, an_engine
from tests.support.http_sink import a_sink
from tests.support.notified import a_notified_engine
from tests.support.shell import a_shell
from tocsin import Client

PAGE = (ROOT / "docs" / "notifications.md").read_text()
PATIENCE_S = 600.0
# In the order in which they stand on the page.
KINDS = ("preferences", "escalations", "endpoints", "endpoints")


def blocks(language: str) -> list[str]:
    """The page's blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def objects() -> list[dict[str, Any]]:
    """What is written down on the page to be made."""
    return [each for each in map(json.loads, blocks("json")) if "id" in each]


async def test_each_object_of_the_page_is_made_as_it_stands(tmp_path: Path) -> None:
    assert len(objects()) == len(KINDS)
    async with a_shell(tmp_path) as (_, said):
        for kind, each in zip(KINDS, objects(), strict=True):
            fields = [f"{name}={json.dumps(value)}" for name, value in each.items() if name != "id"]
            assert f"{each['id']} made, version 1" in await said(kind, "put", each["id"], *fields)
            shown = json.loads(await said(kind, "show", each["id"]))
            assert_within({name: value for name, value in each.items() if name != "url"}, shown)
            assert "advice" not in shown


async def test_a_receiver_gets_what_the_page_says(tmp_path: Path) -> None:
    [promised] = [each for each in map(json.loads, blocks("json")) if "data" in each]
    own = Notify(allow_private=("127.0.0.1/32",))
    with trio.fail_after(PATIENCE_S):
        async with a_sink() as sink, an_engine(tmp_path, notify=own) as engine:
            who = engine.principal("boss")
            await engine.shelves.endpoints.create(who, {"id": "pager", "channel": "webhook", "url": sink.url()})
            await engine.service.trigger(who, [TriggerInput(framework_id="web", title="Disk full")])
            [got] = await sink.wait_for(1)
    assert got.json.keys() == promised.keys()
    assert got.json["data"].keys() == promised["data"].keys()
    same = ("workspace", "change", "more", "waiting", "by", "is_test")
    assert [got.json["data"][name] for name in same] == [promised["data"][name] for name in same]
    assert {"webhook-id", "webhook-timestamp", "webhook-signature"} <= got.headers.keys()


async def test_the_program_of_the_page_says_what_was_read(mock_clock: None) -> None:
    [program] = blocks("python")
    body = "".join(f"    {line}\n" for line in program.splitlines())
    names: dict[str, Any] = {"Client": Client}
    exec(f"async def main(url, token):\n{body}", names)  # our own page
    async with a_notified_engine() as notified:
        await notified.make("users", id="ann")
        await notified.ring(assigned_to="ann")
        store = notified.parts.store
        assert await store.unread(notified.workspace, "ann") == 1
        await names["main"](notified.engine.ws_url, await notified.engine.token("ann", "viewer"))
        assert await store.unread(notified.workspace, "ann") == 0


def test_the_settings_of_the_page_are_in_force(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text("\n".join(blocks("toml")).replace('"…"', '"0123456789abcdef0123456789abcdef"'))
    config = load({}, {}, file)
    assert (config.notify.public_url, config.notify.smtp.host) == ("https://alerts.example.com", "mail.example.com")
    assert [(each.name, each.workspace) for each in config.integrations] == [("slack", "main")]


def test_the_page_names_every_state_every_reason_and_every_word_of_templates() -> None:
    for state in DeliveryState:
        assert f"`{state.value}`" in PAGE
    suppressed = [Why.PREFERENCE, Why.QUIET_HOURS, Why.OWN_ACT, Why.SEVERITY, Why.FRAMEWORK, Why.RULE, Why.DISABLED]
    for why in [*suppressed, Why.STORM, Why.NOT_TOLD, Why.TOLD, Why.OVER, Why.NO_ADDRESS, Why.NO_SENDER]:
        assert f"`{why.value}`" in PAGE
    for word in WORDS:
        assert f"`{word}`" in PAGE
