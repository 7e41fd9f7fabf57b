"""What becomes of messages whose jobs fail, wait for long, or raise; all are counted as the ledger has them."""

from __future__ import annotations

from collections import Counter

import pytest
import trio
from structlog.testing import capture_logs

from engine.jobs.desk import Desk
from engine.jobs.kinds import Kinds
from engine.jobs.scheduler import RunArgs
from engine.notify.digests import FOUND_MAX
from engine.notify.jobs import DIGESTS, digest_job
from engine.notify.ports import Outcome, Refused, Sent, TryLater
from engine.stores.jobs import JobQuery
from protocol.endpoints import Endpoint
from protocol.jobs import JobState, Verdict
from protocol.model import Severity
from protocol.notify import DIGEST, Channel, DeliveryState, Outgoing, Recipient, Why
from protocol.times import SECOND_US
from tests.support.deliveries import a_delivery
from tests.support.dispatch import PAGER_NAME, a_dispatch
from tests.support.jobs import Wall, clock
from tests.support.notified import PAGER, Sink
from tests.support.sends import FIRED, LATER, RESOLVED, redrive

DAY_S = 86_400


async def test_a_channel_that_is_not_configured_is_no_failure(autojump_clock: None) -> None:
    async with a_dispatch([Endpoint(id="any", channel=Channel.APPRISE)]) as dispatch:
        (alert,) = await dispatch.alerts()
        await dispatch.note(FIRED, alert)
        await dispatch.work()
        (line,) = await dispatch.lines(alert)
        assert (line.state, line.why) == (DeliveryState.SUPPRESSED, Why.NO_SENDER)
        assert await dispatch.ended(JobState.FAILED) == []


async def test_patience_begins_when_the_target_is_first_asked(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        await dispatch.note(FIRED, alert)
        # The queue was paused for two days.
        await trio.sleep(2 * DAY_S)
        dispatch.sink.answer = lambda message: LATER
        await dispatch.work()
        assert [line.state for line in await dispatch.lines(alert)] == [DeliveryState.QUEUED]
        for _ in range(25):
            await trio.sleep(3_600)
            await dispatch.work()
        (line,) = await dispatch.lines(alert)
        assert (line.state, line.why, line.cause) == (DeliveryState.FAILED, Why.GAVE_UP, "a day of: 429: too many")


async def test_a_clock_that_was_behind_uses_up_nobodys_patience(autojump_clock: None) -> None:
    wall = Wall()
    wall.ahead_s = -366 * DAY_S
    async with a_dispatch(clock=wall) as dispatch:
        (alert,) = await dispatch.alerts()
        await dispatch.note(FIRED, alert)
        dispatch.sink.answer = lambda message: LATER
        await dispatch.work()
        wall.ahead_s = 0
        await dispatch.work()
        (line,) = await dispatch.lines(alert)
        assert (line.state, line.held_since) == (DeliveryState.QUEUED, clock())
        for _ in range(23):
            await trio.sleep(3_600)
            await dispatch.work()
        assert [line.state for line in await dispatch.lines(alert)] == [DeliveryState.QUEUED]
        await trio.sleep(2 * 3_600)
        await dispatch.work()
        assert [line.state for line in await dispatch.lines(alert)] == [DeliveryState.FAILED]


async def test_a_clock_that_was_ahead_keeps_nobody_waiting_and_gives_nobody_more_patience(autojump_clock: None) -> None:
    wall = Wall()
    async with a_dispatch(clock=wall) as dispatch:
        (alert,) = await dispatch.alerts()
        await dispatch.note(FIRED, alert)
        dispatch.sink.answer = lambda message: LATER
        wall.ahead_s = 366 * DAY_S
        await dispatch.work()
        wall.ahead_s = 0
        await dispatch.store.sweep(10)
        for _ in range(26):
            await trio.sleep(3_600)
            await dispatch.work()
        (line,) = await dispatch.lines(alert)
        assert (line.state, line.why) == (DeliveryState.FAILED, Why.GAVE_UP)


async def test_what_is_retried_after_patience_has_ended_has_all_of_it_again(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        await dispatch.note(FIRED, alert)
        dispatch.sink.answer = lambda message: LATER
        await dispatch.work()
        await trio.sleep(DAY_S + 60)
        await dispatch.work()
        (failed,) = await dispatch.ended(JobState.FAILED)
        await redrive(dispatch, failed)
        await dispatch.work()
        assert [line.state for line in await dispatch.lines(alert)] == [DeliveryState.QUEUED]


async def test_only_what_was_tried_counts_as_an_attempt_and_waiting_is_written_down_once(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        await dispatch.note(FIRED, alert)
        (route,) = await dispatch.claim()
        await dispatch.settle(await dispatch.do(route))
        dispatch.sink.answer = lambda message: LATER
        written = []
        for _ in range(3):
            (send,) = await dispatch.claim()
            settlement = await dispatch.do(send)
            written.append(len(settlement.deliveries))
            await dispatch.settle(settlement)
            await trio.sleep(61)
        assert written == [1, 0, 0]
        (line,) = await dispatch.lines(alert)
        assert (line.attempts, line.cause) == (0, "429: too many")
        dispatch.sink.answer = Sink().answer
        await dispatch.work()
        (line,) = await dispatch.lines(alert)
        assert (line.state, line.attempts) == (DeliveryState.DELIVERED, 1)


async def test_another_reason_to_wait_is_written_down_when_the_last_one_is_old(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        await dispatch.note(FIRED, alert)
        dispatch.sink.answer = lambda message: LATER
        await dispatch.work()
        dispatch.sink.answer = lambda message: TryLater(60.0, "away")
        causes = []
        for _ in range(11):
            await trio.sleep(61)
            await dispatch.work()
            causes += [line.cause for line in await dispatch.lines(alert)]
        assert causes == ["429: too many"] * 9 + ["away"] * 2


@pytest.mark.parametrize("seconds", [4, 4_000])
async def test_a_message_behind_one_without_a_job_looks_less_often_the_longer_it_waits(
    autojump_clock: None, seconds: int
) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        aside = a_delivery(alert.id, channel=Channel.WEBHOOK, recipient=PAGER_NAME, due=clock(), why=Why.STORM)
        await dispatch.store.keep_deliveries([aside])
        await dispatch.note(RESOLVED, alert)
        await dispatch.work()
        await trio.sleep(seconds)
        (second,) = await dispatch.claim()
        put_off = await dispatch.do(second)
        assert put_off.verdict is Verdict.SNOOZED
        assert put_off.run_at - clock() == min(30, max(1, seconds // 4)) * SECOND_US


async def test_what_is_counted_is_what_the_ledger_says_whoever_wrote_it(autojump_clock: None) -> None:
    other = Endpoint(id="other", channel=Channel.SLACK)
    loud = Endpoint(id="loud", channel=Channel.WEBHOOK, min_severity=Severity.CRITICAL)
    async with a_dispatch([PAGER, other, loud]) as dispatch:
        alerts = await dispatch.alerts(6)
        await dispatch.note(FIRED, *alerts)
        dispatch.sink.answer = lambda message: (
            Refused("400: no") if message.alerts[0].id == alerts[0].id else Sent(is_delivered=True)
        )
        (route,) = await dispatch.claim()
        await dispatch.settle(await dispatch.do(route))
        # One is cancelled, one is sent by somebody whose lease has ended.
        cancelled, stale = await dispatch.claim(2)
        await dispatch.store.cancel("acme", cancelled.lease.job)
        finished = await dispatch.do(stale)
        await trio.sleep(31)
        await dispatch.store.sweep(10)
        assert await dispatch.settle(finished) == [False]
        await trio.sleep(60)
        await dispatch.work()
        # Of the last alert all are lost with their nodes, again and again.
        alerts += await dispatch.alerts()
        await dispatch.note(FIRED, alerts[-1])
        (route,) = await dispatch.claim()
        await dispatch.settle(await dispatch.do(route))
        while await dispatch.claim(10):
            await trio.sleep(31)
            await dispatch.store.sweep(10)
            await trio.sleep(60)
        lines = [line for line in await dispatch.lines(*alerts) if line.state is not DeliveryState.QUEUED]
        counted = Counter((line.channel, line.state) for line in lines)
        assert {state for _, state in counted} == {
            DeliveryState.DELIVERED,
            DeliveryState.FAILED,
            DeliveryState.SUPPRESSED,
        }
        assert dispatch.store.deliveries_ended() == counted


async def test_a_sender_that_raises_is_in_the_ledger_and_its_traceback_with_the_job(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        await dispatch.note(FIRED, alert)
        (route,) = await dispatch.claim()
        await dispatch.settle(await dispatch.do(route))
        (send,) = await dispatch.claim()
        dispatch.sink.answer = lambda message: {}["https://hooks.example.com/secret"]
        await dispatch.settle(await dispatch.do(send))
        (line,) = await dispatch.lines(alert)
        assert (line.state, line.attempts, line.cause) == (DeliveryState.QUEUED, 1, "the sender failed: KeyError")
        job = await dispatch.store.job(None, send.lease.job)
        assert job is not None and job.state is JobState.DELAYED
        assert "Traceback" in (job.errors[0].traceback or "")


async def test_a_line_without_a_digest_is_found_behind_all_those_that_wait_for_theirs(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        now = clock()
        people = [Recipient(user=f"u{number:04}") for number in range(FOUND_MAX)]
        last = Recipient(user="z")
        waiting = [a_delivery("a", channel=Channel.SLACK, recipient=each, due=now) for each in (*people, last)]
        await dispatch.store.keep_deliveries(waiting, [digest_job("acme", Channel.SLACK, each, now) for each in people])
        digests = dispatch.notifications.digests
        await dispatch.store.enqueue([digests.kind.job(RunArgs(since=0, until=now))])
        (look,) = [job for job in await dispatch.claim(2_000) if job.kind == DIGESTS]
        await dispatch.settle(await Desk(Kinds([digests.kind]), clock).do(look))
        (found,) = await dispatch.store.jobs(JobQuery(kind=DIGEST, limit=1))
        assert f'"{last.user}"' in found.args


SECRET = "https://hooks.example.com/T0/B0/xyzzy"


def raise_with_a_secret(message: Outgoing) -> Outcome:
    try:
        raise KeyError(SECRET)
    except KeyError as fault:
        raise ValueError(f"cannot post to {SECRET}") from fault


async def test_what_a_sender_that_raises_says_is_told_to_nobody_also_at_the_last_attempt(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        await dispatch.note(FIRED, alert)
        dispatch.sink.answer = raise_with_a_secret
        with capture_logs() as logged:
            for _ in range(6):
                await dispatch.work()
                await trio.sleep(60)
        (line,) = await dispatch.lines(alert)
        assert (line.state, line.why, line.attempts) == (DeliveryState.FAILED, Why.GAVE_UP, 5)
        assert line.cause == "the sender failed: ValueError"
        (failed,) = await dispatch.ended(JobState.FAILED)
        job = await dispatch.store.job(None, failed)
        assert job is not None and [error.cause for error in job.errors] == [line.cause] * 5
        assert "raise_with_a_secret" in str(job.errors[-1].traceback) and "KeyError" in str(job.errors[-1].traceback)
        assert SECRET not in str((job.errors, line, logged)) and logged


async def test_waiting_leaves_a_job_its_reasons_to_have_failed(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        await dispatch.note(FIRED, alert)
        dispatch.sink.answer = raise_with_a_secret
        await dispatch.work()
        dispatch.sink.answer = lambda message: LATER
        for _ in range(12):
            await trio.sleep(61)
            await dispatch.work()
        (waiting,) = await dispatch.ended(JobState.DELAYED)
        job = await dispatch.store.job(None, waiting)
        assert job is not None
        assert [error.cause for error in job.errors] == ["the sender failed: ValueError", LATER.cause]
        assert job.errors[0].traceback is not None
