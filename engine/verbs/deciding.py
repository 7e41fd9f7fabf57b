"""What people decide about recommendations: to do what is recommended, or to dismiss it.

Applied is what was tried: the rule must be in the state that the replay had (`rule_version`), else the promise is of
another rule, and it is refused (409); so is one for a framework that was put away. What is made is made by the shelves'
own verbs, so the rights, the checks, the history and the audit trail are those of a change by hand: who, from where,
before and after. A click that was cut short may come again: the rule that has the change already, and the object that
is there already, are what was wanted.
"""

from __future__ import annotations

from typing import Any

import msgspec

from actors.ports import Clock
from engine.access.audit import AuditTrail
from engine.access.roles import check
from engine.analytics.insight_findings import recommendation_finding, recommendation_of
from engine.analytics.standing import Standing
from engine.core.analytics.measures import silence_end, timed
from engine.core.analytics.recommending import OUTDATED
from engine.shelf.objects import Shelf
from engine.shelf.shelves import Shelves
from engine.stores import Store
from engine.stores.findings import Finding
from engine.verbs.insights import InsightVerbs
from protocol.errors import Busy, Conflict, Outdated, UnknownChannel
from protocol.insights import Measure, Recommendation, RecommendationState
from protocol.model import Principal
from protocol.rules import Rule
from protocol.times import rfc3339

# The next run may write it meanwhile; nobody loses so often.
_TRIES_MAX = 5
_APPLIED = "it was applied: change the rule back instead"


class Deciding:
    """The verbs. All raise PermissionDenied, StoreUnavailable; UnknownChannel for what is not here."""

    def __init__(
        self,
        store: Store,
        shelves: Shelves,
        insights: InsightVerbs,
        standing: Standing,
        trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._store = store
        self._shelves = shelves
        self._insights = insights
        self._standing = standing
        self._trail = trail
        self._clock = clock
        self._figures = {"applied": 0, "dismissed": 0}

    def statistics(self) -> dict[str, int]:
        """Recommendations that were applied and dismissed here."""
        return dict(self._figures)

    async def apply(self, who: Principal, recommendation_id: str, address: str = "") -> Recommendation:
        """Does what is recommended; idempotent. Raises Conflict if the rule has changed, or it cannot be done so."""
        check(who, "edit")
        found = await self._insights.found(who, recommendation_id)
        one = recommendation_of(found)
        if one.state is RecommendationState.APPLIED:
            return one
        if one.state is not RecommendationState.OPEN:
            raise Conflict(f"it is {one.state.value}: only an open recommendation can be applied")
        if why := one.cannot or self._standing.why_silent(who, one.framework_id):
            raise Conflict(why)
        await self._do(who, one, address)
        return await self._settle(who, found, RecommendationState.APPLIED, None)

    async def dismiss(
        self, who: Principal, recommendation_id: str, notes: str | None = None, address: str = ""
    ) -> Recommendation:
        """Puts one away: it is not told again as long as its rule is as it is. Idempotent. Raises Conflict."""
        check(who, "respond")
        found = await self._insights.found(who, recommendation_id)
        one = recommendation_of(found)
        if one.state is RecommendationState.DISMISSED:
            return one
        if one.state is RecommendationState.APPLIED:
            raise Conflict(_APPLIED)
        await self._trail.record(who, "dismiss_recommendation", recommendation_id, address)
        return await self._settle(who, found, RecommendationState.DISMISSED, notes)

    async def _do(self, who: Principal, one: Recommendation, address: str) -> None:
        if one.measure is Measure.SILENCE:
            await self._require_same(who, one)
            now = self._clock()
            await self._make(who, self._shelves.silences, one, timed(one.change, now, silence_end(now)), address)
        elif one.measure is Measure.ADD_ESCALATION:
            await self._require_same(who, one)
            await self._make(who, self._shelves.escalations, one, one.change, address)
        else:
            await self._change(who, one, address)

    async def _change(self, who: Principal, one: Recommendation, address: str) -> None:
        try:
            await self._shelves.rules.patch(who, one.rule_id, one.change, one.rule_version, address)
        except UnknownChannel as fault:
            raise Conflict("the rule is not there any more") from fault
        except Outdated as fault:
            if not _has(await self._rule(who, one), one.change):
                raise Conflict(OUTDATED) from fault

    async def _require_same(self, who: Principal, one: Recommendation) -> None:
        try:
            version = (await self._shelves.rules.get(who, one.rule_id)).version
        except UnknownChannel as fault:
            raise Conflict("the rule is not there any more") from fault
        if version != one.rule_version:
            raise Conflict(OUTDATED)

    async def _rule(self, who: Principal, one: Recommendation) -> Rule:
        return (await self._shelves.rules.get(who, one.rule_id)).value

    async def _make(
        self, who: Principal, shelf: Shelf[Any], one: Recommendation, given: dict[str, Any], address: str
    ) -> None:
        """Makes an object once, however often it is asked for."""
        name = f"recommended-{one.id}"
        if known := await shelf.several(who, [name]):
            if known[name].is_archived:
                raise Conflict(f"{name} was made already and has been put away since: restore it, or dismiss this")
            return
        try:
            await shelf.create(who, {"id": name, **given}, address)
        except Conflict:
            # A second click at the same time may have made it.
            if not await shelf.several(who, [name]):
                raise

    async def _settle(
        self, who: Principal, found: Finding, state: RecommendationState, notes: str | None
    ) -> Recommendation:
        for _ in range(_TRIES_MAX):
            now = self._clock()
            one = msgspec.structs.replace(
                recommendation_of(found), state=state, decided_at=rfc3339(now), decided_by=who.user, notes=notes
            )
            if await self._store.settle_finding(recommendation_finding(who.workspace, one, now, found.version)):
                self._figures[state.value] += 1
                return one
            found = await self._insights.found(who, found.key)
            known = recommendation_of(found)
            if known.state is state:
                return known
            if known.state is RecommendationState.APPLIED:
                raise Conflict(_APPLIED)
        raise Busy("the recommendation was changed by others again and again; try again")


def _has(rule: Rule, change: dict[str, Any]) -> bool:
    return all(getattr(rule, name, None) == value for name, value in change.items())
