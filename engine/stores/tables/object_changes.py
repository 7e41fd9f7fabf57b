"""Changes of objects in the store, each with its history and its line of the audit trail.

A step of many changes is decided in memory first, from what is there (a question or two for each kind), then written
with a few statements: it costs little more than its rows, and what cannot be done leaves nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from engine.stores.objects import ChangeStatus, ObjectChange, ObjectNews, ObjectOutcome, StoredObject
from engine.stores.tables.acts import ACTS, values_of
from engine.stores.tables.bulk import Bulk
from engine.stores.tables.connection import Connection
from engine.stores.tables.object_queries import COLUMNS, named
from engine.stores.tables.queries import numbers
from engine.stores.trail import AdministrativeAct

_Key = tuple[str, str, str]

_LAST_VERSIONS = (
    "SELECT json_group_array(json_array(id, version)) FROM (SELECT id, MAX(version) AS version FROM object_version"
    " WHERE kind = ? AND workspace = ? AND id IN (SELECT value FROM json_each(?)) GROUP BY id)"
)
# Neither archived (the index has none of those) nor over.
CROWD = (
    "SELECT COUNT(*) FROM object INDEXED BY object_by_crowd WHERE workspace = ? AND crowd = ?"
    " AND archived_at IS NULL AND (ends_at IS NULL OR ends_at > ?)"
)
_COUNT = "SELECT COUNT(*) FROM object INDEXED BY object_by_framework WHERE kind = ? AND workspace = ?"
_DELETE = "DELETE FROM object WHERE kind = ? AND workspace = ? AND id IN (SELECT value FROM json_each(?))"
_PUT = Bulk(
    f"INSERT INTO object ({COLUMNS})",
    "tttittiitiit",
    "ON CONFLICT (kind, workspace, id) DO UPDATE SET version = excluded.version, framework = excluded.framework,"
    " body = excluded.body, created_at = excluded.created_at, updated_at = excluded.updated_at,"
    " updated_by = excluded.updated_by, archived_at = excluded.archived_at, ends_at = excluded.ends_at,"
    " crowd = excluded.crowd",
)
_KEEP_VERSION = Bulk(
    "INSERT INTO object_version (kind, workspace, id, version, body, is_archived, at, by, verb)", "tttitiitt"
)


class Bounds(NamedTuple):
    """How many a workspace may have: of a kind, and of a crowd (None: any number)."""

    objects_max: int | None = None
    crowd_max: int | None = None


class Changed(NamedTuple):
    """What came of a step, for who asked for it and for the feed."""

    outcomes: list[ObjectOutcome]
    news: list[ObjectNews]


def change(connection: Connection, changes: Sequence[ObjectChange], all_or_nothing: bool, bounds: Bounds) -> Changed:
    """Decides a step of changes, and writes what can be done."""
    step = _Step(connection, changes, bounds)
    outcomes = [step.decide(each) for each in changes]
    if all_or_nothing and any(outcome.status is not ChangeStatus.DONE for outcome in outcomes):
        return Changed([step.undone(*pair) for pair in zip(changes, outcomes, strict=True)], [])
    step.write(connection)
    return Changed(outcomes, step.news)


def foreseen(connection: Connection, changes: Sequence[ObjectChange], bounds: Bounds) -> list[ObjectOutcome]:
    """What would become of a step of changes. Only reads."""
    step = _Step(connection, changes, bounds)
    return [step.decide(each) for each in changes]


class _Step:
    """What is there, and what it becomes while the changes are decided one after the other."""

    def __init__(self, connection: Connection, changes: Sequence[ObjectChange], bounds: Bounds) -> None:
        self.news: list[ObjectNews] = []
        self._bounds = bounds
        self._before: dict[_Key, StoredObject] = {}
        self._versions: dict[_Key, int] = {}
        self._count: Counter[tuple[str, str]] = Counter()
        # By workspace and crowd.
        self._crowds: Counter[tuple[str, str]] = Counter()
        self._history: list[Any] = []
        self._acts: list[Any] = []
        for place, those in groupby(sorted(map(_key, changes)), key=lambda key: key[:2]):
            kind, workspace = place
            ids = [key[2] for key in those]
            for name, version in numbers(connection, _LAST_VERSIONS, (*place, json.dumps(ids))):
                self._versions[*place, name] = version
            for found in named(connection, workspace, kind, ids):
                self._before[_key(found)] = found
            if bounds.objects_max is not None:
                ((self._count[place],),) = connection.execute(_COUNT, place).fetchall()
        if bounds.crowd_max is not None:
            for crowd in {(each.workspace, each.crowd) for each in changes if each.crowd is not None}:
                ((self._crowds[crowd],),) = connection.execute(CROWD, (*crowd, changes[0].at)).fetchall()
        self._now: dict[_Key, StoredObject | None] = dict(self._before)

    def decide(self, change: ObjectChange) -> ObjectOutcome:
        """What becomes of a change, after those before it."""
        key = _key(change)
        now = self._now.get(key)
        if (refusal := self._refusal(change, now)) is not None:
            crowd = self._crowds[change.workspace, change.crowd or ""]
            return ObjectOutcome(status=refusal, version=now.version if now else 0, now=now, crowd=crowd)
        version = self._versions[key] = self._versions.get(key, 0) + 1
        after = None if change.body is None else _after(change, change.body, version, now)
        self._now[key] = after
        self._count[key[:2]] += (after is not None) - (now is not None)
        self._crowds.update([place] if (place := _crowd(after, change.at)) else ())
        self._crowds.subtract([place] if (place := _crowd(now, change.at)) else ())
        self._note(change, now.version if now else 0, version)
        self.news.append(
            ObjectNews(
                workspace=change.workspace,
                kind=change.kind,
                id=change.id,
                version=version,
                now=after,
                was_there=now is not None,
            )
        )
        return ObjectOutcome(status=ChangeStatus.DONE, version=version, now=after)

    def undone(self, change: ObjectChange, outcome: ObjectOutcome) -> ObjectOutcome:
        """What is said of a change of a step of which nothing was done."""
        if outcome.status is not ChangeStatus.DONE:
            return outcome
        before = self._before.get(_key(change))
        return ObjectOutcome(status=ChangeStatus.UNDONE, version=before.version if before else 0, now=before)

    def write(self, connection: Connection) -> None:
        """Keeps what was decided."""
        touched = sorted({(each.kind, each.workspace, each.id) for each in self.news})
        kept = [each for key in touched if (each := self._now[key]) is not None]
        _PUT.run(connection, [value for each in kept for value in _values(each)])
        gone = [key for key in touched if self._now[key] is None]
        for place, those in groupby(gone, key=lambda key: key[:2]):
            connection.execute(_DELETE, (*place, json.dumps([key[2] for key in those])))
        _KEEP_VERSION.run(connection, self._history)
        ACTS.run(connection, self._acts)

    def _refusal(self, change: ObjectChange, now: StoredObject | None) -> ChangeStatus | None:
        expected = change.expected_version
        if now is not None and expected not in (None, now.version):
            return ChangeStatus.EXISTS if expected == 0 else ChangeStatus.CONFLICT
        if now is None and (expected or change.body is None):
            return ChangeStatus.MISSING
        count, bounds = self._count[change.kind, change.workspace], self._bounds
        if now is None and bounds.objects_max is not None and count >= bounds.objects_max:
            return ChangeStatus.FULL
        joined = None if change.body is None else _crowd(change, change.at)
        if joined is None or joined == _crowd(now, change.at) or bounds.crowd_max is None:
            return None
        return ChangeStatus.CROWDED if self._crowds[joined] >= bounds.crowd_max else None

    def _note(self, change: ObjectChange, before: int, version: int) -> None:
        archived = int(change.archived)
        self._history += (*_key(change), version, change.body, archived, change.at, change.by, change.verb)
        act = AdministrativeAct(
            workspace=change.workspace,
            at=change.at,
            by=change.by,
            verb=change.verb,
            target=change.id,
            address=change.address,
            before={"version": before},
            after={"version": version},
        )
        self._acts += values_of(act)


def _after(change: ObjectChange, body: str, version: int, before: StoredObject | None) -> StoredObject:
    archived_at = (before and before.archived_at) or change.at
    return StoredObject(
        workspace=change.workspace,
        kind=change.kind,
        id=change.id,
        version=version,
        framework=change.framework,
        body=body,
        created_at=before.created_at if before else change.at,
        updated_at=change.at,
        updated_by=change.by,
        archived_at=archived_at if change.archived else None,
        ends_at=change.ends_at,
        crowd=change.crowd,
    )


def _crowd(one: ObjectChange | StoredObject | None, at: int) -> tuple[str, str] | None:
    """The workspace and crowd that it counts in; None: in none, it is put away, or over."""
    if one is None or one.crowd is None or (one.ends_at is not None and one.ends_at <= at):
        return None
    is_away = one.archived if isinstance(one, ObjectChange) else one.archived_at is not None
    return None if is_away else (one.workspace, one.crowd)


def _values(kept: StoredObject) -> tuple[Any, ...]:
    """In the order of `_COLUMNS`."""
    return (
        kept.kind,
        kept.workspace,
        kept.id,
        kept.version,
        kept.framework,
        kept.body,
        kept.created_at,
        kept.updated_at,
        kept.updated_by,
        kept.archived_at,
        kept.ends_at,
        kept.crowd,
    )


def _key(thing: ObjectChange | StoredObject) -> _Key:
    return thing.kind, thing.workspace, thing.id
