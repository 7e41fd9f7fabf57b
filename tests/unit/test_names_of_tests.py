"""Test files have names of their own: without packages pytest imports each by its name alone, and a second one ends
the collection of all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_no_two_test_files_have_one_name() -> None:
    names = Counter(path.name for path in TESTS.rglob("test_*.py") if "node_modules" not in path.parts)
    assert names["test_names_of_tests.py"] == 1
    assert [name for name, count in names.items() if count > 1] == []
