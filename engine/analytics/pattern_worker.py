"""The process in which patterns are looked for: alerts and known patterns come in, patterns go out, and it ends.

It imports what decides and what it is told in, nothing else of the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from engine.core.analytics.patterns.mining import mine
from engine.core.analytics.patterns.past import Occurrence, past_of
from engine.stores.findings import HistoryRow, decode_history
from protocol.patterns import Lacking, Pattern, Source
from protocol.times import SECOND_US


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: alerts as the store hands them out, and all patterns that are known. Microseconds."""

    pages: tuple[str, ...]
    known: tuple[Pattern, ...]
    since: int
    until: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Patterns to be kept (of those that are known with their version), and what there is too little for."""

    patterns: tuple[Pattern, ...]
    lacking: tuple[Lacking, ...]


def work(task: Task) -> Outcome:
    """Looks for patterns."""
    rows = [row for page in task.pages for row in decode_history(page)]
    past = past_of(occurrences(rows), task.since / SECOND_US, task.until / SECOND_US)
    found = mine(past, task.known, task.until)
    return Outcome(patterns=tuple(found.patterns), lacking=tuple(found.lacking))


def occurrences(rows: Iterable[HistoryRow]) -> Iterator[Occurrence]:
    """Alerts as the miners see them. A rule has the name under which it rang last."""
    rows = list(rows)
    names = {
        (row.framework, row.rule_id): row.title for row in sorted(rows, key=lambda row: (row.triggered_at, row.id))
    }
    for row in rows:
        name = row.labels.get("alertname") or row.title
        if row.rule_id is not None:
            name = names[row.framework, row.rule_id]
        yield Occurrence(
            row.id,
            Source(row.framework, row.rule_id, name),
            row.identity,
            row.triggered_at / SECOND_US,
            None if row.resolved_at is None else row.resolved_at / SECOND_US,
            # Who looks at an alert only to say that it should not have rung has looked in vain.
            not row.noise and (row.acknowledged is not None or row.resolved_by is not None),
        )


def compute(task: bytes) -> bytes:
    """The same, packed: what `engine.computing` has a process do."""
    return msgspec.msgpack.encode(work(msgspec.msgpack.decode(task, type=Task)))
