"""Incidents in the store, as `engine.stores.incidents.IncidentStore`. Each question is served by an index; a test says
which."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from functools import partial
from heapq import nlargest
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from engine.pages import PAGE_MAX, Cursors, Name
from engine.stores.incidents import (
    IncidentChange,
    IncidentPage,
    IncidentPlace,
    IncidentQuery,
    KeptIncident,
)
from engine.stores.tables.bulk import Bulk
from engine.stores.tables.connection import Connection, either
from engine.stores.tables.readers import Readers
from engine.stores.tables.writer import Writer
from protocol.errors import BadRequest
from protocol.incidents import Correlation, Incident, IncidentState, Member
from protocol.model import Alert

T = TypeVar("T")

# Of a page of incidents: the id of its last one.
CURSORS = Cursors("incidents", tuple[Name])
# With their alerts, 500 each at most: some 10 ms of the writer's time.
TRIMMED_AT_ONCE = 20
PLACE = "SELECT position, oldest, version, body, settings FROM incident_place WHERE workspace = ?"
_STREAM = "SELECT last_offset, floor FROM workspace WHERE name = ?"
# Postgres plans for any list, as `deliveries.OF_THESE` says: it is asked for one after the other.
_THESE_ALERTS = either(
    sqlite="incident_alert WHERE workspace = ?1 AND alert_id IN (SELECT value FROM json_each(?2))",
    postgres="(SELECT DISTINCT jsonb_array_elements_text(?2::text::jsonb)) AS asked (one), LATERAL (SELECT * FROM"
    " incident_alert WHERE workspace = ?1 AND alert_id = asked.one OFFSET 0) AS incident_alert WHERE true",
)
_THESE = either(
    sqlite="incident WHERE workspace = ?1 AND id IN (SELECT value FROM json_each(?2))",
    postgres="(SELECT DISTINCT jsonb_array_elements_text(?2::text::jsonb)) AS asked (one), LATERAL (SELECT * FROM"
    " incident WHERE workspace = ?1 AND id = asked.one OFFSET 0) AS incident WHERE true",
)
_THEIR_ALERTS = either(
    sqlite="incident_alert WHERE workspace = ?1 AND incident IN (SELECT value FROM json_each(?2))",
    postgres="(SELECT DISTINCT jsonb_array_elements_text(?2::text::jsonb)) AS asked (one), LATERAL (SELECT * FROM"
    " incident_alert WHERE workspace = ?1 AND incident = asked.one OFFSET 0) AS incident_alert WHERE true",
)
NAMED = f"SELECT group_concat(body) FROM {_THESE}"  # noqa: S608  # our own words
MEMBERS = f"SELECT json_group_array(json_array(incident, json(body))) FROM {_THEIR_ALERTS}"  # noqa: S608
IDS_OF = f"SELECT json_group_array(json_array(alert_id, incident, is_apart)) FROM {_THESE_ALERTS}"  # noqa: S608
NEW_PLACE = (
    "INSERT INTO incident_place (workspace, position, oldest, version, settings, body) VALUES (?, ?, ?, 1, NULL, ?)"
    " ON CONFLICT (workspace) DO NOTHING"
)
MOVE = (
    "UPDATE incident_place SET position = ?1, oldest = ?2, version = version + 1,"
    " body = CASE WHEN ?3 = '' THEN body ELSE ?3 END WHERE workspace = ?4 AND version = ?5"
)
TOUCH = "UPDATE incident_place SET version = version + 1 WHERE workspace = ?"
SETTINGS = (
    "INSERT INTO incident_place (workspace, position, oldest, version, settings, body)"
    " VALUES (?, -1, 0, 1, ?, '') ON CONFLICT (workspace) DO UPDATE SET settings = excluded.settings,"
    " version = incident_place.version + 1"
)
INCIDENTS = Bulk(
    "INSERT INTO incident (workspace, id, state, started_at, updated_at, body)",
    "tttiit",
    "ON CONFLICT (workspace, id) DO UPDATE SET state = excluded.state, started_at = excluded.started_at,"
    " updated_at = excluded.updated_at, body = excluded.body",
)
MEMBER_ROWS = Bulk(
    "INSERT INTO incident_alert (workspace, alert_id, incident, framework, started_at, is_apart, body)",
    "ttttiit",
    "ON CONFLICT (workspace, alert_id) DO UPDATE SET incident = excluded.incident, is_apart = excluded.is_apart,"
    " body = excluded.body",
)
OLD = """
DELETE FROM incident WHERE (workspace, id) IN (SELECT workspace, id FROM incident INDEXED BY incident_kept
    WHERE state IN ('resolved', 'merged') AND updated_at < ? ORDER BY updated_at LIMIT ?) RETURNING workspace, id
"""
OLD_ALERTS = "DELETE FROM incident_alert WHERE workspace = ? AND incident = ?"
_SHOWN = tuple(state for state in IncidentState if state is not IncidentState.MERGED)
_encode = msgspec.json.Encoder().encode
_decode_incidents = msgspec.json.Decoder(list[Incident]).decode
_decode_members = msgspec.json.Decoder(list[tuple[str, Member]]).decode
_decode_settings = msgspec.json.Decoder(Correlation).decode


class IncidentTable:
    """The part of `TableStore` that is `engine.stores.incidents.IncidentStore`."""

    _writer: Writer
    _readers: Readers

    async def incident_place(self, workspace: str) -> IncidentPlace:
        """How far a workspace is. Raises StoreUnavailable."""
        return await self._readers.read(partial(place_of, workspace=workspace), workspace=workspace)

    async def keep_incidents(self, workspace: str, place: IncidentPlace, change: IncidentChange) -> bool:
        """Writes what came of some events, if nobody else has written. Raises StoreUnavailable."""
        job = partial(keep, workspace=workspace, place=place, change=change)
        return await self._writer.run(job, workspace=workspace)

    async def change_incidents(
        self, workspace: str, ids: Sequence[str], change: Callable[[Sequence[KeptIncident]], tuple[T, IncidentChange]]
    ) -> T:
        """What people do to incidents. Raises StoreUnavailable."""
        job: Callable[[Connection], T] = partial(altered, workspace=workspace, ids=ids, change=change)
        return await self._writer.run(job, workspace=workspace)

    async def set_correlation(self, workspace: str, settings: Correlation) -> None:
        """What ties in this workspace. Raises StoreUnavailable."""
        values = (workspace, _encode(settings).decode())
        await self._writer.run(partial(_execute, sql=SETTINGS, values=values), workspace=workspace)

    async def incidents(self, query: IncidentQuery) -> IncidentPage:
        """A page of incidents. Raises BadRequest, StoreUnavailable."""
        return await self._readers.read(partial(page, query=query), workspace=query.workspace)

    async def incident(self, workspace: str, incident_id: str) -> KeptIncident | None:
        """One of them. Raises StoreUnavailable."""
        found = await self.incidents_named(workspace, [incident_id])
        return found[0] if found else None

    async def incidents_named(self, workspace: str, ids: Collection[str]) -> list[KeptIncident]:
        """Those of these that there are. Raises StoreUnavailable."""
        return await self._readers.read(partial(named, workspace=workspace, ids=ids), workspace=workspace)

    async def incidents_of(self, workspace: str, alert_ids: Collection[str]) -> list[KeptIncident]:
        """Those of these alerts. Raises StoreUnavailable."""
        return await self._readers.read(partial(of_alerts, workspace=workspace, alert_ids=alert_ids), workspace)

    async def trim_incidents(self, before_us: int) -> int:
        """Deletes some that are over; how many. Raises StoreUnavailable."""
        return await self._writer.run(partial(trim, before_us=before_us, limit=TRIMMED_AT_ONCE))


def place_of(connection: Connection, workspace: str) -> IncidentPlace:
    """How far a workspace is, and where its stream stands."""
    streams = connection.execute(_STREAM, (workspace,)).fetchall()
    last, floor = streams[0] if streams else (0, 0)
    rows = connection.execute(PLACE, (workspace,)).fetchall()
    if not rows:
        return IncidentPlace(last=last, floor=floor)
    position, oldest, version, learnt, settings = rows[0]
    return IncidentPlace(
        position=position,
        oldest=oldest,
        version=version,
        learnt=learnt,
        settings=None if settings is None else _decode_settings(settings),
        last=last,
        floor=floor,
    )


def keep(connection: Connection, workspace: str, place: IncidentPlace, change: IncidentChange) -> bool:
    """Moves on and writes, or does nothing."""
    if place.version:
        values: tuple[Any, ...] = (place.position, place.oldest, place.learnt, workspace, place.version)
        moved = connection.execute(MOVE, values)
    else:
        moved = connection.execute(NEW_PLACE, (workspace, place.position, place.oldest, place.learnt))
    if not moved.rowcount:
        return False
    _write(connection, workspace, change)
    return True


def altered(
    connection: Connection,
    workspace: str,
    ids: Sequence[str],
    change: Callable[[Sequence[KeptIncident]], tuple[T, IncidentChange]],
) -> T:
    """Reads, changes and writes; whoever looks at events meanwhile reads again."""
    connection.execute(TOUCH, (workspace,))
    found = {kept.incident.id: kept for kept in named(connection, workspace, ids)}
    answer, made = change([found[name] for name in dict.fromkeys(ids) if name in found])
    _write(connection, workspace, made)
    return answer


def named(connection: Connection, workspace: str, ids: Collection[str]) -> list[KeptIncident]:
    """Incidents with their alerts."""
    values = (workspace, json.dumps(list(ids)))
    ((bodies,),) = connection.execute(NAMED, values).fetchall()
    if bodies is None:
        return []
    ((rows,),) = connection.execute(MEMBERS, values).fetchall()
    members: dict[str, list[Member]] = {}
    for name, member in _decode_members(rows):
        members.setdefault(name, []).append(member)
    return [
        KeptIncident(incident, sorted(members.get(incident.id, ()), key=_began))
        for incident in _decode_incidents(f"[{bodies}]")
    ]


def of_alerts(connection: Connection, workspace: str, alert_ids: Collection[str]) -> list[KeptIncident]:
    """The incidents of alerts, also of those that were split off."""
    found = {name: None for _, name, _ in _memberships(connection, workspace, alert_ids)}
    return named(connection, workspace, found) if found else []


def ids_of(connection: Connection, workspace: str, alert_ids: Collection[str]) -> dict[str, str]:
    """The incident's id of each alert that is in one."""
    rows = _memberships(connection, workspace, alert_ids) if alert_ids else []
    return {alert_id: name for alert_id, name, is_apart in rows if not is_apart}


def with_incidents(connection: Connection, workspace: str, alerts: Sequence[Alert]) -> list[Alert]:
    """The same alerts, and of each which incident it is in: what its row does not know."""
    found = ids_of(connection, workspace, [alert.id for alert in alerts])
    return [replace(alert, incident_id=found[alert.id]) if alert.id in found else alert for alert in alerts]


def page(connection: Connection, query: IncidentQuery) -> IncidentPage:
    """A page of incidents, without their stories. Raises BadRequest."""
    if not 1 <= query.limit <= PAGE_MAX:
        raise BadRequest(f"limit {query.limit} is not allowed: use 1 to {PAGE_MAX}")
    found: list[Incident] = []
    # Each state in its own order: all of them in one would be sorted anew for each page.
    for state in query.states or _SHOWN:
        ((bodies,),) = connection.execute(*page_statement(query, state)).fetchall()
        found += _decode_incidents(f"[{bodies or ''}]")
    found = nlargest(query.limit + 1, found, key=lambda incident: incident.id)
    cursor = CURSORS.following(found, query.limit, lambda incident: (incident.id,))
    return IncidentPage(items=[replace(each, story=()) for each in found[: query.limit]], next_cursor=cursor)


def page_statement(query: IncidentQuery, state: IncidentState) -> tuple[str, list[Any]]:
    """The statement for a page of those in one state, and one more, with its values."""
    conditions, values = ["workspace = ?", "state = ?"], list[Any]([query.workspace, state.value])
    if query.cursor is not None:
        conditions, values = [*conditions, "id < ?"], [*values, *CURSORS.place(query.cursor)]
    if query.since_us is not None:
        conditions, values = [*conditions, "started_at >= ?"], [*values, query.since_us]
    if query.until_us is not None:
        conditions, values = [*conditions, "started_at < ?"], [*values, query.until_us]
    for wanted in (query.frameworks, None if query.framework is None else (query.framework,)):
        if wanted is not None:
            conditions.append(
                "EXISTS (SELECT 1 FROM incident_alert AS part WHERE part.workspace = incident.workspace"
                " AND part.incident = incident.id AND part.is_apart = 0"
                " AND part.framework IN (SELECT value FROM json_each(?)))"
            )
            values.append(json.dumps(list(wanted)))
    chosen = f"SELECT body FROM incident INDEXED BY incident_by_state WHERE {' AND '.join(conditions)}"  # noqa: S608
    return f"SELECT group_concat(body) FROM ({chosen} ORDER BY id DESC LIMIT ?)", [*values, query.limit + 1]  # noqa: S608


def trim(connection: Connection, before_us: int, limit: int) -> int:
    """Deletes some that are over, with their alerts."""
    gone = connection.execute(OLD, (before_us, limit)).fetchall()
    for workspace, name in gone:
        connection.execute(OLD_ALERTS, (workspace, name))
    return len(gone)


def _write(connection: Connection, workspace: str, change: IncidentChange) -> None:
    INCIDENTS.run(connection, [value for each in change.incidents for value in _incident_values(workspace, each)])
    MEMBER_ROWS.run(connection, [value for pair in change.members for value in _member_values(workspace, *pair)])


def _incident_values(workspace: str, incident: Incident) -> tuple[Any, ...]:
    times = (incident.started_at, incident.updated_at)
    return (workspace, incident.id, incident.state.value, *times, _encode(incident).decode())


def _member_values(workspace: str, incident_id: str, member: Member) -> tuple[Any, ...]:
    place = (workspace, member.alert_id, incident_id, member.framework)
    return (*place, member.started_at, int(member.is_apart), _encode(member).decode())


def _memberships(connection: Connection, workspace: str, alert_ids: Collection[str]) -> Sequence[tuple[str, str, int]]:
    ((rows,),) = connection.execute(IDS_OF, (workspace, json.dumps(list(alert_ids)))).fetchall()
    return [(alert_id, name, is_apart) for alert_id, name, is_apart in json.loads(rows)]


def _execute(connection: Connection, sql: str, values: Sequence[Any]) -> None:
    connection.execute(sql, values)


def _began(member: Member) -> tuple[int, str]:
    return member.started_at, member.alert_id
