"""Benchmarks that take no time."""

from __future__ import annotations

import pytest

from benchmarks import harness, rig
from benchmarks.options import Options

TINY = Options(
    clients=5,
    messages=4,
    rate=200.0,
    runs=1,
    idle=3,
    open_alerts=1_000,
    burst=6,
    triggers=800,
    singles=32,
    duplicates=800,
    crowd=5,
    idle_s=0.05,
)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five clients need no lead of 300 ms."""
    monkeypatch.setattr(rig, "LEAD_NS", 30_000_000)
    monkeypatch.setattr(harness, "QUIET_S", 0.03)
