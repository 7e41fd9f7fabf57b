"""What would this rule do? Tried on a few values, on readings of the past, or on people with a marked test alert.

Owns nothing. A few readings are held against the rule here, which takes a millisecond; more of them in a process of
their own (`engine.trying.backtests`). Neither stores anything nor tells anybody; only the test alert does, and says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from actors.ports import Clock, NewId
from engine.access.roles import check, check_framework
from engine.core.rules.backtest import Backtest, backtest
from engine.core.rules.book import Firing, dressed, fill
from engine.core.rules.templates import Texts
from engine.shelf.objects import Shelf
from engine.shelf.rules import checked_rule
from engine.stores.readings import Resolution
from engine.trying.backtest_worker import BacktestReading
from engine.trying.backtests import Backtests
from engine.trying.stored import Span, StoredReadings, StoredSpan
from protocol.commands import Observe, Ring
from protocol.fields import LABELS_MAX, TITLE_MAX_CHARS
from protocol.items import ItemResult, TriggerInput
from protocol.model import EventKind, Principal
from protocol.rules import Rule
from protocol.times import SECOND_US, moment_of, rfc3339

# A dry run on the loop: about 2 ms.
TRIED_MAX = 100

Trigger = Callable[[Principal, Sequence[TriggerInput]], Awaitable[list[ItemResult]]]


class Backtested(Backtest, frozen=True, kw_only=True):
    """A backtest, and how finely the stored readings that it ran over are told (null: they were given).

    `resolution` is the coarsest of `stored`: the newest may be told in readings, older ones by the minute or hour.
    """

    resolution: Resolution | None = None
    stored: list[StoredSpan] = []


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule said to a few readings, and what became of the test alert (null: none was asked for)."""

    backtest: Backtest
    sent: ItemResult | None = None


class Trials:
    """The verbs for trying rules. Whoever may edit rules may try them."""

    def __init__(
        self,
        rules: Shelf[Rule],
        stored: StoredReadings,
        backtests: Backtests,
        trigger: Trigger,
        clock: Clock,
        new_id: NewId,
        suppression_s: float,
    ) -> None:
        self._rules = rules
        self._stored = stored
        self._backtests = backtests
        self._trigger = trigger
        self._clock = clock
        self._new_id = new_id
        self._suppression_s = suppression_s

    def statistics(self) -> Mapping[str, int]:
        """Processes of backtests, by what became of them."""
        return self._backtests.processes.statistics()

    async def test(self, who: Principal, rule_id: str, given: Sequence[BacktestReading], is_sent: bool) -> Tried:
        """A stored rule on a few readings; those without a time follow each other by a second, from now on.

        Time goes on until what is pending at the end would fire. Raises UnknownChannel, BadRequest, PermissionDenied.
        """
        check(who, "edit")
        rule = (await self._rules.get(who, rule_id)).value
        readings = self._observed(rule, given)
        until = max((reading.at for reading in readings), default=0) + int(rule.for_s * SECOND_US)
        found = backtest(rule, readings, self._suppression_s, until)
        return Tried(
            backtest=found, sent=await self._send(who, rule, _sample(rule, found, readings)) if is_sent else None
        )

    def _observed(self, rule: Rule, given: Sequence[BacktestReading]) -> list[Observe]:
        now = self._clock()
        return [
            Observe(
                metric=reading.metric or rule.metric,
                value=reading.value,
                at=now + place * SECOND_US if reading.at is None else moment_of(reading.at, f"readings[{place}].at"),
                # Without any it is of a series that the rule looks at.
                labels=reading.labels or rule.match,
            )
            for place, reading in enumerate(given)
        ]

    async def _send(self, who: Principal, rule: Rule, sample: Firing) -> ItemResult:
        """An alert that is marked as a test, and the same as no other; people close it like any."""
        labels = dict(list((rule.match | sample.ring.labels).items())[: LABELS_MAX - 1])
        alert = TriggerInput(
            framework_id=rule.framework,
            rule_id=rule.id if rule.enabled else None,
            severity=sample.severity.value,
            # A value at which the rule is content would be refused as below its threshold; the title still says it.
            current_value=None if sample.is_below else sample.ring.current_value,
            title=f"[test] {sample.title}"[:TITLE_MAX_CHARS],
            message=f"This is a test of the rule {rule.id}, sent by {who.user}. Nothing has happened.",
            labels=labels | {"test": "true"},
            dedup_key=f"test:{self._new_id()}",
        )
        [result] = await self._trigger(who, [alert])
        return result

    async def over_given(self, who: Principal, rule: Rule, readings: bytes) -> Backtested:
        """A rule over readings (a JSON list, read in the other process). Raises BadRequest, Busy."""
        return _backtested(await self._backtests.run(self._permitted(who, rule), readings))

    async def over_stored(
        self, who: Principal, rule: Rule, since_us: int | None, until_us: int | None, resolution: Resolution | None
    ) -> Backtested:
        """A rule over stored readings, in the order of their times; `resolution` None: as finely as they are kept.

        Raises BadRequest if they are too many, Busy.
        """
        rule = self._permitted(who, rule)
        until = self._clock() if until_us is None else until_us
        found = await self._stored.of(who, rule, since_us, until, resolution)
        return _backtested(await self._backtests.run(rule, until=until, stored=found.pages), found.spans)

    async def stored_rule(self, who: Principal, rule_id: str) -> Rule:
        """A rule by its id. Raises UnknownChannel, PermissionDenied."""
        check(who, "edit")
        return (await self._rules.get(who, rule_id)).value

    def _permitted(self, who: Principal, rule: Rule) -> Rule:
        check(who, "edit")
        check_framework(who, rule.framework)
        return checked_rule(who, rule)


def _sample(rule: Rule, found: Backtest, readings: Sequence[Observe]) -> Firing:
    """What the test alert shows: what would have rung first; if nothing would have, the last reading in its words."""
    for event in found.events:
        if event.event is EventKind.FIRED:
            ring = Ring(severity=event.severity, title=event.title, current_value=event.value, labels=event.labels)
            return fill(ring, rule)
    last = readings[-1] if readings else None
    ring = Ring(current_value=last.value, labels=last.labels) if last is not None else Ring()
    return dressed(fill(ring, rule, Texts(rule)))


def _backtested(found: Backtest, spans: Sequence[tuple[Span, int]] = ()) -> Backtested:
    # Oldest first, and only where there was something: what is empty says nothing about how finely.
    told = [
        StoredSpan(since=rfc3339(span.since), resolution=span.resolution, points=points)
        for span, points in reversed(spans)
        if points
    ]
    coarsest = (told[0].resolution if told else spans[0][0].resolution) if spans else None
    said = {name: getattr(found, name) for name in found.__struct_fields__}
    return Backtested(**said, resolution=coarsest, stored=told)
