"""What decides is told the time: nothing in the pure packages asks a clock of its own."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PURE = sorted([*(ROOT / "protocol").glob("*.py"), *(ROOT / "engine" / "core").rglob("*.py")])
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


def test_the_contract_of_what_decides_names_every_other_part_of_the_engine() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [forbidden] = [each["forbidden_modules"] for each in contracts if each.get("source_modules") == ["engine.core"]]
    there = {f"engine.{each.stem}" for each in (ROOT / "engine").glob("*.py") if each.stem != "__init__"}
    there |= {f"engine.{each.parent.name}" for each in (ROOT / "engine").glob("*/__init__.py")}
    assert set(forbidden) == there - {"engine.core"}
