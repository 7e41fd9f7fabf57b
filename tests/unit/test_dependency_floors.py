"""What is installed is at least as new as the table says: older ones have known holes.

A scanner that asks a database on the network exits 0 where it cannot reach it, so the floors are kept here.
"""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

FLOORS = {
    "h11": "0.16.0",  # request smuggling through chunked bodies (CVE-2025-43859)
    "wsproto": "1.3.2",  # what our handshake boundary was measured with
    "PyJWT": "2.13",  # key and algorithm checks that our own are built on
    "redis": "4.5.4",  # an answer that was cancelled half-way went to the next one who asked (CVE-2023-28858, -28859)
    "asyncpg": "0.21",  # a server could read memory of ours (CVE-2020-17446)
}
PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def numbers(version: str) -> tuple[int, ...]:
    """`2.13.0rc1` → (2, 13, 0): a release's numbers, enough to compare with a floor."""
    release = re.match(r"\d+(?:\.\d+)*", version)
    assert release, version
    return tuple(int(number) for number in release[0].split("."))


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_what_is_installed_is_above_its_floor(name, floor):
    assert numbers(importlib.metadata.version(name)) >= numbers(floor)


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_the_project_asks_for_at_least_the_floor(name, floor):
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    asked = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    (ours,) = (line for line in asked if re.match(rf"{name}\b", line))
    assert numbers(ours.partition(">=")[2]) >= numbers(floor)


def test_versions_are_compared_as_numbers():
    assert numbers("0.9.1") < numbers("0.16.0") < numbers("1")
