"""Python, SQLite and the packages that we need, against the floors that the project names."""

from __future__ import annotations

import platform
import re
import sqlite3
import sys
from collections.abc import Iterator
from importlib import metadata

from engine.doctor.findings import Finding, Level
from engine.stores.sqlite.file import SQLITE_MIN

PYTHON_MIN = (3, 11)
DISTRIBUTION = "tocsin"
REINSTALL = (
    "install it again: .venv/bin/pip install --editable . in a checkout, pip install --upgrade tocsin with a release"
)
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(\[[^]]*\])?\s*(?P<bounds>[^;]*)")
_BOUND = re.compile(r"(?P<how>>=|<|==)\s*(?P<version>[\d.]+)")


def python() -> Iterator[Finding]:
    """The interpreter and the SQLite in it."""
    wanted = ".".join(map(str, PYTHON_MIN))
    if sys.version_info < PYTHON_MIN:
        yield Finding("python", Level.FAIL, f"Python {platform.python_version()}", f"use {wanted} or newer")
    elif sqlite3.sqlite_version_info < SQLITE_MIN:
        oldest = ".".join(map(str, SQLITE_MIN))
        yield Finding("python", Level.FAIL, f"its SQLite is {sqlite3.sqlite_version}", f"use one with {oldest}")
    else:
        yield Finding("python", Level.OK, f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}")


def packages() -> Iterator[Finding]:
    """What the installed project asks for, against what is installed."""
    try:
        asked = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield Finding("packages", Level.WARNING, f"{DISTRIBUTION} runs from files that are not installed", REINSTALL)
        return
    needed = [line for line in asked if "extra ==" not in line]
    wrong = [problem for line in needed if (problem := _problem(line))]
    for problem in wrong:
        yield Finding("packages", Level.FAIL, problem, REINSTALL)
    if not wrong:
        yield Finding("packages", Level.OK, f"{len(needed)} packages, {DISTRIBUTION} {metadata.version(DISTRIBUTION)}")


def _problem(requirement: str) -> str | None:
    asked = _REQUIREMENT.match(requirement)
    if asked is None:
        return None
    try:
        installed = metadata.version(asked["name"])
    except metadata.PackageNotFoundError:
        return f"{asked['name']} is not installed"
    for bound in _BOUND.finditer(asked["bounds"]):
        if not _fits(_numbers(installed), bound["how"], _numbers(bound["version"])):
            return f"{asked['name']} {installed} is installed, {bound[0]} is needed"
    return None


def _fits(installed: tuple[int, ...], how: str, bound: tuple[int, ...]) -> bool:
    return {">=": installed >= bound, "<": installed < bound, "==": installed == bound}[how]


def _numbers(version: str) -> tuple[int, ...]:
    """`2.13.0rc1` → (2, 13, 0): a release's numbers, enough to compare with a floor."""
    release = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(number) for number in release[0].split(".")) if release else ()
