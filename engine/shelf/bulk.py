"""Many objects of a kind at once: switched on or off, put away, taken back, deleted; each with a result of its own.

What cannot be done to one (it is not there, it is the configuration's) keeps nobody back. Idempotent: what is so
already is `done` with the version that it has. An object that somebody else changes meanwhile is read again a few
times; who still loses then is told `conflict`.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

import msgspec

from engine.shelf.edits import Edit
from engine.shelf.kinds import Held
from engine.shelf.objects import Shelf
from engine.stores.objects import ObjectChange
from protocol.errors import BadRequest, Outdated, TocsinError, UnknownChannel
from protocol.model import Principal

# Three editors who save the same object within milliseconds are none.
TRIES = 3


class BulkAction(enum.Enum):
    """What is to be done to each."""

    ENABLE = "enable"
    DISABLE = "disable"
    ARCHIVE = "archive"
    RESTORE = "restore"
    DELETE = "delete"


class BulkStatus(enum.Enum):
    """What became of one: `refused` says why in its message."""

    DONE = "done"
    MISSING = "missing"
    CONFLICT = "conflict"
    REFUSED = "refused"


class BulkResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one object; `version` is its present one (0: there is none)."""

    id: str
    status: BulkStatus
    version: int = 0
    message: str = ""


async def change_many(
    shelf: Shelf[Any], who: Principal, action: BulkAction, ids: Sequence[str], address: str = ""
) -> list[BulkResult]:
    """Does it to each; a result per id, in order. Raises PermissionDenied, BadRequest, StoreUnavailable."""
    if action in (BulkAction.ENABLE, BulkAction.DISABLE) and not shelf.kind.can_be_enabled:
        raise BadRequest(f"action: a {shelf.kind.name} cannot be switched on or off")
    shelf.kind.may_change(who, None, None)
    results: dict[str, BulkResult] = {}
    left = list(dict.fromkeys(ids))
    for _ in range(TRIES):
        held = await shelf.several(who, left)
        unreadable = await shelf.unreadable(who, left) if action is BulkAction.DELETE else {}
        changes = []
        for object_id in left:
            if (stored := unreadable.get(object_id)) is not None:
                changes.append(shelf.as_blind_deletion(Edit(who, action.value, address, stored.version), stored))
                continue
            decided = _decide(shelf, who, action, object_id, held.get(object_id), address)
            if isinstance(decided, BulkResult):
                results[object_id] = decided
            else:
                changes.append(decided)
        faults = await shelf.make(changes) if changes else []
        for change, fault in zip(changes, faults, strict=True):
            results[change.id] = _result(change, fault)
        left = [change.id for change, fault in zip(changes, faults, strict=True) if isinstance(fault, Outdated)]
        if not left:
            break
    return [results[object_id] for object_id in ids]


def _decide(
    shelf: Shelf[Any], who: Principal, action: BulkAction, object_id: str, held: Held[Any] | None, address: str
) -> ObjectChange | BulkResult:
    """The change that one object needs, or what is to be said at once."""
    if held is None:
        return _result_of(object_id, UnknownChannel(f"there is no such {shelf.kind.name}"))
    edit = Edit(who, action.value, address, held.version)
    try:
        if action is BulkAction.DELETE:
            return shelf.as_deletion(edit, held)
        value, is_archived = held.value, held.is_archived
        if action in (BulkAction.ENABLE, BulkAction.DISABLE):
            value = msgspec.structs.replace(value, enabled=action is BulkAction.ENABLE)
        else:
            is_archived = action is BulkAction.ARCHIVE
        shelf.require_may_change(who, held, value)
        if (value, is_archived) == (held.value, held.is_archived):
            return BulkResult(id=object_id, status=BulkStatus.DONE, version=held.version, message="it was so already")
        return shelf.as_change(edit, value, is_archived)
    except TocsinError as fault:
        return _result_of(object_id, fault, held.version)


def _result(change: ObjectChange, fault: TocsinError | None) -> BulkResult:
    if fault is not None:
        return _result_of(change.id, fault, fault.version if isinstance(fault, Outdated) else 0)
    version = 0 if change.body is None else (change.expected_version or 0) + 1
    return BulkResult(id=change.id, status=BulkStatus.DONE, version=version)


def _result_of(object_id: str, fault: TocsinError, version: int = 0) -> BulkResult:
    status = {UnknownChannel: BulkStatus.MISSING, Outdated: BulkStatus.CONFLICT}.get(type(fault), BulkStatus.REFUSED)
    return BulkResult(id=object_id, status=status, version=version, message=fault.message)
