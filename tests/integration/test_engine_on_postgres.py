"""`tocsin serve --store postgresql://`: the main job from end to end, and killed in the middle of it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import trio

from engine.access.auth import Authenticator
from protocol.model import AlertState
from tests.faults.test_durability import FRAMEWORKS, Ledger, follow, run_producers
from tests.support.engines import SECRET, an_engine_process
from tests.support.postgres_server import PostgresDatabase, PostgresServer
from tocsin import Client

KILLS = 3
TELLS_OF_STREAMS = """
SELECT framework, count(*), min(channel_offset), max(channel_offset), max(last_offset)
FROM event JOIN channel ON channel.id = event.channel GROUP BY channel.id ORDER BY framework
"""


def a_token(role: str) -> str:
    return Authenticator(SECRET.encode()).issue("main", role)


async def test_an_alert_is_told_acknowledged_and_outlives_a_kill(
    tmp_path: Path, postgres_database: PostgresDatabase
) -> None:
    async with AsyncExitStack() as engines:
        engine = await engines.enter_async_context(an_engine_process(tmp_path, TOCSIN_STORE=postgres_database.url))
        async with Client(engine.ws, a_token("admin")) as client:
            await client.subscribe("web")
            fired = await client.trigger("web", dedup_key="disk", title="The disk is full")
            assert fired.alert_id is not None
            with trio.fail_after(170):
                async for message in client.alerts():
                    assert message.data.id == fired.alert_id
                    break
            again = await client.trigger("web", dedup_key="disk", title="The disk is full")
            assert again.alert_id == fired.alert_id
            await client.acknowledge(fired.alert_id)
            await engine.kill()
            await engines.enter_async_context(
                an_engine_process(tmp_path, ws=engine.ws_address, TOCSIN_STORE=postgres_database.url)
            )
            with trio.fail_after(170):
                async for message in client.alerts():
                    if message.data.state is AlertState.RESOLVED:
                        break
                    if message.data.state is AlertState.ACKNOWLEDGED:
                        await client.resolve(fired.alert_id)
            assert message.data.id == fired.alert_id


async def test_kills_under_load_lose_nothing_that_was_acknowledged(
    tmp_path: Path, postgres_server: PostgresServer, postgres_database: PostgresDatabase
) -> None:
    ledger, token = Ledger(), a_token("producer")
    async with AsyncExitStack() as engines:
        engine = await engines.enter_async_context(an_engine_process(tmp_path, TOCSIN_STORE=postgres_database.url))
        async with Client(engine.ws, token) as subscriber, trio.open_nursery() as nursery:
            for channel in (*FRAMEWORKS, "workspace"):
                await subscriber.subscribe(channel)
            nursery.start_soon(follow, subscriber, ledger)
            producers = await nursery.start(run_producers, engine.ws, token, ledger)
            for _ in range(KILLS):
                goal = len(ledger.alert_of) + 30
                await ledger.until(lambda goal=goal: len(ledger.alert_of) >= goal)
                await engine.kill()
                engine = await engines.enter_async_context(
                    an_engine_process(tmp_path, ws=engine.ws_address, TOCSIN_STORE=postgres_database.url)
                )
            producers.cancel()
            async with Client(engine.ws, token) as last:
                for framework in FRAMEWORKS:
                    word = await last.trigger(framework, dedup_key=f"last word of {framework}", title="the end")
                    for channel in (f"alerts:main:{framework}", "alerts:main:*"):
                        await ledger.until(lambda c=channel, i=word.alert_id: ledger.told[c][-1].data.id == i)
            nursery.cancel_scope.cancel()
    stored = dict(postgres_server.sql("SELECT id, identity FROM alert", postgres_database.name))
    assert set(ledger.alert_of.values()) <= set(stored), "an acknowledged alert was lost"
    assert len(set(stored.values())) == len(stored), "one key was stored as two alerts"
    for framework, count, first, last_one, position in postgres_server.sql(TELLS_OF_STREAMS, postgres_database.name):
        assert (first, count) == ("1", last_one), f"{framework} has holes"
        assert last_one == position
        told = [message.offset for message in ledger.told[f"alerts:main:{framework}"]]
        assert told == list(range(1, int(last_one) + 1)), f"{framework} was told with gaps, twice, or not to the end"
