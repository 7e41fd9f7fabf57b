"""A disk that loses what was not synced, below a real SQLite: an apsw VFS, and a connection that looks like sqlite3's.

The files are ordinary ones. Beside each the disk keeps what is certain to survive: a write is certain once a sync of
its file came back. `Disk.cut` leaves behind what a power cut would: the certain part, and of the writes since the last
sync whichever the caller draws, since a disk may have written those too, in any order, and torn in sectors.

The write-ahead log's index is shared memory, which a VFS written in Python cannot give: the connection is exclusive,
which SQLite does without one. So there are no readers beside it; the survivors are read with Python's own sqlite3.
"""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from engine.stores.sqlite.file import Database

VFS_NAME = "power-cut"
# What a disk writes as a whole.
SECTOR_BYTES = 512


@dataclass(frozen=True)
class _Write:
    offset: int
    data: bytes

    def apply(self, image: bytearray) -> None:
        end = self.offset + len(self.data)
        image.extend(bytes(max(0, end - len(image))))
        image[self.offset : end] = self.data

    def sectors(self) -> Iterator[_Write]:
        at = 0
        while at < len(self.data):
            size = SECTOR_BYTES - (self.offset + at) % SECTOR_BYTES
            yield _Write(self.offset + at, self.data[at : at + size])
            at += size


@dataclass(frozen=True)
class _Truncation:
    size: int

    def apply(self, image: bytearray) -> None:
        del image[self.size :]

    def sectors(self) -> Iterator[_Truncation]:
        yield self


class Disk:
    """What survives a power cut, by file."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._certain: dict[Path, bytearray] = {}
        self._waiting: dict[Path, list[_Write | _Truncation]] = {}
        self._unlinked: set[Path] = set()

    def opened(self, path: Path) -> None:
        """A file exists from its first opening on (its folder is synced by SQLite at the creation)."""
        with self._lock:
            self._unlinked.discard(path)
            self._certain.setdefault(path, bytearray())
            self._waiting.setdefault(path, [])

    def changed(self, path: Path, change: _Write | _Truncation) -> None:
        with self._lock:
            self._waiting[path].append(change)

    def deleted(self, path: Path) -> None:
        """The name is gone for certain with the next sync of any file, as journalling file systems do it."""
        with self._lock:
            self._unlinked.add(path)

    def synced(self, path: Path) -> None:
        with self._lock:
            for gone in self._unlinked:
                self._certain.pop(gone, None)
                self._waiting.pop(gone, None)
            self._unlinked.clear()
            for change in self._waiting[path]:
                change.apply(self._certain[path])
            self._waiting[path].clear()

    def cut(self, folder: Path, luck: random.Random | None = None) -> None:
        """Leaves the files of this moment in another folder; with `luck` some of what was not synced is there too."""
        folder.mkdir()
        with self._lock:
            for path, certain in self._certain.items():
                image = bytearray(certain)
                for change in self._waiting[path]:
                    for piece in change.sectors():
                        if luck is not None and luck.random() < 0.5:
                            piece.apply(image)
                (folder / path.name).write_bytes(image)


class _File(apsw.VFSFile):
    def __init__(self, name: Any, flags: Any, disk: Disk) -> None:
        super().__init__("", name, flags)
        self._path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        self._disk = disk
        disk.opened(self._path)

    def xWrite(self, data: bytes, offset: int) -> None:  # SQLite's names
        super().xWrite(data, offset)
        self._disk.changed(self._path, _Write(offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._disk.changed(self._path, _Truncation(size))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._disk.synced(self._path)


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        super().__init__(VFS_NAME, "")
        self._disk = disk

    def xDelete(self, name: str, sync_folder: bool) -> None:
        super().xDelete(name, sync_folder)
        self._disk.deleted(Path(name))

    def xOpen(self, name: Any, flags: Any) -> apsw.VFSFile:
        if name is None:  # a temporary file
            return apsw.VFSFile("", name, flags)
        return _File(name, flags, self._disk)


class _Connection:
    """What our store uses of a `sqlite3.Connection`, over apsw's."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        return self._run("execute", sql, parameters)

    def executemany(self, sql: str, parameters: Any) -> Any:
        return self._run("executemany", sql, list(parameters))

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.in_transaction)

    def close(self) -> None:
        self._connection.close()

    def _run(self, verb: str, sql: str, parameters: Any) -> Any:
        try:
            return getattr(self._connection, verb)(sql, parameters)
        except apsw.ConstraintError as fault:
            raise sqlite3.IntegrityError(str(fault)) from fault


@dataclass(frozen=True)
class CutDatabase(Database):
    """A database on a disk that forgets. `synchronous` is what a test may weaken to see that it matters."""

    synchronous: str = "FULL"

    def connect(self) -> sqlite3.Connection:
        assert self.path is not None
        connection = apsw.Connection(str(self.path), vfs=VFS_NAME)
        for pragma in (
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            f"synchronous = {self.synchronous}",
            "foreign_keys = ON",
            "wal_autocheckpoint = 50",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return _Connection(connection)  # type: ignore[return-value]  # what the store uses of one


@contextmanager
def a_disk() -> Iterator[Disk]:
    """A disk that SQLite reaches under VFS_NAME."""
    disk = Disk()
    vfs = _Vfs(disk)
    try:
        yield disk
    finally:
        vfs.unregister()
