"""What decides is told the time: nothing in the pure packages asks a clock of its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PURE = sorted([*(ROOT / "protocol").glob("*.py"), *(ROOT / "engine" / "core").glob("*.py")])
CLOCKS = {"now", "utcnow", "today"}


@pytest.mark.parametrize("path", PURE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_pure_module_reads_a_clock(path: Path) -> None:
    assert clocks_read(path.read_text()) == []


def test_a_clock_that_is_read_is_found() -> None:
    assert clocks_read("from datetime import datetime\nAT = datetime.now()") == ["datetime.now()"]


def clocks_read(source: str) -> list[str]:
    """Calls without arguments of names that read a clock, as they stand in the source."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [ast.unparse(call) for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in CLOCKS]
