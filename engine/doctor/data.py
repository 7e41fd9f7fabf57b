"""The data folder and what is secret in it: can it be written, how fast is its disk, who may read the key."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from engine.access.key_files import has_secret, key_paths, load_keys
from engine.configuration.config import Config
from engine.configuration.fields import ConfigError
from engine.doctor.findings import Finding, Level

# Below it the next restart of a busy log or a big migration may fail; a week of events of a busy channel is 50 MB.
FREE_MIN_BYTES = 100 * 1024 * 1024
FREE_LOW_BYTES = 1024 * 1024 * 1024
# Every acknowledgement waits for one fsync: 1-2 ms on an SSD, 10 ms on a turning disk. 50 ms is our p99 for a commit.
FSYNC_SLOW_S = 0.025
_FSYNCS = 15
_OTHERS = 0o077


def folder(config: Config) -> Iterator[Finding]:
    """The folder, its free space, and how long an fsync in it takes."""
    if not config.data.is_dir():
        yield _not_there(config.data)
        return
    try:
        fsync_s = _fsync_s(config.data)
    except OSError as fault:
        advice = "make it writable for this user, or choose another (--data, TOCSIN_DATA)"
        yield Finding("data", Level.FAIL, f"{config.data} cannot be written: {fault.strerror}", advice)
        return
    yield Finding("data", Level.OK, f"{config.data} can be written")
    yield _space(config.data)
    level = Level.WARNING if fsync_s >= FSYNC_SLOW_S else Level.OK
    advice = "every acknowledgement waits for one: use a local SSD" if level is Level.WARNING else ""
    yield Finding("fsync", level, f"{fsync_s * 1_000:.2f} ms to stable storage", advice)


def keys(config: Config) -> Iterator[Finding]:
    """What signs and verifies tokens, and whether others may read it."""
    if not has_secret(config) and not config.identity.jwks:
        if obstacle(config.data):
            return  # said of the folder already
        yield Finding("key", Level.OK, "there is none yet; the first start makes one")
        return
    try:
        ring = load_keys(config, make=False).ring
    except ConfigError as fault:
        yield Finding("key", Level.FAIL, str(fault), "no token can be verified until this is mended")
        return
    open_to_others = [path for path in key_paths(config) if path.name.endswith(".key") and is_open(path)]
    for path in open_to_others:
        yield Finding("key", Level.FAIL, f"others may read {path}, and so sign tokens", f"chmod 600 {path}")
    if not open_to_others:
        yield Finding("key", Level.OK, f"{len(ring.keys)} in force" + ("" if config.secret else ", private"))


def is_open(path: Path) -> bool:
    """Whether anybody but the owner may read or write a file."""
    return path.exists() and bool(path.stat().st_mode & _OTHERS)


def obstacle(folder: Path) -> Path | None:
    """What stands where a folder would be made: a file, or a link that leads nowhere. None: nothing does."""
    nearest = _nearest(folder)
    return None if nearest.is_dir() else nearest


def _nearest(path: Path) -> Path:
    # A link is there even if what it names is not: nothing can be made in its place.
    return next(there for there in (path.absolute(), *path.absolute().parents) if os.path.lexists(there))


def _not_there(path: Path) -> Finding:
    if stands := obstacle(path):
        what = "a link that leads nowhere" if stands.is_symlink() and not stands.exists() else "not a folder"
        advice = "choose another (--data, TOCSIN_DATA), or take it away"
        return Finding("data", Level.FAIL, f"{path} cannot be made: {stands} is {what}", advice)
    above = _nearest(path)
    if not os.access(above, os.W_OK | os.X_OK):
        advice = "make one that this user may write, or choose another (--data, TOCSIN_DATA)"
        return Finding("data", Level.FAIL, f"{path} does not exist and cannot be made in {above}", advice)
    return Finding("data", Level.OK, f"{path} does not exist yet; it is made when there is something to keep in it")


def _space(path: Path) -> Finding:
    free = shutil.disk_usage(path).free
    text = f"{free / 1024**3:.1f} GiB free"
    if free < FREE_MIN_BYTES:
        return Finding("space", Level.FAIL, text, "make room: when it is full nothing is acknowledged any more")
    if free < FREE_LOW_BYTES:
        return Finding("space", Level.WARNING, text, "make room, or shorten retention.events_s")
    return Finding("space", Level.OK, text)


def _fsync_s(path: Path) -> float:
    """The median time of an fsync in this folder. Raises OSError."""
    took = []
    with tempfile.TemporaryFile(dir=path) as file:
        for _ in range(_FSYNCS):
            file.write(bytes(4_096))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took)
