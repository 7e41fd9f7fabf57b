"""Readings, held against the rules that watch their metric, and what time alone does to those rules.

What a series says (`engine.core.rules.series`) becomes an alert here: it holds for long enough, it rings (suppression
decides whether that is told); it holds no more, its alert is resolved by "rule"; it falls silent, and its rule wants to
know, an alert of its own says so. A rule that was changed in what it evaluates starts anew, all others keep their state
(`engine.core.seriesbook`); alerts that no reading can close any more are closed (`engine.core.orphans`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.core.agenda import NEVER
from engine.core.keeping import StateKeeper
from engine.core.ledger import Ledger
from engine.core.lifecycle import TABLE
from engine.core.log import ReadingLog
from engine.core.orphans import NO_DATA, Orphans, changed_between
from engine.core.ringing import BELOW, Ringer
from engine.core.rules.book import RuleBook, fill
from engine.core.rules.evaluation import Seen
from engine.core.rules.holding import Phase
from engine.core.rules.milestone import Milepost, MilestoneEvaluator
from engine.core.rules.series import AHEAD_MAX_US, Series
from engine.core.seriesbook import SeriesBook
from engine.core.showing import milepost_identity, silent_identity
from engine.core.turn import ROWS_MAX, Turn, rejected
from protocol.changes import Action
from protocol.commands import Observe, Ring
from protocol.effects import Recalled
from protocol.items import ItemResult
from protocol.model import Reason, Severity, Status
from protocol.orders import Orders
from protocol.rules import NoData
from protocol.times import SECOND_US

# What time brought and what found no room is tried again so much later.
RETRY_US = SECOND_US

UNWATCHED = ItemResult(status=Status.BELOW_THRESHOLD, reason=Reason.NO_RULE)
PENDING = ItemResult(status=Status.PENDING, reason=Reason.PENDING)
LATE = ItemResult(status=Status.BELOW_THRESHOLD, reason=Reason.LATE)
# Which of several outcomes of one reading is its answer. A refusal hides nothing but what is silent anyway.
_LOUDNESS: Mapping[Status, int] = {
    Status.BELOW_THRESHOLD: 0,
    Status.PENDING: 1,
    Status.SUPPRESSED: 2,
    Status.REJECTED: 3,
    Status.RESOLVED: 4,
    Status.REPEATED: 5,
    Status.FIRED: 6,
}


class Watcher:
    """The rules of one channel, and what they say to its readings."""

    def __init__(self, ledger: Ledger, ringer: Ringer, log: ReadingLog, orders: Orders) -> None:
        self._ledger = ledger
        self._ringer = ringer
        self.log = log
        self.series = SeriesBook(ledger.framework, orders.rules, ledger.policy, StateKeeper(log), self._is_missed)
        self._orphans = Orphans(ledger)

    @property
    def book(self) -> RuleBook:
        """The rules that hold."""
        return self.series.book

    def adopt(self, orders: Orders) -> None:
        """Other rules hold from now on."""
        before = self.book.by_id
        self.series.adopt(orders.rules)
        self._orphans.find(self.book.by_id, changed_between(before, self.book.by_id))

    def restore(self, recalled: Recalled) -> Iterator[None]:
        """Takes up what the rules remembered, a slice at a time: stored states, and the readings after them."""
        changed = yield from self.series.restore(recalled, self.log)
        self._orphans.find(self.book.by_id, changed)

    def write_states(self, turn: Turn, *, everything: bool = False) -> None:
        """What is to be stored with this decision of what the rules remember."""
        self.series.write_states(turn, everything=everything)

    @property
    def settled(self) -> int:
        """Up to which row of the log stored states have heard everything."""
        return self.series.keeper.settled()

    def observe(self, turn: Turn, reading: Observe) -> ItemResult:
        """A reading, held against each rule on its series; the loudest outcome is the answer."""
        if reading.at > turn.now + AHEAD_MAX_US:
            ahead_s = (reading.at - turn.now) / SECOND_US
            return rejected(
                Reason.INVALID,
                f"at lies {ahead_s:.0f} s ahead of the engine's clock, {AHEAD_MAX_US // SECOND_US} is the limit; "
                "set the sender's clock right, or leave `at` out",
            )
        number = self.log.number(turn, reading)
        if number is None:
            return self.log.refusal(turn)
        series, refusal = self.series.concerned(turn, reading)
        if refusal is not None and not series:
            return refusal
        self.log.note(turn, number, reading)
        if not series:
            return UNWATCHED
        turn.heard += len(series)
        outcomes = [self.hear(turn, reading, each) for each in series]
        if refusal is not None:
            outcomes.append(refusal)
        return outcomes[0] if len(outcomes) == 1 else max(outcomes, key=loudness)

    def hear(self, turn: Turn, reading: Observe, series: Series) -> ItemResult:
        """What one of the rules makes of a reading."""
        rung = self._let_pass(turn, series) if series.wakes_at <= turn.now else None
        was_silent = series.is_silent
        seen = series.hear(reading, turn.now)
        self.series.changed(series, turn.now)
        if was_silent:
            self._close(turn, silent_identity(self._ledger.framework, series))
        if seen is Seen.NOTHING:
            evaluator = series.evaluator
            return self._reach(turn, series, evaluator) if isinstance(evaluator, MilestoneEvaluator) else BELOW
        if seen is Seen.LATE:
            return LATE
        # What time has just made of it, it need not be told twice.
        return rung if rung and series.holding.phase is Phase.FIRING else self._outcome(turn, series)

    def _outcome(self, turn: Turn, series: Series) -> ItemResult:
        """What a series' phase means for its alert, after a reading."""
        phase = series.holding.phase
        if phase is Phase.FIRING:
            return self._ring(turn, series)
        if phase is Phase.PENDING:
            return PENDING
        return BELOW if phase is Phase.KEEPING else self._over(turn, series)

    def _ring(self, turn: Turn, series: Series) -> ItemResult:
        watch = series.watch
        if watch.is_shared:
            watch.ringing.add(series)
        why = series.evaluator.why if watch.explains else None
        firing = fill(_bell(series), watch.rule, watch.texts, why)
        return self._ringer.judge(turn, firing, series.identity)

    def _over(self, turn: Turn, series: Series) -> ItemResult:
        """It holds no more. An alert that stands for all series of a rule is over with the last of them."""
        ringing = series.watch.ringing
        ringing.discard(series)
        return BELOW if ringing else self._close(turn, series.identity) or BELOW

    def _close(self, turn: Turn, identity: str) -> ItemResult | None:
        standing = self._ledger.standings.get(identity)
        if standing is None:
            return None
        if not standing.is_open:
            self._ledger.hear(turn, standing, is_bad=False)
            return None
        return self._ledger.step(turn, standing, TABLE[standing.current().state, Action.RESOLVE], "rule")

    def _reach(self, turn: Turn, series: Series, evaluator: MilestoneEvaluator) -> ItemResult:
        """The mileposts of a milestone that were reached ring, each once: one that finds no room is tried again."""
        outcome = BELOW
        for milepost in evaluator.reached():
            outcome = self._ring_milepost(turn, series, evaluator, milepost)
            if outcome.status is Status.REJECTED:
                break
            evaluator.told.add(milepost.name)
            self.series.keep_now(series)
        return outcome

    def _ring_milepost(
        self, turn: Turn, series: Series, evaluator: MilestoneEvaluator, milepost: Milepost
    ) -> ItemResult:
        firing = fill(_bell_of_milepost(series, evaluator, milepost), series.watch.rule, series.watch.texts)
        return self._ringer.judge(turn, firing, milepost_identity(self._ledger.framework, series, milepost.name))

    def pass_time(self, turn: Turn) -> None:
        """What is due at the turn's time, as far as there is room; the rest stays due."""
        self._orphans.close(turn)
        for _ in range(ROWS_MAX):
            series = self.series.agenda.pop(turn.now) if self._ledger.room(turn) > 0 else None
            if series is None:
                return
            self._let_pass(turn, series)

    def _let_pass(self, turn: Turn, series: Series) -> ItemResult | None:
        """What time alone has brought to a series, and what that means for its alerts; the answer if it rang."""
        passed, rung = series.pass_time(turn.now), None
        if passed.rings:
            rung = self._ring(turn, series)
            self._try_again(turn, series, rung)
        elif passed.is_over:
            self._over(turn, series)
        if passed.is_silent and series.watch.rule.no_data is NoData.ALERT:
            self._try_again(turn, series, self._ring_silence(turn, series))
        self.series.keep_now(series)
        self.series.changed(series, turn.now)
        return rung

    def _try_again(self, turn: Turn, series: Series, outcome: ItemResult) -> None:
        """Nobody may come and say it again: what found no room, or met a cooldown, is tried again."""
        if outcome.status is Status.REJECTED:
            series.retry_at = turn.now + RETRY_US
        elif outcome.reason is Reason.COOLDOWN and outcome.alert_id is not None:
            standing = self._ledger.by_id.get(outcome.alert_id)
            series.retry_at = NEVER if standing is None else standing.until
        series.reckon()

    def _ring_silence(self, turn: Turn, series: Series) -> ItemResult:
        rule = series.watch.rule
        ring = Ring(
            rule_id=rule.id,
            title=f"no data: {rule.metric}",
            message=f"no reading of {rule.metric} for {rule.no_data_s:g} s",
            labels={**series.labels, **NO_DATA},
        )
        firing = fill(ring, rule, series.watch.texts)
        return self._ringer.judge(turn, firing, silent_identity(self._ledger.framework, series))

    def _is_missed(self, series: Series) -> bool:
        """Whether an open alert says that this series is silent."""
        standing = (
            self._ledger.standings.get(silent_identity(self._ledger.framework, series)) if series.is_silent else None
        )
        return standing is not None and standing.is_open

    def next_due(self) -> int:
        """When (microseconds) time alone changes something; NEVER."""
        return 0 if self._orphans else self.series.next_due()


def _bell(series: Series) -> Ring:
    """What rings for a series."""
    evaluator = series.evaluator
    return Ring(
        rule_id=series.watch.rule.id,
        current_value=evaluator.value(),
        threshold_value=evaluator.limit(),
        labels=series.labels,
    )


def _bell_of_milepost(series: Series, evaluator: MilestoneEvaluator, milepost: Milepost) -> Ring:
    """What rings for a milepost of a milestone."""
    rule = series.watch.rule
    return Ring(
        rule_id=rule.id,
        severity=None if milepost.is_goal else Severity.INFO,
        current_value=evaluator.value(),
        threshold_value=milepost.value,
        title=None if rule.title else f"{rule.metric} has reached {milepost.name}",
        labels={**series.labels, "goal": milepost.name},
    )


def loudness(outcome: ItemResult) -> int:
    """How loud an outcome is: that of several which is loudest is a reading's answer."""
    return _LOUDNESS[outcome.status]
