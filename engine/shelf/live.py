"""Objects that are kept in memory: read once before any door opens, then kept up to date with each commit.

Owns nothing but the list of who wants to know, and the figures. A listener of a kind is told of all its objects at the
start, as if they were made just then, and later of every change: on the trio loop, in the order of the commits, before
whoever asked for it. So what holds in memory is never older than an answer, and a kill between the commit and the
listener costs nothing: the next start reads it. A listener must not raise and must not wait.

With several nodes the others hear the names of what was changed here, and read it: `renew` with those names, `reload`
with all there is when some may have been missed. What was told of each is remembered by its version then, so that what
comes late is not taken for new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import msgspec
import structlog

from actors.patience import answered
from engine.shelf.kinds import Kind
from engine.stores.objects import OBJECT_PAGE_MAX, ObjectNews, ObjectQuery, ObjectStore, StoredObject

T = TypeVar("T")
# Kind, workspace and id of an object.
Name = tuple[str, str, str]
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
        self.figures = figures
        self._listeners: dict[str, list[Listener]] = {}
        self._tell_others: Callable[[Sequence[ObjectNews]], None] | None = None
        self._caught_up: Callable[[], Awaitable[None]] | None = None
        # With several nodes: the version of each object that was told, and those that changed here during a read.
        self._versions: dict[Name, int] = {}
        self._changed: set[Name] = set()

    def share(
        self, tell_others: Callable[[Sequence[ObjectNews]], None], caught_up: Callable[[], Awaitable[None]]
    ) -> None:
        """There are other nodes, which are to be told of changes; before `load`. `caught_up` returns when they know."""
        self._tell_others = tell_others
        self._caught_up = caught_up

    async def known_everywhere(self) -> None:
        """Returns once every node knows what was changed here, as far as it says so in time."""
        if self._caught_up is not None:
            await self._caught_up()

    def follow(self, kind: str, listener: Listener) -> None:
        """Has a listener told of all objects of a kind, from `load` on."""
        self._listeners.setdefault(kind, []).append(listener)

    async def load(self) -> None:
        """Tells all listeners what there is, however long the store is away; from now on changes are told too."""
        for kind in self._listeners:
            for news in await self._read(kind):
                self._tell(kind, news)
        self.figures.by_kind = Counter(await answered(self._store.count_objects, "the number of objects"))
        self._store.set_object_feed(self._told)

    async def renew(self, names: Iterable[Name]) -> None:
        """Another node has changed these: tells the listeners what they are now."""
        left = {name for name in names if name[0] in self._listeners}
        while left:
            kind, workspace, _ = next(iter(left))
            named = [name for name in left if name[:2] == (kind, workspace)][:OBJECT_PAGE_MAX]
            self._changed.clear()
            question = partial(self._store.objects_named, workspace, kind, [name[2] for name in named])
            found = await answered(question, f"objects of kind {kind}")
            # Told meanwhile, perhaps of a state that is older than what we have just read: once more.
            sure = [name for name in named if name not in self._changed]
            self._tell(kind, [self._as_found(name, found.get(name[2])) for name in sure])
            left -= set(sure)
        self.figures.by_kind = Counter(await answered(self._store.count_objects, "the number of objects"))

    async def reload(self) -> None:
        """Changes of other nodes may have been missed: tells the listeners all there is, and what is gone."""
        for kind in self._listeners:
            known = {name for name in self._versions if name[0] == kind}
            self._changed.clear()
            there = set[Name]()
            for news in await self._read(kind):
                there |= {_name(each) for each in news}
                self._tell(kind, [each for each in news if _name(each) not in self._changed])
            await self.renew(known - there | {name for name in self._changed if name[0] == kind})

    async def _read(self, kind: str) -> list[Sequence[ObjectNews]]:
        pages: list[Sequence[ObjectNews]] = []
        after = ("", "")
        while True:
            query = ObjectQuery(kind=kind, workspace=None, after=after)
            found = await answered(partial(self._store.objects, query), f"objects of kind {kind}")
            pages.append([_as_news(each) for each in found])
            if len(found) < OBJECT_PAGE_MAX:
                return pages
            after = found[-1].workspace, found[-1].id

    def _as_found(self, name: Name, stored: StoredObject | None) -> ObjectNews:
        kind, workspace, object_id = name
        if stored is not None:
            return _as_news(stored)
        version = self._versions.get(name, 0)
        return ObjectNews(
            workspace=workspace, kind=kind, id=object_id, version=version, now=None, was_there=bool(version)
        )

    def _told(self, news: Sequence[ObjectNews]) -> None:
        self.figures.changes += len(news)
        for each in news:
            self.figures.by_kind[each.kind] += (each.now is not None) - each.was_there
        for kind in dict.fromkeys(each.kind for each in news):
            self._tell(kind, [each for each in news if each.kind == kind])
        if self._tell_others is not None:
            self._changed |= {_name(each) for each in news}
            self._tell_others(news)

    def _tell(self, kind: str, news: Sequence[ObjectNews]) -> None:
        if self._tell_others is not None:
            news = [each for each in news if each.version >= self._versions.get(_name(each), 0)]
            if kind in self._listeners:
                self._versions.update({_name(each): each.version for each in news})
        for listener in self._listeners.get(kind, ()):
            listener(news)


def _name(news: ObjectNews) -> Name:
    return news.kind, news.workspace, news.id


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
