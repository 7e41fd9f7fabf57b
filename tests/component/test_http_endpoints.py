"""Endpoints over HTTP: what is secret of one is shown once and never again, and what must not be sent to is refused."""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.peers.ports import a_port
from engine.notify.places import Crowded
from engine.sections.notify import Notify
from engine.sections.smtp import Smtp
from tests.support.endpoints import ANY, PATH, Place, place
from tests.support.engines import an_engine
from tests.support.http_api import problem
from tests.support.http_sink import a_sink

__all__ = ["place"]
TOKEN = "xoxb-1234567890-abcdefghij"
KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()


async def everything_shown(place: Place) -> str:
    """All that anybody is shown of an endpoint, and what is in the store's file."""
    admin = {"Authorization": f"Bearer {place.engine.issue_token('main', 'eve', 'admin')}"}
    answers = [
        await place.client.get(PATH),
        await place.client.get(f"{PATH}/e"),
        await place.client.get(f"{PATH}/e/versions"),
        await place.client.get("/api/v1/audit", headers=admin),
        await place.client.get("/metrics"),
    ]
    assert all(answer.status_code == 200 for answer in answers)
    return "\n".join(answer.text for answer in answers)


def bytes_on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith("tocsin.db"))


async def test_a_webhook_gets_a_key_that_is_shown_once_and_is_nowhere_else(place: Place, tmp_path: Path) -> None:
    made = await place.made(name="Pager")
    key = made["secret"]
    assert key.startswith("whsec_") and len(base64.b64decode(key[6:])) == 32
    assert (made["url"], made["version"], made["enabled"]) == (f"http://127.0.0.1:{place.sink.port}/…", 1, True)
    await place.changed(name="The pager")
    text, disk = await everything_shown(place), bytes_on_disk(tmp_path)
    assert '"The pager"' in text and b"The pager" in disk
    for secret in (key, "secret-path", "sealed"):
        assert secret not in text
    assert key.encode() not in disk and b"secret-path" not in disk
    assert place.secrets() == [key]
    assert place.url() == place.sink.url("/secret-path")


async def test_a_key_that_was_given_is_kept_and_not_said_again(place: Place) -> None:
    assert "secret" not in await place.made(secret=KEY)
    assert place.secrets() == [KEY]
    assert KEY not in await everything_shown(place)


async def test_what_is_shown_can_be_sent_back_and_changes_neither_address_nor_key(place: Place) -> None:
    key = (await place.made())["secret"]
    shown = await place.shown()
    answer = await place.client.put(f"{PATH}/e", json=shown, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    assert (await place.changed(min_severity="error", url=shown["url"]))["version"] == 2
    assert (place.secrets(), place.url()) == ([key], place.sink.url("/secret-path"))


async def test_an_address_is_replaced_and_a_webhooks_key_stays(place: Place) -> None:
    key = (await place.made())["secret"]
    await place.changed(url=place.sink.url("/other"))
    assert (place.secrets(), place.url()) == ([key], place.sink.url("/other"))


async def test_a_token_does_not_follow_to_another_address(place: Place) -> None:
    await place.made(channel="slack", secret=TOKEN, address="C0123456789", url=place.sink.url("/api/"))
    answer = await place.client.patch(f"{PATH}/e", json={"url": place.sink.url("/thief/")}, headers=ANY)
    problem(answer, 400, 107)
    assert place.url() == place.sink.url("/api/")
    await place.changed(url=place.sink.url("/new/"), secret=TOKEN)
    assert (place.secrets(), place.url()) == ([TOKEN], place.sink.url("/new/"))


async def test_a_key_means_nothing_to_another_channel(place: Place) -> None:
    await place.made()
    answer = await place.client.patch(f"{PATH}/e", json={"format": "pagerduty"}, headers=ANY)
    assert "routing key" in problem(answer, 400, 107)


async def test_while_a_key_is_rotated_both_are_valid_and_it_is_not_rotated_again(place: Place) -> None:
    first = (await place.made())["secret"]
    answer = (await place.client.post(f"{PATH}/e/rotate", json={})).json()
    second = answer["secret"]
    assert place.secrets() == [second, first]
    assert [note["until"] is None for note in answer["secrets"]] == [True, False]
    for again in ({}, {"secret": KEY, "keep_s": 60}):
        why = problem(await place.client.post(f"{PATH}/e/rotate", json=again), 409, 107)
        assert f"signs until {answer['secrets'][1]['until']}" in why and "keep_s: 0" in why
    assert place.secrets() == [second, first]
    assert first not in await everything_shown(place)


async def test_a_rotation_that_keeps_nothing_ends_the_one_that_is_under_way(place: Place) -> None:
    await place.made()
    await place.client.post(f"{PATH}/e/rotate", json={})
    third = (await place.client.post(f"{PATH}/e/rotate", json={"keep_s": 0})).json()["secret"]
    parts = place.engine._tree.up
    confidential = parts.shelves.endpoints.open("main", place.kept())
    assert confidential.in_force(parts.clock() + 1) == [third]
    # Nothing but the newest signs any more: the next rotation may begin.
    assert (await place.client.post(f"{PATH}/e/rotate", json={})).status_code == 200


async def test_a_token_is_rotated_by_giving_the_new_one(place: Place) -> None:
    await place.made(channel="slack", secret=TOKEN, address="C0123456789", url=place.sink.url("/api/"))
    problem(await place.client.post(f"{PATH}/e/rotate", json={}), 400, 107)
    answer = await place.client.post(f"{PATH}/e/rotate", json={"secret": TOKEN + "new"})
    assert "secret" not in answer.json()
    assert place.secrets() == [TOKEN + "new"]


async def test_what_has_no_secret_cannot_be_rotated(place: Place) -> None:
    await place.made(channel="slack", url=place.sink.url("/services/x"))
    assert "which you can replace" in problem(await place.client.post(f"{PATH}/e/rotate", json={}), 409, 107)
    problem(await place.client.post(f"{PATH}/none/rotate", json={}), 404, 102)


async def test_a_target_that_cannot_be_looked_for_just_now_is_not_saved(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crowded(*_: Any) -> Any:
        raise Crowded("this engine is busy: no thread is free for look-ups of names")

    await place.made()
    monkeypatch.setattr(place.engine._tree.up.outbound.outside.trials, "check", crowded)
    fresh = {"id": "f", "channel": "webhook", "url": place.sink.url()}
    why = problem(await place.client.post(PATH, json=fresh), 503, 120)
    assert "no thread is free for look-ups of names; nothing was saved" in why
    assert (await place.client.get(f"{PATH}/f")).status_code == 404
    assert 'tocsin_refused_total{limit="outbound"} 1.0' in (await place.client.get("/metrics")).text


@pytest.mark.parametrize(
    "url",
    [
        *("http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[::1]/", "http://0.0.0.0/"),
        *("http://[::ffff:10.0.0.1]/", "http://[64:ff9b::a00:1]/", "http://2130706433/", "http://0x7f.1/"),
        *("http://127.1/", "http://0177.0.0.1/", "http://①②⑦.⓪.⓪.①/", "http://127.0.0.1:22/", "http://u:p@127.0.0.1/"),
        *(
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "http://127.0.0.2/",
            "http://localhost:6379/",
        ),
    ],
)
async def test_an_address_that_is_never_sent_to_is_not_saved(place: Place, url: str) -> None:
    answer = await place.client.post(PATH, json={"id": "e", "channel": "webhook", "url": url})
    assert problem(answer, 400, 107).startswith("url: ")
    assert (await place.client.get(f"{PATH}/e")).status_code == 404
    await place.made()
    problem(await place.client.patch(f"{PATH}/e", json={"url": url}, headers=ANY), 400, 107)
    assert place.url() == place.sink.url("/secret-path")


async def test_an_address_that_does_not_answer_is_saved_and_marked(place: Place) -> None:
    async with a_sink(port=a_port()) as other:
        gone = other.url()
    made = await place.made(url=gone)
    assert "Connection refused" in made["unreachable"]
    assert (await place.shown())["unreachable"] == made["unreachable"]
    assert (await place.changed(url=place.sink.url()))["unreachable"] == ""


async def test_a_mailbox_is_marked_while_there_is_no_mail_server(tmp_path: Path) -> None:
    given = {"id": "e", "channel": "email", "address": "ops@example.com"}
    why = "no mail server is configured (notify.smtp.host)"
    for smtp, unreachable in [(Smtp(), why), (Smtp(host="127.0.0.1", sender="a@example.com"), ""), (Smtp(), why)]:
        async with an_engine(tmp_path, notify=Notify(smtp=smtp)) as engine:
            headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ada', 'editor')}"}
            async with httpx.AsyncClient(base_url=engine.http_url, headers=headers) as client:
                put = await client.put(f"{PATH}/e", json=given, headers=ANY)
                made = await client.post(PATH, json=given) if put.status_code == 404 else put
                (listed,) = (await client.get(PATH)).json()["items"]
                read = (await client.get(f"{PATH}/e")).json()
                tried = (await client.post(f"{PATH}/e/test")).json() if unreachable else {"cause": ""}
        assert [each["unreachable"] for each in (made.json(), listed, read)] == [unreachable] * 3
        assert (tried["cause"], "health" in read) == (unreachable, True)


async def test_an_endpoint_is_shown_with_how_its_target_is_doing(place: Place) -> None:
    await place.made()
    health = (await place.shown())["health"]
    assert (health["circuit"], health["sent"], health["waiting"], health["last_cause"]) == ("closed", 0, 0, "")
    assert "health" not in (await place.client.get(PATH)).json()["items"][0]


async def test_one_that_we_switched_off_says_why_until_it_is_switched_on_again(place: Place) -> None:
    await place.made()
    shelf = place.engine._tree.up.shelves.endpoints
    await shelf.switch_off("main", "e", "answered 410: it is gone")
    await shelf.switch_off("main", "e", "a second time")
    await shelf.switch_off("main", "none", "never was")
    shown = await place.shown()
    assert (shown["enabled"], shown["why_off"], shown["updated_by"]) == (False, "answered 410: it is gone", "tocsin")
    assert (await place.changed(name="still off"))["why_off"] == "answered 410: it is gone"
    [result] = (await place.client.post(f"{PATH}/bulk", json={"action": "enable", "ids": ["e"]})).json()["results"]
    assert result["status"] == "done"
    shown = await place.shown()
    assert (shown["enabled"], shown["why_off"]) == (True, "")


async def test_one_that_was_put_away_or_deleted_is_not_in_the_book_and_after_a_restart_the_others_are(
    place: Place, tmp_path: Path
) -> None:
    key = (await place.made())["secret"]
    book = place.engine._tree.up.outbound.book
    await place.client.post(f"{PATH}/e/archive")
    assert book.get("main", "e") is None
    await place.client.post(f"{PATH}/e/restore")
    assert place.secrets() == [key]
    assert book.statistics() == {"endpoints": 1, "endpoints_off": 0}
    await place.client.delete(f"{PATH}/e")
    assert list(book.of("main")) == []


async def test_after_a_restart_the_same_key_opens_what_was_sealed(tmp_path: Path) -> None:
    given = {"id": "e", "channel": "webhook", "url": "http://127.0.0.1:1/", "secret": KEY}
    given["url"] = "https://no-such-name.invalid/"
    for attempt in range(2):
        async with an_engine(tmp_path) as engine:
            headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ada', 'editor')}"}
            async with httpx.AsyncClient(base_url=engine.http_url, headers=headers) as client:
                if attempt == 0:
                    assert "does not resolve" in (await client.post(PATH, json=given)).json()["unreachable"]
                parts = engine._tree.up
                endpoint = parts.outbound.book.get("main", "e")
                assert endpoint is not None
                assert [each.value for each in parts.shelves.endpoints.open("main", endpoint).secrets] == [KEY]
    (tmp_path / "sealing.key").unlink()
    async with an_engine(tmp_path) as engine:
        headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ada', 'editor')}"}
        async with httpx.AsyncClient(base_url=engine.http_url, headers=headers) as client:
            answer = await client.patch(f"{PATH}/e", json={"name": "x"}, headers=ANY)
            assert "restore that key" in problem(answer, 409, 107)
            answer = await client.patch(f"{PATH}/e", json=given, headers=ANY)
            assert answer.status_code == 200


WRONG: Sequence[tuple[dict[str, Any], str]] = [
    (
        {"channel": "in_app"},
        "the app needs no endpoint, its people are told there; allowed: email, slack, webhook, app",
    ),
    ({"channel": "pigeon"}, "allowed: email, slack, webhook, apprise; for example"),
    ({"channel": "webhook"}, "url: is missing"),
    (
        {"channel": "slack"},
        "for example 'https://hooks.slack.com/services/T…/B…/…' of an incoming webhook, or give secret",
    ),
    ({"channel": "webhook", "url": "https://a.example/", "address": "x"}, "address: is not used here"),
    ({"channel": "webhook", "url": "https://a.example/", "secret": "whsec_abc"}, "secret: whsec_ and 24 to 64 bytes"),
    ({"channel": "webhook", "url": "https://a.example/", "secret": KEY[6:]}, "secret: whsec_ and 24 to 64 bytes"),
    ({"channel": "webhook", "format": "pagerduty"}, "secret: PagerDuty needs the routing key"),
    (
        {"channel": "slack", "format": "cloudevents", "url": "https://a.example/"},
        "format: 'cloudevents' is for webhooks",
    ),
    ({"channel": "slack", "address": "#alerts"}, "address: is not used here"),
    ({"channel": "slack"}, "url: is missing"),
    ({"channel": "slack", "secret": "hunter2hunter2"}, "secret: of Slack it is a bot's token"),
    ({"channel": "slack", "secret": TOKEN}, "address: a bot's token needs a channel"),
    ({"channel": "slack", "secret": TOKEN, "address": "<!channel>"}, "address: a bot's token needs a channel"),
    ({"channel": "slack", "secret": f"{TOKEN}\r\nX-Own: yes", "address": "#a"}, "secret: of Slack it is a bot's token"),
    ({"channel": "slack", "secret": f"{TOKEN}\0", "address": "#a"}, "secret: of Slack it is a bot's token"),
    ({"channel": "slack", "secret": TOKEN, "address": "#a\r\n"}, "address: a bot's token needs a channel"),
    ({"channel": "webhook", "url": "https://a.example/\r\nX-Own: yes"}, "url: "),
    ({"channel": "webhook", "url": "https://a.example/\0"}, "url: "),
    ({"channel": "webhook", "url": "https://a.example/", "secret": f"{KEY}\r\n"}, "secret: whsec_"),
    ({"channel": "email"}, "address: '' is no mail address"),
    ({"channel": "email", "address": "a@b.example\r\nBcc: c@d.example"}, "is no mail address"),
    ({"channel": "email", "address": "a@b.example\0"}, "is no mail address"),
    ({"channel": "email", "address": "a@b.example\n"}, "is no mail address"),
    ({"channel": "email", "address": " a@b.example "}, "is no mail address"),
    ({"channel": "email", "address": "a@b.example", "url": "https://a.example/"}, "url: is not used here"),
    ({"channel": "email", "address": "a@b.example", "secret": "x"}, "secret: is not used here"),
    ({"channel": "apprise"}, "url: one of Apprise"),
    ({"channel": "apprise", "url": "https://a.example/"}, "is not among the services"),
    ({"channel": "apprise", "url": "json://a.example/", "address": "x"}, "address: is not used here"),
    ({"channel": "apprise", "url": "json://a.example/", "secret": "x"}, "secret: is not used here"),
    ({"channel": "email", "address": "a@b.example", "sealed": "v1.x.y"}, "unknown field `sealed`"),
    ({"channel": "email", "address": "a@b.example", "frameworks": ["../x"]}, "frameworks"),
]


@pytest.mark.parametrize(("given", "reason"), WRONG)
async def test_what_cannot_be_an_endpoint_is_refused_with_field_reason_and_example(
    place: Place, given: dict[str, Any], reason: str
) -> None:
    detail = problem(await place.client.post(PATH, json={"id": "e"} | given), 400, 107)
    assert reason in detail
    for secret in ("hunter2", TOKEN):
        assert secret not in detail


@pytest.mark.parametrize(
    "given",
    [
        {"channel": "email", "address": "Ops <ops@example.com>"},
        {"channel": "apprise", "url": "JSON://a.example/secret-path"},
        {"channel": "webhook", "format": "pagerduty", "secret": "a" * 32, "url": "http://127.0.0.1:1024/"},
    ],
)
async def test_other_channels_need_other_fields(place: Place, given: dict[str, Any]) -> None:
    answer = await place.client.post(PATH, json={"id": "e"} | given)
    assert answer.status_code == 201, answer.text
    assert "secret-path" not in answer.text


async def test_what_needs_an_extra_that_is_not_installed_is_marked_when_it_is_saved(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "apprise" else find(name))
    given = {"channel": "apprise", "url": "json://a.example/secret-path"}
    assert "pip install 'tocsin[apprise]'" in (await place.client.post(PATH, json=given)).json()["unreachable"]
