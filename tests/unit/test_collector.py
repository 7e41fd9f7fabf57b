"""The policy of garbage collection: small ones often, the large one only when idle, and never of ten thousand peers."""

from __future__ import annotations

import gc
from types import SimpleNamespace

import pytest
import trio
from trio.testing import MockClock

from engine.telemetry import collector
from engine.telemetry.collector import FULL_EVERY_S, LOOK_EVERY_S, WAVE, Policy, Seen, Step
from engine.telemetry.metrics import Metrics
from protocol.model import ChannelKey

NOTHING, FREEZE, COLLECT, COLLECT_NEW = Step.NOTHING, Step.FREEZE, Step.COLLECT, Step.COLLECT_NEW


def look(policy: Policy, now: float, connections: int = 0, activity: int = 0) -> Step:
    return policy.look(Seen(connections, activity), now)


def test_an_idle_engine_is_collected_every_ten_minutes() -> None:
    policy = Policy(0.0)
    steps = [look(policy, n * LOOK_EVERY_S) for n in range(1, 300)]
    assert steps.count(COLLECT) == 2
    assert FREEZE not in steps


def test_of_an_engine_that_is_never_idle_only_what_is_new_is_collected_once_a_minute() -> None:
    policy = Policy(0.0)
    steps = [look(policy, n * LOOK_EVERY_S, activity=n) for n in range(1, 121)]
    assert set(steps) == {NOTHING, COLLECT_NEW}
    assert steps.count(COLLECT_NEW) == 10


def test_a_wave_of_connections_is_frozen_in_the_middle_of_the_traffic() -> None:
    policy = Policy(0.0)
    assert look(policy, 5, connections=WAVE - 1, activity=1) is NOTHING
    assert look(policy, 10, connections=WAVE, activity=2) is FREEZE
    assert look(policy, 15, connections=WAVE, activity=3) is NOTHING
    assert look(policy, 20, connections=0, activity=4) is FREEZE


def test_a_wave_is_not_collected_even_if_a_collection_is_due() -> None:
    policy = Policy(0.0)
    look(policy, 5)
    assert look(policy, FULL_EVERY_S + 5, connections=10_000) is FREEZE
    assert look(policy, FULL_EVERY_S + 10, connections=10_000) is COLLECT


FROZEN_OBJECTS, NEW_OBJECTS = 150_000, 50_000


class FakeEngine:
    """What the collector looks at: how many connections, how many messages."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.connections = 0
        # Shared pings and proofs of silence: always more.
        self.sent = 0

    def statistics(self) -> dict[str, dict[str, int]]:
        self.sent += 10_000
        gateway = {"connected_clients": self.connections, "messages_received": 0, "messages_sent": self.sent}
        return {"gateway": gateway}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the interpreter's collector; thresholds and callbacks stay real."""
    made: list[str] = []
    fake = SimpleNamespace(
        **{name: lambda name=name: made.append(name) for name in ("collect", "freeze", "unfreeze")},
        callbacks=gc.callbacks,
        get_threshold=gc.get_threshold,
        set_threshold=gc.set_threshold,
        get_objects=lambda generation=None: range(NEW_OBJECTS),
        get_freeze_count=lambda: FROZEN_OBJECTS,
    )
    monkeypatch.setattr(collector, "gc", fake)
    return made


async def test_pings_and_proofs_of_silence_are_no_traffic(autojump_clock: MockClock, calls: list[str]) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(collector.collect_when_idle, FakeEngine())
        assert calls == ["collect", "freeze"]
        await trio.sleep(FULL_EVERY_S + 2 * LOOK_EVERY_S)
        assert calls == ["collect", "freeze", "unfreeze", "collect", "freeze"]
        nursery.cancel_scope.cancel()


async def test_alerts_that_are_told_and_triggers_that_are_answered_are_traffic(
    autojump_clock: MockClock, calls: list[str]
) -> None:
    engine = FakeEngine()
    async with trio.open_nursery() as nursery:
        await nursery.start(collector.collect_when_idle, engine)
        await trio.sleep(LOOK_EVERY_S / 2)  # between two looks
        for turn in range(200):
            await trio.sleep(LOOK_EVERY_S)
            if turn % 2:
                engine.metrics.delivered(1)
            else:
                engine.metrics.processed(1, 1.0)
        assert calls == ["collect", "freeze"]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("at_most", "expected"),
    [
        (NEW_OBJECTS + FROZEN_OBJECTS, ["unfreeze", "collect", "freeze"]),
        (NEW_OBJECTS, ["collect", "freeze"]),
        (NEW_OBJECTS - 1, ["freeze"]),
    ],
)
async def test_what_is_many_is_not_looked_at_again(
    autojump_clock: MockClock, calls: list[str], monkeypatch: pytest.MonkeyPatch, at_most: int, expected: list[str]
) -> None:
    monkeypatch.setattr(collector, "LOOKED_AT_MAX", at_most)
    engine = FakeEngine()
    async with trio.open_nursery() as nursery:
        await nursery.start(collector.collect_when_idle, engine)
        engine.connections = 10_000
        await trio.sleep(FULL_EVERY_S + 2 * LOOK_EVERY_S)
        assert calls == ["collect", "freeze", "freeze", *expected]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("old", "collections"), [(collector.NEW_MAX, 2), (collector.NEW_MAX + 1, 0)])
async def test_in_the_midst_of_traffic_what_is_new_is_collected_if_it_is_little(
    autojump_clock: MockClock, calls: list[str], monkeypatch: pytest.MonkeyPatch, old: int, collections: int
) -> None:
    monkeypatch.setattr(collector.gc, "get_objects", lambda generation: range(old))
    engine = FakeEngine()
    async with trio.open_nursery() as nursery:
        await nursery.start(collector.collect_when_idle, engine)
        for _ in range(25):
            await trio.sleep(LOOK_EVERY_S)
            engine.metrics.delivered(1)
        assert calls == ["collect", "freeze", *["collect"] * collections]
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


def test_the_activity_of_metrics_stands_still_when_a_batch_has_nothing_to_tell() -> None:
    metrics = Metrics()
    metrics.batch(ChannelKey("acme", "web"), 0, 0.1)
    metrics.fan_out(0.1, 10_000)
    assert metrics.activity == 0
