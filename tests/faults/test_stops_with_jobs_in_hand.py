"""SIGTERM while notifications are sent: what ends soon is finished, the rest is handed back, and nothing is lost."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import trio

from protocol.items import TriggerInput
from tests.support.engines import EngineProcess, an_engine_process
from tests.support.http_sink import Behaviour, Got, Sink, a_sink, answer, hang
from tests.support.iso import token_for
from tocsin import Client

# The promise is 10 s, of which jobs in hand have 6; a loaded machine gets its time. Who hangs, hangs for ever.
STOPS_WITHIN_S = 120.0
ALERTS = 8
SETTINGS = {
    "TOCSIN_NOTIFY_ALLOW_PRIVATE": "127.0.0.1/32",
    "TOCSIN_JOBS_TARGET_SLOTS": str(ALERTS),
    # All are in hand when the order comes, however long that takes: no attempt ends before.
    "TOCSIN_NOTIFY_CONNECT_S": "60",
    "TOCSIN_NOTIFY_FIRST_BYTE_S": "120",
    "TOCSIN_NOTIFY_TOTAL_S": "120",
}


async def make_hook(engine: EngineProcess, sink: Sink) -> None:
    bearer = {"Authorization": f"Bearer {token_for('boss')}"}
    async with httpx.AsyncClient(base_url=engine.http, headers=bearer, timeout=170) as boss:
        body = {"id": "hook", "channel": "webhook", "url": sink.url()}
        assert (await boss.post("/api/v1/endpoints", json=body)).status_code == 201


async def ring(engine: EngineProcess) -> None:
    async with Client(engine.ws, token_for("producer", "producer")) as client:
        await client.trigger_many([TriggerInput(framework_id="web", title=f"n{n}") for n in range(ALERTS)])


def keys(got: list[Got]) -> set[str]:
    return {each.headers["webhook-id"] for each in got}


def sends(folder: Path) -> list[tuple[str, int, str | None, str]]:
    """Of each message: what it is for, attempts that were used up, who holds it, and its line in the ledger."""
    with closing(sqlite3.connect(folder / "tocsin.db")) as base:
        found: list[tuple[str, int, str | None, str]] = base.execute(
            "SELECT job.ukey, job.attempt, job.lease_by, delivery.state FROM job JOIN delivery ON delivery.key = ukey"
        ).fetchall()
    return found


async def test_what_is_being_sent_is_finished_or_handed_back_with_its_attempt(tmp_path: Path) -> None:
    told_to_stop = trio.Event()

    async def after_the_order(stream: trio.abc.Stream) -> None:
        await told_to_stop.wait()
        await answer(200)(stream)

    def some_hang(got: Got) -> Behaviour:
        return hang if len(sink.got) % 2 else after_the_order

    async with a_sink() as sink:
        sink.usual = some_hang
        async with an_engine_process(tmp_path, **SETTINGS) as engine:
            await make_hook(engine, sink)
            await ring(engine)
            in_hand = keys(await sink.wait_for(ALERTS))
            assert len(in_hand) == ALERTS
            engine.process.send_signal(signal.SIGTERM)
            told_to_stop.set()
            assert await engine.wait(STOPS_WITHIN_S) == 0
        left = {key for key, *_ in sends(tmp_path)}
        assert left == keys(sink.got[::2])
        assert {tuple(rest) for _, *rest in sends(tmp_path)} == {(0, None, "queued")}
        sink.usual = lambda got: answer(200)
        async with an_engine_process(tmp_path, **SETTINGS):
            got = await sink.wait_for(ALERTS + len(left))
        assert keys(got[ALERTS:]) == left
        assert sends(tmp_path) == []
