"""With a million alerts every list is still served by an index: what the store really asks is explained.

The store is the real one on a file that `benchmarks.million` fills (about 20 s, 0.9 GB, on two cores). Every statement
of its readers is noted as SQLite runs it, and explained afterwards. A question of the contract that is not in the
table below fails a test.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks import million
from engine.stores import AlertQuery, Store, open_store
from engine.stores.aggregates import AggregateStore
from engine.stores.deliveries import DeliveryStore
from engine.stores.findings import FindingStore
from engine.stores.incidents import IncidentStore
from engine.stores.jobs import JobStore
from engine.stores.objects import ObjectQuery
from engine.stores.readings import ReadingQuery, Resolution
from engine.stores.sqlite import readers as sqlite_readers
from engine.stores.sqlite.file import Database
from engine.stores.trail import TrailKind, TrailQuery
from engine.stores.workflows import StepAlertQuery, TrackerQuery
from protocol.model import AlertState, ChannelKey, DerivedKey, QuietedBy, Severity

NOW_MS = int(time.time() * 1_000)
NOW_US = NOW_MS * 1_000
DAY_US = 86_400 * 1_000_000
WEB = ChannelKey("bench", "web-1")
ALL, ANN = DerivedKey("bench"), DerivedKey("bench", "person-1")
FILL_MAX_S = 600.0
# Of a page, on whatever machine; the store itself gives up after five. What a scan is the plans say.
PAGE_MAX_S = 120.0
ID = f"{NOW_MS >> 16:08x}-{NOW_MS & 0xFFFF:04x}-7000-8000-{1:012x}"

Ask = Callable[[Store], Awaitable[Any]]


def alerts(**filters: Any) -> Ask:
    return lambda store: store.alerts(AlertQuery(workspace="bench", **filters))


def readings(resolution: Resolution, **more: Any) -> Ask:
    query = ReadingQuery(
        workspace="bench",
        framework="web-0",
        metric="metric-1",
        since_us=NOW_US - DAY_US,
        until_us=NOW_US,
        resolution=resolution,
        **more,
    )
    return lambda store: store.readings(query)


def trail(**filters: Any) -> Ask:
    return lambda store: store.trail(TrailQuery(workspace="bench", limit=50, **filters))


def trackers(**filters: Any) -> Ask:
    return lambda store: store.trackers(TrackerQuery(workspace="bench", **filters))


def step_alerts(**filters: Any) -> Ask:
    return lambda store: store.step_alerts(StepAlertQuery(workspace="bench", **filters))


QUESTIONS: dict[str, list[Ask]] = {
    "alerts": [
        alerts(),
        alerts(framework="web-1"),
        alerts(frameworks=("web-1", "web-2")),
        alerts(states=(AlertState.ACTIVE,)),
        alerts(severities=(Severity.CRITICAL, Severity.ERROR)),
        alerts(states=(AlertState.ACTIVE, AlertState.ACKNOWLEDGED), severities=(Severity.WARNING,), framework="web-1"),
        alerts(since_us=NOW_US - 7 * DAY_US, until_us=NOW_US - 6 * DAY_US),
        alerts(assigned_to="person-3", states=(AlertState.ACTIVE,)),
        alerts(rule_id="rule-7"),
        alerts(quieted=(QuietedBy.SILENCED,)),
        alerts(quieted=tuple(QuietedBy), framework="web-1"),
        alerts(quieted=tuple(QuietedBy), states=(AlertState.ACTIVE,), severities=(Severity.WARNING,)),
        alerts(quieted=(QuietedBy.STORM,), assigned_to="person-3"),
        alerts(limit=500),
    ],
    "alert": [lambda store: store.alert("bench", ID)],
    "alerts_named": [lambda store: store.alerts_named("bench", [ID] * 100)],
    "locate": [lambda store: store.locate("bench", [ID] * 100)],
    "matching": [lambda store: store.matching(AlertQuery(workspace="bench", states=(AlertState.ACTIVE,)), 1_000)],
    "open_rows": [
        lambda store: store.open_rows(AlertQuery(workspace="bench", limit=500)),
        lambda store: store.open_rows(AlertQuery(workspace="bench", frameworks=("web-1", "web-2"), limit=500)),
    ],
    "open_frameworks": [lambda store: store.open_frameworks("bench")],
    "where_open": [lambda store: store.where_open("bench", lambda framework: "identity")],
    "storms": [lambda store: store.storms("bench")],
    "recipients": [lambda store: store.recipients("bench", ID, None, 50)],
    "open_alerts": [
        lambda store: store.open_alerts(WEB, Severity.INFO, None, 100),
        lambda store: store.open_alerts(ALL, Severity.ERROR, None, 100),
        lambda store: store.open_alerts(ANN, Severity.INFO, ID, 100),
    ],
    "history": [lambda store: store.history(WEB, 5_000, 256)],
    "derived_history": [
        lambda store: store.derived_history(ALL, 5_000, 256),
        lambda store: store.derived_history(ANN, 0, 256),
    ],
    "position": [lambda store: store.position(WEB)],
    "derived_position": [lambda store: store.derived_position(ALL), lambda store: store.derived_position(ANN)],
    "trail": [
        trail(),
        trail(by="person-1"),
        trail(verbs=("acknowledge",)),
        trail(target=ID),
        trail(since_us=NOW_US - 7 * DAY_US, until_us=NOW_US),
        trail(kinds=tuple(TrailKind)[:1]),
    ],
    "readings": [
        readings(Resolution.RAW),
        readings(Resolution.MINUTE),
        readings(Resolution.HOUR),
        readings(Resolution.MINUTE, labels={"host": "web-11"}),
    ],
    "series": [lambda store: store.series("bench", "web-0", None, 50)],
    "objects": [
        lambda store: store.objects(ObjectQuery(kind="rule", workspace="bench")),
        lambda store: store.objects(ObjectQuery(kind="rule", workspace="bench", framework="web-1")),
        lambda store: store.objects(ObjectQuery(kind="rule", workspace=None)),
    ],
    "objects_named": [lambda store: store.objects_named("bench", "rule", ["rule-1", "rule-2"])],
    "object_versions": [lambda store: store.object_versions("bench", "rule", "rule-1", None, 50)],
    "frameworks_seen": [lambda store: store.frameworks_seen("bench", "", 50)],
    "workspaces_seen": [lambda store: store.workspaces_seen("", 50)],
    "trackers": [
        trackers(),
        trackers(projects=("web-1", "web-2")),
        trackers(project_id="web-1"),
        trackers(workflow_id="workflow-1"),
        trackers(item_id="i0"),
        trackers(late_before_us=NOW_US),
        trackers(workflow_id="workflow-1", item_id="i0", late_before_us=NOW_US),
    ],
    "step_alerts": [
        step_alerts(),
        step_alerts(project_id="web-1"),
        step_alerts(projects=("web-1", "web-2")),
        step_alerts(project_id="web-1", state=AlertState.ACTIVE),
        step_alerts(projects=("web-1", "web-2"), state=AlertState.RESOLVED),
    ],
    "revocations": [lambda store: store.revocations()],
}
# Writes; and what is asked now and then, of all workspaces: counts, and where to begin.
NO_LISTS = {
    "commit",
    "recall",
    "connection_changes",
    "revoke",
    "unrevoke",
    "recipient_marks",
    "trim",
    "roll_up",
    "add_act",
    "change_objects",
    "move_projects",
    "unsettled",
    "duplicates",
    "count_objects",
    "objects_over",
    "renew_node",
    "forget_node",
    "lose_connections",
}
# Their statements are held against their plans beside their own tests.
ELSEWHERE = {JobStore, DeliveryStore, FindingStore, IncidentStore, AggregateStore}


class Noted:
    """The statements of all readers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: list[str] = []
        connect = Database.connect_reader

        def connect_reader(database: Database) -> sqlite3.Connection:
            connection = connect(database)
            connection.set_trace_callback(self.statements.append)
            return connection

        monkeypatch.setattr(Database, "connect_reader", connect_reader)

    def scans(self, path: Path) -> list[str]:
        """Steps that read a whole table, with the statements that they are of."""
        found = []
        with closing(sqlite3.connect(path)) as connection:
            growing = growing_tables(connection)
            for sql in dict.fromkeys(self.statements):
                if re.match(r"\s*(SELECT|WITH)", sql):
                    scanned = names_of(sql, growing)
                    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
                    found += [f"{step} in {sql:.300}" for step in steps if is_scan(step, scanned)]
        return found


# Read as a whole where that is meant; each stays small, for the reason given. Every other table grows.
SMALL = {
    "store": "one row",
    "workspace": "as many as there are tenants",
    "revocation": "of tokens that have not expired yet, all read at the start",
    "storm": "of channels that storm at this moment",
}


def growing_tables(connection: sqlite3.Connection) -> set[str]:
    """Every table that there is, but for the small ones: a new one counts as growing."""
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables >= SMALL.keys(), "a small table is gone: take it off the list"
    return {name for name in tables if not name.startswith("sqlite_")} - SMALL.keys()


def names_of(sql: str, tables: set[str]) -> set[str]:
    """These tables, and what this statement calls them: a plan names a table by its alias."""
    aliases = re.findall(r"\b(?:FROM|JOIN|,)\s+(\w+)\s+(?:AS\s+)?(\w+)", sql, re.IGNORECASE)
    return tables | {alias for table, alias in aliases if table in tables}


def is_scan(step: str, tables: set[str]) -> bool:
    """Whether a step reads the whole of one of these tables, or of an index of it."""
    found = re.match(r"SCAN (\w+)", step)
    return found is not None and found[1] in tables


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("million") / "store.db"
    began = time.monotonic()
    million.fill(path, "bench", NOW_MS)
    seconds = time.monotonic() - began
    print(f"\na million alerts in {seconds:.1f} s, {path.stat().st_size / 1e6:.0f} MB")
    yield path
    for file in path.parent.iterdir():
        file.unlink()
    assert seconds < FILL_MAX_S


def test_every_question_of_the_contract_is_asked_here() -> None:
    asked = {
        name
        for part in {Store, *Store.__bases__} - ELSEWHERE
        for name, value in vars(part).items()
        if not name.startswith("_") and getattr(value, "__code__", None) and value.__code__.co_flags & 0x80
    }
    assert asked == QUESTIONS.keys() | NO_LISTS


async def test_every_list_is_served_by_an_index(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = Noted(monkeypatch)
    monkeypatch.setattr(sqlite_readers, "READ_MAX_S", 2 * PAGE_MAX_S)
    slow: list[str] = []
    async with open_store(f"sqlite:///{filled}") as store:
        for name, asks in QUESTIONS.items():
            for number, ask in enumerate(asks):
                began = time.monotonic()
                await ask(store)
                if (seconds := time.monotonic() - began) > PAGE_MAX_S:
                    slow.append(f"{name} {number}: {seconds:.2f} s")
    assert len(noted.statements) > len(QUESTIONS)
    assert noted.scans(filled) == []
    assert slow == []


def test_a_scan_is_recognised(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = Noted(monkeypatch)
    noted.statements += [
        "SELECT count(*) FROM alert WHERE body LIKE '%x%'",
        "SELECT t.project FROM tracker AS t WHERE t.body LIKE '%x%'",
        "SELECT name FROM workspace",
        "SELECT id FROM alert WHERE workspace = 1 AND id = 'x'",
    ]
    assert [step.partition(" in ")[0] for step in noted.scans(filled)] == ["SCAN alert", "SCAN t"]
