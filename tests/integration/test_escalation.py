"""Chains of escalation in a whole engine, in virtual time: each beginning has one chain, each step is told once."""

from __future__ import annotations

from typing import Any

import pytest

from engine.notify.jobs import StepArgs, step_job
from engine.verbs.people import Deed
from protocol.changes import Action
from protocol.commands import Escalate
from protocol.endpoints import Endpoint
from protocol.errors import Busy
from protocol.items import ItemResult
from protocol.jobs import Queue
from protocol.model import ChannelKey, EventKind
from protocol.notify import Channel
from protocol.times import SECOND_US, rfc3339
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
        await notified.engine.pass_time(1_500)
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
        await notified.engine.pass_time(1_500)
        assert escalated(notified) == [BOB, BOB, EVE]


async def test_an_alert_that_gets_worse_after_somebody_took_it_on_has_its_chain_anew(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await with_a_chain(notified)
        alert = await notified.ring(severity="error")
        await notified.act("acknowledge", alert)
        await notified.engine.pass_time(600)
        assert escalated(notified) == []
        await notified.ring(severity="critical")
        await notified.engine.pass_time(1_500)
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
        assert waiting[Queue.ALERT].delayed == 1, "the next reminder, and no other job"


async def test_each_step_is_an_event_on_the_alerts_stream_once_and_says_how_far_it_has_come(mock_clock: None) -> None:
    async with a_notified_engine() as notified, notified.engine.follow("alerts:web") as followed:
        await with_a_chain(notified, repeat=1)
        alert = await notified.ring(severity="critical")
        await notified.engine.pass_time(1_500)
        told = [message for message in await followed.so_far() if message.event is EventKind.ESCALATED]
        reached = [message.data.escalated for message in told if message.data]
        assert [(each.chain, each.round, each.step) for each in reached if each] == [
            *(("all", 1, 1), ("all", 1, 2)),
            *(("all", 2, 1), ("all", 2, 2)),
        ]
        assert {message.data.id for message in told if message.data} == {alert}


async def test_a_step_that_is_done_twice_is_told_once_by_each_way(mock_clock: None) -> None:
    async with a_notified_engine() as notified, notified.engine.follow("alerts:web") as followed:
        await with_a_chain(notified)
        alert = await notified.ring(severity="critical")
        await notified.engine.pass_time(310)
        # As if we had been killed after the event was stored, and before the job was settled.
        args = StepArgs(alert_id=alert, chain="all", since="0")
        await notified.parts.store.enqueue([step_job(notified.workspace, args, 0)])
        await notified.engine.pass_time(1_500)
        assert escalated(notified) == [BOB, EVE]
        told = [message.event for message in await followed.so_far()]
        assert told.count(EventKind.ESCALATED) == 2


async def test_a_channel_that_does_not_answer_keeps_nobody_from_being_told(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await with_a_chain(notified)
        asked = []

        async def silent(key: ChannelKey, command: Escalate) -> ItemResult:
            asked.append(command.step)
            raise Busy("no answer within 5 s")

        notified.parts.notifications.escalations._say = silent
        await notified.ring(severity="critical")
        await notified.engine.pass_time(310)
        assert (asked[0], escalated(notified)) == (1, [])
        await notified.engine.pass_time(600)
        assert (asked, escalated(notified)) == ([1] * 5 + [2] * 5, [BOB, EVE])


async def test_who_acknowledges_at_the_very_moment_of_a_step_stops_it(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await with_a_chain(notified)
        say = notified.parts.notifications.escalations._say

        async def too_late(key: ChannelKey, command: Escalate) -> ItemResult:
            deed = Deed(action=Action.ACKNOWLEDGE)
            await notified.engine.engine.service.act(notified.engine.principal("ann"), [command.alert_id], deed)
            return await say(key, command)

        notified.parts.notifications.escalations._say = too_late
        await notified.ring(severity="critical")
        await notified.engine.pass_time(1_500)
        assert escalated(notified) == []


async def test_an_alert_that_another_chain_means_by_now_goes_on_with_that_one(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await with_a_chain(notified)
        notified.endpoint(Endpoint(id="pager", channel=Channel.WEBHOOK, frameworks=("nothing",)))
        pager = [{"after_s": 60, "endpoints": ["pager"]}]
        await notified.make(
            "escalations", id="loud", rules=[], frameworks=["web"], min_severity="critical", steps=pager
        )
        await notified.ring(severity="error")
        await notified.engine.pass_time(200)
        await notified.ring(severity="critical")
        await notified.engine.pass_time(1_500)
        assert escalated(notified) == ["escalated webhook endpoint:pager"]


async def test_a_chain_that_takes_anothers_place_begins_when_that_ones_next_step_is_due(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await with_a_chain(notified)
        await notified.ring(severity="critical")
        await notified.engine.pass_time(400)
        await notified.make("escalations", id="web", frameworks=["web"], steps=[{"after_s": 60, "users": ["bob"]}])
        await notified.engine.pass_time(250)
        assert escalated(notified) == [BOB]
        await notified.engine.pass_time(1_500)
        assert escalated(notified) == [BOB, BOB]


async def test_an_endpoint_that_was_switched_off_is_not_reminded_and_the_ledger_says_so(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint()
        await notified.make("escalations", id="all", remind_every_s=600)
        alert = await notified.ring(severity="critical")
        notified.endpoint(Endpoint(id="pager", channel=Channel.WEBHOOK, enabled=False))
        # Whoever was not told of the alert is not reminded of it either.
        notified.endpoint(Endpoint(id="other", channel=Channel.WEBHOOK))
        await notified.engine.pass_time(700)
        assert notified.sink.told() == ["fired webhook endpoint:pager"]
        assert (await notified.ledger(alert))[1:] == ["reminder webhook endpoint:pager suppressed disabled"]


async def test_a_step_that_reaches_nobody_says_so_for_each_name_in_it(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await notified.make("users", id="bob")
        await notified.make("teams", id="strangers", members=["eve"])
        step = {"after_s": 60, "users": ["ghost"], "teams": ["strangers", "nowhere"], "endpoints": ["nope"]}
        await notified.make("escalations", id="all", steps=[step])
        alert = await notified.ring(severity="critical")
        await notified.engine.pass_time(70)
        assert await notified.ledger(alert) == [
            "escalated in_app user:ghost suppressed unknown",
            "escalated in_app team:strangers suppressed nobody",
            "escalated in_app team:nowhere suppressed unknown",
            "escalated webhook endpoint:nope suppressed unknown",
        ]


async def test_all_members_of_a_team_without_anybody_on_call_are_told(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await with_a_chain(notified, steps=[{"after_s": 60, "teams": ["ops"]}])
        await notified.make("teams", id="ops", members=["bob", "eve"])
        await notified.ring(severity="critical")
        await notified.engine.pass_time(70)
        assert sorted(escalated(notified)) == [BOB, EVE]


async def test_a_chain_waits_while_its_alert_is_quiet(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await with_a_chain(notified)
        await notified.ring(severity="critical")
        await notified.make(
            "silences",
            matchers=[{"name": "framework_id", "operator": "=", "value": "web"}],
            ends_at=rfc3339(notified.parts.clock() + 600 * SECOND_US),
            comment="at work",
        )
        await notified.engine.pass_time(590)
        assert escalated(notified) == []
        await notified.engine.pass_time(30)
        assert escalated(notified) == [BOB]


@pytest.mark.parametrize("less", [{"enabled": False}, {"min_severity": "critical"}, {"steps": STEPS[:1]}])
async def test_what_a_chain_does_not_say_any_more_is_not_done(less: dict[str, Any], mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await with_a_chain(notified)
        await notified.ring(severity="error")
        await notified.engine.pass_time(310)
        await notified.parts.shelves.escalations.patch(notified.engine.principal(), "all", less, None)
        await notified.engine.pass_time(400)
        assert escalated(notified) == [BOB]


async def test_a_chain_that_reminds_no_more_reminds_nobody(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint()
        await with_a_chain(notified, steps=STEPS[:1], remind_every_s=60.0)
        await notified.ring(severity="critical")
        await notified.engine.pass_time(70)
        reminded = notified.sink.told()
        assert reminded[-1] == "reminder webhook endpoint:pager"
        await notified.parts.shelves.escalations.patch(notified.engine.principal(), "all", {"remind_every_s": 0}, None)
        await notified.engine.pass_time(200)
        assert notified.sink.told() == reminded


async def test_a_chain_goes_on_while_what_is_sent_is_paused(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await with_a_chain(notified)
        alert = await notified.ring(severity="critical")
        await notified.parts.store.pause(Queue.NOTIFICATION, True)
        await notified.engine.pass_time(620)
        assert {f"{BOB} queued", f"{EVE} queued"} <= set(await notified.ledger(alert))
        await notified.parts.store.pause(Queue.NOTIFICATION, False)
        await notified.settle()
        # Which of two recipients goes first is nobody's promise.
        assert sorted(escalated(notified)) == sorted([BOB, EVE])
