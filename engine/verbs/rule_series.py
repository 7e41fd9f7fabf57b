"""The verb for what a rule sees now: a page of its series, asked of the channel. Whoever may read may ask.

Owns nothing. The channel that the rule is for answers, as it stands between two decisions. One that is not running is
started for it, as for any command, because what its rules know is made from stored states and the readings after them;
a framework that nothing was ever read for has no series, and nothing is started to say so.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from actors.mailbox import Envelope, Receipt
from actors.registry import Registry
from engine.pages import Count, Cursors
from engine.shelf.objects import Shelf
from engine.stores import Store
from engine.verbs.answers import slot
from protocol.errors import Busy, TocsinError
from protocol.model import ChannelKey, Principal
from protocol.rule_series import ListSeries, SeriesListed, SeriesSeen, SeriesState
from protocol.rules import Rule

# By the number that the channel gave a series.
CURSORS = Cursors("rule_series", tuple[Count])


class RuleSeriesPage(msgspec.Struct, frozen=True, kw_only=True):
    """Series of a rule, in the order in which they came up, and where the next page starts; None: there is none."""

    items: tuple[SeriesSeen, ...]
    next_cursor: str | None = None


class RuleSeries:
    """Answers what rules of the asker's workspace see."""

    def __init__(
        self,
        rules: Shelf[Rule],
        store: Store,
        registry: Registry,
        answer_s: float,
        refused: Callable[[TocsinError], None],
    ) -> None:
        self._rules = rules
        self._store = store
        self._registry = registry
        self._answer_s = answer_s
        self._refused = refused

    async def page(
        self, who: Principal, rule_id: str, states: tuple[SeriesState, ...], cursor: str | None, limit: int
    ) -> RuleSeriesPage:
        """A page of a rule's series, only those in these states (none given: all).

        Raises UnknownChannel, PermissionDenied, BadRequest, Busy, StoreUnavailable.
        """
        (after,) = (0,) if cursor is None else CURSORS.place(cursor)
        rule = (await self._rules.get(who, rule_id)).value
        key = ChannelKey(who.workspace, rule.framework)
        if not self._registry.runs(key) and not (await self._store.series(*key, None, 1)).items:
            return RuleSeriesPage(items=())
        asked = ListSeries(rule=rule.id, after=after, limit=limit, states=states)
        listed = await self._ask(key, asked)
        next_cursor = None if listed.next_after is None else CURSORS.after((listed.next_after,))
        return RuleSeriesPage(items=listed.items, next_cursor=next_cursor)

    async def _ask(self, key: ChannelKey, asked: ListSeries) -> SeriesListed:
        answered, results = slot()
        # Counts what it refuses itself.
        cell = self._registry.cell(key)
        try:
            cell.put_all([Envelope(asked, Receipt(1, answered), 0)])
        except Busy as fault:
            self._refused(fault)
            raise
        [listed] = await results(self._answer_s)
        if not isinstance(listed, SeriesListed):
            raise Busy("the channel could not answer just now; ask again in a moment")
        return listed
