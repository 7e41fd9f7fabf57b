"""The whole life of alerts with people in it, against a naive model, with a restart at every step.

The model keeps every alert that there ever was and asks all of them each time. Beside the machine that goes on, another
one is built from the store before each batch: both must decide the very same, whatever was forgotten meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.core.channel import ChannelMachine
from engine.core.turn import Policy
from protocol.changes import PEOPLES_ACTIONS, Action, changed
from protocol.commands import Act, Batch, Command, Ring
from protocol.effects import Recalled
from protocol.items import ItemResult
from protocol.model import Alert, AlertState, ChannelKey, Event, Severity
from protocol.orders import NO_ORDERS
from protocol.rows import Row
from tests.support.examples import examples

SECOND = 1_000_000
WINDOW, PATIENCE = 300 * SECOND, 1_000 * SECOND
SEVERITIES = list(Severity)
OPEN = ("active", "acknowledged")
DONE = {Action.ACKNOWLEDGE: "acknowledged", Action.UNACKNOWLEDGE: "unacknowledged", Action.ASSIGN: "assigned",
        Action.COMMENT: "commented", Action.RESOLVE: "resolved", Action.REOPEN: "reopened"}  # fmt: skip
GOAL = {Action.ACKNOWLEDGE: "acknowledged", Action.UNACKNOWLEDGE: "active", Action.RESOLVE: "resolved",
        Action.REOPEN: "active"}  # fmt: skip
KEY = ChannelKey("w", "f")
# Counters are written at once: nothing may be lost when another machine takes over.
POLICY = Policy(unacknowledge_s=PATIENCE / SECOND, flush_s=0.0)

Told = tuple[Any, ...]
Answer = tuple[str, str, str | None]


@dataclass
class Life:
    """What the model knows of one alert."""

    id: str
    name: str
    rank: int
    until: int
    state: str = "active"
    taken_at: int | None = None
    assignee: str | None = None
    words: tuple[str, str] | None = None
    count: int = 0


@dataclass(frozen=True)
class Op:
    """Somebody rings, or does something about alerts: the n-th newest, those beyond the oldest are nobody's."""

    name: str = ""
    rank: int = 0
    action: Action | None = None
    which: tuple[int, ...] = ()
    by: str = "ann"
    notes: str | None = None
    assignee: str | None = None


@dataclass
class Model:
    """The life cycle, said once more and naively. `standing`: what the next trigger of a name is held against."""

    lives: dict[str, Life] = field(default_factory=dict)
    standing: dict[str, Life] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)

    def ring(self, op: Op, now: int, new_id: str) -> Answer:
        life = self.standing.get(op.name)
        is_inside, is_louder = (False, False) if life is None else (now < life.until, op.rank > life.rank)
        if life is None or (life.state not in OPEN and (is_louder or not is_inside)):
            if life is not None:
                self.receipt(life)
                life.until = min(life.until, now)
            life = self.standing[op.name] = self.lives[new_id] = Life(new_id, op.name, op.rank, now + WINDOW)
            self.told.append(("fired", (new_id,), None))
            return "fired", "fired", new_id
        if life.state not in OPEN or (is_inside and not is_louder):
            life.count += 1
            return "suppressed", "duplicate" if life.state in OPEN else "cooldown", life.id
        if not is_inside:
            self.receipt(life)
        life.until = now + WINDOW
        if not is_louder:
            self.told.append(("repeated", (life.id,), None))
            return "repeated", "repeated", life.id
        self.told.append(("reopened" if life.state == "acknowledged" else "raised", (life.id,), None))
        life.rank, life.state, life.taken_at = op.rank, "active", None
        return "fired", "raised", life.id

    def act(self, op: Op, action: Action, alert_ids: Sequence[str], now: int) -> list[Answer]:
        done: list[str] = []
        people: set[str | None] = set()
        answers = [self.one(op, action, alert_id, now, done, people) for alert_id in alert_ids]
        if done:
            self.told.append((DONE[action], tuple(done), op.by, tuple(sorted(user for user in people if user))))
        return answers

    def one(self, op: Op, action: Action, alert_id: str, now: int, done: list[str], people: set[str | None]) -> Answer:
        life = self.lives.get(alert_id)
        if life is None:
            return "rejected", "busy", None
        before = life.assignee
        answer = self.change(life, op, action, now)
        if answer != "done":
            rejected = answer == "refused"
            return "rejected" if rejected else DONE[action], "already", alert_id
        done.append(alert_id)
        people |= {before, life.assignee}
        return DONE[action], DONE[action], alert_id

    def change(self, life: Life, op: Op, action: Action, now: int) -> str:
        """What becomes of an alert: done, refused, or already so."""
        is_open, words = life.state in OPEN, (op.notes, op.by) if op.notes else None
        match action:
            case Action.COMMENT if words is None or life.words == words:
                return "already"
            case Action.RESOLVE if not is_open:
                return "already"
            case Action.REOPEN if is_open:
                return "already"
            case Action.ACKNOWLEDGE | Action.UNACKNOWLEDGE | Action.ASSIGN if not is_open:
                return "refused"
            case Action.ACKNOWLEDGE if life.state == "acknowledged":
                return "already"
            case Action.UNACKNOWLEDGE if life.state == "active":
                return "already"
            case Action.ASSIGN if life.assignee == op.assignee and (words is None or life.words == words):
                return "already"
            case Action.REOPEN:
                rival = self.standing.get(life.name)
                if rival is not None and rival is not life:
                    if rival.state in OPEN:
                        return "refused"
                    self.receipt(rival)
                    rival.until = min(rival.until, now)
                self.standing[life.name] = life
        life.state = GOAL.get(action, life.state)
        life.taken_at = now if action is Action.ACKNOWLEDGE else life.taken_at if life.state == "acknowledged" else None
        if action is Action.ASSIGN:
            life.assignee = op.assignee
        life.words = words or life.words
        return "done"

    def receipt(self, life: Life) -> None:
        if life.count:
            self.told.append(("receipt", (life.id,), None, life.count))
        life.count = 0

    def pass_time(self, now: int) -> None:
        for life in self.lives.values():
            if life.taken_at is not None and life.taken_at + PATIENCE <= now:
                life.state, life.taken_at = "active", None
                self.told.append(("unacknowledged", (life.id,), None))
            if life.until <= now:
                self.receipt(life)
                if life.state not in OPEN and self.standing.get(life.name) is life:
                    del self.standing[life.name]


def told(event: Event) -> Told:
    """What the model says of an event: its kind, its alerts, who did it, and how many it is about or whom."""
    if event.suppressed is not None:
        return event.kind.value, event.ids, event.by, event.suppressed.count
    if event.by is not None:
        return event.kind.value, event.ids, event.by, tuple(sorted(event.people))
    return event.kind.value, event.ids, event.by


names = st.sampled_from(["a", "b", "c"])
users = st.sampled_from(["ann", "bob"])
rings = st.builds(Op, name=names, rank=st.integers(0, 3))
acts = st.builds(
    Op,
    action=st.sampled_from(PEOPLES_ACTIONS),
    which=st.lists(st.integers(0, 6), min_size=1, max_size=4).map(tuple),
    by=users,
    notes=st.none() | st.sampled_from(["on it", "done"]),
    assignee=st.none() | users,
)
moments = st.one_of(st.integers(0, 20), st.integers(250, 320), st.just(300), st.integers(900, 1_100))


class LifeAgainstModel(RuleBasedStateMachine):
    """Machine and model get the same, and a second machine, made from the store, as well."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_700_000_000 * SECOND
        self.model = Model()
        self.store: dict[str, Row] = {}
        # As somebody who follows the stream knows them.
        self.followed: dict[str, Alert] = {}
        self.offset = 0
        self.batches = 0
        self.machine = self.build()

    def build(self) -> ChannelMachine:
        rows = (r for r in self.store.values() if r.alert.state.is_open or r.window.until > self.now or r.window.count)
        return ChannelMachine(KEY, Recalled(epoch="e", offset=self.offset, rows=tuple(rows)), NO_ORDERS, POLICY)

    def meant(self, op: Op) -> tuple[str, ...]:
        known = list(reversed(self.store))
        return tuple(known[n] if n < len(known) else "nobody" for n in op.which)

    def command(self, op: Op) -> Command:
        if op.action is None:
            return Ring(labels={"alertname": op.name}, severity=SEVERITIES[op.rank])
        rows = [self.store[alert_id] for alert_id in dict.fromkeys(self.meant(op)) if alert_id in self.store]
        closed = tuple(row for row in rows if not row.alert.state.is_open)
        notes = op.notes or ("well" if op.action is Action.COMMENT else None)
        return Act(
            alert_ids=self.meant(op), action=op.action, by=op.by, notes=notes, assignee=op.assignee, closed=closed
        )

    def decide(self, op: Op | None) -> None:
        self.batches += 1
        commands = () if op is None else (self.command(op),)
        batch = Batch(f"0190a0a0-0000-7000-8000-{self.batches:06x}000000", self.now, commands)
        decision, other = self.machine.decide(batch), self.build().decide(batch)
        assert (decision.results, decision.audits, decision.offset) == (other.results, other.audits, other.offset)
        assert Counter(map(told, decision.events)) == Counter(map(told, other.events))
        self.model.told = []
        if op is not None:
            self.check_answers(op, decision.results)
        self.model.pass_time(self.now)
        assert Counter(map(told, decision.events)) == Counter(self.model.told)
        self.offset = decision.offset
        self.store |= {row.alert.id: row for row in decision.rows}
        self.follow(decision.events)

    def check_answers(self, op: Op, results: Sequence[ItemResult]) -> None:
        if op.action is None:
            wanted = [self.model.ring(op, self.now, results[0].alert_id or "")]
        else:
            said = op if op.notes or op.action is not Action.COMMENT else Op(**{**vars(op), "notes": "well"})
            wanted = self.model.act(said, op.action, self.meant(op), self.now)
        assert [(each.status.value, each.reason.value, each.alert_id) for each in results] == wanted

    def follow(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.change is None:
                self.followed[event.alert.id] = event.alert
                continue
            for alert_id in event.alert_ids:
                self.followed[alert_id] = changed(self.followed[alert_id], event.kind, event.change)

    @rule(op=rings)
    def ring(self, op: Op) -> None:
        self.decide(op)

    @rule(op=acts)
    def act(self, op: Op) -> None:
        self.decide(op)

    @rule(seconds=moments)
    def wait_and_be_woken(self, seconds: int) -> None:
        until = self.now + seconds * SECOND
        while (due := self.machine.next_due()) is not None and due <= until:
            self.now = max(due, self.now)
            self.decide(None)
        self.now = until

    @rule(seconds=moments)
    def oversleep(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule()
    def restart(self) -> None:
        self.machine = self.build()

    @invariant()
    def the_store_is_what_the_model_says(self) -> None:
        for life in self.model.lives.values():
            alert = self.store[life.id].alert
            assert (alert.state.value, alert.severity.rank, alert.assigned_to) == (life.state, life.rank, life.assignee)
            assert (alert.notes, alert.notes_by) == (life.words or (None, None))
            assert (alert.acknowledged_at is not None) == (life.taken_at is not None) or alert.state not in (
                AlertState.ACTIVE,
                AlertState.ACKNOWLEDGED,
            )

    @invariant()
    def who_follows_the_stream_knows_what_the_store_knows(self) -> None:
        for alert_id, row in self.store.items():
            mine = self.followed[alert_id]
            assert (mine.state, mine.assigned_to, mine.notes) == (
                row.alert.state,
                row.alert.assigned_to,
                row.alert.notes,
            )
            assert (mine.acknowledged_by, mine.resolved_by) == (row.alert.acknowledged_by, row.alert.resolved_by)

    @invariant()
    def at_most_one_alert_of_a_kind_is_open(self) -> None:
        open_ones = [row.identity for row in self.store.values() if row.alert.state.is_open]
        assert len(open_ones) == len(set(open_ones))


LifeAgainstModel.TestCase.settings = examples(150, stateful_step_count=40)
TestLifeAgainstModel = LifeAgainstModel.TestCase
