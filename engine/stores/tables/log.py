"""The log of readings and the rule states, as the store keeps them: encoded by whoever commits, read again by recall.

The readings of a decision are one row: its columns as MessagePack, 12 to 16 bytes a reading. Decided against: a row a
reading (a hundred times the steps of the writer, four times the bytes), and JSON (twice the bytes, and slower).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from engine.stores.tables.connection import Connection
from protocol.effects import Decision
from protocol.readings import Logged, LoggedSeries, RuleState

_SERIES = "SELECT number, metric, labels FROM series WHERE channel = ?"
_STATES = "SELECT rule, labels, essence, seq, body, due FROM rule_state WHERE channel = ?"
_ROWS = "SELECT seq, at, body FROM reading WHERE channel = ? AND seq > ? ORDER BY seq"
_FORGET = (
    "DELETE FROM rule_state WHERE channel = ? AND (rule, labels) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))"
)

# Sorted: equal labels are equal texts.
_encode_labels = msgspec.json.Encoder(order="deterministic").encode
_encode_words = msgspec.json.Encoder().encode
decode_labels = msgspec.json.Decoder(dict[str, str]).decode
_encode_columns = msgspec.msgpack.Encoder().encode
_decode_columns = msgspec.msgpack.Decoder(tuple[list[int], list[int], list[float]]).decode


@dataclass(slots=True)
class LogValues:
    """What a commit adds to the log, encoded; the empty places of its lists are the channel's number."""

    series: list[Any]
    readings: list[Any]
    states: list[Any]
    # Rule and labels of the states that are to be forgotten.
    gone: list[tuple[str, str]]

    @property
    def count(self) -> int:
        """How many readings."""
        return self.readings[3] if self.readings else 0

    @property
    def bytes(self) -> int:
        """How long their row is."""
        return len(self.readings[6]) if self.readings else 0

    def __len__(self) -> int:
        """How many rows of tables."""
        return len(self.series) // 4 + len(self.readings) // 7 + len(self.states) // 7 + len(self.gone)

    def address(self, channel: int) -> None:
        """Fills in the channel's number."""
        for values, width in ((self.series, 4), (self.readings, 7), (self.states, 7)):
            values[0::width] = [channel] * (len(values) // width)

    def forget(self, connection: Connection, channel: int) -> None:
        """Deletes what is to be forgotten."""
        if self.gone:
            connection.execute(_FORGET, (channel, _encode_words(self.gone).decode()))


def encode_log(decision: Decision) -> LogValues:
    """The values of a decision's readings, new series and states."""
    logged = decision.readings
    return LogValues(
        [value for new in decision.series for value in (0, new.number, new.metric, _labels(new.labels))],
        [] if logged is None else _row(logged),
        [value for state in decision.states if state.body for value in _state(state)],
        [(state.rule, _labels(state.labels)) for state in decision.states if not state.body],
    )


def _labels(labels: dict[str, str]) -> str:
    return _encode_labels(labels).decode()


def _row(logged: Logged) -> list[Any]:
    at = logged.at
    body = _encode_columns((logged.series, [time - at for time in logged.times], logged.values))
    return [0, logged.seq, at, len(logged.values), min(logged.times), max(logged.times), body]


def _state(state: RuleState) -> tuple[Any, ...]:
    return (0, state.rule, _labels(state.labels), state.essence, state.seq, state.due, state.body)


def decode_row(seq: int, at: int, body: bytes) -> Logged:
    """A row of the log as it was decided."""
    series, times, values = _decode_columns(body)
    return Logged(seq, at, series, [at + time for time in times], values)


def series_of(connection: Connection, channel: int) -> tuple[LoggedSeries, ...]:
    """All series of a channel."""
    rows = connection.execute(_SERIES, (channel,)).fetchall()
    return tuple([LoggedSeries(number, metric, decode_labels(labels)) for number, metric, labels in rows])


def states_of(connection: Connection, channel: int) -> tuple[RuleState, ...]:
    """What a channel's rules remembered."""
    return tuple(
        [
            RuleState(rule=rule, labels=decode_labels(labels), essence=essence, seq=seq, body=body, due=due)
            for rule, labels, essence, seq, body, due in connection.execute(_STATES, (channel,)).fetchall()
        ]
    )


def rows_after(connection: Connection, channel: int, seq: int) -> tuple[Logged, ...]:
    """The log after a row, in order."""
    return tuple([decode_row(*row) for row in connection.execute(_ROWS, (channel, seq)).fetchall()])
