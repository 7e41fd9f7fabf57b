"""Tokens that end before their time: one token (by `jti`), or all that a user has until now.

Owns: the revocations in force, in memory, because every door asks at every token. The store has them too, and first: a
revocation counts when it is on stable storage, else after a crash the stolen token would be good again. While the store
is away it is refused as a whole (120). At the start all are read before any door opens. A revocation ends when the
last token that it can mean has ended by itself (LIFETIME_MAX_S), so what is kept is bounded by time; and by number, for
each workspace, so that one workspace's administrator cannot fill the memory of all.

A token without `iat` counts as older than any revocation of its user. Times of tokens are whole seconds, so one that
was issued in the very second of the revocation is refused as well.
Decided against: asking the store at each token (a door must answer while the store is away), and a list of good tokens
instead of bad ones (a restart would throw everybody out).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence

import msgspec

from engine.access.claims import CLOCK_SKEW_S, LIFETIME_MAX_S
from engine.pages import Cursors, Name
from engine.stores.connections import Revocation, RevocationKind
from protocol.errors import LimitReached
from protocol.limits import Limit
from protocol.model import Principal
from protocol.times import SECOND_US
from protocol.wording import several

# Of a page: kind and target of its last one.
CURSORS = Cursors("revocations", tuple[Name, Name])
KEPT_US = (LIFETIME_MAX_S + CLOCK_SKEW_S) * SECOND_US

_Target = tuple[RevocationKind, str]


class RevocationPage(msgspec.Struct, frozen=True, kw_only=True):
    """Revocations of a workspace, tokens first, each by name; and where the next page starts (None: there is none)."""

    items: Sequence[Revocation]
    next_cursor: str | None = None


class Revocations:
    """What is revoked now."""

    def __init__(self, per_workspace_max: int = 10_000, in_all_max: int = 200_000) -> None:
        self._per_workspace_max = per_workspace_max
        self._in_all_max = in_all_max
        self._by_workspace: dict[str, dict[_Target, Revocation]] = {}
        # All of them, in the order of their ends: each is kept as long as any other. (After a clock that was set back
        # some are forgotten a little later than they could be, which changes nothing.)
        self._by_end: dict[tuple[str, RevocationKind, str], int] = {}
        # In force, though nobody knows whether the store has them.
        self._unsure: set[tuple[str, RevocationKind, str]] = set()
        # Grows with each change: who asked the store meanwhile may have been told of an older state.
        self.changes = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._by_end)

    def load(self, rows: Iterable[Revocation]) -> None:
        """What the store has is what counts from now on."""
        self._by_workspace, self._by_end, self._unsure = {}, {}, set()
        for row in sorted(rows, key=lambda row: row.ends_at):
            self.add(row)

    def renew(self, rows: Iterable[Revocation], known: Collection[tuple[str, RevocationKind, str]]) -> None:
        """What the store has, asked when these were `known`: those that it has not any more are gone."""
        rows = sorted(rows, key=lambda row: row.ends_at)
        there = {(row.workspace, row.kind, row.target) for row in rows}
        for workspace, kind, target in set(known) - there - self._unsure:
            self.remove(workspace, kind, target)
        for row in rows:
            self.add(row)

    @property
    def known(self) -> Collection[tuple[str, RevocationKind, str]]:
        """Workspace, kind and target of each."""
        return set(self._by_end)

    def check_room(self, workspace: str, kind: RevocationKind, target: str, now_us: int) -> None:
        """May this be revoked too? Forgets what has ended. Raises LimitReached."""
        self._forget_ended(now_us)
        own = self._by_workspace.get(workspace, {})
        if (kind, target) in own:
            return
        if len(own) >= self._per_workspace_max:
            limit = f"limit {self._per_workspace_max} (identity.revocations_per_workspace_max)"
            text = f"{several(len(own), 'revocation')}, {limit}: revoke users instead of single tokens"
            raise LimitReached(text, Limit.REVOCATIONS_PER_WORKSPACE)
        if self.count >= self._in_all_max:
            # Without the count, which would tell about other workspaces.
            limit = f"limit {self._in_all_max} (identity.revocations_max)"
            text = f"no room for another revocation, {limit}: ask the engine's operator"
            raise LimitReached(text, Limit.REVOCATIONS)

    def add(self, row: Revocation, *, is_stored: bool = True) -> None:
        """This token or user is revoked from now on. One that may not be stored stays, whatever the store has."""
        self.remove(row.workspace, row.kind, row.target)
        if not is_stored:
            self._unsure.add((row.workspace, row.kind, row.target))
        self._by_workspace.setdefault(row.workspace, {})[row.kind, row.target] = row
        self._by_end[row.workspace, row.kind, row.target] = row.ends_at

    def remove(self, workspace: str, kind: RevocationKind, target: str) -> None:
        """It is not, any more."""
        self.changes += 1
        self._unsure.discard((workspace, kind, target))
        if self._by_end.pop((workspace, kind, target), None) is None:
            return
        own = self._by_workspace[workspace]
        del own[kind, target]
        if not own:
            del self._by_workspace[workspace]

    def find(self, workspace: str, kind: RevocationKind, target: str) -> Revocation | None:
        """The revocation of this token or user, if there is one."""
        return self._by_workspace.get(workspace, {}).get((kind, target))

    def covers(self, who: Principal) -> bool:
        """Whether the token that `who` came with is revoked."""
        own = self._by_workspace.get(who.workspace)
        if own is None:
            return False
        if who.token_id and (RevocationKind.JTI, who.token_id) in own:
            return True
        of_user = own.get((RevocationKind.USER, who.user))
        return of_user is not None and (who.issued_at is None or who.issued_at * SECOND_US <= of_user.at)

    def page(self, workspace: str, cursor: str | None, limit: int) -> RevocationPage:
        """A page of a workspace's revocations. Raises BadRequest for a cursor that is not ours."""
        after = None if cursor is None else CURSORS.place(cursor)
        own = self._by_workspace.get(workspace, {}).values()
        left = sorted((row for row in own if after is None or _place(row) > after), key=_place)
        return RevocationPage(items=left[:limit], next_cursor=CURSORS.following(left, limit, _place))

    def _forget_ended(self, now_us: int) -> None:
        ended = itertools.takewhile(lambda entry: entry[1] <= now_us, self._by_end.items())
        for (workspace, kind, target), _ in list(ended):
            self.remove(workspace, kind, target)


def _place(row: Revocation) -> tuple[str, str]:
    return row.kind.value, row.target
