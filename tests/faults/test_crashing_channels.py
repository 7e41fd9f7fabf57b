"""Bugs in a channel, in a real engine: that channel pauses, is parked, comes back, and nobody else notices (ISO)."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.support.engines import ROOT, EngineProcess
from tests.support.faulty_engine import CRASH, POISON
from tests.support.iso import Isolation, an_isolation, authenticated
from tests.support.sockets import Peer

pytestmark = pytest.mark.alone

PARK_S = 1.0
PROGRAM = (sys.executable, "-m", "tests.support.faulty_engine")


@pytest.fixture
async def faulty(tmp_path: Path) -> AsyncIterator[Isolation]:
    settings = {
        "TOCSIN_CHANNEL_PARK_S": str(PARK_S),
        "TOCSIN_CHANNEL_IDLE_S": "1",
        # A channel that owes a receipt is not retired, and each wave would leave one.
        "TOCSIN_SUPPRESSION_WINDOW_S": "0",
        "PYTHONPATH": str(ROOT),
    }
    async with an_isolation(tmp_path, program=PROGRAM, **settings) as isolation:
        yield isolation


class Channel:
    """A framework of its own for each wave, with somebody who triggers and somebody who follows."""

    def __init__(self, name: str, producer: Peer, follower: Peer) -> None:
        self.name = name
        self.producer = producer
        self.follower = follower

    @classmethod
    async def open(cls, engine: EngineProcess, name: str) -> Channel:
        channel = cls(name, await authenticated(engine, "producer"), await authenticated(engine, "follower"))
        await channel.follower.say({"type": "subscribe", "frameworkId": name})
        assert (await channel.follower.hear()).__class__.__name__ == "Subscribed"
        return channel

    async def trigger(self, title: str, key: str) -> Any:
        """One alert; its result."""
        await self.producer.say(
            {"type": "trigger", "alert": {"framework_id": self.name, "dedup_key": key, "title": title}}
        )
        answer: Any = await self.producer.hear()
        assert answer.__class__.__name__ == "Accepted", answer
        return answer.results[0]

    async def told(self) -> tuple[int, str]:
        """The next alert that the follower is told: offset and title."""
        while True:
            message: Any = await self.follower.hear()
            if message.__class__.__name__ == "AlertMessage":
                return message.offset, message.data.title

    def close(self) -> None:
        self.producer.close()
        self.follower.close()


async def test_a_poisoned_command_is_set_aside_after_three_tries_and_the_next_one_is_handled(
    faulty: Isolation,
) -> None:
    waves = iter(range(100))

    async def poison() -> None:
        channel = await Channel.open(faulty.engine, f"poisoned-{next(waves)}")
        assert (await channel.trigger("good", "1")).status.value == "fired"
        failed = await channel.trigger(POISON, "2")
        assert (failed.status.value, failed.reason.value) == ("rejected", "failed"), failed
        assert (await channel.trigger("better", "3")).status.value == "fired"
        assert [await channel.told(), await channel.told()] == [(1, "good"), (2, "better")]
        channel.close()

    await faulty.check(poison, counted="tocsin_dead_letters")


async def test_an_actor_that_crashes_after_the_commit_answers_and_tells_it_once(faulty: Isolation) -> None:
    waves = iter(range(100))

    async def crash() -> None:
        channel = await Channel.open(faulty.engine, f"crashing-{next(waves)}")
        for number in range(1, 4):
            assert (await channel.trigger(CRASH, str(number))).status.value == "fired"
            assert await channel.told() == (number, CRASH)
        channel.close()

    await faulty.check(crash, counted='tocsin_restarts_total{actor="channel"}')


async def test_six_crashes_park_the_channel_and_it_comes_back(faulty: Isolation) -> None:
    waves = iter(range(100))

    async def park() -> None:
        channel = await Channel.open(faulty.engine, f"parked-{next(waves)}")
        for number in range(1, 6):
            assert (await channel.trigger(CRASH, str(number))).status.value == "fired"
        # Stored, but parked before it could be answered: what became of it is not known, until it is sent again.
        refusal = await channel.trigger(CRASH, "6")
        with trio.fail_after(PARK_S + 30):
            while refusal.status.value == "rejected":
                assert refusal.reason.value == "failed", refusal
                await trio.sleep(0.05)  # as a client that was told to come back would
                refusal = await channel.trigger("back", "7")
        assert refusal.status.value == "fired"
        assert (await channel.trigger("again", "6")).status.value == "repeated"
        told = [await channel.told() for _ in range(8)]
        assert told == [*((number, CRASH) for number in range(1, 7)), (7, "back"), (8, "again")]
        channel.close()

    await faulty.check(park, counted='tocsin_restarts_total{actor="channel"}')
