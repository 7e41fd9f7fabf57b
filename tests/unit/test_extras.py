"""What errors say that miss a library is true of this checkout, and said in one way."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from engine.extras import how_to_get

ROOT = Path(__file__).parents[2]
# `peers` are beside ours in benchmarks; nothing of the engine asks for them.
EXTRAS = sorted(
    tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys() - {"peers"}
)


@pytest.mark.parametrize("extra", EXTRAS)
def test_each_extra_is_had_in_a_checkout_and_with_a_release(extra: str) -> None:
    here, release = how_to_get(extra).split(" in a checkout, ")
    assert f"pip install 'tocsin[{extra}]'" in release
    assert here.startswith(".venv/bin/pip install ")
    *_, what = here.split()
    assert what == f"'.[{extra}]'" or f"{extra}=".replace("postgres", "asyncpg") in (ROOT / what).read_text()


def test_nobody_else_says_how() -> None:
    files = [
        path for package in ("engine", "tocsin", "benchmarks", "actors") for path in (ROOT / package).rglob("*.py")
    ]
    assert [str(path) for path in files if "install 'tocsin[" in path.read_text()] == [
        str(ROOT / "engine" / "extras.py")
    ]
