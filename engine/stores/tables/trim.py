"""Readings that the retention no longer keeps go, in small transactions: raw rows, minutes, hours.

A raw row goes when it is old, is in the roll-ups, and was heard by every stored rule state: a restart must be able to
hear the rest again. Rows go from the oldest on; the channel's floor is the last one that went.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.stores.readings import KeptReadings
from engine.stores.tables.connection import Connection
from engine.stores.tables.rollup import HOUR_S, MINUTE_S
from protocol.times import SECOND_US

# About 5 ms of the writer's time.
TRIMMED_AT_ONCE = 500
# The first channel whose oldest row is old: its number, its floor, and the last row that nobody needs any more.
NEXT_OLD_LOG = (
    "SELECT channel.id, log_floor, min(log_rolled, log_settled) FROM channel"
    " JOIN reading ON reading.channel = channel.id AND reading.seq = log_floor + 1"
    " WHERE channel.id >= ? AND log_floor < min(log_rolled, log_settled) AND reading.at < ?"
    " ORDER BY channel.id LIMIT 1"
)
FIRST_YOUNG = "SELECT min(seq) FROM reading WHERE channel = ? AND seq > ? AND seq <= ? AND at >= ?"
DELETE_ROWS = "DELETE FROM reading WHERE channel = ? AND seq > ? AND seq <= ?"
DELETE_ROLLUPS = (
    "DELETE FROM rollup WHERE (channel, series, width_s, start) IN (SELECT channel, series, width_s, start"
    " FROM rollup INDEXED BY rollup_by_age WHERE width_s = ? AND start < ? LIMIT ?) RETURNING 1"
)


class Trimmed(NamedTuple):
    """One step: the number of the channel to go on with (None: done), and how many rows went."""

    channel: int | None
    rows: int


def trim_log(connection: Connection, kept: KeptReadings, now_us: int, channel: int) -> Trimmed:
    """One step, of the first channel with this number or a higher one."""
    old = now_us - int(kept.raw_s * SECOND_US)
    for number, floor, needless in connection.execute(NEXT_OLD_LOG, (channel, old)).fetchall():
        until = min(floor + TRIMMED_AT_ONCE, needless)
        ((young,),) = connection.execute(FIRST_YOUNG, (number, floor, until, old)).fetchall()
        until = until if young is None else young - 1
        connection.execute(DELETE_ROWS, (number, floor, until))
        connection.execute("UPDATE channel SET log_floor = ? WHERE id = ?", (until, number))
        return Trimmed(number, until - floor)
    return Trimmed(None, 0)


def trim_rollups(connection: Connection, kept: KeptReadings, now_us: int) -> int:
    """One step; how many roll-ups went."""
    gone = 0
    for width_s, kept_s in ((MINUTE_S, kept.minutes_s), (HOUR_S, kept.hours_s)):
        before = now_us - int((kept_s + width_s) * SECOND_US)
        gone += len(connection.execute(DELETE_ROLLUPS, (width_s, before, TRIMMED_AT_ONCE)).fetchall())
    return gone
