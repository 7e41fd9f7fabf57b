"""Partitions of what comes by time, tended whenever the store trims: made ahead, dropped when they are empty.

Making and dropping tables is the owner's; a function of his does it for us (postgres_0005). What cannot have its locks
within a moment is put off to the next time, so nobody waits for it; without a partition rows are kept in a default one.
"""

from __future__ import annotations

from typing import NamedTuple

import structlog

from engine.stores.postgres.connection import PostgresConnection

log = structlog.get_logger()


class Tended(NamedTuple):
    """How many were made and dropped, and how many others would have been."""

    made: int
    dropped: int
    put_off: int


def tend(connection: PostgresConnection, now_us: int) -> Tended:
    """In a transaction of its own: it locks tables until that ends."""
    asked = connection.ask("SELECT made, dropped, put_off FROM tocsin_tend_partitions($1)", [now_us])
    tended = Tended(*asked.fetchone())
    if any(tended):
        log.info("store_partitions_tended", **tended._asdict())
    return tended
