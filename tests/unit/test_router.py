"""What routing knows when it decides, however jobs of a channel overtake each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from engine.core.routing import Heard, Place, hear
from engine.notify import told
from engine.notify.router import ANSWERS_AT_ONCE, LINES_AT_ONCE, LOOKED_FOR_MAX
from engine.stores import Store
from protocol.endpoints import Endpoint
from protocol.jobs import Verdict
from protocol.model import EventKind, QuietedBy, Severity
from protocol.notify import Change, Channel, Delivery, DeliveryState, Why
from tests.support.dispatch import a_dispatch

MANY = 30
FIRED, RAISED, RESOLVED = EventKind.FIRED, EventKind.RAISED, EventKind.RESOLVED


class Between:
    """A store to which something happens in the moment in which routing asks whether it is early."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.then: Callable[[], Awaitable[Any]] | None = None

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._store, verb)

    async def preceding(self, *asked: Any) -> int | None:
        if self.then is not None:
            await self.then()
        return await self._store.preceding(*asked)


async def test_an_end_is_told_though_the_beginning_is_settled_while_the_end_is_looked_at(autojump_clock: None) -> None:
    async with a_dispatch(wrapped=Between) as dispatch:
        (alert,) = await dispatch.alerts()
        await dispatch.note(FIRED, alert)
        await dispatch.note(RESOLVED, alert)
        beginning, end = await dispatch.claim(2)
        begun = await dispatch.do(beginning)
        dispatch.notifications.router._store.then = lambda: dispatch.settle(begun)  # type: ignore[attr-defined]
        await dispatch.settle(await dispatch.do(end))
        await dispatch.work()
        assert dispatch.sink.told() == ["fired webhook endpoint:pager", "resolved webhook endpoint:pager"]


async def test_an_end_waits_for_a_raise_that_nobody_has_routed_though_the_ledger_has_lines(
    autojump_clock: None,
) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts(severity=Severity.CRITICAL)
        await dispatch.note(FIRED, alert)
        await dispatch.work()
        await dispatch.note(RAISED, alert)
        await dispatch.note(RESOLVED, alert)
        raised, end = await dispatch.claim(2)
        early = await dispatch.do(end)
        assert early.verdict is Verdict.SNOOZED
        await dispatch.settle(await dispatch.do(raised), early)
        await trio.sleep(1)
        await dispatch.work()
        assert [message.change.value for message in dispatch.sink.got] == ["fired", "raised", "resolved"]


async def test_ends_that_wait_for_one_beginning_look_once_and_then_all_are_told(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        alerts = await dispatch.alerts(MANY)
        await dispatch.note(FIRED, *alerts)
        (beginning,) = await dispatch.claim()
        for alert in alerts:
            await dispatch.note(RESOLVED, alert)
        looked = 0
        for _ in range(60):
            claimed = await dispatch.claim(MANY)
            looked += len(claimed)
            await dispatch.settle(*[await dispatch.do(one) for one in claimed])
            await trio.sleep(0.4)
        assert looked == MANY
        await dispatch.settle(await dispatch.do(beginning))
        await dispatch.work()
        assert Counter(dispatch.sink.told()) == {
            "fired webhook endpoint:pager": MANY,
            "resolved webhook endpoint:pager": MANY,
        }


async def test_an_end_does_not_wait_for_what_is_about_other_alerts(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        first, second = await dispatch.alerts(2)
        await dispatch.note(FIRED, second)
        await dispatch.work()
        await dispatch.note(FIRED, first)
        await dispatch.note(RESOLVED, second)
        _, end = await dispatch.claim(2)
        assert (await dispatch.do(end)).verdict is Verdict.COMPLETED


async def test_the_ends_of_a_crowd_wait_for_all_that_is_older(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        (other,) = await dispatch.alerts()
        alerts = await dispatch.alerts(LOOKED_FOR_MAX + 1)
        await dispatch.note(FIRED, other)
        await dispatch.note(RESOLVED, *alerts)
        beginning, end = await dispatch.claim(2)
        assert (await dispatch.do(end)).behind == beginning.lease.job


async def test_what_follows_its_own_firing_in_the_same_job_waits_for_nobody(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        first, second = await dispatch.alerts(2)
        await dispatch.note(FIRED, first)
        await dispatch.note_all(dispatch.event(FIRED, second), dispatch.event(RESOLVED, second))
        _, claimed = await dispatch.claim(2)
        settlement = await dispatch.do(claimed)
        assert settlement.verdict is Verdict.COMPLETED
        assert [line.change for line in settlement.deliveries] == [Change.FIRED, Change.RESOLVED]


async def test_the_end_of_what_nobody_heard_of_is_told_to_nobody_and_the_ledger_says_why(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        await dispatch.note(RESOLVED, alert)
        await dispatch.work()
        assert [(line.state, line.why) for line in await dispatch.lines(alert)] == [
            (DeliveryState.SUPPRESSED, Why.NOT_TOLD)
        ]


async def test_each_line_of_the_ledger_is_looked_at_once_however_often_an_alert_rings_in_a_job(
    autojump_clock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0

    def counted(known: dict[Place, Heard], line: Delivery) -> None:
        nonlocal looked
        looked += 1
        hear(known, line)

    monkeypatch.setattr(told, "hear", counted)
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        for _ in range(2):
            await dispatch.note_all(*[dispatch.event(EventKind.REPEATED, alert) for _ in range(MANY)])
            await dispatch.work()
        # Those that were there when the second job came, and those that each of them has made.
        assert len(await dispatch.lines(alert)) == 2 * MANY
        assert looked == 3 * MANY


CROWD = [Endpoint(id=f"hook{number:02}", channel=Channel.WEBHOOK) for number in range(12)]


async def test_a_crowd_is_decided_in_pieces_and_others_have_the_loop_in_between(autojump_clock: None) -> None:
    async with a_dispatch(CROWD) as dispatch:
        alerts = await dispatch.alerts(110)
        await dispatch.note(FIRED, *alerts)
        (claimed,) = await dispatch.claim()
        turns, settlements = 0, []

        async def decide() -> None:
            settlements.append(await dispatch.do(claimed))
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(decide)
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()
        answers = len(alerts) * len(CROWD)
        assert turns > answers // ANSWERS_AT_ONCE
        assert len(settlements[0].deliveries) < LINES_AT_ONCE + ANSWERS_AT_ONCE < answers
        await dispatch.settle(*settlements)
        await dispatch.work()
        assert len(dispatch.sink.got) == len({message.key for message in dispatch.sink.got}) == answers


@pytest.mark.parametrize("is_storm", [False, True])
async def test_a_crowd_whose_job_is_lost_half_way_is_told_once_and_as_it_was_decided(
    autojump_clock: None, is_storm: bool
) -> None:
    quiet = QuietedBy.STORM if is_storm else None
    async with a_dispatch(CROWD) as dispatch:
        alerts = await dispatch.alerts(110, quieted_by=quiet)
        await dispatch.note(EventKind.REPEATED, *alerts)
        (claimed,) = await dispatch.claim()
        await dispatch.do(claimed)
        decided = {line.key: line.why for line in await dispatch.lines(*alerts)}
        assert 0 < len(decided) < len(alerts) * len(CROWD)
        await trio.sleep(31)
        await dispatch.store.sweep(10)
        await trio.sleep(60)
        await dispatch.work()
        await trio.sleep(120)
        await dispatch.work()
        lines = {line.key: line for line in await dispatch.lines(*alerts)}
        assert {line.state for line in lines.values()} == {DeliveryState.DELIVERED}
        assert {key: lines[key].why for key in decided} == decided
        told = [(each.recipient.name, alert.id) for each in dispatch.sink.got for alert in each.alerts]
        assert len(told) == len(set(told))
        assert len(told) + sum(each.more for each in dispatch.sink.got) == len(lines) == len(alerts) * len(CROWD)


@pytest.mark.parametrize("whose", ["user", "preference"])
async def test_a_person_whose_zone_is_gone_keeps_nobody_from_being_told(autojump_clock: None, whose: str) -> None:
    gone = {"zone": "Mars/Base"}
    async with a_dispatch() as dispatch:
        await dispatch.keep("user", "ann", email="ann@example.org", **(gone if whose == "user" else {}))
        quiet = {"quiet_hours": {"start": "00:00", "end": "23:59"}, "digest": {"frequency": "daily"}}
        channels = {"warning": ["email"], "critical": ["email"]}
        more = gone if whose == "preference" else {}
        await dispatch.keep("preference", "ann", channels=channels, **quiet, **more)
        low, high = (
            *await dispatch.alerts(severity=Severity.WARNING, assigned_to="ann"),
            *await dispatch.alerts(severity=Severity.CRITICAL, assigned_to="ann"),
        )
        await dispatch.note(FIRED, low, high)
        await dispatch.work()
        assert set(dispatch.sink.told()) == {"fired webhook endpoint:pager", "fired email user:ann"}
        mail = next(line for line in await dispatch.lines(low) if line.channel is Channel.EMAIL)
        assert (mail.state, mail.why) == (DeliveryState.QUEUED, Why.QUIET_HOURS)


ON_MARS = {"starts_on": "2026-01-05", "order": ["ann"], "zone": "Mars/Base"}
OF_LATER = {"starts_on": "2026-01-05", "order": ["ann"], "overrides": [{"user": "ann", "start": "?", "end": "?"}]}


@pytest.mark.parametrize("rota", [ON_MARS, OF_LATER], ids=["zone", "override"])
async def test_of_a_team_whose_rota_cannot_be_followed_everybody_is_told(
    autojump_clock: None, rota: dict[str, Any]
) -> None:
    async with a_dispatch() as dispatch:
        await dispatch.keep("framework", "checkout", kind="service", owner="web")
        await dispatch.keep("team", "web", members=["ann", "bob"], rota=rota)
        for user in ("ann", "bob"):
            await dispatch.keep("user", user, email=f"{user}@example.org")
        (alert,) = await dispatch.alerts(severity=Severity.CRITICAL)
        await dispatch.note(FIRED, alert)
        await dispatch.work()
        mails = [f"fired email user:{user}" for user in ("ann", "bob")]
        assert sorted(dispatch.sink.told()) == [*mails, "fired webhook endpoint:pager"]
