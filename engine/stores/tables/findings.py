"""What analytics found, in the store, as `engine.stores.findings.FindingStore`; and the alerts that it looks through.

Each question is served by an index; a test explains it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from engine.pages import PAGE_MAX, Cursors, Name, Number
from engine.stores.findings import (
    HISTORY_LABELS_MAX_CHARS,
    HISTORY_PAGE_MAX,
    Finding,
    FindingPage,
    FindingQuery,
    HistoryPage,
)
from engine.stores.tables.bulk import Bulk
from engine.stores.tables.connection import Connection, either
from engine.stores.tables.lists import ID_SLACK_US, id_at
from engine.stores.tables.queries import numbers, workspace_number
from engine.stores.tables.readers import Readers
from engine.stores.tables.writer import Writer, only_one
from protocol.errors import BadRequest

# Of a page of findings: when its last one was found, and its key.
CURSORS = Cursors("findings", tuple[Number, Name])
# About 5 ms of the writer's time.
TRIMMED_AT_ONCE = 500
COLUMNS = "workspace, kind, key, framework, rule_id, sort, state, score, at, due, updated_at, version, body"
_NAMES = COLUMNS.split(", ")
_AS_JSON = f"SELECT json_group_array(json_array({COLUMNS})) FROM"
# What is inserted has the version after the one that was read: 1 is new, and 1 where there is a row is written over
# what nobody has decided about.
FINDINGS = Bulk(
    f"INSERT INTO finding ({COLUMNS})",
    "tttttttfiiiit",
    "ON CONFLICT (workspace, kind, key) DO UPDATE SET framework = excluded.framework, rule_id = excluded.rule_id,"
    " sort = excluded.sort, state = excluded.state, score = excluded.score, due = excluded.due,"
    " updated_at = excluded.updated_at, version = finding.version + 1, body = excluded.body"
    " WHERE finding.version = excluded.version - 1 OR (excluded.version = 1 AND finding.state = excluded.state)"
    " RETURNING workspace, kind, key, version",
)
SETTLE = """
UPDATE finding SET state = ?, score = ?, due = ?, body = ?, updated_at = ?, version = version + 1
WHERE workspace = ? AND kind = ? AND key = ? AND version = ?
"""
NAMED = f"{_AS_JSON} finding WHERE workspace = ? AND kind = ? AND key IN (SELECT value FROM json_each(?))"  # noqa: S608
DUE = f"""
{_AS_JSON} (SELECT * FROM finding INDEXED BY finding_due
    WHERE kind = ? AND due IS NOT NULL AND due < ? ORDER BY due LIMIT ?)
"""  # noqa: S608
OLD = """
DELETE FROM finding WHERE (workspace, kind, key) IN (SELECT workspace, kind, key FROM finding INDEXED BY finding_kept
    WHERE updated_at < ?1 AND coalesce(due, 0) < ?1 ORDER BY updated_at LIMIT ?2) RETURNING 1
"""
# Read out of the row once, whatever is asked of it.
_READ = either(sqlite="json_extract(body, '$.alert') AS told", postgres="CAST(body AS jsonb) -> 'alert' AS told")
# Ids are made from the clock: their order is that of time, and no index besides their own is needed.
HISTORY = f"""
SELECT json_group_array(json_array(alert_id, (SELECT framework FROM channel WHERE id = place), rule_id,
    told ->> 'title', identity, told ->> 'severity', told ->> 'state', triggered_at, told ->> 'acknowledged_at',
    resolved_at, told ->> 'resolved_by', occurrences,
    json(CASE WHEN length(told ->> 'labels') <= {HISTORY_LABELS_MAX_CHARS} THEN told ->> 'labels' ELSE '{{}}' END),
    json(CASE WHEN told ->> 'noise' IS NULL THEN 'false' ELSE 'true' END))),
    count(*), max(alert_id)
FROM (SELECT id AS alert_id, channel AS place, rule_id, identity, triggered_at, resolved_at, occurrences, {_READ}
    FROM alert WHERE workspace = ? AND id > ? AND id < ? AND triggered_at >= ? AND triggered_at < ?
    ORDER BY id LIMIT ?)
"""  # noqa: S608


class FindingTable:
    """The part of `TableStore` that is `engine.stores.findings.FindingStore`."""

    _writer: Writer
    _readers: Readers

    async def put_findings(self, findings: Sequence[Finding]) -> frozenset[tuple[str, str, str]]:
        """Writes findings; which were not there before. Raises StoreUnavailable."""
        if not findings:
            return frozenset()
        workspace = only_one(each.workspace for each in findings)
        return await self._writer.run(partial(put, findings=findings), workspace=workspace)

    async def settle_finding(self, finding: Finding) -> bool:
        """Writes over the version that was read, if it is still there. Raises StoreUnavailable."""
        return await self._writer.run(partial(settle, finding=finding), workspace=finding.workspace)

    async def finding(self, workspace: str, kind: str, key: str) -> Finding | None:
        """The one with this key. Raises StoreUnavailable."""
        return (await self.findings_named(workspace, kind, (key,))).get(key)

    async def findings_named(self, workspace: str, kind: str, keys: Collection[str]) -> dict[str, Finding]:
        """Those of these keys that there are. Raises StoreUnavailable."""
        values = (workspace, kind, json.dumps(list(keys)))
        found = await self._readers.read(partial(_findings, sql=NAMED, values=values), workspace=workspace)
        return {each.key: each for each in found}

    async def findings(self, query: FindingQuery) -> FindingPage:
        """A page of findings. Raises BadRequest, StoreUnavailable."""
        return await self._readers.read(partial(page, query=query), workspace=query.workspace)

    async def due_findings(self, kind: str, before_us: int, limit: int) -> list[Finding]:
        """Those of all workspaces that were due before then. Raises StoreUnavailable."""
        return await self._readers.read(partial(_findings, sql=DUE, values=(kind, before_us, limit)))

    async def trim_findings(self, before_us: int, limit: int = TRIMMED_AT_ONCE) -> int:
        """Deletes some that are old; how many. Raises StoreUnavailable."""
        return await self._writer.run(lambda connection: len(connection.execute(OLD, (before_us, limit)).fetchall()))

    async def alert_history(
        self, workspace: str, since_us: int, until_us: int, after: str | None = None, limit: int = HISTORY_PAGE_MAX
    ) -> HistoryPage:
        """Alerts of a time, as one text. Raises StoreUnavailable."""
        question = partial(history, workspace=workspace, since_us=since_us, until_us=until_us, after=after, limit=limit)
        return await self._readers.read(question, workspace=workspace)


def put(connection: Connection, findings: Sequence[Finding]) -> frozenset[tuple[str, str, str]]:
    """Writes findings; which were not there before."""
    written = FINDINGS.run_at_once(connection, [value for each in findings for value in _values(each)])
    fresh = {(each.workspace, each.kind, each.key) for each in findings if not each.version}
    return frozenset((*names,) for *names, version in written if version == 1 and (*names,) in fresh)


def settle(connection: Connection, finding: Finding) -> bool:
    """Writes over the version that was read; whether that was still there."""
    new = (finding.state, finding.score, finding.due, finding.body, finding.updated_at)
    key = (finding.workspace, finding.kind, finding.key, finding.version)
    return connection.execute(SETTLE, (*new, *key)).rowcount == 1


def page(connection: Connection, query: FindingQuery) -> FindingPage:
    """A page of findings. Raises BadRequest."""
    if not 1 <= query.limit <= PAGE_MAX:
        raise BadRequest(f"limit {query.limit} is not allowed: use 1 to {PAGE_MAX}")
    sql, values = page_statement(query)
    found = _findings(connection, sql, values)
    cursor = CURSORS.following(found, query.limit, lambda each: (each.at, each.key))
    return FindingPage(items=found[: query.limit], next_cursor=cursor)


def page_statement(query: FindingQuery) -> tuple[str, list[Any]]:
    """The statement for a page and one finding more, with its values: read in its order, by what is asked for first."""
    index = "finding_by_time"
    conditions, values = ["workspace = ?", "kind = ?"], list[Any]([query.workspace, query.kind])
    if query.rule_id is not None:
        index, conditions, values = "finding_by_rule", [*conditions, "rule_id = ?"], [*values, query.rule_id]
    if query.framework is not None:
        index = index if query.rule_id is not None else "finding_by_framework"
        conditions, values = [*conditions, "framework = ?"], [*values, query.framework]
    for text, value in _conditions(query):
        conditions.append(text)
        values += value
    chosen = f"SELECT * FROM finding INDEXED BY {index} WHERE {' AND '.join(conditions)}"  # noqa: S608  # our own words
    return f"{_AS_JSON} ({chosen} ORDER BY at DESC, key DESC LIMIT ?)", [*values, query.limit + 1]


def _conditions(query: FindingQuery) -> list[tuple[str, list[Any]]]:
    """What holds besides the columns of the index."""
    found: list[tuple[str, list[Any]]] = []
    for column, wanted in (("framework", query.frameworks), ("sort", query.sorts), ("state", query.states)):
        if wanted or (column == "framework" and wanted is not None):
            found.append((f"{column} IN (SELECT value FROM json_each(?))", [json.dumps(list(wanted))]))  # noqa: S608
    if query.score_min is not None:
        found.append(("score >= ?", [query.score_min]))
    if query.since_us is not None:
        found.append(("at >= ?", [query.since_us]))
    if query.until_us is not None:
        found.append(("at < ?", [query.until_us]))
    if query.cursor is not None:
        found.append(("(at, key) < (?, ?)", [*CURSORS.place(query.cursor)]))
    return found


def history(
    connection: Connection, workspace: str, since_us: int, until_us: int, after: str | None, limit: int
) -> HistoryPage:
    """A page of alerts, as one text that nobody has read yet."""
    first, last = id_at(since_us - ID_SLACK_US), id_at(until_us + ID_SLACK_US)
    number = workspace_number(connection, workspace)
    values = (number, max(first, after or ""), last, since_us, until_us, limit)
    ((rows, count, newest),) = connection.execute(HISTORY, values).fetchall()
    return HistoryPage(rows, count, newest if count == limit else None)


def _findings(connection: Connection, sql: str, values: Sequence[Any]) -> list[Finding]:
    return [Finding(**dict(zip(_NAMES, row, strict=True))) for row in numbers(connection, sql, values)]


def _values(finding: Finding) -> tuple[Any, ...]:
    row = [getattr(finding, name) for name in _NAMES]
    row[_NAMES.index("version")] += 1
    return (*row,)
