"""What is written, in the form in which it goes into rows: encoded by whoever commits, inserted many rows a statement.

A thread gives Python's lock away at every step of a statement and, beside a busy loop, waits up to 5 ms to get it
back. So the writer must take few steps: a commit arrives here encoded (on the loop, in C), its values in one flat
list, and goes into the tables with one statement for up to 256 rows. What only the writer knows (numbers of channel
and workspace, the workspace's offsets) is filled in by slice assignment. Decided against: `executemany` (a step a
row), `json_each` over one big parameter (one step, but it parses every body twice).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from engine.stores.tables.aggregate_hours import MARKS, mark_values
from engine.stores.tables.bulk import Bulk
from engine.stores.tables.connection import either
from engine.stores.tables.jobs import job_values
from engine.stores.tables.log import LogValues, encode_log
from protocol.effects import Audit, Commit
from protocol.errors import CommitInvalid
from protocol.items import ItemResult
from protocol.model import Alert, AlertState, ChannelKey, Event, EventKind, QuietedBy, Severity
from protocol.rows import Row
from protocol.rule_series import SeriesListed
from protocol.times import parse_rfc3339

# From 1: 0 was for alerts that do not ring yet, of which there has never been one.
STATES = {state: number for number, state in enumerate(AlertState, 1)}
QUIETED = {reason: number for number, reason in enumerate(QuietedBy, 1)}
SEVERITIES = {severity: severity.rank for severity in Severity}
_encode = msgspec.json.Encoder().encode
# Within a batch nearly all times are the same.
_microseconds = lru_cache(maxsize=1_000)(parse_rfc3339)


ALERTS = Bulk(
    "INSERT INTO alert (workspace, channel, id, identity, state, severity, rule_id, triggered_at, last_seen_at,"
    " resolved_at, occurrences, window_until, window_count, has_sources, body, assigned_to, first_offset,"
    " first_workspace_offset, step, quieted)",
    "iittiitiiiiiiittiiti",
    "ON CONFLICT (workspace, id) DO UPDATE SET state = excluded.state, severity = excluded.severity,"
    " rule_id = excluded.rule_id, last_seen_at = excluded.last_seen_at, resolved_at = excluded.resolved_at,"
    " occurrences = excluded.occurrences, window_until = excluded.window_until,"
    " window_count = excluded.window_count, has_sources = excluded.has_sources, body = excluded.body,"
    " assigned_to = excluded.assigned_to, quieted = excluded.quieted",  # the first offsets stay as they were
)
_TRIGGERED_AT = 7
EVENTS = Bulk("INSERT INTO event (channel, channel_offset, workspace, workspace_offset, at, body)", "iiiiit")
ENTRIES = Bulk("INSERT INTO entry (person, person_offset, workspace, workspace_offset)", "iiii")
AUDITS = Bulk(
    "INSERT INTO audit (workspace, channel, at, by, verb, alert_id, notes, address, before, after)", "iiittttttt"
)
CHANNELS = Bulk(
    "UPDATE channel SET last_offset = new.column2, last_batch = new.column3, last_base = new.column4,"
    " last_results = new.column5, log_seq = new.column6, log_settled = max(channel.log_settled, new.column7) FROM (",
    "iititii",
    ") AS new WHERE channel.id = new.column1",
)
SERIES = Bulk("INSERT INTO series (channel, number, metric, labels)", "iitt")
READINGS = Bulk("INSERT INTO reading (channel, seq, at, readings, first_at, last_at, body)", "iiiiiib")
# Labels may be longer than a line of a Postgres index.
_OF_RULE = either(sqlite="(channel, rule, labels)", postgres="(channel, rule, labels_digest)")
RULE_STATES = Bulk(
    "INSERT INTO rule_state (channel, rule, labels, essence, seq, due, body)",
    "itttiib",
    f"ON CONFLICT {_OF_RULE} DO UPDATE SET essence = excluded.essence, seq = excluded.seq,"
    " due = excluded.due, body = excluded.body",
)
WORKSPACES = Bulk(
    "UPDATE workspace SET last_offset = new.column2 FROM (", "ii", ") AS new WHERE workspace.id = new.column1"
)

PEOPLE = Bulk("UPDATE person SET last_offset = new.column2 FROM (", "ii", ") AS new WHERE person.id = new.column1")


@dataclass(slots=True)
class Prepared:
    """A commit, encoded. The lists have empty places that `address` fills; a commit is addressed anew at each try."""

    commit: Commit
    alerts: list[Any]
    events: list[Any]
    audits: list[Any]
    results: str
    # By row: which of the events told its alert for the first time.
    firsts: list[int | None]
    log: LogValues
    jobs: list[Any]
    # Which hours' alerts are to be counted again.
    marks: list[Any]
    # Places in the streams of those whom alerts are assigned to; only the writer knows them.
    entries: list[Any] = field(default_factory=list)

    @property
    def key(self) -> ChannelKey:
        """Whose commit it is."""
        return self.commit.key

    @property
    def rows(self) -> int:
        """How many rows of tables it writes."""
        decision = self.commit.decision
        return len(decision.rows) + len(decision.events) + len(decision.audits) + len(decision.jobs) + len(self.log)

    def address(self, channel: int, workspace: int, workspace_offset: int) -> None:
        """Fills in what only the writer knows; `workspace_offset` is the last one given so far."""
        alerts, events, audits = (len(part) for part in (self.commit.decision.rows, self.events, self.audits))
        events, audits = events // EVENTS.width, audits // AUDITS.width
        self.alerts[0 :: ALERTS.width] = [workspace] * alerts
        self.alerts[1 :: ALERTS.width] = [channel] * alerts
        self.alerts[17 :: ALERTS.width] = [n if n is None else workspace_offset + 1 + n for n in self.firsts]
        self.events[0 :: EVENTS.width] = [channel] * events
        self.events[2 :: EVENTS.width] = [workspace] * events
        self.events[3 :: EVENTS.width] = range(workspace_offset + 1, workspace_offset + 1 + events)
        self.audits[0 :: AUDITS.width] = [workspace] * audits
        self.audits[1 :: AUDITS.width] = [channel] * audits
        self.marks[0 :: MARKS.width] = [workspace] * (len(self.marks) // MARKS.width)
        self.log.address(channel)


def prepare(commit: Commit) -> Prepared:
    """Encodes a commit. Raises CommitInvalid if its offsets do not continue its base, or a text is not Unicode."""
    decision = commit.decision
    expected = commit.base
    for event in decision.events:
        expected += 1
        if event.offset != expected:
            raise CommitInvalid(f"{commit.key.name}: an event has offset {event.offset}, not {expected}")
    if decision.offset != expected:
        raise CommitInvalid(f"{commit.key.name}: the decision ends at offset {decision.offset}, not {expected}")
    told = {event.alert.id: n for n, event in enumerate(decision.events) if event.kind is EventKind.FIRED}
    firsts = [told.get(row.alert.id) for row in decision.rows]
    try:
        alerts = [
            value for row, n in zip(decision.rows, firsts, strict=True) for value in _alert_values(row, commit, n)
        ]
        return Prepared(
            commit,
            alerts,
            [value for event in decision.events for value in _event_values(event)],
            [value for audit in decision.audits for value in _audit_values(audit)],
            encode_results(decision.results),
            firsts,
            encode_log(decision),
            job_values(decision.jobs, commit.batch.now),
            mark_values(alerts[_TRIGGERED_AT :: ALERTS.width], commit.batch.now),
        )
    except (ValueError, TypeError) as fault:
        raise CommitInvalid(f"{commit.key.name}: cannot be encoded: {fault}") from fault


def encode_results(results: Sequence[ItemResult]) -> str:
    """The results as JSON. Equal ones in a row are one, with their number: most readings have the same answer."""
    runs: list[ItemResult | tuple[int, ItemResult]] = []
    for result, run in itertools.groupby(results):
        count = sum(1 for _ in run)
        # Who asked for a page asks again: it would outgrow all else that is stored with the decision.
        kept = result.lost() if isinstance(result, SeriesListed) else result
        runs.append(kept if count == 1 else (count, kept))
    return _encode(runs).decode()


def decode_results(text: str) -> tuple[ItemResult, ...]:
    """What `encode_results` has made, and what was stored before there was such a thing: a plain list."""
    runs = (run if isinstance(run, tuple) else (1, run) for run in _decode_runs(text))
    return tuple([result for count, result in runs for _ in range(count)])


def _alert_values(row: Row, commit: Commit, first: int | None) -> tuple[Any, ...]:
    alert, window = row.alert, row.window
    return (
        0,
        0,
        alert.id,
        row.identity,
        STATES[alert.state],
        alert.severity.rank,
        alert.rule_id,
        _microseconds(alert.triggered_at),
        _microseconds(alert.last_seen_at),
        alert.resolved_at and _microseconds(alert.resolved_at),
        alert.occurrences,
        # Until when a closed one is recalled.
        window.until if row.flaps is None else max(window.until, row.flaps.until),
        window.count,
        1 if row.sources else 0,
        _encode(row).decode(),
        alert.assigned_to,
        None if first is None else commit.base + 1 + first,
        None,
        alert.step_id,
        None if alert.quieted_by is None else QUIETED[alert.quieted_by],
    )


def _event_values(event: Event) -> tuple[Any, ...]:
    if event.workspace_offset or event.user_offsets:
        event = msgspec.structs.replace(event, workspace_offset=0, user_offsets={})
    return (0, event.offset, 0, 0, _microseconds(event.at), _encode(event).decode())


def _audit_values(audit: Audit) -> tuple[Any, ...]:
    before, after = _encode(audit.before).decode(), _encode(audit.after).decode()
    return (0, 0, audit.at, audit.by, audit.verb, audit.alert_id, audit.notes, audit.address, before, after)


def numbered(events: Sequence[Event], workspace_offset: int) -> tuple[Event, ...]:
    """The events with workspace offsets that follow on `workspace_offset`."""
    replace = msgspec.structs.replace
    return tuple(replace(event, workspace_offset=workspace_offset + n) for n, event in enumerate(events, 1))


class OnlyAlert(msgspec.Struct):
    """The part of a stored row that lists show; the decoder skips the rest."""

    alert: Alert


class StoredPlace(NamedTuple):
    """Where an alert is, and its row if it is closed."""

    alert_id: str
    framework: str
    closed: Row | None


decode_places = msgspec.json.Decoder(list[StoredPlace]).decode
decode_alerts = msgspec.json.Decoder(list[OnlyAlert]).decode
decode_rows = msgspec.json.Decoder(list[Row]).decode
decode_events = msgspec.json.Decoder(list[Event]).decode
_decode_runs = msgspec.json.Decoder(list[ItemResult | tuple[int, ItemResult]]).decode
