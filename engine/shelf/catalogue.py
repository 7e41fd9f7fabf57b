"""What there is of one kind of object: pages, one by its id, and the states that it had.

The reading half of a shelf (`engine.shelf.objects`); it asks who may see what, and changes nothing. The workspace
always comes from the principal; another workspace's id is answered exactly as one that does not exist. What is not
stored but there all the same (a rule of the configuration file) is told among the others, with its `origin`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from actors.ports import Clock, NewId
from engine.cache.reads import CachedReads
from engine.pages import PAGE_MAX, Count, Cursors, Name
from engine.shelf.kinds import Held, Kind, ShelfPage, ShelfQuery, VersionPage, id_of
from engine.shelf.live import LiveObjects, ObjectFigures, readable
from engine.shelf.unreadable import is_readable
from engine.stores import Store
from engine.stores.objects import ObjectQuery, StoredObject
from protocol.errors import UnknownChannel
from protocol.limits import Limit
from protocol.model import Principal
from protocol.names import is_id

T = TypeVar("T")

# Of a page of an object's states: the version of its last one.
VERSION_CURSORS = Cursors("versions", tuple[Count])


@dataclass(frozen=True)
class ShelfKit:
    """What every shelf is handed."""

    store: Store
    clock: Clock
    new_id: NewId
    answer_s: float
    live: LiveObjects
    count_refusal: Callable[[Limit], None]
    # Pages that are remembered; None: the store is asked for each.
    reads: CachedReads | None = None

    @property
    def figures(self) -> ObjectFigures:
        """What is counted of objects."""
        return self.live.figures

    async def objects(self, query: ObjectQuery) -> Sequence[StoredObject]:
        """A page of what is stored."""
        return await (self.store.objects(query) if self.reads is None else self.reads.objects(self.store, query))


class Catalogue(Generic[T]):
    """Answers questions about one kind. All raise PermissionDenied, StoreUnavailable."""

    def __init__(self, kind: Kind[T], kit: ShelfKit) -> None:
        self.kind = kind
        # Of a page: the id of its last one.
        self._cursors = Cursors(kind.name, tuple[Name])
        self._kit = kit
        self._store = kit.store

    async def page(
        self, who: Principal, query: ShelfQuery, where: Callable[[T], bool] = lambda value: True
    ) -> ShelfPage[T]:
        """Those that `who` may see and `where` holds for. Raises BadRequest for a cursor that is not ours."""
        self.kind.may_read(who)
        (after,) = ("",) if query.cursor is None else self._cursors.place(query.cursor)
        found: list[Held[T]] = []
        limit = min(query.limit, PAGE_MAX)
        # One more than the page has: usually that is all. What a filter leaves out is made up for in great steps.
        count = limit + 1
        while len(found) <= limit:
            stretch, last = await self._stretch(self.kind.workspace_of(who), query.framework, after, count)
            found += [
                held
                for held in stretch
                if self._may_see(who, held.value)
                and query.framework in (None, self.kind.framework_of(held.value))
                and query.archived in (None, held.is_archived)
                and where(held.value)
            ]
            if last is None:
                break
            after, count = last, PAGE_MAX
        return ShelfPage(found[:limit], self._cursors.following(found, limit, lambda held: (held.id,)))

    async def get(self, who: Principal, object_id: str) -> Held[T]:
        """One of them."""
        found = (await self.several(who, [object_id])).get(object_id)
        if found is None:
            raise self._unknown()
        return found

    async def versions(self, who: Principal, object_id: str, cursor: str | None, limit: int) -> VersionPage:
        """The states that an object had, newest first, also of one that was deleted. Raises BadRequest as `page`."""
        self.kind.may_read(who)
        (before,) = (None,) if cursor is None else VERSION_CURSORS.place(cursor)
        workspace, limit = self.kind.workspace_of(who), min(limit, PAGE_MAX)
        found = await self._store.object_versions(workspace, self.kind.name, object_id, before, limit + 1)
        bodies = [version.body for version in found if version.body is not None]
        # Whose token is limited sees the history of what was always in his frameworks.
        hidden = who.channels is not None and not all(self._may_see_text(who, body) for body in bodies)
        if not found or hidden:
            raise self._unknown()
        return VersionPage(found[:limit], VERSION_CURSORS.following(found, limit, lambda state: (state.version,)))

    async def several(self, who: Principal, ids: Sequence[str]) -> dict[str, Held[T]]:
        """Those of these that `who` may see."""
        self.kind.may_read(who)
        workspace, unmanaged = self.kind.workspace_of(who), self.kind.unmanaged
        known = [object_id for object_id in ids if is_id(object_id)]
        found = self._held((await self._store.objects_named(workspace, self.kind.name, known)).values())
        for object_id in known:
            if unmanaged is not None and (object_id not in found or unmanaged.advice):
                value = await unmanaged.get(workspace, object_id)
                if value is not None:
                    found[object_id] = Held(value, None, unmanaged.origin)
        return {name: held for name, held in found.items() if self._may_see(who, held.value)}

    async def _stretch(
        self, workspace: str, framework: str | None, after: str, count: int
    ) -> tuple[list[Held[T]], str | None]:
        """The next ones behind `after`, stored or not, in the order of their ids, and where they end (None: no more).

        What cannot be read is left out of the ones, and not of where they end.
        """
        query = ObjectQuery(
            kind=self.kind.name, workspace=workspace, framework=framework, after=("", after), limit=count
        )
        found = await self._kit.objects(query)
        held, names = self._held(found), {each.id for each in found}
        unmanaged = self.kind.unmanaged
        if unmanaged is not None:
            values = await unmanaged.page(workspace, after, count)
            others = {id_of(value): Held(value, None, unmanaged.origin) for value in values}
            held = held | others if unmanaged.advice else others | held
        ordered = sorted(names | held.keys())[:count]
        return [held[name] for name in ordered if name in held], ordered[-1] if ordered else None

    def _held(self, those: Iterable[StoredObject]) -> dict[str, Held[T]]:
        """By id. What another version of this program has stored and we cannot read is left out, and said."""
        found = {}
        for stored in those:
            if (value := readable(self.kind, stored, self._kit.figures)) is not None:
                found[stored.id] = self.kind.held(value, stored)
        return found

    def _may_see(self, who: Principal, value: T) -> bool:
        if who.channels is None:
            return True
        framework, listed = self.kind.framework_of(value), self.kind.frameworks_of(value)
        return framework in (None, *who.channels) and (not listed or not set(listed).isdisjoint(who.channels))

    def _may_see_text(self, who: Principal, body: str) -> bool:
        """Of what cannot be read nobody knows whose it is."""
        return is_readable(self.kind, body) and self._may_see(who, self.kind.decode(body))

    def _unknown(self) -> UnknownChannel:
        return UnknownChannel(f"there is no such {self.kind.name}")
