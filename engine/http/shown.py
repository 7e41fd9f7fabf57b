"""How an object is shown: its own fields, and beside them its version, where it comes from, who changed it when.

One flat Struct for each kind, made from the kind's own, so that the OpenAPI document says all of it and what is shown
can be sent back as it is. All fields are there, also those that have their default.
"""

from __future__ import annotations

import functools
from typing import Any, get_args

import msgspec

from engine.shelf.kinds import Held, Kind, hidden_of
from protocol.times import rfc3339


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown with every object: its version, where it comes from, and who changed it when."""

    version: int
    origin: str
    created_at: str | None
    updated_at: str | None
    updated_by: str | None
    archived_at: str | None


def shown_type(kind: Kind[Any]) -> Any:
    """The Struct in which objects of a kind are shown: its own fields, and those of `Beside`."""
    reckoned = tuple(_beside(name, type_) for name, (type_, _) in kind.reckoned.items())
    found = [_shown_struct(each, reckoned) for each in get_args(kind.type) or (kind.type,)]
    together = found[0]
    for each in found[1:]:
        together |= each
    return together


@functools.cache
def page_type(plural: str, shown: Any) -> Any:
    """The Struct of a page of them; each of their routes asks for it."""
    fields = [("items", list[shown]), ("next_cursor", str | None)]
    return msgspec.defstruct(f"{plural.capitalize()}Page", fields, frozen=True, kw_only=True, module=__name__)


_SHOWN: dict[type, Any] = {}


def _shown_struct(given: Any, reckoned: tuple[tuple[Any, ...], ...] = ()) -> Any:
    """Made by the routes of a kind, which know what is reckoned; found here afterwards."""
    if given not in _SHOWN:
        config = given.__struct_config__
        _SHOWN[given] = msgspec.defstruct(
            f"{given.__name__}Shown",
            [(field.name, field.type) for field in msgspec.structs.fields(Beside)] + [*reckoned, *_hidden(given)],
            bases=(given,),
            frozen=True,
            kw_only=True,
            omit_defaults=False,
            tag=config.tag,
            tag_field=config.tag_field,
            module=__name__,
        )
    return _SHOWN[given]


def _beside(name: str, type_: Any) -> tuple[Any, ...]:
    """A field of what is reckoned, with its default if it may be left out."""
    return (name, type_, msgspec.UNSET) if msgspec.UnsetType in get_args(type_) else (name, type_)


def _hidden(given: Any) -> list[Any]:
    """What is left out: what a kind hides, and a rule's workspace where nothing says so (that of the token)."""
    names = hidden_of(given) | {"workspace"}
    fields = [field for field in msgspec.structs.fields(given) if field.name in names]
    return [(field.name, field.type | msgspec.UnsetType, msgspec.UNSET) for field in fields]


def shown(held: Held[Any]) -> Any:
    """An object with what is shown beside it."""
    value, stored = held.value, held.stored
    hidden = hidden_of(type(value))
    fields = {name: _whole(getattr(value, name)) for name in value.__struct_fields__ if name not in hidden}
    fields |= held.once
    if fields.get("workspace") == "":
        del fields["workspace"]
    return _shown_struct(type(value))(
        **fields,
        version=held.version,
        origin=held.origin.value,
        created_at=stored and rfc3339(stored.created_at),
        updated_at=stored and rfc3339(stored.updated_at),
        updated_by=stored and stored.updated_by,
        archived_at=stored and stored.archived_at and rfc3339(stored.archived_at),
    )


def _whole(value: Any) -> Any:
    """With all fields inside of it, too: the store leaves out what has its default, who reads it need not know that."""
    if isinstance(value, msgspec.Struct) and value.__struct_config__.omit_defaults:
        return {name: _whole(getattr(value, name)) for name in value.__struct_fields__}
    return [_whole(each) for each in value] if isinstance(value, tuple | list) else value
