"""Whether the disk has room for an engine that starts: without it one says that it is ready, and takes nothing.

An engine that runs when the disk fills keeps its connections and waits (`commit.py`). One that starts has none to keep,
so it says what is wrong instead; `tocsin serve --wait` asks again.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.stores.sqlite.file import Database
from protocol.errors import NotYet

# The write-ahead log until its first checkpoint (4 MB), and as much again for what that brings into the file.
ROOM_MIN_BYTES = 8 << 20


def be_ready(url: str) -> None:
    """For the start: returns if the disk of this store has room, or no such store is known. Raises NotYet."""
    try:
        path = Database.of_url(url).path
    except ValueError:
        return  # it is said with the configuration
    if path is not None:
        require_room(path)


def require_room(path: Path) -> None:
    """For a file that need not be there yet, nor its folder. Raises NotYet."""
    try:
        disk = os.statvfs(_nearest(path.absolute()))
    except OSError:
        return  # whoever opens the file says what is wrong
    # What is kept back for root is of use to root.
    free = disk.f_frsize * (disk.f_bfree if os.geteuid() == 0 else disk.f_bavail)
    # Some file systems know nothing of their size.
    if disk.f_blocks and free < ROOM_MIN_BYTES:
        raise NotYet(
            f"the disk of {path} is full: {free / (1 << 20):.1f} MiB are free, a start needs {ROOM_MIN_BYTES >> 20}; "
            "make room"
        )


def _nearest(path: Path) -> Path:
    return next(above for above in path.parents if above.is_dir())
