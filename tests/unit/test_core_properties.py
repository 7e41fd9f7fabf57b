"""The channel machine against a small naive model, with restarts from the store at any step.

The model keeps one record per name and looks at all of them each time; it has no heap, no hash, no lazy counter and no
frozen alert. What it and the machine must agree on: every answer, every event with its counters, and the store.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.core.channel import ChannelMachine
from engine.core.turn import Policy
from protocol.commands import Batch, Command, Ring
from protocol.effects import Recalled
from protocol.items import ItemResult
from protocol.model import AlertState, ChannelKey, Event, Severity
from protocol.orders import NO_ORDERS
from protocol.rows import Row, SourceReport
from tests.support.acts import acknowledging, resolving
from tests.support.examples import examples

SECOND = 1_000_000
WINDOW = 300 * SECOND
SEVERITIES = list(Severity)
KEY = ChannelKey("w", "f")

Told = tuple[str, str, int]  # kind, alert id, occurrences (of a receipt: how many it swallowed)
Answer = tuple[str, str, str | None]  # status, reason, alert id


@dataclass
class Known:
    """What the model knows of one name."""

    id: str
    rank: int
    until: int
    is_open: bool = True
    is_taken: bool = False
    occurrences: int = 1
    count: int = 0
    ends: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Op:
    """One thing that somebody does: ring, report (for so many seconds), end, acknowledge, resolve."""

    verb: str
    name: str
    rank: int = 0
    seconds: int = 0
    which: int = 0


class Model:
    """The semantics, said once more and naively. `new_id` of a firing is learnt from the machine's answer."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self.told: list[Told] = []

    def do(self, op: Op, alert_id: str | None, now: int, new_id: str) -> Answer:
        if op.verb == "end":
            return self.end(op)
        if op.verb in ("ring", "report"):
            return self.ring(op, now, new_id)
        return self.act(op.verb, alert_id)

    def ring(self, op: Op, now: int, new_id: str) -> Answer:
        known = self.known.get(op.name)
        is_late = known is not None and now >= known.until
        if known is None or (not known.is_open and (is_late or op.rank > known.rank)):
            if known is not None:
                self.receipt(known)
            known = self.known[op.name] = Known(new_id, op.rank, now + WINDOW)
            self.told.append(("fired", new_id, 1))
            self.hear(known, op, now)
            return "fired", "fired", new_id
        if not known.is_open:
            known.count += 1
            return "suppressed", "cooldown", known.id
        is_resent = op.verb == "report" and op.rank in known.ends
        self.hear(known, op, now)
        if op.rank <= known.rank and is_resent:
            return "suppressed", "refreshed", known.id
        known.occurrences += 1
        if op.rank <= known.rank and not is_late:
            known.count += 1
            return "suppressed", "duplicate", known.id
        if is_late:
            self.receipt(known)
        known.until = now + WINDOW
        if op.rank <= known.rank:
            self.told.append(("repeated", known.id, known.occurrences))
            return "repeated", "repeated", known.id
        self.told.append(("reopened" if known.is_taken else "raised", known.id, known.occurrences))
        known.rank, known.is_taken = op.rank, False
        return "fired", "raised", known.id

    def hear(self, known: Known, op: Op, now: int) -> None:
        if op.verb == "report":
            known.ends[op.rank] = now + op.seconds * SECOND

    def end(self, op: Op) -> Answer:
        known = self.known.get(op.name)
        if known is None:
            return "rejected", "unknown_alert", None
        if op.rank not in known.ends:
            return "suppressed", "already", known.id
        del known.ends[op.rank]
        if known.ends:
            return "suppressed", "refreshed", known.id
        return self.close(known, "resolved")

    def act(self, verb: str, alert_id: str | None) -> Answer:
        known = next((known for known in self.known.values() if known.id == alert_id), None)
        if known is None:
            return "rejected", "busy", None
        if verb == "resolve":
            return self.close(known, "resolved") if known.is_open else ("resolved", "already", known.id)
        if not known.is_open:
            return "rejected", "already", known.id
        if known.is_taken:
            return "acknowledged", "already", known.id
        known.is_taken = True
        self.told.append(("acknowledged", known.id, known.occurrences))
        return "acknowledged", "acknowledged", known.id

    def close(self, known: Known, kind: str) -> Answer:
        known.is_open, known.ends = False, {}
        self.told.append((kind, known.id, known.occurrences))
        return "resolved", "resolved", known.id

    def receipt(self, known: Known) -> None:
        if known.count:
            self.told.append(("receipt", known.id, known.count))
        known.count = 0

    def pass_time(self, now: int) -> None:
        for name, known in list(self.known.items()):
            ends = {rank: end for rank, end in known.ends.items() if end > now}
            if known.ends and not ends:
                self.close(known, "expired")
            known.ends = ends
            if known.until <= now:
                self.receipt(known)
                if not known.is_open:
                    del self.known[name]


def told(event: Event) -> Told:
    count = event.alert.occurrences if event.suppressed is None else event.suppressed.count
    return event.kind.value, event.alert.id, count


names = st.sampled_from(["a", "b", "c"])
ranks = st.integers(0, 3)
ops = st.one_of(
    st.builds(Op, st.just("ring"), names, ranks),
    st.builds(Op, st.just("report"), names, ranks, st.integers(1, 700)),
    st.builds(Op, st.just("end"), names, ranks),
    st.builds(Op, st.sampled_from(["acknowledge", "resolve"]), names, which=st.integers(0, 2)),
)
moments = st.one_of(st.integers(0, 20), st.integers(250, 320), st.just(300))


class MachineAgainstModel(RuleBasedStateMachine):
    """Both get the same; time may pass with or without anybody waking the machine."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_700_000_000 * SECOND
        self.model = Model()
        self.store: dict[str, Row] = {}
        self.offset = 0
        self.batches = 0
        self.fired: list[str] = []
        self.machine = self.build()

    def build(self) -> ChannelMachine:
        rows = (r for r in self.store.values() if r.alert.state.is_open or r.window.until > self.now or r.window.count)
        return ChannelMachine(KEY, Recalled(epoch="e", offset=self.offset, rows=tuple(rows)), NO_ORDERS, Policy())

    def alert_of(self, op: Op) -> str:
        """An alert that fired lately, whatever has become of it."""
        return self.fired[-1 - op.which] if op.which < len(self.fired) else "nobody"

    def command(self, op: Op) -> Command:
        if op.verb == "acknowledge":
            return acknowledging(alert_id=self.alert_of(op), by="ann")
        if op.verb == "resolve":
            return resolving(alert_id=self.alert_of(op), by="ann")
        severity = SEVERITIES[op.rank]
        source = None
        if op.verb != "ring":
            labels = {"alertname": op.name, "severity": severity.value}
            ends_at, is_end = self.now + op.seconds * SECOND, op.verb == "end"
            source = SourceReport(labels=labels, annotations={}, starts_at=0, ends_at=ends_at, explicit_end=is_end)
        return Ring(labels={"alertname": op.name}, severity=severity, source=source)

    def decide(self, chosen: list[Op]) -> None:
        self.batches += 1
        batch = Batch(f"0190a0a0-0000-7000-8000-{self.batches:06x}000000", self.now, tuple(map(self.command, chosen)))
        decision = self.machine.decide(batch)
        alert_ids = [self.alert_of(op) for op in chosen]
        for event in decision.events:
            self.offset += 1
            assert event.offset == self.offset
            if event.kind.value == "fired":
                assert event.alert.id not in self.fired
                self.fired.append(event.alert.id)
        assert decision.offset == self.offset
        self.store |= {row.alert.id: row for row in decision.rows}
        self.model.told = []
        for op, alert_id, result in zip(chosen, alert_ids, decision.results, strict=True):
            wanted = self.model.do(op, alert_id, self.now, result.alert_id or "")
            assert (result.status.value, result.reason.value, result.alert_id) == wanted
            self.check_result(result, [event.offset for event in decision.events])
        self.model.pass_time(self.now)
        assert Counter(map(told, decision.events)) == Counter(self.model.told)
        self.check_order(decision.events)

    def check_result(self, result: ItemResult, offsets: list[int]) -> None:
        is_told = result.status.value in ("fired", "repeated") or result.reason.value in ("acknowledged", "resolved")
        assert (result.offset in offsets) if is_told else (result.offset is None)
        assert result.alert_id is None or result.alert_id in self.store

    def check_order(self, events: tuple[Event, ...]) -> None:
        """The machine's order of one alert's events is the model's (that between alerts is free)."""
        for alert_id in {event.alert.id for event in events}:
            mine = [told(event) for event in events if event.alert.id == alert_id]
            assert mine == [one for one in self.model.told if one[1] == alert_id]

    @rule(chosen=st.lists(ops, min_size=1, max_size=4))
    def send(self, chosen: list[Op]) -> None:
        self.decide(chosen)

    @rule(seconds=moments)
    def wait_and_be_woken(self, seconds: int) -> None:
        until = self.now + seconds * SECOND
        while (due := self.machine.next_due()) is not None and due <= until:
            self.now = max(due, self.now)
            self.decide([])
        self.now = until

    @rule(seconds=moments)
    def oversleep(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule()
    def restart_after_a_flush(self) -> None:
        """An orderly restart changes no answer and no counter."""
        self.now += SECOND
        self.decide([])
        self.machine = self.build()

    @precondition(lambda self: self.model.known)
    @rule()
    def crash(self) -> None:
        """Lost may be the counters, and the refreshed ends, of the last second; nothing else."""
        for name, known in list(self.model.known.items()):
            row = self.store[known.id]
            assert row.alert.occurrences <= known.occurrences
            assert row.window.count <= known.count
            assert len(row.sources) == len(known.ends)
            known.occurrences, known.count = row.alert.occurrences, row.window.count
            for report in row.sources:
                known.ends[SEVERITIES.index(Severity(report.labels["severity"]))] = report.ends_at
            if not known.is_open and known.until <= self.now and not known.count:
                del self.model.known[name]  # nothing is owed any more: the store does not recall it
        self.machine = self.build()

    @invariant()
    def the_store_holds_what_the_model_knows(self) -> None:
        for known in self.model.known.values():
            row = self.store[known.id]
            assert row.alert.state.is_open == known.is_open
            assert (row.alert.state is AlertState.ACKNOWLEDGED) == (known.is_open and known.is_taken)
            assert (row.alert.severity.rank, row.window.until) == (known.rank, known.until)

    @invariant()
    def at_most_one_alert_is_open_per_identity(self) -> None:
        open_ones = [row.identity for row in self.store.values() if row.alert.state.is_open]
        assert len(open_ones) == len(set(open_ones))

    @invariant()
    def the_machine_is_due_exactly_when_something_is(self) -> None:
        """Never later than what the model owes; earlier only to write counters."""
        owed = [known.until for known in self.model.known.values() if known.count or not known.is_open]
        owed += [end for known in self.model.known.values() for end in known.ends.values()]
        due = self.machine.next_due()
        assert not owed or (due is not None and due <= min(owed))
        assert due is None or owed or due <= self.now + SECOND


MachineAgainstModel.TestCase.settings = examples(150, stateful_step_count=40)
TestMachineAgainstModel = MachineAgainstModel.TestCase
