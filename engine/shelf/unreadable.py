"""Stored objects that this version of the program cannot read: another version wrote them, and its words are not ours.

They hold for nothing and are in no list; there is no such object for who asks for one, or would change it. But they are
there: their history can be read, none of the same id can be made, and they can be deleted, which needs nothing of what
they say. Who may change any object of the kind may do that; of what framework one is, its row says. Each is logged with
its id at every start, so that an operator who went back to an older version knows what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.shelf.edits import Edit
from engine.shelf.kinds import Kind
from engine.shelf.live import Listener, ObjectFigures, readable
from engine.stores.objects import ObjectChange, ObjectNews, ObjectStore, StoredObject
from protocol.model import Principal
from protocol.names import is_id


def is_readable(kind: Kind[Any], body: str) -> bool:
    """Whether this version can read a stored text."""
    try:
        kind.decode(body)
    except msgspec.DecodeError:
        return False
    return True


async def unreadable_among(
    store: ObjectStore, kind: Kind[Any], who: Principal, ids: Sequence[str]
) -> dict[str, StoredObject]:
    """Those of these that are stored, cannot be read, and are where `who` may be. Raises StoreUnavailable."""
    workspace, unmanaged = kind.workspace_of(who), kind.unmanaged
    known = [object_id for object_id in ids if is_id(object_id)]
    found = {}
    for name, stored in (await store.objects_named(workspace, kind.name, known)).items():
        if is_readable(kind, stored.body) or not (who.channels is None or stored.framework in who.channels):
            continue
        # What the configuration says counts, and is what is shown under this id.
        if unmanaged is None or not unmanaged.advice or await unmanaged.get(workspace, name) is None:
            found[name] = stored
    return found


def deletion(kind: Kind[Any], edit: Edit, stored: StoredObject, at: int) -> ObjectChange:
    """The change that takes it away. Raises PermissionDenied for who may not change just any of the kind."""
    kind.may_change(edit.who, None, None)
    return edit.deleting(kind, at, stored.id)


def say_unreadable(kind: Kind[Any], figures: ObjectFigures) -> Listener:
    """Logs what cannot be read of a kind that nobody keeps in memory, at the start."""

    def told(news: Sequence[ObjectNews]) -> None:
        for each in news:
            if each.now is not None:
                readable(kind, each.now, figures)

    return told
