"""What a kind of object is: its Struct, who may do what with it, how many there may be, and what must hold.

Values and small functions only; `engine.shelf.objects` gives a kind its verbs, `engine.http.objects` its routes. The
Struct has a field `id`; where it has `enabled`, many can be switched on and off at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar, get_args

import msgspec

from engine.access.roles import check
from engine.pages import PAGE_MAX
from engine.stores.objects import ObjectVersion, StoredObject
from protocol.errors import LimitReached
from protocol.limits import Limit
from protocol.model import Principal

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class Origin(Enum):
    """Where an object comes from: somebody made it, the configuration file, or it was only ever named by a producer."""

    STORED = "stored"
    CONFIG = "config"
    SEEN = "seen"


@dataclass(frozen=True, slots=True)
class Held(Generic[T]):
    """An object as it is now, and (if it is `STORED`) how it is kept. `once`: what is shown with it this time alone."""

    value: T
    stored: StoredObject | None = None
    origin: Origin = Origin.STORED
    once: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Its id."""
        return id_of(self.value)

    @property
    def version(self) -> int:
        """Which version this is; 0 for what nobody has stored."""
        return self.stored.version if self.stored else 0

    @property
    def is_archived(self) -> bool:
        """Whether it is put away: shown to who asks for it, and not in force."""
        return self.stored is not None and self.stored.archived_at is not None


class Unmanaged(Protocol[T_co]):
    """Objects of a kind that are there without having been stored."""

    @property
    def origin(self) -> Origin:
        """Where they come from."""

    @property
    def advice(self) -> str:
        """What to say to who wants to change one; empty: it may be stored, and then it counts instead of this one."""

    async def page(self, workspace: str, after: str, limit: int) -> Sequence[T_co]:
        """Those behind the id `after`, in the order of ids."""

    async def get(self, workspace: str, object_id: str) -> T_co | None:
        """One of them."""


def as_given(_: Principal, value: T) -> T:
    """Nothing more is asked of it than its types."""
    return value


def whole_workspace(_: Any) -> None:
    """It belongs to no framework."""


def of_no_few(_: Any) -> tuple[str, ...]:
    """It lists no frameworks."""
    return ()


def reads(who: Principal) -> None:
    """Who may read alerts may read it."""
    check(who, "read")


def edits(who: Principal, before: Any, after: Any) -> None:
    """Who may edit."""
    check(who, "edit")


def own_workspace(who: Principal) -> str:
    """It belongs to the workspace of who asks."""
    return who.workspace


def never(_: Any) -> None:
    """It is not over at any time."""


@dataclass(frozen=True)
class Crowd(Generic[T_contra]):
    """Objects, of whatever kinds, of which a workspace may have `most` that are neither archived nor over.

    `means`: whether an object is one of them. `what` and `advice` are for who is refused; `setting` for the operator.
    """

    name: str
    most: int
    setting: str
    limit: Limit
    means: Callable[[T_contra], bool]
    what: str
    advice: str

    def refusal(self, count: int) -> LimitReached:
        """The error for one more."""
        return LimitReached(
            f"this workspace has {count} {self.what}, limit {self.most} ({self.setting}): {self.advice}", self.limit
        )


@dataclass(frozen=True)
class Kind(Generic[T]):
    """One kind. `name` is what the store, the audit trail and errors call it; `type` a Struct, or a union of Structs.

    `prepare` gives the value as it is kept, or raises BadRequest that names field, reason and an example. `may_change`
    is asked with the object before (None: there was none) and after (None: deleted), and raises PermissionDenied.
    `objects_max`: in one workspace; `setting` is where an operator changes that. `ends_at`: when one is over and only
    kept for the record (microseconds; None: never). `framework_of` is the one that it belongs to (None: the workspace);
    `frameworks_of` those that it lists and is for alone: a token that reaches none of them does not see it.
    """

    name: str
    type: Any
    objects_max: int
    setting: str
    prepare: Callable[[Principal, T], T] = as_given
    framework_of: Callable[[T], str | None] = whole_workspace
    frameworks_of: Callable[[T], Sequence[str]] = of_no_few
    may_read: Callable[[Principal], None] = reads
    may_change: Callable[[Principal, T | None, T | None], None] = edits
    workspace_of: Callable[[Principal], str] = own_workspace
    unmanaged: Unmanaged[T] | None = None
    ends_at: Callable[[T], int | None] = never
    crowd: Crowd[T] | None = None
    # What is shown with one besides and reckoned at that moment, by name: its type, and from what.
    reckoned: Mapping[str, tuple[Any, Callable[[T, StoredObject | None], Any]]] = field(default_factory=dict)

    def held(self, value: T, stored: StoredObject | None) -> Held[T]:
        """One of the store as it is shown now."""
        return Held(value, stored, once={name: reckon(value, stored) for name, (_, reckon) in self.reckoned.items()})

    @property
    def can_be_enabled(self) -> bool:
        """Whether its objects can be switched on and off."""
        return all("enabled" in each.__struct_fields__ for each in get_args(self.type) or (self.type,))

    def decode(self, body: str) -> T:
        """The value of a stored text. Raises msgspec.DecodeError if it was written by a program of another time."""
        value: T = _decoder(self.type).decode(body)
        return value


@dataclass(frozen=True)
class ShelfQuery:
    """Which objects: of one framework, put away ones or (usually) the others (None: both), from where on, how many."""

    framework: str | None = None
    archived: bool | None = False
    cursor: str | None = None
    limit: int = PAGE_MAX


@dataclass(frozen=True)
class ShelfPage(Generic[T]):
    """Objects in the order of their ids, and where the next page starts (None: there is none)."""

    items: list[Held[T]]
    next_cursor: str | None


@dataclass(frozen=True)
class VersionPage:
    """States of an object, newest first, and where the next page starts (None: there is none)."""

    items: list[ObjectVersion]
    next_cursor: str | None


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def hidden_of(kind: Any) -> frozenset[str]:
    """The fields of a Struct (or of each of a union) that are kept and not shown."""
    return frozenset().union(*(getattr(each, "HIDDEN", ()) for each in get_args(kind) or (kind,)))


def id_of(value: Any) -> str:
    """The id of a value of any kind."""
    return str(value.id)
