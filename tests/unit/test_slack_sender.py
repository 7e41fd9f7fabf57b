"""Slack: an incoming webhook gets a message each; a bot's message follows its alert; nothing of a text is a mention."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from slack_sdk.models.blocks import Block
from trio.testing import MockClock

from engine.core.notices.as_slack import blocks
from engine.core.notices.notice import notice_of
from engine.notify.ports import NotAsked, Outcome, Refused, Sent, TryLater
from engine.notify.slack import BLOCKS_MAX
from protocol.notify import Change, Channel, Outgoing, Recipient, Rendered, Why
from tests.support.http_sink import Behaviour, answer, cut_short
from tests.support.posts import TOKEN, Post, a_message, an_alert, post

__all__ = ["post"]
PLACE = "C0123456789"


def said(**words: Any) -> Behaviour:
    return answer(200, msgspec.json.encode(words))


def posted(ts: str = "171.22") -> Behaviour:
    return said(ok=True, channel=PLACE, ts=ts, message={"text": "x"})


@pytest.fixture
async def bot(post: Post) -> AsyncIterator[Post]:
    await post.made(channel="slack", secret=TOKEN, address=PLACE, url=post.sink.url("/api/"))
    yield post


async def sends(post: Post, change: Change = Change.FIRED, **fields: Any) -> Outcome:
    post.passes(1)
    return await post.sends(slack_message(change, **fields))


def slack_message(change: Change = Change.FIRED, **fields: Any) -> Outgoing:
    message = a_message(**{"channel": Channel.SLACK, "change": change} | fields)
    if "rendered" in fields:
        return message
    rendered = Rendered(subject="Search is slow", text="950 > 500", blocks=blocks(notice_of(message)))
    return msgspec.structs.replace(message, rendered=rendered)


async def test_an_incoming_webhook_gets_text_and_blocks_that_slacks_own_models_accept(
    post: Post, mock_clock: MockClock
) -> None:
    await post.made(channel="slack", secret="", url=post.sink.url("/services/T/B/x"))
    post.sink.behave.append(answer(200, b"ok"))
    assert await sends(post) == Sent(is_delivered=True)
    [got] = post.sink.got
    assert (got.path, got.json["text"]) == ("/services/T/B/x", "Search is slow")
    assert "authorization" not in got.headers
    parsed = Block.parse_all(got.json["blocks"])
    assert len(parsed) == len(got.json["blocks"]) and None not in parsed
    for block in parsed:
        block.validate_json()


async def test_a_message_with_as_many_blocks_as_slack_takes_still_says_how_many_wait(
    post: Post, mock_clock: MockClock
) -> None:
    await post.made(channel="slack", secret="", url=post.sink.url("/services/x"))
    many = tuple({"type": "section", "text": {"type": "mrkdwn", "text": f"{n}"}} for n in range(BLOCKS_MAX + 9))
    rendered = Rendered(subject="many", text="", blocks=many)
    messages = [slack_message(key=f"m{number}", rendered=rendered) for number in range(3)]
    outcomes = [await post.sends(message) for message in messages]
    assert [isinstance(outcome, Sent) for outcome in outcomes] == [True, False, False]
    post.passes(1)
    await post.sends(messages[1])
    first, second = (got.json["blocks"] for got in post.sink.got)
    assert (len(first), len(second)) == (BLOCKS_MAX, BLOCKS_MAX)
    assert "1 more message waits for its turn" in second[-1]["elements"][0]["text"]
    Block.parse_all(second)[-1].validate_json()


async def test_nothing_in_a_text_is_a_mention_or_a_link_and_text_is_never_empty(
    post: Post, mock_clock: MockClock
) -> None:
    await post.made(channel="slack", secret="", url=post.sink.url("/services/x"))
    hostile = "<!channel> <@U1> <https://evil.example|click> & more"
    await sends(post, rendered=Rendered(subject=hostile, text=hostile))
    await sends(post, rendered=Rendered(subject=" ".strip(), text=""))
    await sends(post, rendered=None, text="by hand")
    texts = [got.json["text"] for got in post.sink.got]
    assert "<" not in texts[0] and "&lt;!channel&gt;" in texts[0] and "&amp; more" in texts[0]
    assert texts[1:] == ["Tocsin", "by hand"]


async def test_a_bot_posts_and_then_changes_its_message_as_the_alert_changes(bot: Post, mock_clock: MockClock) -> None:
    bot.sink.behave.extend([posted(), posted(), posted()])
    assert await sends(bot) == Sent(is_delivered=True, reference=f"{PLACE}:171.22")
    for change in (Change.ACKNOWLEDGED, Change.RESOLVED):
        assert await sends(bot, change, previous=f"{PLACE}:171.22") == Sent(
            is_delivered=True, reference=f"{PLACE}:171.22"
        )
    first, second, third = bot.sink.got
    assert [got.path for got in bot.sink.got] == ["/api/chat.postMessage", "/api/chat.update", "/api/chat.update"]
    assert first.headers["authorization"] == f"Bearer {TOKEN}"
    assert (first.json["channel"], "ts" in first.json) == (PLACE, False)
    assert [(got.json["channel"], got.json["ts"]) for got in (second, third)] == [(PLACE, "171.22")] * 2


@pytest.mark.parametrize("change", [Change.RAISED, Change.REOPENED, Change.REMINDER, Change.ESCALATED])
async def test_what_must_ring_again_is_a_message_of_its_own(bot: Post, mock_clock: MockClock, change: Change) -> None:
    bot.sink.behave.extend([posted(), posted("172.33")])
    assert await sends(bot, change, previous=f"{PLACE}:171.22") == Sent(is_delivered=True, reference=f"{PLACE}:172.33")
    older, newer = bot.sink.got
    assert [older.path, newer.path] == ["/api/chat.update", "/api/chat.postMessage"]
    assert (older.json["ts"], "ts" in newer.json) == ("171.22", False)
    assert "newer message" in older.json["blocks"][-1]["elements"][0]["text"]
    assert not [block for block in older.json["blocks"] if block["type"] == "actions"], "nobody comes back to it"
    for block in older.json["blocks"]:
        Block.parse(block).validate_json()


async def test_a_message_that_could_not_be_left_behind_yet_does_not_ring_twice(
    bot: Post, mock_clock: MockClock
) -> None:
    bot.sink.behave.extend(
        [said(ok=False, error="ratelimited"), said(ok=False, error="not_in_channel"), posted("172.33")]
    )
    assert isinstance(await sends(bot, Change.RAISED, previous=f"{PLACE}:171.22"), TryLater)
    bot.passes(60)
    assert isinstance(await sends(bot, Change.RAISED, previous=f"{PLACE}:171.22"), Sent)
    assert [got.path.rpartition(".")[2] for got in bot.sink.got] == ["update", "update", "postMessage"]


@pytest.mark.parametrize("word", ["message_not_found", "cant_update_message", "edit_window_closed"])
async def test_a_message_that_cannot_be_changed_any_more_is_said_anew(
    bot: Post, mock_clock: MockClock, word: str
) -> None:
    bot.sink.behave.extend([said(ok=False, error=word), posted("172.33")])
    assert await sends(bot, Change.RESOLVED, previous=f"{PLACE}:171.22") == Sent(
        is_delivered=True, reference=f"{PLACE}:172.33"
    )
    assert [got.path for got in bot.sink.got] == ["/api/chat.update", "/api/chat.postMessage"]


async def test_a_reference_that_is_not_slacks_is_not_changed(bot: Post, mock_clock: MockClock) -> None:
    bot.sink.behave.append(posted())
    await sends(bot, Change.RESOLVED, previous="something")
    assert [got.path for got in bot.sink.got] == ["/api/chat.postMessage"]


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (said(ok=False, error="not_in_channel"), Refused("not_in_channel")),
        (said(ok=False, error="token_revoked"), Refused("token_revoked")),
        (said(ok=False), Refused("it was not ok, and Slack does not say why")),
        (said(ok=False, error="ratelimited"), TryLater(30.0, "ratelimited")),
        (said(ok=False, error="internal_error"), TryLater(None, "internal_error")),
        (answer(200, b"<html>"), TryLater(None, "answered with something that is not Slack's")),
        (answer(429, Retry_After="3"), TryLater(3.0, "answered 429")),
        (answer(502), TryLater(None, "answered 502")),
        (said(ok=True), Sent(is_delivered=True)),
    ],
)
async def test_slacks_words_are_sorted_by_whether_another_attempt_helps(
    bot: Post, mock_clock: MockClock, behaviour: Behaviour, outcome: Outcome
) -> None:
    bot.sink.behave.append(behaviour)
    assert await sends(bot) == outcome


async def test_what_slack_has_taken_is_not_said_again_though_it_broke_off(bot: Post, mock_clock: MockClock) -> None:
    bot.sink.behave.append(cut_short(b'{"ok":true,"ch'))
    assert await sends(bot) == Sent()
    bot.sink.behave.append(cut_short(b'{"ok": false,"err'))
    assert await sends(bot) == TryLater(None, "answered with something that is not Slack's")


async def test_a_person_is_reached_through_the_workspaces_bot_at_his_own_id(bot: Post, mock_clock: MockClock) -> None:
    bot.sink.behave.append(posted())
    ann = {"recipient": Recipient(user="ann"), "address": "U0123456789"}
    assert isinstance(await sends(bot, **ann), Sent)
    assert bot.sink.got[0].json["channel"] == "U0123456789"
    assert await sends(bot, workspace="other", **ann) == NotAsked(
        "the workspace has no Slack bot: make an endpoint with a bot's token", Why.NO_SENDER
    )


async def test_a_digest_is_said_in_blocks_that_slack_takes(bot: Post, mock_clock: MockClock) -> None:
    bot.sink.behave.append(posted())
    alerts = tuple(an_alert(id=f"a{number}", title=f"<!here> {number}") for number in range(50))
    await sends(bot, Change.DIGEST, alerts=alerts, more=950)
    [got] = bot.sink.got
    for block in Block.parse_all(got.json["blocks"]):
        block.validate_json()
    assert "<!here>" not in got.body.decode()
