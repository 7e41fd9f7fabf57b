"""Thirty times kill -9 at random moments under load: nothing that was acknowledged is lost, nothing is told twice.

A real engine process, killed and started again on the same data and ports; producers that send again what was not
acknowledged; a subscriber that reconnects and recovers. At the end the database is compared with what they saw.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from engine.access.auth import Authenticator
from protocol.errors import TocsinError
from protocol.items import ItemResult, TriggerInput
from protocol.messages import AlertMessage
from protocol.model import Reason, Status
from tests.support.engines import SECRET, an_engine_process
from tocsin import Client
from tocsin.client import ClientLimits

pytestmark = pytest.mark.alone

KILLS = 30
PRODUCERS = 3
FRAMEWORKS = ("web", "db")
# A start after a kill takes a second on an idle machine. (What was not committed is no work: nothing is repaired.)
READY_WITHIN_S = 120.0
# A connection that is lost is known at once; whoever has one waits.
PATIENT = ClientLimits(request_s=170.0, connect_s=170.0)


class Ledger:
    """What the clients were promised and told, and who waits for more of it."""

    def __init__(self) -> None:
        self.alert_of: dict[str, str] = {}
        self.resent = 0
        self.told: dict[str, list[AlertMessage]] = {}
        self._changed = trio.Event()

    def acked(self, key: str, result: ItemResult, *, again: bool) -> None:
        """Notes the answer to a trigger that was sent, or sent again after its answer was lost."""
        if again:
            assert result.status in (Status.FIRED, Status.SUPPRESSED), result
        else:
            assert (result.status, result.reason) == (Status.FIRED, Reason.FIRED), result
        assert result.alert_id is not None
        assert key not in self.alert_of
        self.alert_of[key] = result.alert_id
        self._change()

    def hear(self, message: AlertMessage) -> None:
        """Notes what the subscriber was told."""
        self.told.setdefault(message.channel, []).append(message)
        self._change()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until the condition holds of what is noted."""
        while not condition():
            await self._changed.wait()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


async def produce(client: Client, name: str, ledger: Ledger) -> None:
    """Distinct triggers for ever; one whose answer is lost is sent again until it has one."""
    number = 0
    while True:
        key, number, again = f"{name}-{number}", number + 1, False
        framework = FRAMEWORKS[number % len(FRAMEWORKS)]
        trigger = TriggerInput(framework_id=framework, dedup_key=key, title=key, current_value=float(number))
        while key not in ledger.alert_of:
            try:
                (result,) = await client.trigger_many([trigger])
            except TocsinError as fault:
                assert fault.temporary, fault
                again, ledger.resent = True, ledger.resent + 1
                continue
            ledger.acked(key, result, again=again)


async def follow(client: Client, ledger: Ledger) -> None:
    """Takes what is told; the client recovers by itself."""
    async for message in client.alerts():
        ledger.hear(message)


@pytest.mark.timeout(2_400)
async def test_thirty_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(20261121)
    ledger = Ledger()
    token = Authenticator(SECRET.encode()).issue("main", "producer")
    async with AsyncExitStack() as engines:
        engine = await engines.enter_async_context(an_engine_process(tmp_path))
        async with Client(engine.ws, token, limits=PATIENT) as subscriber, trio.open_nursery() as nursery:
            for channel in (*FRAMEWORKS, "workspace"):
                await subscriber.subscribe(channel)
            nursery.start_soon(follow, subscriber, ledger)
            producers = await nursery.start(run_producers, engine.ws, token, ledger)
            for _ in range(KILLS):
                goal = len(ledger.alert_of) + chance.randrange(1, 200)
                await ledger.until(lambda goal=goal: len(ledger.alert_of) >= goal)
                for _ in range(chance.randrange(100)):  # anywhere in a commit, not always just after an answer
                    await trio.lowlevel.checkpoint()
                await engine.kill()
                began = trio.current_time()
                engine = await engines.enter_async_context(an_engine_process(tmp_path, ws=engine.ws_address))
                assert trio.current_time() - began < READY_WITHIN_S
            producers.cancel()
            async with Client(engine.ws, token, limits=PATIENT) as last:
                for framework in FRAMEWORKS:
                    # Commands are handled in order: with this one told, everything before it was.
                    word = await last.trigger(framework, dedup_key=f"last word of {framework}", title="the end")
                    assert word.alert_id is not None
                    for channel in (f"alerts:main:{framework}", "alerts:main:*"):
                        await ledger.until(lambda c=channel, i=word.alert_id: ledger.told[c][-1].data.id == i)
            nursery.cancel_scope.cancel()
    compare(ledger, tmp_path / "tocsin.db")
    assert ledger.resent >= KILLS, "the kills did not interrupt anything"


async def run_producers(url: str, token: str, ledger: Ledger, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    """All producers, in a scope that ends them."""
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            task_status.started(scope)
            for index in range(PRODUCERS):
                nursery.start_soon(produce_as, url, token, f"p{index}", ledger)


async def produce_as(url: str, token: str, name: str, ledger: Ledger) -> None:
    """A producer with a connection of its own."""
    async with Client(url, token, limits=PATIENT) as client:
        await produce(client, name, ledger)


def compare(ledger: Ledger, database: Path) -> None:
    """Acknowledged ⊆ stored, one alert a key, offsets without holes, everything told once and in order."""
    with sqlite3.connect(database) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        stored = dict(db.execute("SELECT id, identity FROM alert"))
        offsets = db.execute(
            "SELECT framework, COUNT(*), MIN(channel_offset), MAX(channel_offset), last_offset FROM event"
            " JOIN channel ON channel.id = event.channel GROUP BY channel.id"
        ).fetchall()
        (workspace_count, workspace_last) = db.execute("SELECT COUNT(*), MAX(workspace_offset) FROM event").fetchone()
    assert set(ledger.alert_of.values()) <= set(stored), "an acknowledged alert was lost"
    assert len(set(ledger.alert_of.values())) == len(ledger.alert_of), "two keys were answered with one alert"
    assert len(set(stored.values())) == len(stored), "one key was stored as two alerts"
    for framework, count, first, last, position in offsets:
        assert (first, count) == (1, last), f"{framework} has holes"
        assert last == position
        told = [message.offset for message in ledger.told[f"alerts:main:{framework}"]]
        assert told == list(range(1, last + 1)), f"{framework} was told with gaps, twice, or not to the end"
    assert workspace_count == workspace_last
    told = [message.offset for message in ledger.told["alerts:main:*"]]
    assert told == list(range(1, len(told) + 1))
