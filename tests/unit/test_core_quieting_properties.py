"""Quieting against a small naive model, in virtual time, with restarts from the store at any step.

The model looks at every silence and window for every alert, at each moment at which anything may change, and keeps no
index, no agenda and no heap. What it and the machine must agree on: each answer, each mark, and all that is told.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.core.channel import ChannelMachine
from engine.core.turn import Policy
from protocol.changes import Action
from protocol.commands import Act, Batch, Command, Preview, Ring
from protocol.effects import Recalled
from protocol.model import Alert, ChannelKey, Severity
from protocol.orders import NO_ORDERS, Orders
from protocol.quieting import Maintenance, Matcher, Operator, Quieting, Silence
from protocol.rows import Row
from protocol.rules import ActiveHours
from protocol.times import rfc3339
from tests.support.examples import examples

SECOND = 1_000_000
HOUR = 3_600 * SECOND
# A Monday, noon.
START = 1_767_614_400 * SECOND
WINDOW = 300 * SECOND
KEY = ChannelKey("w", "f")
HOSTS = ("h1", "h2")
SEVERITIES = list(Severity)
# Every week day for an hour: what is planned in the model by plain arithmetic.
HOURS = ActiveHours(start="13:00", end="14:00", days=("mon", "tue", "wed", "thu", "fri"))

Mark = tuple[str, str, str | None] | None


@dataclass(frozen=True)
class Quiet:
    """A silence, or (without an end) the weekly window: of a host and a severity, if they are said."""

    id: str
    host: str | None
    severity: Severity | None
    starts_at: int
    ends_at: int | None

    def on(self, host: str, severity: Severity, now: int) -> int | None:
        """Until when it keeps this quiet, if it does now."""
        if self.host not in (None, host) or self.severity not in (None, severity):
            return None
        if self.ends_at is not None:
            return self.ends_at if self.starts_at <= now < self.ends_at else None
        day, second = divmod(now // SECOND, 86_400)
        is_on = (day + 3) % 7 < 5 and 13 * 3_600 <= second < 14 * 3_600
        return (day * 86_400 + 14 * 3_600) * SECOND if is_on else None


@dataclass
class Known:
    """An alert, as the model has it."""

    id: str
    severity: Severity
    until: int
    is_open: bool = True
    mark: Mark = None
    count: int = 0


@dataclass
class Model:
    """The semantics, said once more and naively."""

    quiet: dict[str, Quiet] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict)
    told: list[tuple[str, str, Mark]] = field(default_factory=list)

    def mark(self, host: str, severity: Severity, now: int) -> Mark:
        """Maintenance first, then who lasts longest, then the least id."""
        found = [
            (each.ends_at is not None, -until, each.id, until)
            for each in self.quiet.values()
            if (until := each.on(host, severity, now)) is not None
        ]
        if not found:
            return None
        is_silence, _, name, until = min(found)
        return ("silenced" if is_silence else "maintenance", name, rfc3339(until))

    def ring(self, host: str, severity: Severity, now: int, new_id: str) -> tuple[str, str]:
        known = self.known.get(host)
        if known is not None and now < known.until and severity.rank <= known.severity.rank:
            known.count += 1
            return "suppressed", "duplicate" if known.is_open else "cooldown"
        kind, answer = "fired", ("fired", "fired")
        if known is not None and known.is_open:
            if now >= known.until:
                self.receipt(known)
            is_louder = severity.rank > known.severity.rank
            kind, answer = ("raised", ("fired", "raised")) if is_louder else ("repeated", ("repeated", "repeated"))
            known.severity = severity if is_louder else known.severity
        else:
            if known is not None:
                self.receipt(known)
            known = self.known[host] = Known(new_id, severity, 0)
        known.until, known.mark = now + WINDOW, self.mark(host, known.severity, now)
        self.told.append((kind, known.id, known.mark))
        return answer if known.mark is None else ("suppressed", known.mark[0])

    def resolve(self, host: str) -> None:
        known = self.known[host]
        if known.is_open:
            known.is_open = False
            self.told.append(("resolved", known.id, known.mark))

    def receipt(self, known: Known) -> None:
        if known.count:
            self.told.append(("receipt", known.id, known.mark))
        known.count = 0

    def look(self, now: int) -> None:
        """What is so now, whatever was before."""
        for host, known in list(self.known.items()):
            if known.until <= now:
                self.receipt(known)
                if not known.is_open:
                    del self.known[host]
                    continue
            mark = self.mark(host, known.severity, now)
            if known.is_open and mark != known.mark:
                known.mark = mark
                self.told.append(("repeated" if mark is None else "quieted", known.id, mark))


hosts = st.sampled_from(HOSTS)
severities = st.sampled_from(SEVERITIES)
moments = st.one_of(st.integers(0, 20), st.integers(250, 320), st.sampled_from([300, 1_800, 3_600, 86_400]))


class QuietMachineAgainstModel(RuleBasedStateMachine):
    """Both get the same; the machine is woken exactly when it asks to be."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.model = Model()
        self.store: dict[str, Row] = {}
        self.offset = self.batches = self.names = 0
        self.orders = NO_ORDERS
        self.machine = self.build()

    def build(self) -> ChannelMachine:
        rows = [r for r in self.store.values() if r.alert.state.is_open or r.window.until > self.now or r.window.count]
        return ChannelMachine(KEY, Recalled(epoch="e", offset=self.offset, rows=tuple(rows)), self.orders, Policy())

    def decide(self, *commands: Command) -> tuple[str, str, str]:
        """What the first command was answered; everything told is kept for the comparison."""
        self.batches += 1
        batch_id = f"0190a0a0-0000-7000-8000-{self.batches:06x}000000"
        decision = self.machine.decide(Batch(batch_id, self.now, commands, self.orders))
        self.offset = decision.offset
        self.store |= {row.alert.id: row for row in decision.rows}
        self.told = Counter((event.kind.value, event.alert.id, _mark(event.alert)) for event in decision.events)
        if not decision.results:
            return "", "", ""
        result = decision.results[0]
        return result.status.value, result.reason.value, result.alert_id or ""

    def agree(self) -> None:
        self.model.look(self.now)
        assert self.told == Counter(self.model.told)
        self.model.told = []

    @rule(host=hosts, severity=severities)
    def ring(self, host: str, severity: Severity) -> None:
        bell = Ring(title="disk", labels={"host": host}, severity=severity)
        *foreseen, _ = self.decide(Preview(commands=(bell,)))
        self.agree()
        status, reason, alert_id = self.decide(bell)
        assert (status, reason) == tuple(foreseen) == self.model.ring(host, severity, self.now, alert_id)
        self.agree()

    @rule(host=hosts)
    def resolve(self, host: str) -> None:
        if host in self.model.known:
            self.decide(Act(alert_ids=(self.model.known[host].id,), action=Action.RESOLVE, by="ann"))
            self.model.resolve(host)
            self.agree()

    @rule(
        host=st.none() | hosts,
        severity=st.none() | severities,
        start=st.sampled_from([-60, 0, 30, 600]),
        lasts=st.sampled_from([10, 300, 3_600]),
    )
    def silence(self, host: str | None, severity: Severity | None, start: int, lasts: int) -> None:
        self.names += 1
        starts_at = self.now + start * SECOND
        name = f"s{self.names}"
        self.model.quiet[name] = Quiet(name, host, severity, starts_at, starts_at + lasts * SECOND)
        self.change()

    @rule(host=st.none() | hosts)
    def plan_maintenance(self, host: str | None) -> None:
        self.model.quiet["m"] = Quiet("m", host, None, 0, None)
        self.change()

    @rule(which=st.integers(0, 3))
    def lift(self, which: int) -> None:
        if which < len(self.model.quiet):
            del self.model.quiet[list(self.model.quiet)[which]]
            self.change()

    def change(self) -> None:
        quiet = self.model.quiet.values()
        self.orders = Orders(
            quieting=Quieting(
                silences=tuple(_silence(each) for each in quiet if each.ends_at is not None),
                maintenance=tuple(
                    Maintenance(id=each.id, title="Patch", matchers=_matchers(each), weekly=HOURS)
                    for each in quiet
                    if each.ends_at is None
                ),
            )
        )
        self.decide()
        self.agree()

    @rule(seconds=moments)
    def wait(self, seconds: int) -> None:
        until = self.now + seconds * SECOND
        while (due := self.machine.next_due()) is not None and due <= until:
            self.now = max(due, self.now)
            self.decide()
            self.agree()
        self.now = until

    @rule(seconds=moments)
    def oversleep(self, seconds: int) -> None:
        self.now += seconds * SECOND
        self.decide()
        self.agree()

    @rule()
    def restart(self) -> None:
        """After what was counted is written, as an orderly stop does."""
        self.now += SECOND
        self.decide()
        self.agree()
        self.machine = self.build()

    @invariant()
    def the_store_shows_every_mark(self) -> None:
        for known in self.model.known.values():
            assert _mark(self.store[known.id].alert) == known.mark


def _mark(alert: Alert) -> Mark:
    return None if alert.quieted_by is None else (alert.quieted_by.value, alert.quieted_ref or "", alert.quieted_until)


def _matchers(quiet: Quiet) -> tuple[Matcher, ...]:
    """Said in a way of its own for each label: exactly, and as an expression."""
    found = [] if quiet.host is None else [Matcher(name="host", value=quiet.host)]
    if quiet.severity is not None:
        found.append(Matcher(name="severity", operator=Operator.MATCHES, value=quiet.severity.value))
    return tuple(found)


def _silence(quiet: Quiet) -> Silence:
    return Silence(
        id=quiet.id,
        matchers=_matchers(quiet),
        starts_at=rfc3339(quiet.starts_at),
        ends_at=rfc3339(quiet.ends_at or 0),
        author="ann",
        comment="x",
    )


QuietMachineAgainstModel.TestCase.settings = examples(100, stateful_step_count=30)
TestQuietMachineAgainstModel = QuietMachineAgainstModel.TestCase
