"""What decides is told the time, asks no clock of its own, and knows nothing of the rest of the engine."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECIDES = sorted((ROOT / "engine" / "core").rglob("*.py"))
PURE = sorted([*(ROOT / "protocol").glob("*.py"), *DECIDES])
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


@pytest.mark.parametrize("path", DECIDES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_decides_knows_nothing_of_the_rest_of_the_engine(path: Path) -> None:
    # Not a contract of the import linter: that one would have to name every other part of the engine.
    assert [name for name in imported(path.read_text()) if is_rest_of_the_engine(name)] == []


@pytest.mark.parametrize(
    "line",
    [
        "import engine.app",
        "import engine",
        "from engine import app",
        "from engine.stores import Store",
        "from . import core",
    ],
)
def test_an_import_of_the_rest_of_the_engine_is_found(line: str) -> None:
    assert any(map(is_rest_of_the_engine, imported(line)))


def test_what_decides_may_import_its_own_parts() -> None:
    assert not any(
        map(is_rest_of_the_engine, imported("from engine.core.turn import Turn\nfrom engine.core import log"))
    )


def imported(source: str) -> list[str]:
    """What a source imports, wherever in it, by full names; a relative import begins with a dot."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{'.' * node.level}{node.module or ''}.{each.name}" for each in node.names]
    return found


def is_rest_of_the_engine(name: str) -> bool:
    """Whether an imported name is the engine's, and not of what decides. Nobody here imports relatively."""
    package, *parts = name.split(".")
    return package in ("", "engine") and parts[:1] != ["core"]
