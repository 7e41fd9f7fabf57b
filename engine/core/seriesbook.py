"""The series of one channel: found by metric and labels, bounded, and kept for after a restart.

Once a metric with its labels is known, all that watches it is found in one look-up. Bounded per rule and per channel
(`engine.core.seriesroom`). What is kept: the state of a series when it is new, when time has changed it, and else now
and then (`engine.core.keeping`); the readings in between are in the log and are heard again (`restore`), which gives
the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice

from engine.core.agenda import NEVER, Agenda
from engine.core.keeping import StateKeeper
from engine.core.log import ReadingLog
from engine.core.orphans import Changed
from engine.core.rules.book import RuleBook, identity_under
from engine.core.rules.series import LabelKey, Series, Watch, evaluation_of, label_key
from engine.core.seriesroom import SeriesRoom
from engine.core.turn import ROWS_MAX, Policy, Turn
from protocol.commands import Observe, Ring
from protocol.effects import Recalled
from protocol.items import ItemResult
from protocol.readings import RuleState
from protocol.rules import MilestoneRule, Rule

# Look-ups that are remembered: a reading's metric and labels, in the order in which they were sent. A few hundred bytes
# each; past the bound they are all found anew.
KNOWN_MAX = 20_000
# States, or readings by rules, that are taken up before others have their turn: 5 ms, at 25 us each.
RESTORED_AT_ONCE = 200

# A stored state says what its rule evaluated and (`reach_of`) where it looked.
_AND = "."

StateKey = tuple[str, LabelKey]


class SeriesBook:
    """Which series a reading concerns, and what of them the store does not know yet."""

    def __init__(
        self,
        framework: str,
        rules: Sequence[Rule],
        policy: Policy,
        keeper: StateKeeper[Series],
        is_missed: Callable[[Series], bool],
    ) -> None:
        self._framework = framework
        self.book = RuleBook(rules)
        self.watches: dict[str, Watch] = {}
        self.agenda: Agenda[Series] = Agenda()
        self._known: dict[tuple[object, ...], tuple[Series, ...]] = {}
        # What the store does not know: states that changed, and those that are gone.
        self.keeper = keeper
        self.room = SeriesRoom(policy, self.watches, self.forget, is_missed)
        self._gone: dict[StateKey, None] = {}

    def concerned(self, turn: Turn, reading: Observe) -> tuple[Sequence[Series], ItemResult | None]:
        """The series that a reading is of, one for each rule that watches it, and the refusal if one found no room."""
        key = (reading.metric, *reading.labels.items())
        known = self._known.get(key)
        return (known, None) if known is not None else self._find(turn, reading, key)

    def _find(
        self, turn: Turn, reading: Observe, key: tuple[object, ...]
    ) -> tuple[Sequence[Series], ItemResult | None]:
        labels, refusal, found = label_key(reading.labels), None, []
        for rule in self.book.watching(reading.metric, reading.labels):
            watch = self._watch(rule)
            series = watch.series.get(labels)
            if series is None:
                refused = self.room.refusal(turn, watch)
                if refused is not None:
                    refusal = refused
                    continue
                series = self._add(watch, dict(reading.labels), labels, turn.now)
                self.keeper.begin(series)
                turn.new_states += 1
            found.append(series)
        if refusal is None:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[key] = tuple(found)
        return found, refusal

    def reached(self, reading: Observe, now: int) -> Iterator[tuple[Series, RuleState | None]]:
        """The series that a reading would be of, with what there is to remember of each (None: it would be a new one):
        for a copy of the channel."""
        labels = label_key(reading.labels)
        for rule in self.book.watching(reading.metric, reading.labels):
            watch = self.watches.get(rule.id) or Watch(rule, self.book.texts(rule))
            series = watch.series.get(labels)
            yield series or self._new(watch, dict(reading.labels), now), _state(series, 0) if series else None
            # One alert for all series: it goes on while any other of them rings.
            other = next((each for each in watch.ringing if each is not series), None)
            if other is not None:
                yield other, _state(other, 0)

    def _watch(self, rule: Rule) -> Watch:
        watch = self.watches.get(rule.id)
        if watch is None:
            watch = self.watches[rule.id] = Watch(rule, self.book.texts(rule))
        return watch

    def _add(self, watch: Watch, labels: dict[str, str], key: LabelKey, now: int) -> Series:
        series = watch.series[key] = self._new(watch, labels, now)
        self.room.count += 1
        self._gone.pop((watch.rule.id, key), None)
        return series

    def _new(self, watch: Watch, labels: dict[str, str], now: int) -> Series:
        identity = identity_under(self._framework, Ring(rule_id=watch.rule.id, labels=labels), watch.rule)
        return Series(watch, labels, identity, now)

    def forget(self, series: Series) -> None:
        """Out of memory, and out of the store with the next decision."""
        key = label_key(series.labels)
        del series.watch.series[key]
        series.watch.ringing.discard(series)
        self.room.count -= 1
        self.agenda.drop(series)
        self.keeper.drop(series)
        self._gone[series.watch.rule.id, key] = None
        self._known.clear()

    def changed(self, series: Series, now: int) -> None:
        """It has heard a reading, or time has changed it."""
        self.keeper.changed(series, now)
        self.agenda.put(series)

    def keep_now(self, series: Series) -> None:
        """Its state must be stored with this decision: the log alone would not tell it."""
        self.keeper.at_once(series)

    def adopt(self, rules: Sequence[Rule]) -> None:
        """Other rules hold: those that evaluate the same go on with their state, whatever else they say now."""
        self.book = RuleBook(rules)
        self._known.clear()
        for rule_id, watch in list(self.watches.items()):
            rule = self.book.by_id.get(rule_id)
            if rule is watch.rule:
                continue
            if rule is not None and _is_kept(rule) and watch.essence == evaluation_of(rule):
                self._go_on(watch, rule)
                continue
            for series in list(watch.series.values()):
                self.forget(series)
            del self.watches[rule_id]

    def _go_on(self, watch: Watch, rule: Rule) -> None:
        watch.take(rule, self.book.texts(rule))
        watch.ringing.clear()
        for series in watch.series.values():
            ring = Ring(rule_id=rule.id, labels=series.labels)
            series.identity = identity_under(self._framework, ring, rule)
            self._resume(series)
            # What was heard before was heard under what the rule said then.
            self.keep_now(series)

    def write_states(self, turn: Turn, *, everything: bool = False) -> None:
        """What is to be stored with this decision: what is gone, and the states that are ahead of the store."""
        for key in list(islice(self._gone, ROWS_MAX)):
            turn.states.append(_gone(key))
            del self._gone[key]
        self.keeper.write(turn, _state, everything=everything)

    def next_due(self) -> int:
        """When (microseconds) time alone changes something, or states must be written; NEVER."""
        return 0 if self._gone else min(self.agenda.next_due(), self.keeper.next_due())

    def restore(self, recalled: Recalled, log: ReadingLog) -> Generator[None, None, Changed]:
        """Goes on from stored states, and hears again what was read after them. Alerts are not rung again.

        Yields after each RESTORED_AT_ONCE; until it has ended nothing else may be asked of it. What it returns: what is
        found to have changed in rules since the states were stored.

        A series without a stored state was never heard: the first state is written with the first reading.
        """
        known: dict[Series, int] = {}
        moved: set[str] = set()
        anew: set[str] = set()
        for place, state in enumerate(recalled.states, 1):
            series = self._recall(state)
            if series is not None:
                known[series] = state.seq
            self._compare(state, moved, anew)
            if place % RESTORED_AT_ONCE == 0:
                yield
        yield from self._hear_all_again(recalled, log, known)
        return Changed(moved, anew)

    def _hear_all_again(self, recalled: Recalled, log: ReadingLog, known: dict[Series, int]) -> Iterator[None]:
        """The readings that not all states have heard; `known`: up to which row of the log each has."""
        concerned: dict[int, list[Series]] = {}
        done = 0
        for row, number, reading in log.replay(recalled):
            if number not in concerned:
                concerned[number] = self._known_to(reading)
            for series in concerned[number]:
                if known[series] < row.seq:
                    self._hear_again(series, reading, row.at)
                done += 1
                if done % RESTORED_AT_ONCE == 0:
                    yield
            log.heard += max(len(concerned[number]), 1)

    def _compare(self, state: RuleState, moved: set[str], anew: set[str]) -> None:
        rule = self.book.by_id.get(state.rule)
        if rule is None or not rule.enabled:
            return
        evaluation, _, reach = state.essence.partition(_AND)
        watch = self._watch(rule)
        if evaluation != watch.essence:
            anew.add(rule.id)
        # A state of an earlier version does not say where its rule looked.
        if reach not in ("", watch.reach):
            moved.add(rule.id)

    def _recall(self, state: RuleState) -> Series | None:
        """The series as it was stored; None if its rule is gone, or evaluates something else now."""
        rule, key = self.book.by_id.get(state.rule), label_key(state.labels)
        evaluation, _, reach = state.essence.partition(_AND)
        if rule is None or not _is_kept(rule) or self._watch(rule).essence != evaluation:
            self._gone[state.rule, key] = None
            return None
        series = self._add(self._watch(rule), state.labels, key, 0)
        series.restore(state.body)
        if reach != series.watch.reach:
            # Or the next restart would find again what this one has dealt with.
            self.keep_now(series)
        self._resume(series)
        return series

    def _known_to(self, reading: Observe) -> list[Series]:
        labels = label_key(reading.labels)
        watches = [self.watches.get(rule.id) for rule in self.book.watching(reading.metric, reading.labels)]
        return [watch.series[labels] for watch in watches if watch is not None and labels in watch.series]

    def _hear_again(self, series: Series, reading: Observe, at: int) -> None:
        if series.wakes_at <= at:
            series.pass_time(at)
        series.hear(reading, at)
        self.keeper.changed(series, at)
        self._resume(series)

    def _resume(self, series: Series) -> None:
        self.agenda.put(series)
        if series.watch.is_shared:
            (series.watch.ringing.add if series.is_firing else series.watch.ringing.discard)(series)


def _is_kept(rule: Rule) -> bool:
    """Whether what it knows is kept. A milestone that was told is never told again, also not after a pause."""
    return rule.enabled or isinstance(rule, MilestoneRule)


def _state(series: Series, seq: int) -> RuleState:
    watch, due = series.watch, None if series.wakes_at == NEVER else series.wakes_at
    essence = watch.essence + _AND + watch.reach
    return RuleState(rule=watch.rule.id, labels=series.labels, essence=essence, seq=seq, body=series.state(), due=due)


def _gone(key: StateKey) -> RuleState:
    return RuleState(rule=key[0], labels=dict(key[1]), essence="", seq=0, body=b"")
