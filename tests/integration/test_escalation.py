"""Chains of escalation in a whole engine, in virtual time: each beginning has one chain, each step is told once."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.jobs import Queue
from tests.support.notified import Notified, a_notified_engine

STEPS = [{"after_s": 300, "users": ["bob"]}, {"after_s": 300, "users": ["eve"]}]
BOB, EVE = "escalated email user:bob", "escalated email user:eve"


async def with_a_chain(notified: Notified, name: str = "all", **fields: Any) -> None:
    """Bob is told after five minutes, Eve after another five."""
    for user in ("bob", "eve"):
        await notified.make("users", id=user, email=f"{user}@example.org")
        await notified.make("preferences", id=user, channels={"critical": ["email"], "error": ["email"]})
    await notified.make("escalations", id=name, **({"steps": STEPS} | fields))


def escalated(notified: Notified) -> list[str]:
    """The steps that were told."""
    return [told for told in notified.sink.told() if told.startswith("escalated")]


@pytest.mark.parametrize(
    ("taken", "given_back"), [("acknowledge", "unacknowledge"), ("resolve", "reopen")], ids=["taken", "over"]
)
async def test_an_alert_that_is_open_again_before_its_first_step_has_one_chain_from_then_on(
    taken: str, given_back: str, mock_clock: None
) -> None:
    async with a_notified_engine() as notified:
        await with_a_chain(notified)
        alert = await notified.ring(severity="critical")
        await notified.engine.pass_time(100)
        await notified.act(taken, alert)
        await notified.act(given_back, alert)
        await notified.engine.pass_time(250)
        assert escalated(notified) == [], "the step of the first beginning is five minutes after that"
        await notified.engine.pass_time(60)
        assert escalated(notified) == [BOB]
        await notified.engine.pass_time(3_600)
        assert escalated(notified) == [BOB, EVE]


@pytest.mark.parametrize(
    ("taken", "given_back"), [("acknowledge", "unacknowledge"), ("resolve", "reopen")], ids=["taken", "over"]
)
async def test_an_alert_that_is_open_again_amid_its_chain_has_the_whole_chain_once_more(
    taken: str, given_back: str, mock_clock: None
) -> None:
    async with a_notified_engine() as notified:
        await with_a_chain(notified)
        alert = await notified.ring(severity="critical")
        await notified.engine.pass_time(400)
        assert escalated(notified) == [BOB]
        await notified.act(taken, alert)
        await notified.act(given_back, alert)
        await notified.engine.pass_time(250)
        assert escalated(notified) == [BOB], "Eve's turn was that of a beginning which is over"
        await notified.engine.pass_time(3_600)
        assert escalated(notified) == [BOB, BOB, EVE]


async def test_an_alert_that_gets_worse_after_somebody_took_it_on_has_its_chain_anew(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await with_a_chain(notified)
        alert = await notified.ring(severity="error")
        await notified.act("acknowledge", alert)
        await notified.engine.pass_time(600)
        assert escalated(notified) == []
        await notified.ring(severity="critical")
        await notified.engine.pass_time(3_600)
        assert escalated(notified) == [BOB, EVE]


async def test_being_told_again_changes_nothing_about_a_chain_or_its_reminders(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await with_a_chain(notified, remind_every_s=1_000.0)
        for _ in range(6):
            await notified.ring(severity="critical")
            await notified.engine.pass_time(400)
        assert escalated(notified) == [BOB, EVE]
        reminded = [told for told in notified.sink.told() if told.startswith("reminder")]
        assert sorted(reminded) == ["reminder email user:bob"] * 2 + ["reminder email user:eve"] * 2
        waiting = await notified.parts.store.queue_counts()
        assert waiting[Queue.NOTIFICATION].delayed == 1, "the next reminder, and no other job"
