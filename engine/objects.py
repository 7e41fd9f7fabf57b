"""A shelf: the verbs for one kind of object (rules, frameworks, people, silences ...), whatever the kind is.

Every door and embedding programs call this. It checks the right and the input, keeps what is right in the store with
its history and its line of the audit trail, and answers with the object as it is then. It remembers nothing: whoever
needs objects in memory is told by the store (`engine.live`), also of changes whose asker went away. The workspace
always comes from the principal; another workspace's id is answered exactly as one that does not exist.

Two editors at once: each says which version he has seen, and the second is told (`Outdated`) that there is a newer one.
What is not ours to change (a rule of the configuration file) is shown all the same, with its `origin`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
import trio

from actors.ports import Clock, NewId
from engine.edits import Edit, merged, value_of
from engine.kinds import Held, Kind, ShelfPage, ShelfQuery, VersionPage, id_of
from engine.live import ObjectFigures, readable
from engine.pages import PAGE_MAX, Count, Cursors, Name
from engine.stores import Store
from engine.stores.objects import ChangeStatus, ObjectChange, ObjectOutcome, ObjectQuery, StoredObject
from engine.unreadable import deletion, is_readable, unreadable_among
from protocol.errors import (
    BadRequest,
    Busy,
    Conflict,
    LimitReached,
    Outdated,
    PermissionDenied,
    TocsinError,
    UnknownChannel,
)
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
    figures: ObjectFigures
    count_refusal: Callable[[Limit], None]


class Shelf(Generic[T]):
    """The verbs for one kind. All raise PermissionDenied, StoreUnavailable; UnknownChannel for an id that is not here.

    `address` is from where a change is made, for the audit trail.
    """

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

    async def create(self, who: Principal, given: Mapping[str, Any], address: str = "") -> Held[T]:
        """Makes one; without an `id` it gets one. Raises Conflict if there is one of that id, LimitReached."""
        self.kind.may_change(who, None, None)
        value = value_of(self.kind, who, {"id": self._kit.new_id()} | dict(given))
        self.permit(who, None, value)
        unmanaged, name = self.kind.unmanaged, id_of(value)
        if unmanaged and unmanaged.advice and await unmanaged.get(self.kind.workspace_of(who), name) is not None:
            raise Conflict(f"there is a {self.kind.name} {name!r}: {unmanaged.advice}")
        return await self._put(Edit(who, "create", address, 0), value)

    async def replace(
        self, who: Principal, object_id: str, given: Mapping[str, Any], expected: int | None, address: str = ""
    ) -> Held[T]:
        """Puts another in its place. `expected`: the version that was seen (None: any). Raises Outdated."""
        before = await self.to_change(who, object_id)
        value = value_of(self.kind, who, {"id": object_id} | dict(given))
        return await self._change(Edit(who, "change", address, _seen(before, expected)), before, value)

    async def patch(
        self, who: Principal, object_id: str, merge: Mapping[str, Any], expected: int | None, address: str = ""
    ) -> Held[T]:
        """Changes some fields (RFC 7396: null takes one away). `expected` as in `replace`. Raises Outdated."""
        before = await self.to_change(who, object_id)
        value = value_of(self.kind, who, merged(msgspec.to_builtins(before.value), merge))
        return await self._change(Edit(who, "change", address, _seen(before, expected)), before, value)

    async def delete(self, who: Principal, object_id: str, expected: int | None, address: str = "") -> None:
        """Takes it away, also what cannot be read; its history stays. Raises Outdated."""
        unreadable = (await self.unreadable(who, [object_id])).get(object_id)
        if unreadable is not None:
            seen = unreadable.version if expected is None else expected
            await self._make(self.as_blind_deletion(Edit(who, "delete", address, seen), unreadable))
            return
        before = await self.to_change(who, object_id)
        await self._make(self.as_deletion(Edit(who, "delete", address, _seen(before, expected)), before))

    async def archive(self, who: Principal, object_id: str, is_archived: bool, address: str = "") -> Held[T]:
        """Puts it away, or takes it back; idempotent. For who may change any of them: nobody puts himself away."""
        self.kind.may_change(who, None, None)
        before = await self.to_change(who, object_id)
        self.require_may_change(who, before, before.value)
        if before.is_archived is is_archived:
            return before
        verb = "archive" if is_archived else "restore"
        return await self._put(Edit(who, verb, address, before.version), before.value, is_archived)

    async def to_change(self, who: Principal, object_id: str) -> Held[T]:
        """One that `who` may change at all. Who may change none is told so, whether or not there is this one."""
        found = (await self.several(who, [object_id])).get(object_id)
        value = None if found is None else found.value
        self.kind.may_change(who, value, value)
        if found is None:
            raise self._unknown()
        return found

    async def _change(self, edit: Edit, before: Held[T], value: T) -> Held[T]:
        self.permit(edit.who, before.value, value)
        self._require_changeable(before)
        if id_of(value) != before.id:
            raise BadRequest(
                f"id: {before.id!r} cannot become another one; leave it out, or make a new {self.kind.name}"
            )
        if before.stored is not None and value == before.value and edit.expected == before.version:
            return before
        return await self._put(edit, value, before.is_archived)

    async def _put(self, edit: Edit, value: T, is_archived: bool = False) -> Held[T]:
        change = self.as_change(edit, value, is_archived)
        return Held(value, await self._make(change))

    def as_change(self, edit: Edit, value: T, is_archived: bool) -> ObjectChange:
        """The change that keeps a value. Raises BadRequest for what no store takes."""
        return edit.keeping(self.kind, self._kit.clock(), value, is_archived)

    def as_deletion(self, edit: Edit, before: Held[T]) -> ObjectChange:
        """The change that takes an object away. Raises PermissionDenied; Conflict if it is not stored."""
        self.require_may_change(edit.who, before, None)
        return edit.deleting(self.kind, self._kit.clock(), before.id)

    async def unreadable(self, who: Principal, ids: Sequence[str]) -> dict[str, StoredObject]:
        """Those of these that another version of this program has stored: we can only delete them."""
        return await unreadable_among(self._store, self.kind, who, ids)

    def as_blind_deletion(self, edit: Edit, stored: StoredObject) -> ObjectChange:
        """The change that takes away what cannot be read. Raises PermissionDenied."""
        return deletion(self.kind, edit, stored, self._kit.clock())

    def require_may_change(self, who: Principal, before: Held[T], after: T | None) -> None:
        """Raises PermissionDenied; Conflict for what is not stored, so that there is nothing to change."""
        self.permit(who, before.value, after)
        self._require_changeable(before)
        if before.stored is None:
            raise Conflict(f"nothing is stored of this {self.kind.name}, it was only seen: make one of this id first")

    async def make(self, changes: Sequence[ObjectChange], *, all_or_nothing: bool = False) -> list[TocsinError | None]:
        """Has changes stored in one step; what each failed with. Raises Busy, StoreUnavailable for all of them."""
        outcomes = await self._outcomes(changes, all_or_nothing)
        return [self._fault(*pair) for pair in zip(changes, outcomes, strict=True)]

    async def _make(self, change: ObjectChange) -> StoredObject | None:
        [outcome] = await self._outcomes([change])
        if (fault := self._fault(change, outcome)) is not None:
            raise fault
        return outcome.now

    async def _outcomes(self, changes: Sequence[ObjectChange], all_or_nothing: bool = False) -> list[ObjectOutcome]:
        kind = self.kind
        with trio.move_on_after(self._kit.answer_s):
            return await self._store.change_objects(
                changes,
                all_or_nothing=all_or_nothing,
                objects_max=kind.objects_max,
                crowd_max=kind.crowd.most if kind.crowd else None,
            )
        raise Busy(f"not stored within {self._kit.answer_s:g} s, and perhaps later: read it before you send it again")

    def _fault(self, change: ObjectChange, outcome: ObjectOutcome) -> TocsinError | None:
        """What an outcome is to who asked for one change; None: it was made."""
        name = self.kind.name
        match outcome.status:
            case ChangeStatus.DONE:
                return None
            case ChangeStatus.EXISTS if outcome.now is not None and not is_readable(self.kind, outcome.now.body):
                why = "another version of this program has stored it, and this one cannot read it"
                return Conflict(f"there is a {name} {change.id!r}: {why}; delete it first, or choose another id")
            case ChangeStatus.EXISTS if change.verb.startswith("create"):
                return Conflict(f"there is a {name} {change.id!r} already: change that one, or choose another id")
            case ChangeStatus.MISSING:
                return self._unknown()
            case ChangeStatus.FULL:
                self._kit.count_refusal(Limit.OBJECTS_PER_WORKSPACE)
                limit = f"limit {self.kind.objects_max} ({self.kind.setting})"
                return LimitReached(
                    f"this workspace has no room for another {name}, {limit}: delete some", Limit.OBJECTS_PER_WORKSPACE
                )
            case ChangeStatus.CROWDED if self.kind.crowd is not None:
                self._kit.count_refusal(self.kind.crowd.limit)
                return self.kind.crowd.refusal(outcome.crowd)
            case ChangeStatus.UNDONE | ChangeStatus.CROWDED:
                return Conflict("it was not done, because another one of the same step could not be")
            case ChangeStatus.CONFLICT | ChangeStatus.EXISTS:
                self._kit.figures.conflicts += 1
                seen = f"version {change.expected_version} was changed meanwhile"
                return Outdated(f"{seen}, now it is {outcome.version}: read the {name} again", outcome.version)

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
        found = await self._store.objects(query)
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
                found[stored.id] = Held(value, stored)
        return found

    def permit(self, who: Principal, before: T | None, after: T | None) -> None:
        """Raises PermissionDenied if `who` may not make this of that (None: nothing)."""
        self.kind.may_change(who, before, after)
        frameworks = {self.kind.framework_of(value) for value in (before, after) if value is not None}
        if who.channels is not None and not frameworks <= set(who.channels):
            raise PermissionDenied("this token is limited to other channels")

    def _may_see(self, who: Principal, value: T) -> bool:
        framework = self.kind.framework_of(value)
        return who.channels is None or framework is None or framework in who.channels

    def _may_see_text(self, who: Principal, body: str) -> bool:
        """Of what cannot be read nobody knows whose it is."""
        return is_readable(self.kind, body) and self._may_see(who, self.kind.decode(body))

    def _unknown(self) -> UnknownChannel:
        return UnknownChannel(f"there is no such {self.kind.name}")

    def _require_changeable(self, held: Held[T]) -> None:
        unmanaged = self.kind.unmanaged
        if held.stored is None and unmanaged is not None and unmanaged.advice:
            raise Conflict(f"this {self.kind.name} is not changed here: {unmanaged.advice}")


def _seen(before: Held[Any], expected: int | None) -> int:
    """The version that a change builds on: what was checked just now, if nobody said another."""
    return before.version if expected is None else expected
