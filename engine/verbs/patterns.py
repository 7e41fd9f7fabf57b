"""What people ask and say about patterns: lists, one of them, confirming and dismissing.

Who may see only some frameworks sees the patterns that are about one of those alone. What is said is in the audit trail
before it is done, and in the pattern; the next run's bar is moved by it (`engine.core.analytics.patterns.bars`).
"""

from __future__ import annotations

from functools import partial

import msgspec

from actors.ports import Clock
from engine.access.audit import AuditTrail
from engine.access.roles import check, check_framework, may_see
from engine.analytics.pattern_findings import LAST_RUN, PATTERN, RUN, finding_of, pattern_of, run_of
from engine.analytics.readable import readable
from engine.cache.cache import Cache
from engine.cache.reads import digest
from engine.cache.strategies import PATTERNS, PATTERNS_CHANGED, Key, Patterns
from engine.stores import Store
from engine.stores.findings import Finding, FindingQuery
from protocol.errors import Busy, UnknownChannel
from protocol.model import Principal
from protocol.patterns import Lacking, Pattern, PatternKind, PatternRun, PatternState, Said
from protocol.times import rfc3339

# A run may write the same pattern meanwhile, and somebody else may say something; nobody loses so often.
_TRIES_MAX = 5
_VERBS = {PatternState.CONFIRMED: "confirm_pattern", PatternState.DISMISSED: "dismiss_pattern"}


class PatternsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which patterns somebody asks for; all that is given must hold. `since_us`: found first from then on."""

    limit: int
    framework: str | None = None
    rule_id: str | None = None
    kinds: tuple[PatternKind, ...] = ()
    states: tuple[PatternState, ...] = ()
    confidence_min: float | None = None
    since_us: int | None = None
    cursor: str | None = None


class LastRun(msgspec.Struct, frozen=True, kw_only=True):
    """What the last run did: up to when and since when it looked, at how many alerts, whether older ones were left out.

    Its figures are of the whole workspace: null, and `lacking` empty, for a token that is for some frameworks only.
    Times are RFC 3339.
    """

    at: str
    since: str
    alerts: int | None = None
    is_cut: bool | None = None
    found: int | None = None
    new: int | None = None
    lacking: tuple[Lacking, ...] = ()


class PatternPage(msgspec.Struct, frozen=True, kw_only=True):
    """Patterns, the newest first; where the next page starts (null: there is none); the last run (null: none yet)."""

    items: list[Pattern]
    next_cursor: str | None
    run: LastRun | None


class PatternVerbs:
    """All raise PermissionDenied, StoreUnavailable; UnknownChannel for what is not here or not theirs to see."""

    def __init__(self, store: Store, trail: AuditTrail, clock: Clock, cache: Cache) -> None:
        self._store = store
        self._cache = cache
        self._trail = trail
        self._clock = clock
        self._said = {"confirmed": 0, "dismissed": 0}

    def statistics(self) -> dict[str, int]:
        """Patterns that people confirmed and dismissed here."""
        return dict(self._said)

    async def page(self, who: Principal, wanted: PatternsWanted) -> PatternPage:
        """A page of patterns, and what the last run did. Raises BadRequest for a cursor that is not ours."""
        check(who, "read")
        check_framework(who, wanted.framework)
        query = FindingQuery(
            workspace=who.workspace,
            kind=PATTERN,
            frameworks=who.channels,
            framework=wanted.framework,
            rule_id=wanted.rule_id,
            sorts=tuple(kind.value for kind in wanted.kinds),
            states=tuple(state.value for state in wanted.states),
            score_min=wanted.confidence_min,
            since_us=wanted.since_us,
            cursor=wanted.cursor,
            limit=wanted.limit,
        )
        key = Key(who.workspace, wanted.framework, (digest(query),))
        found = await self._cache.get(PATTERNS, key, partial(self._found, query))
        return PatternPage(items=list(found.items), next_cursor=found.next_cursor, run=_told(who, found.run))

    async def _found(self, query: FindingQuery) -> Patterns:
        page = await self._store.findings(query)
        run = run_of(await self._store.finding(query.workspace, RUN, LAST_RUN))
        return Patterns(tuple(readable(page.items, pattern_of)), page.next_cursor, run)

    async def get(self, who: Principal, pattern_id: str) -> Pattern:
        """One pattern."""
        check(who, "read")
        return pattern_of(await self._get(who, pattern_id))

    async def say(
        self, who: Principal, pattern_id: str, state: PatternState, notes: str | None = None, address: str = ""
    ) -> Pattern:
        """Confirms or dismisses one. Saying the same again changes nothing; the other one takes its place."""
        check(who, "respond")
        found = await self._get(who, pattern_id)
        if pattern_of(found).state is state:
            return pattern_of(found)
        await self._trail.record(who, _VERBS[state], pattern_id, address, notes)
        for _ in range(_TRIES_MAX):
            now = self._clock()
            said = Said(by=who.user, at=rfc3339(now), notes=notes)
            pattern = msgspec.structs.replace(pattern_of(found), state=state, said=said)
            if await self._store.settle_finding(finding_of(who.workspace, pattern, now)):
                self._cache.forget(who.workspace, [PATTERNS_CHANGED])
                self._said[state.value] += 1
                return msgspec.structs.replace(pattern, version=pattern.version + 1)
            found = await self._get(who, pattern_id)
        raise Busy("the pattern was changed by others again and again; try again")

    async def _get(self, who: Principal, pattern_id: str) -> Finding:
        found = await self._store.finding(who.workspace, PATTERN, pattern_id)
        if found is None or not may_see(who, found.framework):
            raise UnknownChannel("there is no such pattern")
        return found


def _told(who: Principal, run: PatternRun | None) -> LastRun | None:
    """The last run, as far as it is this token's to know."""
    if run is None:
        return None
    if who.channels is not None:
        return LastRun(at=run.at, since=run.since)
    return LastRun(**msgspec.structs.asdict(run))
