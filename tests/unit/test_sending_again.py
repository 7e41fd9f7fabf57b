"""What becomes of messages and digests whose jobs are cancelled, lost, retried or redriven."""

from __future__ import annotations

import pytest
import trio

from engine.notify.jobs import DIGEST_GRACE_US, digest_job
from engine.notify.ports import Refused
from engine.stores.deliveries import DIGEST_MAX
from protocol.jobs import JobState, Queue
from protocol.model import EventKind, Severity
from protocol.notify import DIGEST_LISTED_MAX, Channel, DeliveryState, Why
from protocol.times import SECOND_US
from tests.support.deliveries import a_delivery
from tests.support.dispatch import PAGER_NAME, Dispatch, a_dispatch
from tests.support.jobs import clock
from tests.support.notified import Sink
from tests.support.sends import FIRED, LATER, RESOLVED, redrive


def due_now() -> int:
    """The moment of a digest that is sent now."""
    return clock() - DIGEST_GRACE_US


async def put_aside(dispatch: Dispatch, alert_ids: list[str], due: int, why: Why = Why.STORM) -> int:
    """Lines for the pager's digest; the number of its job."""
    lines = [a_delivery(name, channel=Channel.WEBHOOK, recipient=PAGER_NAME, due=due, why=why) for name in alert_ids]
    await dispatch.store.keep_deliveries(lines)
    ((number, _),) = await dispatch.store.enqueue([digest_job("acme", Channel.WEBHOOK, PAGER_NAME, due)])
    return number


async def test_a_refused_message_that_is_retried_is_sent_under_the_same_key(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        await dispatch.note(FIRED, alert)
        dispatch.sink.answer = lambda message: Refused("400: no")
        await dispatch.work()
        (failed,) = await dispatch.ended(JobState.FAILED)
        dispatch.sink.answer = Sink().answer
        await redrive(dispatch, failed)
        (waiting,) = await dispatch.lines(alert)
        assert (waiting.state, waiting.why, waiting.cause) == (DeliveryState.QUEUED, None, None)
        await dispatch.work()
        first, second = dispatch.sink.got
        assert first.key == second.key
        assert [line.state for line in await dispatch.lines(alert)] == [DeliveryState.DELIVERED]


async def test_a_cancelled_message_that_is_retried_is_sent(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        await dispatch.note(FIRED, alert)
        (route,) = await dispatch.claim()
        await dispatch.settle(await dispatch.do(route))
        (send,) = await dispatch.claim()
        await dispatch.store.cancel("acme", send.lease.job)
        await redrive(dispatch, send.lease.job)
        await dispatch.work()
        assert dispatch.sink.told() == ["fired webhook endpoint:pager"]


async def test_all_failed_messages_of_a_queue_are_sent_when_it_is_redriven(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        alerts = await dispatch.alerts(3)
        await dispatch.note(FIRED, *alerts)
        dispatch.sink.answer = lambda message: Refused("400: no")
        await dispatch.work()
        dispatch.sink.answer = Sink().answer
        assert await dispatch.store.redrive_failed(Queue.NOTIFICATION, 10) == 3
        await dispatch.work()
        assert {line.state for line in await dispatch.lines(*alerts)} == {DeliveryState.DELIVERED}


async def test_a_failed_digest_that_is_retried_brings_back_its_own_lines_and_no_others(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        alerts = await dispatch.alerts(3)
        ids = [alert.id for alert in alerts]
        now = due_now()
        first = await put_aside(dispatch, ids[:2], now)
        await put_aside(dispatch, ids[2:], now - 1)
        dispatch.sink.answer = lambda message: Refused("400: no")
        await dispatch.work()
        assert {line.state for line in await dispatch.lines(*alerts)} == {DeliveryState.FAILED}
        dispatch.sink.answer = Sink().answer
        await redrive(dispatch, first)
        await dispatch.work()
        states = [line.state for line in await dispatch.lines(*alerts)]
        assert states == [DeliveryState.DELIVERED, DeliveryState.DELIVERED, DeliveryState.FAILED]


@pytest.mark.parametrize("why", [Why.STORM, Why.QUIET_HOURS])
async def test_a_digest_that_is_done_once_more_knows_why_its_lines_were_put_aside(
    autojump_clock: None, why: Why
) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        number = await put_aside(dispatch, [alert.id], due_now(), why)
        dispatch.sink.answer = lambda message: Refused("400: no")
        await dispatch.work()
        assert [line.why for line in await dispatch.lines(alert)] == [Why.REFUSED]
        await redrive(dispatch, number)
        assert [(line.state, line.why) for line in await dispatch.lines(alert)] == [(DeliveryState.QUEUED, why)]


async def test_a_digest_does_not_tell_what_a_later_message_tells_as_soon_as_its_target_takes_it(
    autojump_clock: None,
) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        await put_aside(dispatch, [alert.id], due_now() + 10 * SECOND_US)
        await dispatch.note(EventKind.RAISED, alert)
        dispatch.sink.answer = lambda message: LATER
        await dispatch.work()
        dispatch.sink.answer = Sink().answer
        await trio.sleep(11)
        await dispatch.work()
        assert [(line.state, line.why) for line in await dispatch.lines(alert)] == [
            (DeliveryState.SUPPRESSED, Why.TOLD),
            (DeliveryState.QUEUED, None),
        ]
        await trio.sleep(50)
        await dispatch.work()
        assert dispatch.sink.told() == ["raised webhook endpoint:pager"] * 2


async def test_a_cancelled_digest_leaves_nothing_queued(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        alerts = await dispatch.alerts(2)
        job = await put_aside(dispatch, [alert.id for alert in alerts], due_now())
        await dispatch.store.cancel("acme", job)
        lines = await dispatch.lines(*alerts)
        assert [(line.state, line.why) for line in lines] == [(DeliveryState.FAILED, Why.CANCELLED)] * 2
        assert await dispatch.store.digests_due(clock(), 10) == []


async def test_cancelling_a_digest_that_has_ended_leaves_the_next_one_alone(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        first, second = await dispatch.alerts(2)
        due = due_now()
        ended = await put_aside(dispatch, [first.id], due)
        await dispatch.work()
        await put_aside(dispatch, [second.id], due)
        await dispatch.store.cancel("acme", ended)
        assert [line.state for line in await dispatch.lines(second)] == [DeliveryState.QUEUED]


async def test_a_digest_whose_workers_are_lost_again_and_again_fails_its_lines(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        await put_aside(dispatch, [alert.id], due_now())
        while await dispatch.claim():
            await trio.sleep(100)
            await dispatch.store.sweep(10)
            await trio.sleep(100)
        assert [(line.state, line.why) for line in await dispatch.lines(alert)] == [(DeliveryState.FAILED, Why.GAVE_UP)]


async def test_what_is_decided_in_the_last_moment_goes_with_its_digest(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        first, second = await dispatch.alerts(2)
        due = clock()
        await put_aside(dispatch, [first.id], due)
        await dispatch.work()
        assert dispatch.sink.got == []
        await put_aside(dispatch, [second.id], due)
        await trio.sleep(2)
        await dispatch.work()
        assert [len(message.alerts) for message in dispatch.sink.got] == [2]


async def test_two_digests_at_work_at_once_send_no_line_twice(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        first, second = await dispatch.alerts(2)
        now = due_now()
        await put_aside(dispatch, [first.id], now - 1)
        await put_aside(dispatch, [second.id], now)
        await dispatch.settle(*[await dispatch.do(one) for one in await dispatch.claim(2)])
        told = [alert.id for message in dispatch.sink.got for alert in message.alerts]
        assert sorted(told) == sorted([first.id, second.id])


async def test_a_digest_that_is_too_long_goes_on_with_another_one(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        alerts = await dispatch.alerts(DIGEST_MAX + 1)
        await put_aside(dispatch, [alert.id for alert in alerts], due_now())
        await dispatch.work()
        assert [len(message.alerts) + message.more for message in dispatch.sink.got] == [DIGEST_MAX, 1]
        assert {line.state for line in await dispatch.lines(alerts[0], alerts[-1])} == {DeliveryState.DELIVERED}


async def test_of_a_digest_only_what_is_gone_is_left_out(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        gone = [f"gone{number:02}" for number in range(DIGEST_LISTED_MAX)]
        await put_aside(dispatch, [*gone, alert.id], due_now())
        await dispatch.work()
        assert [each.id for message in dispatch.sink.got for each in message.alerts] == [alert.id]
        (missing,) = (await dispatch.store.deliveries_of("acme", gone[:1]))[gone[0]]
        assert (missing.state, missing.why) == (DeliveryState.SUPPRESSED, Why.OVER)


async def test_of_a_long_digest_the_most_severe_are_listed(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        small = await dispatch.alerts(DIGEST_LISTED_MAX, severity=Severity.INFO)
        (great,) = await dispatch.alerts(severity=Severity.CRITICAL)
        await put_aside(dispatch, [alert.id for alert in [*small, great]], due_now())
        await dispatch.work()
        (message,) = dispatch.sink.got
        assert (message.alerts[0].id, len(message.alerts), message.more) == (great.id, DIGEST_LISTED_MAX, 1)


async def test_an_end_waits_for_a_digest_that_may_be_at_its_target(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        (alert,) = await dispatch.alerts()
        await put_aside(dispatch, [alert.id], due_now())
        (digest,) = await dispatch.claim()
        sent = await dispatch.do(digest)
        await dispatch.note(RESOLVED, alert)
        await dispatch.work()
        assert dispatch.sink.told() == ["digest webhook endpoint:pager"]
        await dispatch.settle(sent)
        await trio.sleep(2)
        await dispatch.work()
        assert dispatch.sink.told() == ["digest webhook endpoint:pager", "resolved webhook endpoint:pager"]
