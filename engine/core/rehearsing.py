"""A small copy of a channel, to see what a list of triggers or readings would come to, one after the other.

Each is really done, in the copy, and the answers are those of the copy: so the second of two equal ones is the first
one's duplicate, and a reading is heard where the one before it has left the series. What a firing met on its way
(`engine.core.previewing`) is noted just before it is judged. The copy is made of the same parts as the channel, from
what the list can reach and nothing else: the rules that it names or that watch its metrics, their series, the alerts of
those identities, the storm and who waits first in it. What it does not hold counts towards the limits all the same:
what a full channel would refuse is refused in it.

Decided against: undoing what was done (each part would need to know how), a copy of the whole channel (a hundred
thousand alerts for one question), and a second judge beside the real one (they contradicted each other).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.core.hushing import Hush
from engine.core.ledger import Ledger
from engine.core.log import ReadingLog
from engine.core.previewing import Previewer
from engine.core.ringing import Ringer
from engine.core.rules.book import Firing, RuleBook, identity_under
from engine.core.rules.milestone import mileposts_of
from engine.core.rules.series import LabelKey, Series, label_key
from engine.core.showing import milepost_identity, silent_identity
from engine.core.turn import Turn
from engine.core.watching import Watcher, loudness
from protocol.commands import Batch, Observe, Preview, Ring
from protocol.effects import Recalled
from protocol.items import ItemResult
from protocol.model import Reason, Status
from protocol.orders import Orders
from protocol.previews import Check, Previewed, TooDear
from protocol.readings import LoggedSeries, RuleState
from protocol.rules import MilestoneRule, Rule

# Readings held against rules in one rehearsal, in which nothing else runs: 20 to 70 us each, because the series is
# copied, and what its firing meets is noted.
REHEARSED_MAX = 1_000
# What is told of a reading, if more rules than that hear it.
TOLD_RULES_MAX = 100


class Channel:
    """What a rehearsal is of: the parts of one channel, and what holds for it."""

    def __init__(self, ledger: Ledger, hush: Hush, watcher: Watcher, orders: Orders) -> None:
        self.ledger, self.hush, self.watcher, self.orders = ledger, hush, watcher, orders


def rehearsed(channel: Channel, turn: Turn, preview: Preview) -> Sequence[Previewed | TooDear]:
    """What would become of each command, in order, if they came together now. Changes nothing in the channel."""
    hearings = _hearings(channel.watcher.book, preview.commands)
    if hearings > REHEARSED_MAX:
        return [_too_dear(hearings)] * len(preview.commands)
    return _Stage(channel, turn, preview.commands).play(preview.commands)


class _Stage:
    """The copy, and who notes what happens in it."""

    def __init__(self, channel: Channel, turn: Turn, commands: Sequence[Ring | Observe]) -> None:
        recalled, orders = _reached(channel, turn, commands)
        policy = channel.ledger.policy
        ledger = Ledger(channel.ledger.framework, recalled, policy)
        hush = Hush(ledger, orders, recalled.storm)
        log = ReadingLog(recalled, policy.reading_series_max)
        self._known = channel.ledger.by_id
        self._trial = _Rehearsal(Batch("", turn.now, ()))
        self._previewer, self._ringer = Previewer(ledger, hush), Ringer(ledger, hush)
        self._watcher = _NotingWatcher(ledger, _NotingRinger(ledger, hush), log, orders)
        for _ in self._watcher.restore(recalled):
            pass
        ledger.others = len(channel.ledger.standings) - len(ledger.standings)
        log.others = channel.watcher.log.used - log.used
        self._watcher.series.room.be_part_of(channel.watcher.series.room)

    def play(self, commands: Sequence[Ring | Observe]) -> list[Previewed]:
        """Does them, one after the other."""
        found = []
        for item, command in enumerate(commands, 1):
            self._trial.begin(item)
            found.append(self._ring(command) if isinstance(command, Ring) else self._observe(command))
        return found

    def _ring(self, ring: Ring) -> Previewed:
        book = self._watcher.book
        checks = self._previewer.of_trigger(self._trial, ring, book)
        return self._said(_Noted(self._ringer.ring(self._trial, ring, book), ring.rule_id, checks))

    def _observe(self, reading: Observe) -> Previewed:
        heard = self._watcher.heard
        heard.clear()
        answer = self._watcher.observe(self._trial, reading)
        loudest = next((noted for noted in heard if noted.answer is answer), _Noted(answer, None))
        told = sorted(heard, key=lambda noted: -loudness(noted.answer))[:TOLD_RULES_MAX]
        return self._said(loudest, tuple([self._said(noted) for noted in told]), len(heard) - len(told))

    def _said(self, noted: _Noted, rules: tuple[Previewed, ...] = (), more_rules: int = 0) -> Previewed:
        """An alert that only the copy has is not named, and nothing is on a stream."""
        answer = noted.answer
        return Previewed(
            status=answer.status,
            reason=answer.reason,
            alert_id=answer.alert_id if answer.alert_id in self._known else None,
            message=answer.message,
            rule_id=noted.rule_id,
            checks=noted.checks,
            rules=rules,
            more_rules=more_rules,
        )


class _Rehearsal(Turn):
    """A decision that is never stored. Its new alerts have no ids, only the item that they would be of."""

    item = 0
    _alerts = 0

    def begin(self, item: int) -> None:
        """What follows is about this item."""
        self.item, self._alerts = item, 0

    def new_id(self) -> str:
        """One reading may ring several rules: their alerts must not pass for one another."""
        self._alerts += 1
        return f"of item {self.item}" + (f" ({self._alerts})" if self._alerts > 1 else "")


class _Noted(NamedTuple):
    """An answer, the rule whose it is, and what the firing met before it."""

    answer: ItemResult
    rule_id: str | None
    checks: tuple[Check, ...] = ()


class _NotingRinger(Ringer):
    """Notes what each firing meets."""

    def __init__(self, ledger: Ledger, hush: Hush) -> None:
        super().__init__(ledger, hush)
        self._previewer = Previewer(ledger, hush)
        self.judged: list[_Noted] = []

    def judge(self, turn: Turn, firing: Firing, identity: str) -> ItemResult:
        checks = tuple(self._previewer.of_firing(turn, firing, identity))
        answer = super().judge(turn, firing, identity)
        self.judged.append(_Noted(answer, firing.ring.rule_id, checks))
        return answer


class _NotingWatcher(Watcher):
    """Notes what each rule makes of a reading."""

    def __init__(self, ledger: Ledger, ringer: _NotingRinger, log: ReadingLog, orders: Orders) -> None:
        super().__init__(ledger, ringer, log, orders)
        self._judged = ringer.judged
        self.heard: list[_Noted] = []

    def hear(self, turn: Turn, reading: Observe, series: Series) -> ItemResult:
        self._judged.clear()
        answer = super().hear(turn, reading, series)
        # What time has rung besides, or an earlier milepost, is not the answer.
        found = next((noted for noted in self._judged if noted.answer is answer), None)
        self.heard.append(found or _Noted(answer, series.watch.rule.id))
        return answer


def _hearings(book: RuleBook, commands: Sequence[Ring | Observe]) -> int:
    """How often rules would hear a reading; once that is too often, it need not be counted further."""
    hearings = 0
    for command in commands:
        if isinstance(command, Observe):
            hearings += len(book.watching(command.metric, command.labels))
        if hearings > REHEARSED_MAX:
            break
    return hearings


def _too_dear(hearings: int) -> TooDear:
    return TooDear(
        status=Status.REJECTED,
        reason=Reason.INVALID,
        message=f"rules would hear readings {hearings} times or more in this preview, limit {REHEARSED_MAX}: send "
        "fewer readings at a time, or readings that fewer rules watch",
    )


def _reached(channel: Channel, turn: Turn, commands: Sequence[Ring | Observe]) -> tuple[Recalled, Orders]:
    """As much of the channel as the commands can reach."""
    ledger, storm = channel.ledger, channel.hush.storm
    rules: dict[str, Rule] = {}
    # Several commands may be of one series.
    states: dict[tuple[str, LabelKey], RuleState] = {}
    logged: dict[int, LoggedSeries] = {}
    identities: dict[str, None] = {}
    for command in commands:
        if isinstance(command, Ring):
            rule = None if command.rule_id is None else channel.watcher.book.by_id.get(command.rule_id)
            rules |= {} if rule is None else {rule.id: rule}
            identities[identity_under(ledger.framework, command, rule)] = None
            continue
        number = channel.watcher.log.known(command.metric, frozenset(command.labels.items()))
        if number is not None:
            logged[number] = LoggedSeries(number, command.metric, command.labels)
        for series, state in channel.watcher.series.reached(command, turn.now):
            rules[series.watch.rule.id] = series.watch.rule
            if state is not None:
                states[state.rule, label_key(state.labels)] = state
            identities |= dict.fromkeys(_identities(ledger.framework, series))
    found = [ledger.standings.get(identity) for identity in identities]
    # Who waits for its turn goes before whatever is new.
    found.append(storm.first())
    rows = tuple([standing.row() for standing in dict.fromkeys(found) if standing is not None])
    recalled = Recalled(
        epoch="",
        offset=0,
        rows=rows,
        storm=storm.state,
        series=tuple(logged.values()),
        states=tuple(states.values()),
    )
    return recalled, Orders(rules=tuple(rules.values()), quieting=channel.orders.quieting)


def _identities(framework: str, series: Series) -> Iterator[str]:
    """Of all alerts that a reading of this series may be about."""
    yield series.identity
    yield silent_identity(framework, series)
    if isinstance(series.watch.rule, MilestoneRule):
        for milepost in mileposts_of(series.watch.rule):
            yield milepost_identity(framework, series, milepost.name)
