"""Decisions to commit, and stores to commit them to. Ids grow, as UUIDv7 do; times are microseconds."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from engine.stores import Store
from protocol.commands import Batch
from protocol.effects import Audit, Commit, Committed, Decision
from protocol.items import ItemResult
from protocol.model import Alert, AlertState, ChannelKey, Event, EventKind, Reason, Severity, Status
from protocol.rows import Row, SourceReport, SuppressionWindow
from protocol.times import SECOND_US, rfc3339

KEY = ChannelKey("acme", "checkout")
OTHER = ChannelKey("acme", "search")
FOREIGN = ChannelKey("umbrella", "checkout")
# 2026-01-01; far from any edge.
NOW = 1_767_225_600 * SECOND_US
_numbers = itertools.count(1)


class StoreFactory:
    """A store that can be opened again after it was closed: one entry of the conformance suite's parameters."""

    def __init__(self, name: str, url: str, keeps: bool) -> None:
        self.name = name
        self.url = url
        # Whether what was written is there when it is opened again.
        self.keeps = keeps

    def open(self, **options: Any) -> AbstractAsyncContextManager[Store]:
        from engine.stores import open_store

        options.setdefault("clock", lambda: NOW)
        return open_store(self.url, **options)


# What every store must do is asked of each of these. A new adapter is one more entry.
FACTORIES: dict[str, Callable[[Path], StoreFactory]] = {
    "memory": lambda _: StoreFactory("memory", "memory:", keeps=False),
    "sqlite": lambda folder: StoreFactory("sqlite", f"sqlite:///{folder}/store.db", keeps=True),
}


def new_id(at: int = NOW) -> str:
    """A UUIDv7 of a moment; later calls give higher ones for the same moment."""
    number = next(_numbers)
    digits = f"{at // 1000:012x}7{number >> 32 & 0xFFF:03x}8{number:015x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def an_alert(**changes: Any) -> Alert:
    at = changes.pop("at", NOW)
    alert = Alert(
        id=new_id(at),
        framework_id=KEY.framework,
        severity=Severity.WARNING,
        state=AlertState.ACTIVE,
        current_value=97.5,
        threshold_value=90.0,
        title="CPU is hot",
        occurrences=1,
        triggered_at=rfc3339(at),
        last_seen_at=rfc3339(at),
        notification_sent=False,
        labels={"host": "h1"},
    )
    return msgspec.structs.replace(alert, **changes)


def a_row(alert: Alert | None = None, *, until: int = NOW + 300 * SECOND_US, count: int = 0, sources: int = 0) -> Row:
    alert = alert or an_alert()
    report = SourceReport(labels={"a": "b"}, annotations={}, starts_at=NOW, ends_at=NOW + 1)
    window = SuppressionWindow(until=until, count=count, first_at=NOW, last_at=NOW, worst=0.1 if count else None)
    return Row(alert=alert, identity=f"identity of {alert.id}", window=window, sources=(report,) * sources)


def a_commit(
    key: ChannelKey = KEY,
    base: int = 0,
    rows: Sequence[Row] | int = 1,
    *,
    audits: Sequence[Audit] = (),
    events: int | None = None,
    at: int = NOW,
    batch_id: str | None = None,
) -> Commit:
    """A commit of new alerts (or of these rows), one event each unless told otherwise."""
    kept = [a_row(an_alert(framework_id=key.framework, at=at)) for _ in range(rows)] if isinstance(rows, int) else rows
    told = [
        Event(offset=base + n, kind=EventKind.FIRED, alert=row.alert, at=rfc3339(at))
        for n, row in enumerate(kept[:events], 1)
    ]
    results = tuple(
        ItemResult(status=Status.FIRED, reason=Reason.FIRED, alert_id=event.alert.id, offset=event.offset)
        for event in told
    )
    decision = Decision(
        results=results, offset=base + len(told), events=tuple(told), rows=tuple(kept), audits=tuple(audits)
    )
    return Commit(key, base, Batch(batch_id or new_id(at), at, ()), decision)


async def committed(store: Store, commit: Commit) -> Committed:
    """Commits what must succeed."""
    outcome = await store.commit(commit)
    assert isinstance(outcome, Committed), outcome
    return outcome


async def fill(store: Store, key: ChannelKey, count: int, *, base: int = 0, size: int = 1, at: int = NOW) -> int:
    """Commits `count` batches of `size` alerts; the channel's offset afterwards."""
    for _ in range(count):
        await committed(store, a_commit(key, base, size, at=at))
        base += size
    return base


class Breakable(sqlite3.Connection):
    """A connection that fails, waits or does something else when a test says so. Reset it with `mend`."""

    breaks: ClassVar[dict[str, Callable[[], None]]] = {}
    made: ClassVar[list[Breakable]] = []

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        if "mode=ro" not in str(args[0]):  # a reader
            self.made.append(self)

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        for start, action in list(self.breaks.items()):
            if sql.startswith(start):
                action()
        return super().execute(sql, *parameters)

    @classmethod
    def mend(cls) -> None:
        """No more faults, and no connection remembered."""
        cls.breaks.clear()
        cls.made.clear()


def failing(code: int, kind: type[sqlite3.Error] = sqlite3.OperationalError) -> Callable[[], None]:
    """An action that fails as SQLite does with this result code."""

    def fail() -> None:
        fault = kind("injected")
        fault.sqlite_errorcode = code
        fault.sqlite_errorname = f"SQLITE_{code}"
        raise fault

    return fail
