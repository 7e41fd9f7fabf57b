"""Everybody at once, steady, churning, slow and hostile: nothing is left behind, nobody well-behaved misses a thing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import benchmarks
from benchmarks.hostile import DEEDS

pytestmark = pytest.mark.alone


def test_a_short_soak_leaks_nothing_and_loses_nothing(capsys, tmp_path: Path):
    assert benchmarks.main(["soak", "--short", "--json", "--folder", str(tmp_path)]) == 0
    told = msgspec.json.decode(capsys.readouterr().out)
    left = [told["figures"][f"{what}_leaked"] for what in ("files", "tasks", "threads")]
    lost = [told["figures"][fault] for fault in ("missing", "duplicated", "reordered", "well_behaved_cut_off")]
    assert (left, lost) == ([0, 0, 0], [0, 0, 0, 0])
    company = told["conditions"]["company"]
    assert company["deeds"].keys() == DEEDS.keys()
    assert company["recovered"] > 0
    assert list(tmp_path.iterdir()) == [], "everything that the soak made is gone"
