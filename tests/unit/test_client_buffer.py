from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.support.client_server import an_alert
from tocsin.buffer import AlertBuffer
from tocsin.errors import ClientStopped


async def test_alerts_come_out_in_order() -> None:
    buffer = AlertBuffer(limit=10)
    for offset in (1, 2, 3):
        buffer.append(an_alert(offset))
    assert [(await anext(buffer)).offset for _ in range(3)] == [1, 2, 3]


async def test_who_takes_waits_for_the_next_alert(autojump_clock: trio.testing.MockClock) -> None:
    buffer, taken = AlertBuffer(limit=10), []

    async def take() -> None:
        taken.append((await anext(buffer)).offset)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        nursery.start_soon(take)
        await wait_all_tasks_blocked()
        assert taken == []
        buffer.append(an_alert(1))
        buffer.append(an_alert(2))
    assert sorted(taken) == [1, 2]


async def test_the_reader_waits_for_room_and_only_then_goes_on() -> None:
    buffer, has_room = AlertBuffer(limit=2), trio.Event()

    async def read() -> None:
        await buffer.wait_room()
        has_room.set()

    for offset in (1, 2, 3):
        buffer.append(an_alert(offset))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        await anext(buffer)
        await wait_all_tasks_blocked()
        assert not has_room.is_set()
        await anext(buffer)
        await has_room.wait()


async def test_what_is_here_is_given_before_the_end() -> None:
    buffer = AlertBuffer(limit=2)
    buffer.append(an_alert(1))
    buffer.close(None)
    assert [message.offset async for message in buffer] == [1]


async def test_who_waits_is_told_the_failure() -> None:
    buffer = AlertBuffer(limit=2)

    async def take() -> None:
        with pytest.raises(ClientStopped):
            await anext(buffer)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await wait_all_tasks_blocked()
        buffer.close(ClientStopped("no"))


async def test_a_cancelled_taker_takes_nothing() -> None:
    buffer = AlertBuffer(limit=2)
    buffer.append(an_alert(1))
    with trio.CancelScope() as scope:
        scope.cancel()
        await anext(buffer)
    assert len(buffer) == 1
