"""What a fault of the driver or the server means: the database is away, or it is a bug of ours.

Away is whatever may be otherwise in a moment without anybody changing our code: no connection, no answer in time, a
server that starts, stops, is full, only reads, or ended the statement. (Values that are to blame are `RowFault`s.)
"""

from __future__ import annotations

import asyncpg

from engine.foreign import ForeignEnded
from protocol.effects import DAMAGED, DISK_FULL

# Classes of SQLSTATE: connection lost, transaction rolled back (deadlock), resources (disk full, too many connections),
# object in use (a lock was waited for too long), operator (shutdown, starting, cancelled), system (I/O).
_AWAY_CLASSES = ("08", "40", "53", "55", "57", "58")
_AWAY = {
    "25006",  # read-only: a replica, for now
    "25P03",  # we were idle in a transaction for too long: our process was stopped
    "28000",  # who may connect can be mended while we run
    "28P01",
    "3D000",  # the database is being restored
    "XX000",  # the server's own bug
    "XX001",
    "XX002",
}

# What the cause begins with, of those that somebody must do something about. XX001, XX002: a page, an index.
_WORDS = {"53100": DISK_FULL, "XX001": DAMAGED, "XX002": DAMAGED}
_UNIQUE_VIOLATION = "23505"


def is_worth_another_try(fault: BaseException | None) -> bool:
    """Whether the server undid a transaction only because another one was in its way: at once it will do.

    Also one that has made the same row first (a new workspace, on two nodes): what was not there is found then.
    """
    while fault is not None:
        if isinstance(fault, asyncpg.PostgresError):
            return (fault.sqlstate or "").startswith("40") or fault.sqlstate == _UNIQUE_VIOLATION
        fault = fault.__cause__
    return False


def cause_of(fault: BaseException) -> str | None:
    """Why the database does not answer, in words; None if that is not what this is."""
    if isinstance(fault, asyncpg.PostgresError):
        code = fault.sqlstate or ""
        if code[:2] in _AWAY_CLASSES or code in _AWAY:
            said = f"{type(fault).__name__} ({code}): {fault}"
            return f"{_WORDS[code]}: {said}" if code in _WORDS else said
        return None
    if isinstance(fault, TimeoutError):
        return "no answer in time"
    # Internal: what a server that dies has sent last, or that none of several is the one that may be written to.
    if isinstance(fault, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError | ForeignEnded):
        return f"{type(fault).__name__}: {fault}"
    return None
