"""A shelf: the verbs for one kind of object (rules, frameworks, people, silences ...), whatever the kind is.

Every door and embedding programs call this. It checks the right and the input, keeps what is right in the store with
its history and its line of the audit trail, and answers with the object as it is then. Reading is
`engine.shelf.catalogue`. It remembers nothing: whoever needs objects in memory is told by the store
(`engine.shelf.live`), also of changes whose asker went away.

Two editors at once: each says which version he has seen, and the second is told (`Outdated`) that there is a newer one.
What is not ours to change (a rule of the configuration file) is refused with what to do instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import trio

from engine.shelf.catalogue import Catalogue
from engine.shelf.edits import Edit, merged, value_of
from engine.shelf.kinds import Held, id_of
from engine.shelf.unreadable import deletion, is_readable, unreadable_among
from engine.stores.objects import ChangeStatus, ObjectChange, ObjectOutcome, StoredObject
from protocol.errors import (
    BadRequest,
    Busy,
    Conflict,
    LimitReached,
    Outdated,
    PermissionDenied,
    TocsinError,
)
from protocol.limits import Limit
from protocol.model import Principal

T = TypeVar("T")


class Shelf(Catalogue[T]):
    """The verbs for one kind. All raise PermissionDenied, StoreUnavailable; UnknownChannel for an id that is not here.

    `address` is from where a change is made, for the audit trail.
    """

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
        return self.kind.held(value, await self._make(change))

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
            name = self.kind.name
            how = f"make one of this id first (tocsin {name}s put {before.id}, or PUT /api/v1/{name}s/<id>)"
            raise Conflict(f"nothing is stored of this {name}, it was only seen: {how}")

    async def make(
        self, changes: Sequence[ObjectChange], *, all_or_nothing: bool = False, is_dry: bool = False
    ) -> list[TocsinError | None]:
        """Has changes stored in one step (`is_dry`: only asks); what each failed with, or would.

        Raises Busy, StoreUnavailable for all of them.
        """
        outcomes = await self._outcomes(changes, all_or_nothing, is_dry)
        return [self._fault(*pair) for pair in zip(changes, outcomes, strict=True)]

    async def _make(self, change: ObjectChange) -> StoredObject | None:
        [outcome] = await self._outcomes([change])
        if (fault := self._fault(change, outcome)) is not None:
            raise fault
        return outcome.now

    async def _outcomes(
        self, changes: Sequence[ObjectChange], all_or_nothing: bool = False, is_dry: bool = False
    ) -> list[ObjectOutcome]:
        kind = self.kind
        outcomes: list[ObjectOutcome] | None = None
        with trio.move_on_after(self._kit.answer_s):
            outcomes = await self._store.change_objects(
                changes,
                all_or_nothing=all_or_nothing,
                objects_max=kind.objects_max,
                crowd_max=kind.crowd.most if kind.crowd else None,
                is_dry=is_dry,
            )
        if outcomes is not None:
            await self._kit.live.known_everywhere()
            return outcomes
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

    def permit(self, who: Principal, before: T | None, after: T | None) -> None:
        """Raises PermissionDenied if `who` may not make this of that (None: nothing)."""
        self.kind.may_change(who, before, after)
        frameworks = {self.kind.framework_of(value) for value in (before, after) if value is not None}
        if who.channels is not None and not frameworks <= set(who.channels):
            raise PermissionDenied("this token is limited to other channels")

    def _require_changeable(self, held: Held[T]) -> None:
        unmanaged = self.kind.unmanaged
        if held.stored is None and unmanaged is not None and unmanaged.advice:
            raise Conflict(f"this {self.kind.name} is not changed here: {unmanaged.advice}")


def _seen(before: Held[Any], expected: int | None) -> int:
    """The version that a change builds on: what was checked just now, if nobody said another."""
    return before.version if expected is None else expected
