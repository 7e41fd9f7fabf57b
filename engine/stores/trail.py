"""The audit trail as a store answers it: what people did about alerts, and what administrators did, in one order."""

from __future__ import annotations

import enum

import msgspec


class TrailKind(enum.Enum):
    """Where a line comes from; of lines of one moment, those of the later kind come first on a page."""

    ALERT = "alert"
    ADMINISTRATION = "administration"


class TrailPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a line stands: its time (microseconds), its kind and its number within that kind.

    Lines of one moment are told apart by the number; that it grows with the commits is not promised.
    """

    at: int
    kind: TrailKind
    number: int


# Of a thing that was changed: what is different, by name.
Fields = dict[str, str | int | None]


class TrailLine(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what, when, to what (an alert's id, or what an administrator acted on), and from which address.

    `before` and `after` name what is different: of alerts `state` and `assigned_to`, of objects and trackers `version`
    (0: there was none), of trackers also where the project stands. Both are empty where nobody wrote it down.
    """

    place: TrailPlace
    by: str
    verb: str
    target: str
    address: str
    notes: str | None = None
    before: Fields = {}
    after: Fields = {}


class TrailQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines of a workspace, newest first, at most `limit`. None does not restrict; all that is given must hold.

    `verbs`: any of these. `target` is an alert's id or an administrator's target; times are microseconds: from
    `since_us` on, before `until_us`. `before` is the place of the last line of the page before.
    """

    workspace: str
    limit: int
    kinds: tuple[TrailKind, ...] = tuple(TrailKind)
    by: str | None = None
    verbs: tuple[str, ...] = ()
    target: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    before: TrailPlace | None = None


class AdministrativeAct(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One line of the audit trail: an administrator of `workspace` did this at `at` (microseconds).

    `before` and `after` name what is different, as in `TrailLine`. `number` is the store's: it grows, and is never used
    again.
    """

    workspace: str
    at: int
    by: str
    verb: str
    target: str
    address: str
    notes: str | None = None
    before: Fields = {}
    after: Fields = {}
    number: int = 0
