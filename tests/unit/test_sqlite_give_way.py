"""A busy loop lets the store's threads have Python's lock."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import trio

from engine.give_way import GIVE_WAY_EVERY_S, GiveWay
from engine.stores import Store, open_store
from protocol.model import ChannelKey
from tests.support.stores import KEY, NOW, OTHER, fill


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept = 0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept += 1
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("engine.give_way.time", clock)
    return clock


def test_a_busy_loop_gives_way_once_a_millisecond_while_something_is_under_way(clock: Clock) -> None:
    give_way = GiveWay()
    give_way.before_io_wait(0)
    assert clock.slept == 0
    give_way.under_way = 1
    give_way.before_io_wait(0)
    give_way.before_io_wait(0)
    assert clock.slept == 1
    clock.now += GIVE_WAY_EVERY_S
    give_way.before_io_wait(0)
    assert clock.slept == 2


def test_a_loop_that_is_about_to_wait_gives_the_lock_away_anyway(clock: Clock) -> None:
    give_way = GiveWay()
    give_way.under_way = 1
    give_way.before_io_wait(0.5)
    assert clock.slept == 0


async def test_the_loop_is_watched_only_inside() -> None:
    give_way = GiveWay()
    give_way.under_way = 1
    with give_way.watching():
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
    after = give_way._next
    assert after > 0
    await trio.lowlevel.checkpoint()
    assert give_way._next == after


async def test_a_store_ends_well_after_trio_has_put_a_failing_watch_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: GiveWay, timeout: float) -> None:
        raise MemoryError

    async with open_store(str(tmp_path / "store.db"), clock=lambda: NOW) as store:
        monkeypatch.setattr(GiveWay, "before_io_wait", fail)
        assert len(await store.alerts_named(KEY.workspace, [])) == 0
    # Trio has told of it.
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [MemoryError]
    async with open_store(str(tmp_path / "store.db"), clock=lambda: NOW):
        pass


async def test_commits_go_on_beside_a_loop_that_never_rests(tmp_path_factory: pytest.TempPathFactory) -> None:
    async def spin() -> None:
        while True:
            end = time.perf_counter() + 0.000_05
            while time.perf_counter() < end:
                pass
            await trio.lowlevel.checkpoint()

    async def work(store: Store, key: ChannelKey) -> None:
        await fill(store, key, 5, size=100)
        assert len((await store.recall(key)).rows) == 500

    path = tmp_path_factory.mktemp("busy") / "store.db"
    async with open_store(str(path), clock=lambda: NOW) as store:
        began = trio.current_time()
        await work(store, OTHER)
        alone_s = trio.current_time() - began
        # Starved, this took from 9 s to 40 s; now about 0.1 s. The limit is far from both, on whatever machine.
        with trio.fail_after(max(6.0, 50 * alone_s)):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(spin)
                await work(store, KEY)
                nursery.cancel_scope.cancel()
