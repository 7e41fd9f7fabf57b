"""Objects in the store: `object_changes` writes them, `object_queries` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from engine.stores.objects import (
    OBJECT_CHANGES_MAX,
    ObjectChange,
    ObjectFeed,
    ObjectOutcome,
    ObjectQuery,
    ObjectVersion,
    StoredObject,
)
from engine.stores.tables.object_changes import Bounds, Changed, change, foreseen
from engine.stores.tables.object_queries import COUNTS, FRAMEWORKS, WORKSPACES, named, over, page, versions
from engine.stores.tables.queries import numbers
from engine.stores.tables.readers import Readers
from engine.stores.tables.writer import Writer, only_one
from protocol.errors import BadRequest


class ObjectTable:
    """The part of `TableStore` that is `engine.stores.objects.ObjectStore`."""

    _writer: Writer
    _readers: Readers
    _object_feed: ObjectFeed | None = None

    def set_object_feed(self, feed: ObjectFeed) -> None:
        """Whom to tell of changes, on the loop, in the order of their commits."""
        self._object_feed = feed

    async def change_objects(
        self,
        changes: Sequence[ObjectChange],
        *,
        all_or_nothing: bool = False,
        objects_max: int | None = None,
        crowd_max: int | None = None,
        is_dry: bool = False,
    ) -> list[ObjectOutcome]:
        """Makes changes in one transaction. Raises StoreUnavailable; BadRequest for more than fit into one."""
        if len(changes) > OBJECT_CHANGES_MAX:
            raise BadRequest(f"{len(changes)} changes at once, limit {OBJECT_CHANGES_MAX}: send fewer at a time")
        bounds = Bounds(objects_max, crowd_max)
        workspace = only_one(each.workspace for each in changes)
        if is_dry:
            return await self._readers.read(partial(foreseen, changes=changes, bounds=bounds), workspace=workspace)
        job = partial(change, changes=changes, all_or_nothing=all_or_nothing, bounds=bounds)
        return (await self._writer.run(job, self._tell_objects, workspace)).outcomes

    def _tell_objects(self, changed: Changed) -> None:
        if changed.news and self._object_feed is not None:
            self._object_feed(changed.news)

    async def objects(self, query: ObjectQuery) -> list[StoredObject]:
        """A page of objects. Raises StoreUnavailable."""
        return await self._readers.read(partial(page, query=query), workspace=query.workspace)

    async def objects_over(self, before: int, limit: int) -> list[StoredObject]:
        """Those that were over before then. Raises StoreUnavailable."""
        return await self._readers.read(partial(over, before=before, limit=limit))

    async def objects_named(self, workspace: str, kind: str, ids: Sequence[str]) -> dict[str, StoredObject]:
        """Those of these that there are. Raises StoreUnavailable."""
        question = partial(named, workspace=workspace, kind=kind, ids=ids)
        found = await self._readers.read(question, workspace=workspace)
        return {each.id: each for each in found}

    async def object_versions(
        self, workspace: str, kind: str, object_id: str, before: int | None, limit: int
    ) -> list[ObjectVersion]:
        """The states of an object, newest first. Raises StoreUnavailable."""
        question = partial(versions, workspace=workspace, kind=kind, object_id=object_id, before=before, limit=limit)
        return await self._readers.read(question, workspace=workspace)

    async def count_objects(self) -> dict[str, int]:
        """How many there are of each kind. Raises StoreUnavailable."""
        return dict(await self._readers.read(partial(numbers, sql=COUNTS, values=())))

    async def frameworks_seen(self, workspace: str, after: str, limit: int) -> list[str]:
        """Frameworks that anything ever came for. Raises StoreUnavailable."""
        question = partial(numbers, sql=FRAMEWORKS, values=(workspace, after, limit))
        return await self._readers.read(question, workspace=workspace)

    async def workspaces_seen(self, after: str, limit: int) -> list[str]:
        """Workspaces that anything ever came for. Raises StoreUnavailable."""
        return await self._readers.read(partial(numbers, sql=WORKSPACES, values=(after, limit)))
