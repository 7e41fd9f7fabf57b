"""The part of the store's contract that keeps objects (rules, frameworks, people, silences): texts with a version.

A store knows nothing of what an object means: it keeps the JSON that it is given, under workspace, kind and id. Every
change is one step: the object, its history and its line of the audit trail are on stable storage together, or nothing
is. A change that lost (somebody else was faster, there is no such object) is an outcome with the version that counts,
and no exception: two editors at once lose nothing. Versions of an id only grow, also when it is deleted and made again.

Whoever keeps objects in memory (`engine.orders`) is told by the feed: on the trio loop, in the order of the commits,
before whoever asked for the change, and also when that one does not wait any more. It is told of what this store object
has committed; what another process commits in a shared store is that store's to find out, and to tell the same way.

What a shared store must see to, and one writer has for nothing: of two steps at once the second is decided on what the
first has left (versions, `objects_max`, `crowd_max`: never two for the last place); ids come in the order of their code
points, in which Python compares them, whatever the collation; a body comes back letter by letter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

import msgspec

# Of one change, and of one page that is asked for: 10,000 rules are imported in one transaction, of about 0.3 s.
OBJECT_CHANGES_MAX = 10_000
OBJECT_PAGE_MAX = 2_000


class StoredObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An object as it is kept. Times are microseconds; `body` is JSON; `framework` is None for the whole workspace.

    `ends_at`: when it is over and only kept for the record (None: never). `crowd`: which of its workspace, of whatever
    kinds, may only be so many at a time (None: it counts in none).
    """

    workspace: str
    kind: str
    id: str
    version: int
    framework: str | None
    body: str
    created_at: int
    updated_at: int
    updated_by: str
    archived_at: int | None = None
    ends_at: int | None = None
    crowd: str | None = None


class ObjectChange(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is to become of an object, by whom, from where. `body` None: it is deleted.

    `expected_version`: the change counts only if that is the present version; 0: only if there is no such object; None:
    in any case. `verb` (`create_rule`) is what the history and the audit trail say. `ends_at`, `crowd`: as it is kept.
    """

    workspace: str
    kind: str
    id: str
    body: str | None
    by: str
    at: int
    verb: str
    framework: str | None = None
    expected_version: int | None = None
    archived: bool = False
    address: str = ""
    ends_at: int | None = None
    crowd: str | None = None


class ChangeStatus(Enum):
    """What became of a change."""

    DONE = "done"
    CONFLICT = "conflict"
    MISSING = "missing"
    EXISTS = "exists"
    # The workspace has as many of this kind as it may have.
    FULL = "full"
    # As many of its crowd as may be are there already, neither archived nor over.
    CROWDED = "crowded"
    # It could have been done, but another one of the same step could not.
    UNDONE = "undone"


class ObjectOutcome(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What became of a change: the object as it is now (None: there is none), and its present version (0: none).

    `crowd`: of what is CROWDED, how many there are.
    """

    status: ChangeStatus
    version: int
    now: StoredObject | None = None
    crowd: int = 0


class ObjectNews(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A change that was committed: the object is so `now`, or (None) it was deleted; whether it `was_there` before."""

    workspace: str
    kind: str
    id: str
    version: int
    now: StoredObject | None
    was_there: bool


class ObjectQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which objects of a kind, in the order of their ids (with `workspace` None: of workspaces, then ids).

    `after`: those behind this one (workspace, id). `framework`: only those of it.
    """

    kind: str
    workspace: str | None
    framework: str | None = None
    after: tuple[str, str] = ("", "")
    limit: int = OBJECT_PAGE_MAX


class ObjectVersion(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A state that an object once had. `body` None: it was deleted."""

    version: int
    body: str | None
    is_archived: bool
    at: int
    by: str
    verb: str


ObjectFeed = Callable[[Sequence[ObjectNews]], None]


class ObjectStore(Protocol):
    """What the engine needs of a store to keep objects. Everything raises StoreUnavailable."""

    def set_object_feed(self, feed: ObjectFeed) -> None:
        """Whom to tell of changes that were committed. `feed` must not raise; if it does, the store ends with that."""

    async def change_objects(
        self,
        changes: Sequence[ObjectChange],
        *,
        all_or_nothing: bool = False,
        objects_max: int | None = None,
        crowd_max: int | None = None,
        is_dry: bool = False,
    ) -> list[ObjectOutcome]:
        """Makes up to `OBJECT_CHANGES_MAX` changes in one transaction, in order; an outcome each.

        `all_or_nothing`: if one of them cannot be done, none is. `objects_max`: how many objects of a kind a workspace
        may have; a new one beyond it is FULL. `crowd_max`: how many of a crowd there may be in a workspace that are
        neither archived nor over; one more is CROWDED, and what counts already may be changed. `is_dry`: only says what
        would become of them.
        """

    async def objects(self, query: ObjectQuery) -> list[StoredObject]:
        """A page of objects, in order; the last one is `after` of the next page."""

    async def objects_over(self, before: int, limit: int) -> list[StoredObject]:
        """Those of all workspaces and kinds that were over before then (microseconds), the longest first."""

    async def objects_named(self, workspace: str, kind: str, ids: Sequence[str]) -> dict[str, StoredObject]:
        """Those of these that there are."""

    async def object_versions(
        self, workspace: str, kind: str, object_id: str, before: int | None, limit: int
    ) -> list[ObjectVersion]:
        """The states of an object with versions below `before` (None: all), newest first."""

    async def count_objects(self) -> dict[str, int]:
        """How many objects of each kind there are, of all workspaces."""

    async def frameworks_seen(self, workspace: str, after: str, limit: int) -> list[str]:
        """The names of frameworks that alerts or readings ever came for, behind `after`, in order."""

    async def workspaces_seen(self, after: str, limit: int) -> list[str]:
        """The names of workspaces that alerts or readings ever came for, behind `after`, in order."""
