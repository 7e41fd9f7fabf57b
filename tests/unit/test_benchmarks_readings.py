"""The readings benchmark: what it sends, and what it would find."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import readings
from benchmarks.acks import Acked
from benchmarks.measure import Verdict
from benchmarks.rig import Rig
from benchmarks.triggers import readings as frames_of
from engine.settings import load
from protocol.codec import WireForm


@pytest.mark.parametrize(
    ("stored", "verdict"), [(800, Verdict()), (799, Verdict(missing=1)), (802, Verdict(duplicated=2))]
)
def test_every_acked_reading_must_be_stored_once(stored: int, verdict: Verdict) -> None:
    acked = Acked(sent=800, reasons={}, errors=[], alerts=0, reordered=0, elapsed_ns=1, ack_p50_ms=0.0, ack_p99_ms=0.0)
    assert readings.proof(acked, stored) == verdict


def test_a_producer_goes_through_all_metrics_in_turn() -> None:
    frames = frames_of(WireForm.MSGPACK, "web", rounds=5, batch=2, metrics=4)
    assert len(frames) == 5
    assert len(set(frames)) == 2
    assert frames[0] == frames[2] == frames[4]


def test_the_rules_are_ones_that_an_engine_takes(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        readings.write_rules(rig, "engine", 16)
        config = load({}, {}, file=rig.folder / "engine" / "tocsin.toml")
    assert len({rule.id for rule in config.rules}) == 16
    assert {rule.framework for rule in config.rules} == set(readings.FRAMEWORKS)
