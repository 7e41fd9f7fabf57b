"""The part of a store's contract that is about analytics: what was found, and the history that it is found in.

Patterns, predictions, insights and recommendations are rows of one kind: `Finding`. What makes two of them the same is
their key, which whoever finds them makes from what they are about; so a run that comes twice finds nothing new. What
people decide about one (`state`, and who did in its body) is not undone by the next run: `put_findings` says how.
`tests/unit/test_store_findings.py` is what every adapter must do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from engine.pages import PAGE_DEFAULT
from protocol.model import AlertState, Severity
from protocol.times import parse_rfc3339

# A page of history: half a second of Postgres' time, and about 2 MB of text.
HISTORY_PAGE_MAX = 5_000
# Of an alert in the history: longer label sets are left out, as if there were none.
HISTORY_LABELS_MAX_CHARS = 2_000


class Finding(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Something that was found in a workspace. Times are microseconds; `body` is JSON of its kind's own form.

    `kind`: pattern, prediction, insight, recommendation, ... `key`: its identity within workspace and kind.
    `framework`: None if it is about several, or all; who may see only some frameworks does not see that. `sort` and
    `score`: what its kind filters lists by (a pattern's sort and confidence; 15 digits). `state`: a word of the kind.
    `at`: since when it is there; `due`: when it is to be looked at again (scored), if ever. `version`: the store's; as
    it was read, or 0.
    """

    workspace: str
    kind: str
    key: str
    state: str
    at: int
    updated_at: int
    body: str
    framework: str | None = None
    rule_id: str | None = None
    sort: str = ""
    score: float | None = None
    due: int | None = None
    version: int = 0


class FindingQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which findings of one kind. Empty tuples and None do not restrict; all that is given must hold.

    `frameworks` is what the asker may see (None: everything), `framework` what was asked for. `at` is from `since_us`
    on, before `until_us`; `score` at least `score_min`. `cursor` is the `next_cursor` of the page before.
    """

    workspace: str
    kind: str
    frameworks: tuple[str, ...] | None = None
    framework: str | None = None
    rule_id: str | None = None
    sorts: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    score_min: float | None = None
    since_us: int | None = None
    until_us: int | None = None
    cursor: str | None = None
    limit: int = PAGE_DEFAULT


class FindingPage(msgspec.Struct, frozen=True, kw_only=True):
    """Findings, newest first (by `at`), and where the next page starts; None: there is none."""

    items: list[Finding]
    next_cursor: str | None = None


class HistoryRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One alert as those see it who look for what many have in common. Times are microseconds where they are numbers.

    `title` is as it was told first. `acknowledged` is RFC 3339; `resolved_by` is who did, where that was said.
    """

    id: str
    framework: str
    rule_id: str | None
    title: str
    identity: str
    severity: Severity
    state: AlertState
    triggered_at: int
    acknowledged: str | None
    resolved_at: int | None
    resolved_by: str | None
    occurrences: int
    labels: dict[str, str]
    # Somebody has said that it should not have rung.
    noise: bool = False

    @property
    def acknowledged_at(self) -> int | None:
        """When somebody took it on; None: nobody has, or it was given back."""
        return None if self.acknowledged is None else parse_rfc3339(self.acknowledged)


class HistoryPage(msgspec.Struct, frozen=True, gc=False):
    """Alerts as one JSON text (`decode_history` reads it, best in the process that needs them), and how many they are.

    `after`: for the next page; None: there is none.
    """

    rows: str
    count: int
    after: str | None


class FindingStore(Protocol):
    """What analytics needs of a store. Everything raises StoreUnavailable."""

    async def put_findings(self, findings: Sequence[Finding]) -> frozenset[tuple[str, str, str]]:
        """Writes findings in one transaction; the (workspace, kind, key) of those that were not there before.

        One that is there keeps its `at`. With version 0 it is written anew if its state is the one that is given, and
        left as it is else (somebody has decided since); with another version only if that is the stored one.
        """

    async def settle_finding(self, finding: Finding) -> bool:
        """Writes state, score, due and body over the version that was read. False: it has changed, or is gone."""

    async def finding(self, workspace: str, kind: str, key: str) -> Finding | None:
        """The one with this key."""

    async def findings_named(self, workspace: str, kind: str, keys: Collection[str]) -> dict[str, Finding]:
        """Those of these keys (500 at most) that there are."""

    async def findings(self, query: FindingQuery) -> FindingPage:
        """A page of findings. Raises BadRequest for a bad cursor or limit (1..500)."""

    async def due_findings(self, kind: str, before_us: int, limit: int) -> list[Finding]:
        """Those of all workspaces that were due before then, the longest first."""

    async def trim_findings(self, before_us: int, limit: int) -> int:
        """Deletes some that have not changed since then and are not due later; how many."""

    async def alert_history(
        self, workspace: str, since_us: int, until_us: int, after: str | None = None, limit: int = HISTORY_PAGE_MAX
    ) -> HistoryPage:
        """Alerts triggered from `since_us` on and before `until_us`, in the order of their ids: that of their making,
        which is within a batch's that of `triggered_at`. `after` is that of the page before."""


_decode = msgspec.json.Decoder(list[HistoryRow]).decode


def decode_history(rows: str) -> list[HistoryRow]:
    """The alerts of a page: about 2 µs each."""
    return _decode(rows)
