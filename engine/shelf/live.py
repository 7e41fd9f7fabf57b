"""Objects that are kept in memory: read once before any door opens, then kept up to date with each commit.

Owns nothing but the list of who wants to know, and the figures. A listener of a kind is told of all its objects at the
start, as if they were made just then, and later of every change: on the trio loop, in the order of the commits, before
whoever asked for it. So what holds in memory is never older than an answer, and a kill between the commit and the
listener costs nothing: the next start reads it. A listener must not raise and must not wait.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import msgspec
import structlog

from actors.patience import answered
from engine.shelf.kinds import Kind
from engine.stores.objects import OBJECT_PAGE_MAX, ObjectNews, ObjectQuery, ObjectStore, StoredObject

T = TypeVar("T")
Listener = Callable[[Sequence[ObjectNews]], None]
log = structlog.get_logger()


@dataclass
class ObjectFigures:
    """Counts for /metrics. `unreadable`: stored by another version of this program, and left out."""

    by_kind: Counter[str] = field(default_factory=Counter)
    changes: int = 0
    conflicts: int = 0
    unreadable: int = 0

    def statistics(self) -> Mapping[str, int]:
        """All of them, by name."""
        own = {"changes": self.changes, "conflicts": self.conflicts, "unreadable": self.unreadable}
        return own | self.by_kind


class LiveObjects:
    """Who is told of objects."""

    def __init__(self, store: ObjectStore, figures: ObjectFigures) -> None:
        self._store = store
        self._figures = figures
        self._listeners: dict[str, list[Listener]] = {}

    def follow(self, kind: str, listener: Listener) -> None:
        """Has a listener told of all objects of a kind, from `load` on."""
        self._listeners.setdefault(kind, []).append(listener)

    async def load(self) -> None:
        """Tells all listeners what there is, however long the store is away; from now on changes are told too."""
        for kind in self._listeners:
            await self._load(kind)
        self._figures.by_kind = Counter(await answered(self._store.count_objects, "the number of objects"))
        self._store.set_object_feed(self._told)

    async def _load(self, kind: str) -> None:
        after = ("", "")
        while True:
            query = ObjectQuery(kind=kind, workspace=None, after=after)
            found = await answered(partial(self._store.objects, query), f"objects of kind {kind}")
            self._tell(kind, [_as_news(each) for each in found])
            if len(found) < OBJECT_PAGE_MAX:
                return
            after = found[-1].workspace, found[-1].id

    def _told(self, news: Sequence[ObjectNews]) -> None:
        self._figures.changes += len(news)
        for each in news:
            self._figures.by_kind[each.kind] += (each.now is not None) - each.was_there
        for kind in dict.fromkeys(each.kind for each in news):
            self._tell(kind, [each for each in news if each.kind == kind])

    def _tell(self, kind: str, news: Sequence[ObjectNews]) -> None:
        for listener in self._listeners.get(kind, ()):
            listener(news)


def readable(kind: Kind[T], stored: StoredObject, figures: ObjectFigures) -> T | None:
    """The value of a stored object; None, counted and logged, if this version of the program cannot read it."""
    try:
        return kind.decode(stored.body)
    except msgspec.DecodeError as fault:
        figures.unreadable += 1
        log.error("object_unreadable", kind=stored.kind, workspace=stored.workspace, id=stored.id, cause=str(fault))
        return None


def _as_news(stored: StoredObject) -> ObjectNews:
    return ObjectNews(
        workspace=stored.workspace,
        kind=stored.kind,
        id=stored.id,
        version=stored.version,
        now=stored,
        was_there=False,
    )
