"""The process in which patterns are looked for: it reads alerts and known patterns, and says which there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from engine.analytics.pattern_reading import read_history, read_known
from engine.core.analytics.heeding import is_heeded
from engine.core.analytics.patterns.mining import mine
from engine.core.analytics.patterns.past import Occurrence, past_of
from engine.stores import Store
from engine.stores.findings import HistoryRow, decode_history
from protocol.patterns import Lacking, Pattern, Source
from protocol.times import SECOND_US

# What Prometheus calls an alert's rule.
_NAMED_BY = "alertname"


class Asked(msgspec.Struct, frozen=True):
    """Whose patterns are to be looked for, up to when (microseconds)."""

    workspace: str
    until: int


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: alerts as the store hands them out (how many, and whether there are more), and all patterns
    that are known. Microseconds."""

    pages: tuple[str, ...]
    known: tuple[Pattern, ...]
    since: int
    until: int
    alerts: int = 0
    is_cut: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Patterns to be kept (of those that are known with their version), what there is too little for, and what was
    looked at: how many alerts since when, and whether there are more."""

    patterns: tuple[Pattern, ...]
    lacking: tuple[Lacking, ...]
    since: int
    alerts: int
    is_cut: bool


async def gather(store: Store, asked: bytes) -> bytes:
    """Reads the task, packed; see `engine.computing.asking`. Raises StoreUnavailable."""
    what = msgspec.msgpack.decode(asked, type=Asked)
    past = await read_history(store, what.workspace, what.until)
    known = await read_known(store, what.workspace)
    return msgspec.msgpack.encode(
        Task(
            pages=tuple(past.pages),
            known=tuple(known),
            since=past.since,
            until=what.until,
            alerts=past.alerts,
            is_cut=past.is_cut,
        )
    )


def work(task: Task) -> Outcome:
    """Looks for patterns."""
    # Labels are most of the text, and no others are looked at: all of 50,000 alerts are more than a process may hold.
    rows = [_slim(row) for page in task.pages for row in decode_history(page)]
    past = past_of(occurrences(rows), task.since / SECOND_US, task.until / SECOND_US)
    found = mine(past, task.known, task.until)
    return Outcome(
        patterns=tuple(found.patterns),
        lacking=tuple(found.lacking),
        since=task.since,
        alerts=task.alerts,
        is_cut=task.is_cut,
    )


def _slim(row: HistoryRow) -> HistoryRow:
    name = row.labels.get(_NAMED_BY)
    return msgspec.structs.replace(row, labels={} if name is None else {_NAMED_BY: name})


def occurrences(rows: Iterable[HistoryRow]) -> Iterator[Occurrence]:
    """Alerts as the miners see them. A rule has the name under which it rang last."""
    rows = list(rows)
    names = {
        (row.framework, row.rule_id): row.title for row in sorted(rows, key=lambda row: (row.triggered_at, row.id))
    }
    for row in rows:
        name = row.labels.get(_NAMED_BY) or row.title
        if row.rule_id is not None:
            name = names[row.framework, row.rule_id]
        yield Occurrence(
            row.id,
            Source(row.framework, row.rule_id, name),
            row.identity,
            row.triggered_at / SECOND_US,
            None if row.resolved_at is None else row.resolved_at / SECOND_US,
            is_heeded(row.noise, row.acknowledged, row.resolved_by),
        )


def compute(task: bytes) -> bytes:
    """The same, packed: what `engine.computing` has a process do."""
    return msgspec.msgpack.encode(work(msgspec.msgpack.decode(task, type=Task)))
