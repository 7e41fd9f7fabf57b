"""The database file: whether it may be used at all, who holds it, and how connections to it are set up.

Before anything writes to it a file is looked at through a read-only connection: a corrupt one, one of another program
or of a newer version is refused and left as it is, byte for byte (SQLite itself may make the derived `-shm` file
anew). One engine at a time: a lock on `<file>.lock`, which the kernel releases when its holder dies, however it dies.
Files are 0600: the database is created by us with that mode, and SQLite gives its helpers the mode of the database.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from engine.configuration.store_urls import without_password
from engine.stores import migrate
from protocol.errors import StoreRefused

log = structlog.get_logger()

# STRICT tables came with 3.37.
SQLITE_MIN = (3, 37, 0)
# Our lock keeps other engines out, so only somebody's sqlite3 shell can hold us up: give it a moment, then say "busy".
BUSY_TIMEOUT_S = 0.25
# Reads the whole file: on a big one we stop looking and start; a bad page found later is an Unavailable.
QUICK_CHECK_MAX_S = 2.0
_CHECK_STEPS = 10_000
# After a burst the write-ahead log shrinks back to this.
WAL_KEPT_BYTES = 64 << 20
# Pages kept in memory: the busiest 32 MiB of the file. A setting of the engine (`store_cache_bytes`).
CACHE_BYTES = 32 << 20
_MAGIC = b"SQLite format 3\0"
_MEMORY = {"memory:", ":memory:", "sqlite://:memory:", "sqlite:///:memory:"}


@dataclass(frozen=True)
class Database:
    """One SQLite database; `path` None is one in memory. `connection_class` is for tests that break or count things."""

    path: Path | None
    connection_class: type[sqlite3.Connection] = sqlite3.Connection
    # Of the writing connection; each of those that read has a quarter.
    cache_bytes: int = CACHE_BYTES

    @classmethod
    def of_url(cls, url: str) -> Database:
        """What a store URL means. Raises ValueError that says what is allowed."""
        if url in _MEMORY:
            return cls(None)
        scheme, separator, path = url.partition("://")
        if not separator and url and not re.match(r"(sqlite|postgres\w*|redis|mysql)(:|//)", url):
            return cls(Path(url))
        if scheme == "sqlite" and len(path) > 1 and path.startswith("/"):
            return cls(Path(path[1:]))
        raise ValueError(
            f"store {without_password(url, '***')!r} is not known: use sqlite:///relative.db, sqlite:////absolute.db, "
            "a plain path, memory:, or postgresql://user:password@host/database"
        )

    def connect(self) -> sqlite3.Connection:
        """A connection that may write, in autocommit mode. Raises sqlite3.Error."""
        # mode=rw: a file that was deleted under us is an error, not an occasion to start an empty one.
        connection = sqlite3.connect(
            "file::memory:" if self.path is None else f"{self.path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            factory=self.connection_class,
        )
        try:
            for pragma in (
                "journal_mode = WAL",
                # NORMAL lost 50 of 50 acknowledged rows in a power cut.
                "synchronous = FULL",
                "foreign_keys = ON",
                "trusted_schema = OFF",
                "temp_store = MEMORY",
                f"cache_size = -{self.cache_bytes // 1024}",
                # SQLite's default, 4 MB: with 16 MB commits waited 80-130 ms for a checkpoint instead of 45-65, for
                # no more throughput.
                "wal_autocheckpoint = 1000",
                f"journal_size_limit = {WAL_KEPT_BYTES}",
            ):
                answer = connection.execute(f"PRAGMA {pragma}").fetchone()
                if pragma.startswith("journal_mode") and self.path is not None and answer != ("wal",):
                    raise StoreRefused(f"{self.path}: this file system cannot do SQLite's WAL (network drive?)")
        except BaseException:
            connection.close()
            raise
        return connection

    def which(self) -> tuple[int, int]:
        """Which file has our name now: a connection goes on with its own when that was moved or deleted. (0, 0): none,
        or there need be none."""
        if self.path is None:
            return 0, 0
        try:
            found = self.path.stat()
        except OSError:
            return 0, 0
        return found.st_dev, found.st_ino

    def connect_reader(self) -> sqlite3.Connection:
        """A connection that cannot write. Raises sqlite3.Error, and ValueError for a database in memory."""
        if self.path is None:
            raise ValueError("a database in memory has one connection only")
        connection = self._connect_to(self.path, "mode=ro", self.connection_class)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{self.cache_bytes // 4096}")
        return connection

    @contextmanager
    def locked(self) -> Iterator[Database]:
        """Holds the file for this engine alone, checked and ready to be written. Raises StoreRefused."""
        if sqlite3.sqlite_version_info < SQLITE_MIN:
            raise StoreRefused(f"SQLite {sqlite3.sqlite_version} is too old; 3.37 or newer is needed")
        if self.path is None:
            yield self
            return
        lock = _take_lock(self.path)
        try:
            migrate.check(self.inspect(), migrate.migrations("sqlite"))
            os.close(_open(self.path, os.O_RDWR | os.O_CREAT))
            yield self
        finally:
            # The lock file stays: were it deleted, two engines could each hold a lock on a file of that name.
            os.close(lock)

    def inspect(self) -> list[migrate.Applied]:
        """Looks at the file without changing it; what its ledger says. Raises StoreRefused."""
        if self.path is None:
            return []
        if not holds(self.path):
            if holds(wal := Path(f"{self.path}-wal")):
                # SQLite would delete it with the first connection.
                raise StoreRefused(
                    f"{self.path} is gone, and {wal} has what was stored last: put the database back beside it, or "
                    "move that away too, to start with an empty one"
                )
            return []
        try:
            with self.path.open("rb") as file:
                if file.read(len(_MAGIC)) != _MAGIC:
                    raise StoreRefused(f"{self.path} is not an SQLite database; choose another file")
            return self._look(self.path)
        except OSError as fault:
            raise _unusable(self.path, fault) from fault
        except sqlite3.DatabaseError as fault:
            if fault.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise _corrupt(self.path, str(fault)) from fault
            raise StoreRefused(f"{self.path} cannot be opened: {fault}") from fault

    def _look(self, path: Path) -> list[migrate.Applied]:
        wal, shm, journal = (Path(f"{path}{suffix}") for suffix in ("-wal", "-shm", "-journal"))
        had_index = shm.exists()
        # Committed pages may wait in the log; without one, `immutable` keeps SQLite from making any file. A power cut
        # during the very first start leaves a journal, which only a writer can undo: any program that opens it does.
        query = "mode=rw" if holds(journal) else "mode=ro" if holds(wal) else "mode=ro&immutable=1"
        try:
            with closing(self._connect_to(path, query)) as connection:
                _quick_check(connection, path)
                return migrate.ledger(connection)
        finally:
            if not had_index:
                shm.unlink(missing_ok=True)

    def _connect_to(
        self, path: Path, query: str, connection_class: type[sqlite3.Connection] = sqlite3.Connection
    ) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?{query}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            factory=connection_class,
        )


def holds(path: Path) -> bool:
    """Whether there is such a file with something in it."""
    return path.exists() and path.stat().st_size > 0


def _quick_check(connection: sqlite3.Connection, path: Path) -> None:
    end = time.monotonic() + QUICK_CHECK_MAX_S
    connection.set_progress_handler(lambda: time.monotonic() > end, _CHECK_STEPS)
    try:
        (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as fault:
        if fault.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        log.info("store_quick_check_stopped", path=str(path), after_s=QUICK_CHECK_MAX_S)
    else:
        if finding != "ok":
            raise _corrupt(path, finding)
    finally:
        connection.set_progress_handler(None, 0)


def _take_lock(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _open(Path(f"{path}.lock"), os.O_RDWR | os.O_CREAT)
    except OSError as fault:
        raise _unusable(path, fault) from fault
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise StoreRefused(f"{path} is in use by another engine (process {holder}); stop that one first") from fault
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise _unusable(path, fault) from fault


def _unusable(path: Path, fault: OSError) -> StoreRefused:
    return StoreRefused(
        f"{path} cannot be used: {fault.strerror}; make its folder writable for this user, or choose another (--store)"
    )


def _corrupt(path: Path, finding: str) -> StoreRefused:
    return StoreRefused(
        f"{path} is damaged ({finding}); it was left as it is. Restore a copy, or move it away (with its -wal file) "
        "to start with an empty one"
    )
