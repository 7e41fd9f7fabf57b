"""A workflow batch in the store: many projects read, decided and written in one transaction, in a dozen statements.

Runs in the writer's thread, as a job. One statement reads where all the projects stand; what is to be done is decided
by a pure function that the caller brings; each table is then written with one statement, however many rows there are:
the rows travel as one JSON text, which SQLite takes apart (`Bulk.run_at_once`). Where statements travel, what gives
nothing back goes `together`: five trips for all of it. Decided against: rows of parameters,
as commits have them (18 values for each of 2,000 alerts are more than a statement may have, and each other length would
be another text to compile); a second transaction for the trackers (a crash between would lose a step or ring it twice).

The channels' own last batch stays what it is: whoever runs a channel may still have to be answered from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import structlog

from engine.stores import CommittedEvents
from engine.stores.tables import acts
from engine.stores.tables import aggregate_hours as hours
from engine.stores.tables.bulk import Bulk
from engine.stores.tables.connection import ROW_FAULTS, Connection, together
from engine.stores.tables.holding import hold_workspace
from engine.stores.tables.jobs import JOBS
from engine.stores.tables.rows import ALERTS, AUDITS, ENTRIES, EVENTS, WORKSPACES, Prepared, numbered, prepare
from engine.stores.trail import AdministrativeAct
from engine.stores.workflows import Ground, ProjectBatch
from protocol.effects import Recalled
from protocol.errors import CommitInvalid
from protocol.model import ChannelKey, Event
from protocol.rows import Row
from protocol.times import parse_rfc3339
from protocol.workflows import Move, ProjectPlace, Tracker, Workflow

NO_TRACKERS = "DELETE FROM tracker WHERE workspace = ? AND project IN (SELECT value FROM json_each(?))"
log = structlog.get_logger()
# So few that whoever is told of a batch has little to sort at a time.
TOLD_AT_ONCE = 256

PLACES = """
WITH space AS MATERIALIZED (SELECT id, last_offset FROM workspace WHERE name = ?1),
tracked AS MATERIALIZED (
    SELECT tracker.workflow, tracker.body, tracker.project, channel.id AS channel,
        coalesce(channel.last_offset, 0) AS last_offset
    FROM json_each(?2) AS wanted
    CROSS JOIN tracker ON tracker.workspace = ?1 AND tracker.project = wanted.value
    LEFT JOIN channel ON channel.workspace = (SELECT id FROM space) AND channel.framework = tracker.project
)
SELECT
    (SELECT '[' || id || ',' || last_offset || ']' FROM space),
    (SELECT group_concat('[' || last_offset || ',' || body || ']') FROM tracked),
    (SELECT group_concat(body) FROM object
        WHERE workspace = ?1 AND kind = 'workflow' AND archived_at IS NULL
        AND id IN (SELECT workflow FROM tracked UNION SELECT value FROM json_each(?4))),
    (SELECT group_concat(alert.body) FROM tracked CROSS JOIN alert INDEXED BY alert_active_step
        ON alert.channel = tracked.channel AND alert.step IS NOT NULL AND alert.state < 3),
    (SELECT group_concat(alert.body) FROM tracked CROSS JOIN alert INDEXED BY alert_cooling_step
        ON alert.channel = tracked.channel AND alert.step IS NOT NULL AND alert.state >= 3 AND alert.window_until > ?3),
    (SELECT group_concat(alert.body) FROM tracked CROSS JOIN alert INDEXED BY alert_owed
        ON alert.channel = tracked.channel AND alert.window_count > 0 AND alert.step IS NOT NULL AND alert.state >= 3
        AND alert.window_until <= ?3)
"""
NEW_WORKSPACE = "INSERT INTO workspace (name) VALUES (?) RETURNING id, last_offset"
CHANNEL_MOVES = Bulk(
    "INSERT INTO channel (workspace, framework, last_offset)",
    "iti",
    "ON CONFLICT (workspace, framework) DO UPDATE SET last_offset = excluded.last_offset RETURNING framework, id",
)
PERSON_MOVES = Bulk(
    "INSERT INTO person (workspace, name, last_offset)",
    "iti",
    "ON CONFLICT (workspace, name) DO UPDATE SET last_offset = person.last_offset + excluded.last_offset"
    " RETURNING name, id, last_offset",
)
TRACKERS = Bulk(
    "INSERT INTO tracker (workspace, project, workflow, item, late_at, version, body)",
    "ttttiit",
    "ON CONFLICT (workspace, project) DO UPDATE SET workflow = excluded.workflow, item = excluded.item,"
    " late_at = excluded.late_at, version = excluded.version, body = excluded.body",
)


class _Tracked(NamedTuple):
    last_offset: int
    tracker: Tracker


class Streamed(NamedTuple):
    """What a job of the writer has put on streams: told to the feed once it is committed, and where they stand now."""

    moves: Sequence[Move]
    told: Sequence[CommittedEvents] = ()
    workspace: tuple[str, int] = ("", 0)
    channels: Mapping[ChannelKey, int] = {}
    # By number of the workspace and name.
    people: Mapping[tuple[int, str], int] = {}


class _Placed(NamedTuple):
    """What is told of a batch; and to be written yet: the workspace's number and offset, and the people's entries."""

    streamed: Streamed
    workspace: list[Any]
    entries: list[Any]


_tracked = msgspec.json.Decoder(list[_Tracked]).decode
_workflows = msgspec.json.Decoder(list[Workflow]).decode
_rows = msgspec.json.Decoder(list[Row]).decode
_encode = msgspec.json.Encoder().encode


def move_projects(connection: Connection, batch: ProjectBatch, epoch: str, now_us: int) -> Streamed:
    """Reads, decides, writes. Raises CommitInvalid if what is stored cannot be read, or what was decided not stored."""
    workspace = batch.workspace
    values = (workspace, _text(batch.projects), now_us, _text(batch.workflows))
    is_held = hold_workspace(connection, workspace)
    try:
        space, found, workflows, *rows = connection.execute(PLACES, values).fetchone()
        if space and not is_held:
            # Another node has just made it, and moves it: what was read is worth nothing until we hold it.
            hold_workspace(connection, workspace)
            space, found, workflows, *rows = connection.execute(PLACES, values).fetchone()
        return _keep(connection, batch, batch.decide(_ground(found, workflows, rows, epoch)), space)
    except (*ROW_FAULTS, msgspec.MsgspecError) as fault:
        # A bug of ours, or a definition of another version. The transaction is undone, the engine lives on.
        log.error("store_batch_invalid", workspace=workspace, cause=str(fault))
        raise CommitInvalid(f"a workflow batch of {workspace}: {fault}") from fault


def _keep(connection: Connection, batch: ProjectBatch, moves: Sequence[Move], space: str | None) -> Streamed:
    workspace, placed = batch.workspace, _Placed(Streamed(moves), [], [])
    if prepared := [prepare(move.commit) for move in moves if move.commit is not None]:
        number, offset = msgspec.json.decode(space) if space else _new_workspace(connection, workspace)
        placed = _place(connection, prepared, workspace, number, offset)
    if gone := [move.removed for move in moves if move.removed is not None]:
        connection.execute(NO_TRACKERS, (workspace, _text(gone)))
    with together(connection):
        if prepared:
            _write(connection, prepared, placed)
        if trackers := [move.tracker for move in moves if move.tracker is not None]:
            TRACKERS.run_at_once(connection, [value for each in trackers for value in _tracker_values(workspace, each)])
        if done := [move.act for move in moves if move.act is not None]:
            acts.add_at_once(
                connection, [AdministrativeAct(workspace=workspace, **msgspec.structs.asdict(act)) for act in done]
            )
    return placed.streamed._replace(moves=moves)


def _ground(found: str | None, workflows: str | None, rows: Sequence[str | None], epoch: str) -> Ground:
    definitions = {each.id: each for each in _workflows(f"[{workflows or ''}]")}
    standing: dict[str, list[Row]] = {}
    for row in chain.from_iterable(_rows(f"[{text or ''}]") for text in rows):
        standing.setdefault(row.alert.framework_id, []).append(row)
    places = {
        tracker.project_id: ProjectPlace(
            tracker=tracker,
            workflow=definitions.get(tracker.workflow_id),
            recalled=Recalled(epoch=epoch, offset=offset, rows=tuple(standing.get(tracker.project_id, ()))),
        )
        for offset, tracker in _tracked(f"[{found or ''}]")
    }
    return Ground(places=places, workflows=definitions)


def _new_workspace(connection: Connection, workspace: str) -> tuple[int, int]:
    ((number, offset),) = connection.execute(NEW_WORKSPACE, (workspace,)).fetchall()
    return number, offset


def _place(connection: Connection, prepared: Sequence[Prepared], workspace: str, number: int, offset: int) -> _Placed:
    """Moves the streams of the channels and of people, and gives what is to be written its places there."""
    places = {each.key: each.commit.decision.offset for each in prepared}
    channels = dict(
        CHANNEL_MOVES.run_at_once(
            connection, [value for key, last in places.items() for value in (number, key.framework, last)]
        )
    )
    events: list[Event] = []
    for each in prepared:
        each.address(channels[each.key.framework], number, offset)
        fresh = numbered(each.commit.decision.events, offset)
        events += fresh
        offset += len(fresh)
    events, people, entries = _assigned(connection, number, events)
    told = [
        CommittedEvents(workspace, tuple(events[start : start + TOLD_AT_ONCE]), tuple(places) if not start else ())
        # Also what is no event (a window that ends): who has the channel in memory reads it again.
        for start in range(0, max(1, len(events)), TOLD_AT_ONCE)
    ]
    return _Placed(Streamed((), told, (workspace, offset), places, people), [number, offset], entries)


def _write(connection: Connection, prepared: Sequence[Prepared], placed: _Placed) -> None:
    """A statement for each table that there is something for."""
    for table, values in (
        (ALERTS, [value for each in prepared for value in each.alerts]),
        (EVENTS, [value for each in prepared for value in each.events]),
        (AUDITS, [value for each in prepared for value in each.audits]),
        (JOBS, [value for each in prepared for value in each.jobs]),
        (ENTRIES, placed.entries),
        (hours.MARKS, hours.joined(each.marks for each in prepared)),
    ):
        if values:
            table.run_at_once(connection, values)
    WORKSPACES.run(connection, placed.workspace)


def _assigned(
    connection: Connection, workspace: int, events: Sequence[Event]
) -> tuple[list[Event], dict[tuple[int, str], int], list[Any]]:
    """The events with their places in the streams of the people whom they concern, those streams, and the entries."""
    counts = Counter(name for event in events for name in event.people)
    if not counts:
        return list(events), {}, []
    values = [value for name, count in counts.items() for value in (workspace, name, count)]
    people = {name: (number, last) for name, number, last in PERSON_MOVES.run_at_once(connection, values)}
    at = {name: last - counts[name] for name, (_, last) in people.items()}
    told, entries = [], list[Any]()
    for event in events:
        places = dict[str, int]()
        for name in event.people:
            places[name] = at[name] = at[name] + 1
            entries += (people[name][0], at[name], workspace, event.workspace_offset)
        told.append(msgspec.structs.replace(event, user_offsets=places) if places else event)
    return told, {(workspace, name): last for name, last in at.items()}, entries


def _tracker_values(workspace: str, tracker: Tracker) -> tuple[Any, ...]:
    late_at = None if tracker.late_at is None else parse_rfc3339(tracker.late_at)
    body = _encode(tracker).decode()
    return workspace, tracker.project_id, tracker.workflow_id, tracker.item_id, late_at, tracker.version, body


def _text(projects: Sequence[str]) -> str:
    return _encode(list(projects)).decode()
