"""That the benchmark of counts does what it says, with fewer alerts."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import analytics


async def test_counts_of_random_late_and_changing_alerts_are_what_counting_by_hand_says(tmp_path: Path) -> None:
    assert await analytics.exact(f"sqlite:///{tmp_path}/store.db", 20_000) > 10_000


async def test_a_filled_store_is_counted_and_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    await analytics._made(url)
    analytics.fill_sqlite(tmp_path / "store.db", 500)
    await analytics.month(url)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("counted 500 alerts")
    told = [line for line in lines[1:] if "of 500 alerts" in line]
    assert len(told) == len(analytics.QUESTIONS) - 2  # one rule; the hundred rules with the most
