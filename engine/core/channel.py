"""The machine of one channel: commands in, a decision out (results, events, rows), each with its reason.

Owns the channel's open alerts, suppression windows and place in the stream for one run of the channel's actor; the
store owns them between runs. The actor calls `decide` with a batch, commits what it answers, and only then tells
anybody; at `next_due` it calls with an empty batch. The same store and the same batch give the same decision, ids
included. A machine that raised is thrown away, and another is built from the store.

A decision is bounded: `events_max` events and about `ROWS_MAX` rows. A command that finds no room is answered `busy`;
what time brings (receipts, expiry, counters) waits for the next decision. Only a reading may go over `events_max`, by
what the rules on its metric say, because half a reading would be no answer.

Decided against: a timer per alert (one heap, put right only at its head), and writing each duplicate (counters run in
memory and are written together, at latest `flush_s` later).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import msgspec

from actors.ports import MachineFactory
from engine.core import suppression
from engine.core.identity import derive_id, identity_of
from engine.core.lifecycle import TABLE, Action, Step, born, has_ended, label_set, merged, raised, stepped, told_again
from engine.core.rules import Firing, RuleBook, fill
from engine.core.suppression import NEVER, Agenda, Standing, Verdict, window_us
from protocol.commands import AcknowledgeAlert, Batch, Command, Observe, ResolveAlert, Ring, SourceReport
from protocol.effects import Audit, Decision, Recalled, Row, Window
from protocol.limits import Limit
from protocol.messages import ItemResult
from protocol.model import ChannelKey, Event, EventKind, Reason, Status, Suppressed, ThresholdRule
from protocol.times import SECOND_US, rfc3339

# A commit of 1,000 rows takes about 5 ms; more would make the others of its group wait.
ROWS_MAX = 1_000

_BELOW = ItemResult(status=Status.BELOW_THRESHOLD, reason=Reason.BELOW_THRESHOLD)
_UNWATCHED = ItemResult(status=Status.BELOW_THRESHOLD, reason=Reason.NO_RULE)
_UNKNOWN_ALERT = ItemResult(status=Status.REJECTED, reason=Reason.UNKNOWN_ALERT, message="no such alert")
# Which of several outcomes of one reading is its answer. A refusal hides nothing but what is silent anyway.
_LOUDNESS: Mapping[Status, int] = {
    Status.BELOW_THRESHOLD: 0,
    Status.SUPPRESSED: 1,
    Status.REJECTED: 2,
    Status.RESOLVED: 3,
    Status.REPEATED: 4,
    Status.FIRED: 5,
}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds and times of a channel; a rule's own `suppression_s` goes before `suppression_s`."""

    # Five minutes, as the reference has it.
    suppression_s: float = 300.0
    # Events of one commit: what 1,000 subscribers can be told before the next batch waits noticeably.
    events_max: int = 256
    # Open alerts and open windows of one channel, about 1 kB of memory each.
    windows_max: int = 100_000
    # Label sets of one alert: a source has one per severity; more than this is a source that makes them up.
    sources_max: int = 64
    # Counters of duplicates are written at latest so long after they changed; a crash loses no more than that.
    flush_s: float = 1.0


class _Turn:
    """One decision while it is being made."""

    __slots__ = ("at", "audits", "batch_id", "born", "events", "now", "refusals", "touched")

    def __init__(self, batch: Batch) -> None:
        self.batch_id = batch.id
        self.now = batch.now
        self.at = rfc3339(batch.now)
        self.born = 0
        self.events: list[Event] = []
        self.audits: list[Audit] = []
        self.refusals: list[Limit] = []
        # Written once, as they are when the turn ends; a dict keeps the order.
        self.touched: dict[Standing, None] = {}

    def new_id(self) -> str:
        """The id of the next new alert."""
        self.born += 1
        return derive_id(self.batch_id, self.born - 1)

    def busy(self, limit: Limit, value: int, maximum: int, what: str) -> ItemResult:
        """The answer to what finds no room."""
        self.refusals.append(limit)
        return _rejected(Reason.BUSY, f"{limit.value}: {value} {what}, limit {maximum}; try again a moment later")


class ChannelMachine:
    """Decides for one channel: the `Machine` of its actor. `rules` are those of this channel alone."""

    def __init__(self, key: ChannelKey, recalled: Recalled, rules: Sequence[ThresholdRule], policy: Policy) -> None:
        self._framework = key.framework
        self._policy = policy
        self._book = RuleBook(rules)
        self._offset = recalled.offset
        self._standings: dict[str, Standing] = {}
        self._by_id: dict[str, Standing] = {}
        # Whose counters are ahead of the store, and when they must be written; the oldest first.
        self._unwritten: dict[Standing, int] = {}
        self._flush_us = int(policy.flush_s * SECOND_US)
        self._agenda = Agenda()
        # Should a store recall an alert and its successor, the open one (else the later one) stands.
        rows = sorted(recalled.rows, key=lambda row: (row.alert.state.is_open, row.window.until))
        for row in {row.identity: row for row in rows}.values():
            self._remember(Standing(row))

    def decide(self, batch: Batch) -> Decision:
        """Applies a batch, then whatever else is due by `batch.now`. Changes the machine: commit it or rebuild it."""
        turn = _Turn(batch)
        results = tuple([self._one(turn, command) for command in batch.commands])
        self._pass_time(turn)
        self._flush(turn)
        return Decision(
            results=results,
            offset=self._offset,
            events=tuple(turn.events),
            rows=tuple([standing.row() for standing in turn.touched]),
            audits=tuple(turn.audits),
            refusals=tuple(turn.refusals),
        )

    def flush(self, batch: Batch) -> Decision:
        """The counters that are ahead of the store, at most ROWS_MAX rows of them at a time, whenever they are due."""
        turn = _Turn(batch)
        self._write_counters(turn)
        return Decision(results=(), offset=self._offset, rows=tuple([standing.row() for standing in turn.touched]))

    def next_due(self) -> int | None:
        """When (microseconds) an empty batch would have something to do; in the past if the last one had no room."""
        due = min(self._agenda.next_due(), next(iter(self._unwritten.values()), NEVER))
        return None if due == NEVER else due

    def _one(self, turn: _Turn, command: Command) -> ItemResult:
        if isinstance(command, Ring):
            return self._ring(turn, command)
        if isinstance(command, Observe):
            return self._observe(turn, command)
        return self._act(turn, command)

    # Triggers

    def _ring(self, turn: _Turn, ring: Ring) -> ItemResult:
        if ring.source is not None and has_ended(ring.source, turn.now):
            # Before the rule is asked: an end must be heard even if the rule has been taken away meanwhile.
            return self._source_ended(turn, ring, ring.source)
        rule = None
        if ring.rule_id is not None:
            rule = self._book.by_id.get(ring.rule_id)
            if rule is None:
                return _rejected(Reason.UNKNOWN_RULE, f"there is no rule {ring.rule_id!r} on this channel")
            if not rule.enabled:
                known = self._standings.get(identity_of(self._framework, ring))
                alert_id = known.alert_id if known else None
                return ItemResult(status=Status.SUPPRESSED, reason=Reason.DISABLED, alert_id=alert_id)
        firing = fill(ring, rule)
        return _BELOW if firing.is_below else self._judge(turn, firing, self._room(turn))

    def _judge(self, turn: _Turn, firing: Firing, room: int) -> ItemResult:
        """Suppression's verdict on a firing, carried out if it takes no more than `room` events."""
        identity = identity_of(self._framework, firing.ring)
        standing = self._standings.get(identity)
        source = firing.ring.source
        is_resent = False
        if source is not None and standing is not None:
            is_resent = label_set(source) in standing.sources
            if not is_resent and len(standing.sources) >= self._policy.sources_max:
                # No use to try again: it is this alert that is full, until one of its sets ends.
                count, limit = len(standing.sources), self._policy.sources_max
                return _rejected(
                    Reason.INVALID, f"this alert has {count} label sets, sources_max ({limit}) is the limit"
                )
        verdict = suppression.decide(standing, firing.severity, turn.now, is_resent)
        if standing is not None and verdict.status is Status.SUPPRESSED:
            return self._swallow(turn, standing, firing, verdict)
        if standing is None and len(self._standings) >= self._policy.windows_max:
            used, limit = len(self._standings), self._policy.windows_max
            return turn.busy(Limit.CHANNEL_WINDOWS, used, limit, "open alerts and windows in this channel")
        if room < 1 + self._owes_receipt(turn, standing, verdict):
            return self._no_room(turn)
        if standing is None or verdict is suppression.FIRED:
            return self._fire(turn, identity, standing, firing)
        return self._tell(turn, standing, firing, verdict)

    def _swallow(self, turn: _Turn, standing: Standing, firing: Firing, verdict: Verdict) -> ItemResult:
        if verdict is not suppression.REFRESHED:
            standing.swallow(turn.now, firing.ring.current_value, firing.comparison)
            if standing.count == 1:
                self._agenda.put(standing)
        if standing.is_open:
            standing.seen_at = turn.at
            standing.occurrences += verdict is suppression.DUPLICATE
            if firing.ring.source is not None:
                self._hear_source(turn, standing, firing.ring.source)
        if standing not in self._unwritten:
            self._unwritten[standing] = turn.now + self._flush_us
        return ItemResult(status=verdict.status, reason=verdict.reason, alert_id=standing.alert_id)

    def _owes_receipt(self, turn: _Turn, standing: Standing | None, verdict: Verdict) -> bool:
        """Whether a receipt comes before what is told now: its window is over, or another alert takes its place."""
        if standing is None or not standing.count:
            return False
        return standing.until <= turn.now or verdict is suppression.FIRED

    def _fire(self, turn: _Turn, identity: str, before: Standing | None, firing: Firing) -> ItemResult:
        """A new alert. One alert stands for an identity: the one before gets its receipt and is forgotten."""
        if before is not None:
            self._supersede(turn, before)
        source = firing.ring.source
        row = Row(
            alert=born(turn.new_id(), self._framework, firing, turn.at),
            identity=identity,
            window=Window(until=self._window_end(turn, firing)),
            sources=() if source is None else (source,),
        )
        standing = Standing(row)
        self._remember(standing)
        self._emit(turn, standing, EventKind.FIRED)
        return self._told(suppression.FIRED, standing)

    def _supersede(self, turn: _Turn, before: Standing) -> None:
        """A closed alert whose place is taken: its window ends here, in the store as well."""
        if before.count:
            self._receipt(turn, before)
        if before.until > turn.now:
            before.until = turn.now
            turn.touched[before] = None
        self._forget(before)

    def _tell(self, turn: _Turn, standing: Standing, firing: Firing, verdict: Verdict) -> ItemResult:
        """An open alert is told once more, as repeated or as raised."""
        if self._owes_receipt(turn, standing, verdict):
            self._receipt(turn, standing)
        if firing.ring.source is not None:
            self._hear_source(turn, standing, firing.ring.source)
        alert, kind = standing.current(), EventKind.REPEATED
        if verdict is suppression.RAISED:
            step = TABLE[alert.state, Action.RAISE]
            kind = step.event
            standing.become(raised(alert, firing, step, turn.at))
        else:
            standing.become(told_again(alert, firing, turn.at))
        standing.until = self._window_end(turn, firing)
        self._emit(turn, standing, kind)
        return self._told(verdict, standing)

    def _window_end(self, turn: _Turn, firing: Firing) -> int:
        seconds = self._policy.suppression_s if firing.suppression_s is None else firing.suppression_s
        return turn.now + window_us(seconds)

    # Sources

    def _hear_source(self, turn: _Turn, standing: Standing, source: SourceReport) -> None:
        """News of a label set. A new one is written at once: an alert must not end while one of its sets lives."""
        labels = label_set(source)
        known = standing.sources.get(labels)
        standing.sources[labels] = merged(known, source)
        if known is None:
            turn.touched[standing] = None
        self._agenda.put(standing)

    def _source_ended(self, turn: _Turn, ring: Ring, source: SourceReport) -> ItemResult:
        standing = self._standings.get(identity_of(self._framework, ring))
        if standing is None:
            return _UNKNOWN_ALERT
        labels = label_set(source)
        if labels not in standing.sources:
            return ItemResult(status=Status.SUPPRESSED, reason=Reason.ALREADY, alert_id=standing.alert_id)
        if len(standing.sources) > 1:
            del standing.sources[labels]
            turn.touched[standing] = None
            return ItemResult(status=Status.SUPPRESSED, reason=Reason.REFRESHED, alert_id=standing.alert_id)
        if self._room(turn) < 1:
            return self._no_room(turn)
        return self._step(turn, standing, TABLE[standing.current().state, Action.RESOLVE], "source")

    # Readings

    def _observe(self, turn: _Turn, reading: Observe) -> ItemResult:
        """A reading, held against each rule on its metric; the loudest outcome is the answer."""
        rules = self._book.watching(reading.metric)
        if rules and self._room(turn) < 1:
            return self._no_room(turn)
        outcomes = [self._hold_against(turn, reading, rule) for rule in rules]
        return max(outcomes, key=lambda outcome: _LOUDNESS[outcome.status], default=_UNWATCHED)

    def _hold_against(self, turn: _Turn, reading: Observe, rule: ThresholdRule) -> ItemResult:
        ring = Ring(rule_id=rule.id, current_value=reading.value, labels=reading.labels)
        firing = fill(ring, rule)
        if not firing.is_below:
            # A receipt and what follows it: a reading that was begun is finished.
            return self._judge(turn, firing, room=2)
        standing = self._standings.get(identity_of(self._framework, ring))
        if standing is None or not standing.is_open:
            return _BELOW
        return self._step(turn, standing, TABLE[standing.current().state, Action.RESOLVE], "rule")

    # People

    def _act(self, turn: _Turn, command: AcknowledgeAlert | ResolveAlert) -> ItemResult:
        standing = self._by_id.get(command.alert_id)
        if standing is None:
            return _UNKNOWN_ALERT
        action = Action.ACKNOWLEDGE if isinstance(command, AcknowledgeAlert) else Action.RESOLVE
        step = TABLE[standing.current().state, action]
        if not step.changes:
            return ItemResult(status=step.status, reason=step.reason, alert_id=command.alert_id, message=step.message)
        if self._room(turn) < 1:
            return self._no_room(turn)
        turn.audits.append(
            Audit(at=turn.now, by=command.by, verb=action.value, alert_id=command.alert_id, notes=command.notes)
        )
        return self._step(turn, standing, step, command.by, command.notes)

    def _step(
        self, turn: _Turn, standing: Standing, step: Step, by: str | None, notes: str | None = None
    ) -> ItemResult:
        """A step of the table that changes something: one event, and the answer if somebody asked for it."""
        standing.become(stepped(standing.current(), step, turn.at, by, notes))
        self._emit(turn, standing, step.event, by)
        return self._told(step, standing)

    # Time

    def _pass_time(self, turn: _Turn) -> None:
        """Whatever time alone brings, as far as there is room; the rest stays due."""
        for _ in range(ROWS_MAX - len(turn.touched)):
            standing = self._agenda.pop(turn.now) if self._room(turn) > 0 else None
            if standing is None:
                return
            self._settle(turn, standing)

    def _settle(self, turn: _Turn, standing: Standing) -> None:
        """One thing that is due: silent label sets go, the alert with the last of them, or the window ends."""
        silent = [labels for labels, report in standing.sources.items() if report.ends_at <= turn.now]
        for labels in silent:
            del standing.sources[labels]
        if silent:
            turn.touched[standing] = None
            if not standing.sources:
                self._step(turn, standing, TABLE[standing.current().state, Action.EXPIRE], None)
        elif standing.count:
            self._receipt(turn, standing)
        else:
            self._forget(standing)
            return
        self._agenda.put(standing)

    def _receipt(self, turn: _Turn, standing: Standing) -> None:
        self._emit(turn, standing, EventKind.RECEIPT, suppressed=standing.receipt())

    def _flush(self, turn: _Turn) -> None:
        """Writes the counters; all that are waiting once one must be, so that there is one such commit in `flush_s`."""
        for standing in turn.touched:
            self._unwritten.pop(standing, None)
        if not self._unwritten:
            return
        oldest = next(iter(self._unwritten.values()))
        # Further ahead than `flush_s`, the clock was set back: waiting for it would lose more than we promise.
        if turn.now < oldest <= turn.now + self._flush_us:
            return
        self._write_counters(turn)

    def _write_counters(self, turn: _Turn) -> None:
        for standing in list(itertools.islice(self._unwritten, max(ROWS_MAX - len(turn.touched), 0))):
            del self._unwritten[standing]
            turn.touched[standing] = None

    # What everything above is made of

    def _room(self, turn: _Turn) -> int:
        return self._policy.events_max - len(turn.events)

    def _no_room(self, turn: _Turn) -> ItemResult:
        return turn.busy(Limit.CHANNEL_EVENTS, len(turn.events), self._policy.events_max, "events in this commit")

    def _emit(
        self,
        turn: _Turn,
        standing: Standing,
        kind: EventKind,
        by: str | None = None,
        suppressed: Suppressed | None = None,
    ) -> None:
        """What happened to a standing's alert goes on the stream, and into the store."""
        self._offset += 1
        alert = standing.current()
        turn.events.append(Event(offset=self._offset, kind=kind, alert=alert, at=turn.at, by=by, suppressed=suppressed))
        turn.touched[standing] = None
        self._agenda.put(standing)

    def _told(self, outcome: Verdict | Step, standing: Standing) -> ItemResult:
        return ItemResult(status=outcome.status, reason=outcome.reason, alert_id=standing.alert_id, offset=self._offset)

    def _remember(self, standing: Standing) -> None:
        self._standings[standing.identity] = standing
        self._by_id[standing.alert_id] = standing
        self._agenda.put(standing)

    def _forget(self, standing: Standing) -> None:
        """Out of memory; its row stays in the store as it was written last."""
        del self._standings[standing.identity]
        del self._by_id[standing.alert_id]
        self._unwritten.pop(standing, None)
        self._agenda.drop(standing)


def _rejected(reason: Reason, message: str) -> ItemResult:
    return ItemResult(status=Status.REJECTED, reason=reason, message=message)


def machine_factory(rules: Sequence[ThresholdRule], policy: Policy, own_workspace: str = "") -> MachineFactory:
    """Builds machines that know the rules of their channel. `own_workspace` is that of rules which name none.

    Raises ValueError if a rule names no workspace and `own_workspace` is empty: it would watch nothing, silently.
    """
    by_channel: dict[ChannelKey, list[ThresholdRule]] = {}
    for rule in rules:
        workspace = rule.workspace or own_workspace
        if not workspace:
            raise ValueError(f"rule {rule.id!r} names no workspace, and there is none of our own")
        by_channel.setdefault(ChannelKey(workspace, rule.framework), []).append(rule)

    def build(key: ChannelKey, recalled: Recalled) -> ChannelMachine:
        return ChannelMachine(key, recalled, by_channel.get(key, ()), policy)

    return build
