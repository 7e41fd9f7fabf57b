"""The memory guard: says when nobody new may come in, and when they may again."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from engine.telemetry.memory import MIB, SHARE, MemoryGuard, available_bytes, resident_bytes


def test_above_the_soft_limit_it_is_said_with_both_figures_and_below_it_taken_back() -> None:
    said: list[str] = []
    sizes = iter([90, 110, 120, 100, 80])
    guard = MemoryGuard(100 * MIB, said.append, lambda: next(sizes) * MIB)
    for _ in range(5):
        guard.look()
    assert said == [
        "110 MiB of memory in use, soft limit 100 MiB",
        "120 MiB of memory in use, soft limit 100 MiB",
        "",
    ]


def test_without_a_limit_it_is_three_quarters_of_what_there_is() -> None:
    guard = MemoryGuard(0, lambda why: None)
    assert guard.soft_bytes == int(SHARE * available_bytes())
    guard.look()
    assert 0 < guard.used_bytes < guard.soft_bytes


@pytest.mark.parametrize(
    ("text", "expected"), [("1048576\n", MIB), ("max\n", None), ("9223372036854771712\n", None), ("", None)]
)
def test_a_containers_limit_counts_if_it_is_one(tmp_path: Path, text: str, expected: int | None) -> None:
    (tmp_path / "memory.max").write_text(text)
    machine = int(psutil.virtual_memory().total)
    found = available_bytes((tmp_path / "memory.max", tmp_path / "there is none"))
    assert found == (machine if expected is None else expected)


def test_this_process_has_a_size() -> None:
    assert resident_bytes() > MIB
