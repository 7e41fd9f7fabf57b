"""Nodes whose clocks are wrong, on a real Postgres: what several nodes hold against each other means the same to all.

The wall clock of this process is wrong here; the server is another process, and has the right one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import trio

from engine.app import Engine
from engine.jobs.kinds import Done, Kind, Result
from engine.stores import open_store
from engine.world import World
from protocol.items import TriggerInput
from protocol.jobs import Claimed, NewJob, Queue
from protocol.times import parse_rfc3339
from tests.support.engines import a_config
from tests.support.postgres_server import PostgresDatabase

HOUR_NS = 3_600 * 1_000_000_000
HANG_S = 170.0
LEASE_S = 600.0
SetWall = Callable[[int], None]


@pytest.fixture
def set_wall(monkeypatch: pytest.MonkeyPatch) -> SetWall:
    """Sets this process's wall clock, by so many nanoseconds from the right time."""
    right = time.time_ns

    def set_to(ahead_ns: int) -> None:
        monkeypatch.setattr(time, "time_ns", lambda: right() + ahead_ns)

    return set_to


class NoArgs(msgspec.Struct, frozen=True):
    """Nothing is to be said."""


class Flaky:
    """A kind of job that fails the first time, and says when it was done."""

    def __init__(self) -> None:
        self.kind = Kind(name="flaky", queue=Queue.ANALYTICS, args=NoArgs, run=self._run)
        self.at: list[float] = []
        self.is_done = trio.Event()

    async def _run(self, claimed: Claimed, args: NoArgs) -> Result:
        self.at.append(trio.current_time())
        if len(self.at) == 1:
            raise RuntimeError("not the first time")
        self.is_done.set()
        return Done()


@pytest.mark.parametrize("ahead_ns", [-HOUR_NS, HOUR_NS], ids=["an hour behind", "an hour ahead"])
async def test_a_failed_job_of_a_node_with_a_wrong_clock_is_tried_again_after_the_usual_time(
    tmp_path: Path, postgres_database: PostgresDatabase, set_wall: SetWall, ahead_ns: int
) -> None:
    set_wall(ahead_ns)
    flaky = Flaky()
    async with Engine(a_config(tmp_path, store=postgres_database.url), World(kinds=(flaky.kind,))):
        async with open_store(postgres_database.url) as store:
            await store.enqueue([flaky.kind.job(NoArgs())])
        with trio.fail_after(HANG_S):
            await flaky.is_done.wait()
    first, second = flaky.at
    # 2 s, a fifth more or less; by a clock that is behind it would be at once, by one that is ahead in an hour.
    assert second - first > 1.5


async def test_alerts_of_a_node_with_a_wrong_clock_have_the_databases_time_also_when_it_is_set(
    tmp_path: Path, postgres_database: PostgresDatabase, set_wall: SetWall
) -> None:
    right_us = time.time_ns() // 1_000
    set_wall(-HOUR_NS)
    async with Engine(a_config(tmp_path, store=postgres_database.url)) as engine:
        who = engine.principal("test")
        for title in ("before", "after"):
            (rung,) = await engine.service.trigger(who, [TriggerInput(framework_id="web", title=title)])
            assert rung.alert_id is not None
            alert = await engine.service.alert(who, rung.alert_id)
            assert abs(parse_rfc3339(alert.triggered_at) - right_us) < HANG_S * 1e6
            assert abs(int(rung.alert_id.replace("-", "")[:12], 16) * 1_000 - right_us) < HANG_S * 1e6
            set_wall(HOUR_NS)


async def test_a_clock_that_is_set_forward_takes_no_leases_from_other_nodes(
    postgres_database: PostgresDatabase, set_wall: SetWall
) -> None:
    async with open_store(postgres_database.url) as others, open_store(postgres_database.url) as ours:
        await others.enqueue([NewJob(queue=Queue.ANALYTICS, kind="long")])
        (held,) = await others.claim("other", {Queue.ANALYTICS: 1}, LEASE_S)
        set_wall(HOUR_NS)
        swept = await ours.sweep(100)
        assert (swept.again, swept.failed) == (0, 0)
        assert await others.renew("other", [held.lease], LEASE_S) == []


async def test_a_clock_that_is_set_back_brings_no_delayed_job_forward(
    postgres_database: PostgresDatabase, set_wall: SetWall
) -> None:
    async with open_store(postgres_database.url) as store:
        later = time.time_ns() // 1_000 + 7_200 * 1_000_000
        ((number, _),) = await store.enqueue([NewJob(queue=Queue.ANALYTICS, kind="digest", run_at=later)])
        set_wall(-HOUR_NS)
        assert (await store.sweep(100)).brought_back == 0
        job = await store.job(None, number)
        assert job is not None
        assert job.run_at == later
