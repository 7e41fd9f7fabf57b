"""The policy of garbage collection: never while something happens, full ones only when idle."""

from __future__ import annotations

import gc
from types import SimpleNamespace

import pytest
import trio
from trio.testing import MockClock

from engine import collector
from engine.metrics import Metrics


class FakeEngine:
    """What the collector looks at: how many connections, how many messages."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.connections = 0
        self.messages = 0
        # One message between any two looks: never idle.
        self.is_busy = False

    def statistics(self) -> dict[str, dict[str, int]]:
        self.messages += self.is_busy
        return {"gateway": {"connected_clients": self.connections, "messages_received": self.messages}}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the interpreter's collector; thresholds and callbacks stay real."""
    made: list[str] = []
    fake = SimpleNamespace(
        **{name: lambda name=name: made.append(name) for name in ("collect", "freeze", "unfreeze")},
        callbacks=gc.callbacks,
        get_threshold=gc.get_threshold,
        set_threshold=gc.set_threshold,
    )
    monkeypatch.setattr(collector, "gc", fake)
    return made


async def test_an_idle_engine_collects_fully_now_and_then(autojump_clock: MockClock, calls: list[str]) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(collector.collect_when_idle, FakeEngine())
        assert calls == ["collect", "freeze"]
        await trio.sleep(collector.FULL_EVERY_S + 2 * collector.LOOK_EVERY_S)
        assert calls == ["collect", "freeze", "unfreeze", "collect", "freeze"]
        nursery.cancel_scope.cancel()


async def test_a_wave_of_connections_is_frozen_once_it_is_over(autojump_clock: MockClock, calls: list[str]) -> None:
    engine = FakeEngine()
    async with trio.open_nursery() as nursery:
        await nursery.start(collector.collect_when_idle, engine)
        engine.connections, engine.is_busy = collector.WAVE, True
        await trio.sleep(5 * collector.LOOK_EVERY_S)
        assert calls == ["collect", "freeze"], "collected in the middle of the wave"
        engine.is_busy = False
        await trio.sleep(5 * collector.LOOK_EVERY_S)
        assert calls == ["collect", "freeze", "freeze"], "collecting thousands of connections would hold the loop"
        nursery.cancel_scope.cancel()


async def test_with_many_connections_only_what_is_new_is_collected(autojump_clock: MockClock, calls: list[str]) -> None:
    engine = FakeEngine()
    async with trio.open_nursery() as nursery:
        await nursery.start(collector.collect_when_idle, engine)
        engine.connections = 10 * collector.WAVE
        await trio.sleep(collector.FULL_EVERY_S + 2 * collector.LOOK_EVERY_S)
        assert calls == ["collect", "freeze", "freeze", "collect", "freeze"]
        nursery.cancel_scope.cancel()


async def test_a_busy_engine_is_never_held_by_a_full_collection(autojump_clock: MockClock, calls: list[str]) -> None:
    engine = FakeEngine()
    engine.is_busy = True
    async with trio.open_nursery() as nursery:
        await nursery.start(collector.collect_when_idle, engine)
        await trio.sleep(2 * collector.FULL_EVERY_S)
        assert calls == ["collect", "freeze"]
        nursery.cancel_scope.cancel()


async def test_pauses_are_measured_and_the_interpreters_policy_comes_back(autojump_clock: MockClock) -> None:
    before, watchers, engine = gc.get_threshold(), len(gc.callbacks), FakeEngine()
    async with trio.open_nursery() as nursery:
        await nursery.start(collector.collect_when_idle, engine)
        assert gc.get_threshold() == (collector.YOUNG, collector.MIDDLE, collector.OLD)
        gc.collect()
        nursery.cancel_scope.cancel()
    assert gc.get_threshold() == before
    assert len(gc.callbacks) == watchers
    assert b"tocsin_gc_pause_seconds_count 2.0" in engine.metrics.render()
