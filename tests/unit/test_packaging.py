"""What is shipped: a folder that is not listed works from a checkout, and nowhere else."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHIPPED = ("protocol", "actors", "engine", "tocsin", "benchmarks")


def test_every_package_of_ours_is_in_the_wheel() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = [init.parent for name in SHIPPED for init in (ROOT / name).rglob("__init__.py")]
    found = {".".join(folder.relative_to(ROOT).parts) for folder in folders}

    assert found - set(listed) == set()
