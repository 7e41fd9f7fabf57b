"""Whether the wall clock can be right: it is in every alert, and tokens begin and end by it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import engine
from engine.access.claims import CLOCK_SKEW_S
from engine.configuration.config import Config
from engine.doctor.findings import Finding, Level
from engine.doctor.store import file_of


def sanity(config: Config) -> Iterator[Finding]:
    """It cannot be earlier than the newest thing that was written by it."""
    now = time.time()
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    path = file_of(config)
    known = [Path(engine.__file__), *([path, Path(f"{path}-wal")] if path else [])]
    for file in known:
        ahead_s = file.stat().st_mtime - now if file.exists() else 0.0
        if ahead_s > CLOCK_SKEW_S:
            text = f"{shown}, and {file} was written {ahead_s:.0f} s after that"
            yield Finding("clock", Level.FAIL, text, "set the clock (NTP): tokens and windows go by it")
            return
    yield Finding("clock", Level.OK, shown)
