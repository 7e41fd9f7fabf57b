"""How kept recommendations stand now: is their rule as it was when they were tried, and does anything ring by it?

Owns nothing. Reckoned whenever somebody reads them, from the rules as they are stored then: so a click, a change by
hand, on whatever node, and a rule that is taken back are told in the very next answer, with nothing to keep in step.
Decided against a note in the store at each change of a rule: it would cost every change a question, and be wrong after
a kill.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.analytics.recommending import as_it_stands
from engine.shelf.archived import ArchivedPlaces
from engine.shelf.kinds import Held
from engine.shelf.objects import Shelf
from protocol.insights import Recommendation, RecommendationState
from protocol.model import ChannelKey, Principal
from protocol.rules import Rule


class Standing:
    """Compares them with the rules as they are. Raises PermissionDenied, StoreUnavailable."""

    def __init__(self, rules: Shelf[Rule], archived: ArchivedPlaces) -> None:
        self._rules = rules
        self._archived = archived

    async def of(self, who: Principal, kept: Sequence[Recommendation]) -> list[Recommendation]:
        """These, as they stand, in their order; one question for all of them."""
        names = {one.rule_id for one in kept if one.state is RecommendationState.OPEN}
        rules = await self._rules.several(who, sorted(names)) if names else {}
        return [as_it_stands(one, self._version(who, rules.get(one.rule_id))) for one in kept]

    def why_silent(self, who: Principal, framework: str) -> str:
        """Why nothing rings in a framework, in words; empty: it does."""
        return self._archived.why(ChannelKey(who.workspace, framework))

    def _version(self, who: Principal, rule: Held[Rule] | None) -> int | None:
        """None: nothing rings by it."""
        if rule is None or rule.is_archived or not rule.value.enabled:
            return None
        return None if self.why_silent(who, rule.value.framework) else rule.version
