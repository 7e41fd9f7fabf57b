"""What Hypothesis draws is the same whatever else this process has loaded."""

import sys
from importlib import util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.internal.cache import LRUCache
from hypothesis.internal.conjecture import providers

from tests.support import examples


@pytest.mark.skipif(bool(examples.TIMES), reason="other ones each time were asked for")
def test_what_is_drawn_does_not_go_by_the_modules_that_are_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = drawn(monkeypatch)
    source = tmp_path / "just_loaded.py"
    source.write_text("\n".join(f"N{number} = {number}" for number in range(100_000, 100_100)))
    spec = util.spec_from_file_location("just_loaded", source)
    assert spec is not None
    monkeypatch.setitem(sys.modules, "just_loaded", util.module_from_spec(spec))
    assert drawn(monkeypatch) == before
    assert len(before) == 200


def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.setattr(providers, "CONSTANTS_CACHE", LRUCache(100))
    seen: list[int] = []

    @settings(max_examples=200, derandomize=True, database=None)
    @given(st.integers())
    def look(number: int) -> None:
        seen.append(number)

    look()
    return seen
