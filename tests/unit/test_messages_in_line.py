"""Messages about one alert go to one recipient in their order, and those who wait for an earlier one cost nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from engine.notify.ports import Sent, TryLater
from protocol.jobs import Settlement, Verdict
from protocol.model import EventKind
from protocol.notify import DeliveryState, Outgoing, Why
from protocol.times import SECOND_US
from tests.support.dispatch import Dispatch, a_dispatch
from tests.support.jobs import clock

AWAY = TryLater(3_600.0, "no answer")
# More than any worker has hands.
CROWD = 40
IN_ORDER = ["fired", "raised", "acknowledged", "resolved"]


def away(message: Outgoing) -> TryLater:
    return AWAY


def back(message: Outgoing) -> Sent:
    return Sent(is_delivered=True)


async def claims(dispatch: Dispatch, seconds: int) -> int:
    """How many jobs are begun in so many seconds by somebody who looks every second."""
    begun = 0
    for _ in range(seconds):
        await trio.sleep(1)
        while claimed := await dispatch.claim(10):
            begun += len(claimed)
            await dispatch.settle(*[await dispatch.do(one) for one in claimed])
    return begun


async def test_those_who_wait_for_an_earlier_message_cost_no_claim_while_their_target_is_away(
    autojump_clock: None,
) -> None:
    async with a_dispatch() as dispatch:
        dispatch.sink.answer = away
        alerts = await dispatch.alerts(CROWD)
        for change in (EventKind.FIRED, EventKind.ACKNOWLEDGED, EventKind.RESOLVED):
            await dispatch.note(change, *alerts)
            await dispatch.work()
        assert await claims(dispatch, 3_500) == 0
        # Now those in front ask, and nobody else.
        assert await claims(dispatch, 110) == CROWD
        dispatch.sink.answer = back
        dispatch.sink.got.clear()
        assert await claims(dispatch, 3_600) == 3 * CROWD
        for alert in alerts:
            told = [message.change.value for message in dispatch.sink.got if message.alerts[0].id == alert.id]
            assert told == ["fired", "acknowledged", "resolved"]


async def test_an_alerts_messages_go_out_in_their_order_after_a_restart(mock_clock: MockClock, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tocsin.db'}"
    async with a_dispatch(url=url) as dispatch:
        dispatch.sink.answer = away
        (alert,) = await dispatch.alerts()
        for change in IN_ORDER:
            await dispatch.note(EventKind(change), alert)
            await dispatch.work()
        mock_clock.jump(3_601)
        # The first is in somebody's hands when all ends.
        assert len(await dispatch.claim(10)) == 1
    async with a_dispatch(url=url) as dispatch:
        assert await dispatch.claim(10) == []
        await dispatch.store.sweep(10)
        mock_clock.jump(3)
        await dispatch.work()
        assert dispatch.sink.told() == [f"{change} webhook endpoint:pager" for change in IN_ORDER]


@pytest.mark.parametrize("end", ["cancelled", "lost", "given up"])
async def test_a_message_goes_on_however_the_one_before_it_ends(autojump_clock: None, end: str) -> None:
    async with a_dispatch() as dispatch:
        dispatch.sink.answer = away if end != "given up" else lambda message: TryLater(None, "500")
        (alert,) = await dispatch.alerts()
        await dispatch.note(EventKind.FIRED, alert)
        await dispatch.work()
        await dispatch.note(EventKind.RAISED, alert)
        await dispatch.note(EventKind.RESOLVED, alert)
        await dispatch.work()
        assert [message.change.value for message in dispatch.sink.got] == ["fired"]
        while (first := (await dispatch.lines(alert))[0]).state is DeliveryState.QUEUED:
            await trio.sleep(3_601 if end != "given up" else 40)
            (claimed,) = await dispatch.claim()
            if end == "cancelled":
                await dispatch.store.cancel("acme", claimed.lease.job)
            elif end == "lost":
                await trio.sleep(31)
                await dispatch.store.sweep(10)
            else:
                await dispatch.settle(await dispatch.do(claimed))
        dispatch.sink.got.clear()
        dispatch.sink.answer = back
        await dispatch.work()
        assert first.state is DeliveryState.FAILED and first.why in (Why.CANCELLED, Why.GAVE_UP)
        assert [message.change.value for message in dispatch.sink.got] == ["raised", "resolved"]


async def test_what_is_behind_a_cancelled_message_still_waits_for_the_one_before_that(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        dispatch.sink.answer = away
        (alert,) = await dispatch.alerts()
        jobs = []
        for change in (EventKind.FIRED, EventKind.RAISED, EventKind.RESOLVED):
            await dispatch.note(change, alert)
            (route,) = await dispatch.claim()
            await dispatch.settle(await dispatch.do(route))
            (send,) = await dispatch.claim()
            await dispatch.settle(await dispatch.do(send))
            jobs.append(send.lease.job)
        await dispatch.store.cancel("acme", jobs[1])
        # It looks once, and is in line again.
        assert await claims(dispatch, 600) == 1
        dispatch.sink.answer = back
        await trio.sleep(3_000)
        await dispatch.work()
        assert [message.change.value for message in dispatch.sink.got] == ["fired", "fired", "resolved"]


async def test_lines_of_an_older_database_whose_jobs_look_each_second_get_in_line(autojump_clock: None) -> None:
    async with a_dispatch() as dispatch:
        dispatch.sink.answer = away
        (alert,) = await dispatch.alerts()
        await dispatch.note(EventKind.FIRED, alert)
        await dispatch.work()
        await dispatch.note(EventKind.RESOLVED, alert)
        (route,) = await dispatch.claim()
        await dispatch.settle(await dispatch.do(route))
        (send,) = await dispatch.claim()
        # As the version before put it off.
        await dispatch.settle(Settlement(lease=send.lease, verdict=Verdict.SNOOZED, run_at=clock() + SECOND_US))
        assert await claims(dispatch, 600) == 1
