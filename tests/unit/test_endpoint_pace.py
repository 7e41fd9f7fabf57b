"""What is sent to endpoints goes at the pace of its target: circuits, pauses, rates, whatever becomes of the clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from engine.configuration.config import Config
from engine.core.breaker import FAILURES_MAX, PROBE_US
from engine.notify.connector import Connector
from engine.notify.health import PACES
from engine.notify.ports import EngineBusy, Outcome, Refused, Sent, TryLater
from engine.notify.senders import endpoint_senders
from engine.sections.notify import Notify
from protocol.model import Severity
from protocol.notify import Change, Channel, Recipient
from protocol.times import SECOND_US, rfc3339
from tests.support.http_sink import answer, hang
from tests.support.posts import Post, a_message, an_alert, post
from tests.support.shelves import who
from tests.support.stores import NOW

__all__ = ["post"]


async def test_after_five_failures_in_a_row_only_a_probe_goes_out_each_half_minute(
    post: Post, mock_clock: MockClock
) -> None:
    await post.made()
    post.sink.behave.extend([answer(500)] * (FAILURES_MAX + 1))
    for number in range(FAILURES_MAX):
        assert await post.sends(a_message(f"m{number}")) == TryLater(None, "answered 500")
    waiting = await post.sends(a_message("m5"))
    assert waiting == TryLater(PROBE_US / SECOND_US, "5 failures in a row: answered 500")
    assert len(post.sink.got) == FAILURES_MAX
    assert (await post.health()).circuit.value == "open"
    post.passes(30)
    assert await post.sends(a_message("m5")) == TryLater(None, "answered 500")
    assert isinstance(await post.sends(a_message("m6")), TryLater)
    assert len(post.sink.got) == FAILURES_MAX + 1
    post.passes(30)
    assert isinstance(await post.sends(a_message("m6")), Sent)
    assert isinstance(await post.sends(a_message("m7")), Sent)
    health = await post.health()
    assert (health.circuit.value, health.sent, health.failed) == ("closed", 2, FAILURES_MAX + 1)
    assert health.last_cause == "answered 500"


async def test_what_raises_again_and_again_opens_the_circuit_too(
    post: Post, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post.made()

    async def broken(*_: Any) -> Any:
        raise OverflowError("date value out of range")

    monkeypatch.setattr(post.outbound.outside.connector, "post", broken)
    for _ in range(FAILURES_MAX):
        with pytest.raises(OverflowError):
            await post.sends()
    waiting = await post.sends()
    assert waiting == TryLater(PROBE_US / SECOND_US, "5 failures in a row: the sender failed: OverflowError")


async def test_for_what_this_engine_has_no_room_the_target_is_not_blamed(
    post: Post, autojump_clock: trio.testing.MockClock
) -> None:
    await post.made()
    await post.made(id="slow")
    narrow = Connector(Notify(allow_private=("127.0.0.1/32",)), connections_max=1)
    outbound = replace(post.outbound, outside=replace(post.outbound.outside, connector=narrow))
    config = Config(data=Path("data"))
    post.senders = endpoint_senders(outbound, post.shelf, config, lambda: post.desk.now[0])
    post.sink.behave.append(hang)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(post.sends, a_message("m0", recipient=Recipient(endpoint="slow")))
        await post.sink.wait_for(1)
        for number in range(1, FAILURES_MAX + 2):
            busy = await post.sends(a_message(f"m{number}"))
            # No attempt, and the same message again in a second.
            assert busy == EngineBusy(1.0, "this engine is busy: all of its 1 connections are in use")
        nursery.cancel_scope.cancel()
    health = await post.health()
    assert (health.circuit.value, health.failed, health.held_until, health.last_cause) == ("closed", 0, None, "")
    await narrow.aclose()


async def test_a_refusal_is_an_answer_and_opens_no_circuit(post: Post) -> None:
    await post.made()
    post.sink.behave.extend([answer(404)] * (FAILURES_MAX + 2))
    for number in range(FAILURES_MAX + 2):
        assert await post.sends(a_message(f"m{number}")) == Refused("answered 404")


async def test_a_change_of_the_endpoint_closes_its_circuit(post: Post) -> None:
    await post.made()
    post.sink.behave.extend([answer(500)] * FAILURES_MAX)
    for number in range(FAILURES_MAX):
        await post.sends(a_message(f"m{number}"))
    await post.shelf.patch(who(), "e", {"name": "mended"}, None)
    assert isinstance(await post.sends(a_message("m9")), Sent)


async def test_a_pause_that_a_target_asks_for_holds_for_all_messages_to_it_and_no_other(
    post: Post, mock_clock: MockClock
) -> None:
    await post.made()
    await post.made(id="f")
    post.sink.behave.append(answer(429, Retry_After="20"))
    await post.sends(a_message("m1"))
    assert await post.sends(a_message("m2")) == TryLater(20.0, "the target asked for a pause")
    assert isinstance(await post.sends(a_message("m3", recipient=Recipient(endpoint="f"))), Sent)
    assert (await post.health()).held_until == rfc3339(NOW + 20 * SECOND_US)
    post.passes(20)
    assert (await post.health()).held_until is None
    assert isinstance(await post.sends(a_message("m2")), Sent)


HOURS_S = 2 * 3_600.0


@pytest.mark.parametrize("ahead_s", [HOURS_S, -HOURS_S])
async def test_a_clock_that_was_wrong_for_a_moment_holds_no_message_up(
    post: Post, mock_clock: MockClock, ahead_s: float
) -> None:
    await post.made()
    post.is_set(ahead_s)
    assert isinstance(await post.sends(), Sent)
    post.is_set(-ahead_s)
    room = int(PACES[Channel.WEBHOOK][1])
    assert [type(await post.sends(a_message(f"m{number}"))) for number in range(room - 1)] == [Sent] * (room - 1)


@pytest.mark.parametrize("ahead_s", [HOURS_S, -HOURS_S])
async def test_a_pause_is_as_long_as_was_asked_for_whatever_becomes_of_the_clock(
    post: Post, mock_clock: MockClock, ahead_s: float
) -> None:
    await post.made()
    post.is_set(ahead_s)
    post.sink.behave.append(answer(429, Retry_After="20"))
    await post.sends(a_message("m1"))
    post.is_set(-ahead_s)
    assert await post.sends(a_message("m2")) == TryLater(20.0, "the target asked for a pause")
    assert (await post.health()).held_until == rfc3339(NOW + 20 * SECOND_US)
    post.passes(20)
    assert isinstance(await post.sends(a_message("m2")), Sent)


@pytest.mark.parametrize("ahead_s", [HOURS_S, -HOURS_S])
async def test_a_circuit_has_its_probe_after_half_a_minute_whatever_becomes_of_the_clock(
    post: Post, mock_clock: MockClock, ahead_s: float
) -> None:
    await post.made()
    post.sink.behave.extend([answer(500)] * FAILURES_MAX)
    post.is_set(ahead_s)
    for number in range(FAILURES_MAX):
        await post.sends(a_message(f"m{number}"))
    post.is_set(-ahead_s)
    assert isinstance(await post.sends(a_message("m5")), TryLater)
    post.passes(30)
    assert isinstance(await post.sends(a_message("m5")), Sent)


async def test_slack_is_sent_one_message_a_second_and_the_next_says_how_many_wait(
    post: Post, mock_clock: MockClock
) -> None:
    await post.made(channel="slack", secret="", url=post.sink.url("/services/x"))

    async def sends(key: str) -> Outcome:
        return await post.sends(a_message(key, channel=Channel.SLACK))

    assert isinstance(await sends("m1"), Sent)
    waits = [await sends(f"m{number}") for number in (2, 3, 4)]
    assert [wait.after_s for wait in waits if isinstance(wait, TryLater)] == [1.0, 2.0, 3.0]
    assert (await post.health()).waiting == 3
    post.passes(1)
    assert [isinstance(await sends(f"m{number}"), Sent) for number in (2, 3)] == [True, False]
    assert "2 more messages wait for their turn" in post.sink.got[-1].json["text"]
    post.passes(2)
    assert [isinstance(await sends(f"m{number}"), Sent) for number in (3, 4)] == [True, True]
    assert "wait" not in post.sink.got[-1].json["text"]


async def test_a_critical_message_is_the_next_one_however_many_wait(post: Post, mock_clock: MockClock) -> None:
    await post.made(channel="slack", secret="", url=post.sink.url("/services/x"))
    critical = an_alert(severity=Severity.CRITICAL)

    async def after_s(key: str, **fields: Any) -> float | None:
        outcome = await post.sends(a_message(key, channel=Channel.SLACK, **fields))
        return outcome.after_s if isinstance(outcome, TryLater) else 0.0

    waits = [await after_s(f"m{number}") for number in range(50)]
    assert waits[-1] == 49.0
    assert await after_s("digest", alerts=(critical,), change=Change.DIGEST) == waits[-1] + 1, "it has waited already"
    assert [await after_s(key, alerts=(critical,)) for key in ("c1", "c2")] == [1.0, 2.0]
    post.passes(1)
    assert await after_s("c1", alerts=(critical,)) == 0.0
