"""Whether the program that is installed is still the one that runs: `pip install --upgrade` changes the files under a
running engine, and a process that it starts then imports the new ones. The two need not understand each other.

Owns what there was at the start: the version, and the list of all files with their hashes that an installation keeps,
which changes even where the version does not (a newer checkout). What is installed says so itself: the process need not
be asked, and whatever version it is of, there is nothing to agree on.
"""

from __future__ import annotations

import functools
from importlib import metadata
from typing import NamedTuple

import structlog

log = structlog.get_logger()


class InstalledAnewError(Exception):
    """Another version was installed since the engine started, or is being installed: nothing is computed before the
    engine is started again."""


class Installed:
    """What was installed when this was made."""

    def __init__(self) -> None:
        self._before = _program()

    def check(self) -> None:
        """Raises InstalledAnewError if it is something else now; the first time it is told in the log as well."""
        now = _program()
        if now != self._before:
            _warn(self._before, now)
            raise InstalledAnewError(
                f"another Tocsin was installed ({now.version}) while this one ({self._before.version}) runs; restart "
                "the engine"
            )


class _Program(NamedTuple):
    version: str
    files: int


def _program() -> _Program:
    try:
        found = metadata.distribution("tocsin")
        return _Program(found.version, hash(found.read_text("RECORD")))
    except metadata.PackageNotFoundError:
        # Run from a source tree; or it is being replaced just now.
        return _Program("unknown", 0)


@functools.cache
def _warn(before: _Program, now: _Program) -> None:
    todo = "restart the engine; until then it computes no backtests, patterns, predictions and insights"
    log.warning("installed_anew", running=before.version, installed=now.version, todo=todo)
