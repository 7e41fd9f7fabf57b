"""Say it again? The verdict about one firing, and what is remembered of each identity to reach it.

    nothing open, no window            fired       a new alert
    open, louder than before           raised      the same alert, told; its window starts anew
    open, its source says so again     refreshed   noted
    open, inside its window            duplicate   counted, not told
    open, window over                  repeated    the same alert, told; its window starts anew
    closed, inside its window          cooldown    counted, not told; a louder one fires
    closed, window over                fired       a new alert

`Standing` is what is remembered to reach a verdict.
The hot path is `Standing.swallow`: a few numbers in slots. Decided against: rebuilding the frozen alert for every
duplicate (ten times dearer); it is rebuilt when it is told or written. A window that starts anew before its end keeps
what it has swallowed, so each duplicate is in exactly one receipt.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from engine.core.agenda import NEVER
from engine.core.grounds import Grounds
from engine.core.lifecycle import LabelSet, label_set
from engine.core.rules.evaluation import worse
from protocol.model import Alert, AlertState, Comparison, Reason, Severity, Status, Suppressed
from protocol.rows import Row, SourceReport, SuppressionWindow
from protocol.times import SECOND_US, parse_rfc3339, rfc3339

# A window longer than a year is a rule switched off; the bound keeps its end inside 64 bits.
WINDOW_MAX_S = 366 * 86_400.0


class Verdict(NamedTuple):
    """What to do with a firing, in the words of the reply."""

    status: Status
    reason: Reason


FIRED = Verdict(Status.FIRED, Reason.FIRED)
RAISED = Verdict(Status.FIRED, Reason.RAISED)
REPEATED = Verdict(Status.REPEATED, Reason.REPEATED)
DUPLICATE = Verdict(Status.SUPPRESSED, Reason.DUPLICATE)
COOLDOWN = Verdict(Status.SUPPRESSED, Reason.COOLDOWN)
REFRESHED = Verdict(Status.SUPPRESSED, Reason.REFRESHED)


def window_us(seconds: float) -> int:
    """A window's length in microseconds; negative counts as none, more than `WINDOW_MAX_S` as that."""
    return int(min(max(seconds, 0.0), WINDOW_MAX_S) * SECOND_US)


class Standing:
    """What is remembered of one identity: its newest alert, its window, its label sets. Mutable; owned by one machine.

    `occurrences` and `seen_at` run ahead of the frozen alert until `current()` is asked for. Times are microseconds,
    `seen_at` is RFC 3339.
    """

    __slots__ = (
        "_alert",
        "count",
        "first_at",
        "flaps",
        "grounds",
        "identity",
        "is_open",
        "lapses_at",
        "last_at",
        "look_at",
        "occurrences",
        "patience_us",
        "rank",
        "seen_at",
        "sources",
        "timer",
        "until",
        "worst",
    )

    def __init__(self, row: Row, patience_us: int = NEVER) -> None:
        self.identity = row.identity
        # For how long somebody may have taken it on without resolving it.
        self.patience_us = patience_us
        self.sources: dict[LabelSet, SourceReport] = {label_set(report): report for report in row.sources}
        window = row.window
        self.until, self.count, self.worst = window.until, window.count, window.worst
        self.first_at, self.last_at = window.first_at, window.last_at
        # When the machine's agenda looks at this one next.
        self.timer = NEVER
        # Whether it comes and goes (None: it came once), and when time may change why it is quiet.
        self.flaps = row.flaps
        self.look_at = NEVER
        # What held when that was asked last; None: not since it was recalled.
        self.grounds: Grounds | None = None
        self.is_open = row.alert.state.is_open
        self.become(row.alert)

    def become(self, alert: Alert) -> None:
        """The alert has changed. A closed one has no label sets: nothing keeps it alive."""
        self._alert = alert
        if alert.state.is_open is not self.is_open:
            # Opened again: whether it rings is asked at the end of this decision.
            self.is_open, self.look_at = alert.state.is_open, 0
        self.rank = alert.severity.rank
        self.occurrences, self.seen_at = alert.occurrences, alert.last_seen_at
        # When it is active again if whoever took it on does nothing more.
        self.lapses_at = NEVER
        if self.patience_us != NEVER and alert.state is AlertState.ACKNOWLEDGED and alert.acknowledged_at is not None:
            self.lapses_at = parse_rfc3339(alert.acknowledged_at) + self.patience_us
        if not self.is_open:
            self.sources.clear()

    @property
    def alert_id(self) -> str:
        """The id of the newest alert of this identity."""
        return self._alert.id

    @property
    def rule_id(self) -> str | None:
        """The rule that it rang for."""
        return self._alert.rule_id

    def current(self) -> Alert:
        """The alert as of now, with its counters."""
        alert = self._alert
        if alert.occurrences != self.occurrences or alert.last_seen_at != self.seen_at:
            self._alert = alert = replace(alert, occurrences=self.occurrences, last_seen_at=self.seen_at)
        return alert

    def swallow(self, now: int, value: float | None, comparison: Comparison) -> None:
        """One more that is counted and not told."""
        if not self.count:
            self.first_at = now
        self.count += 1
        self.last_at = now
        if value is not None:
            self.worst = worse(comparison, self.worst, value)

    def receipt(self) -> Suppressed:
        """What the window has swallowed; it is empty afterwards."""
        receipt = Suppressed(
            count=self.count,
            first_at=rfc3339(self.first_at),
            last_at=rfc3339(self.last_at),
            worst_value=self.worst,
        )
        self.count = self.first_at = self.last_at = 0
        self.worst = None
        return receipt

    def due(self) -> int:
        """When time alone changes something: a label set ends, a receipt is owed, it was taken on for too long, it may
        ring, or can be forgotten."""
        own = self.own_due()
        return own if not self.is_open or own < self.look_at else self.look_at

    def own_due(self) -> int:
        """The same, whatever is quieted: what `look_at` is about is not asked."""
        if not self.is_open:
            return self.until if self.count else self.kept_until
        due = self.lapses_at
        if self.count and self.until < due:
            due = self.until
        return min((due, *(report.ends_at for report in self.sources.values()))) if self.sources else due

    @property
    def kept_until(self) -> int:
        """How long a closed one is remembered: its window, or its coming and going, still matters."""
        return self.until if self.flaps is None else max(self.until, self.flaps.until)

    def row(self) -> Row:
        """How the store keeps it."""
        window = SuppressionWindow(
            until=self.until, count=self.count, first_at=self.first_at, last_at=self.last_at, worst=self.worst
        )
        sources = tuple(self.sources.values())
        return Row(alert=self.current(), identity=self.identity, window=window, sources=sources, flaps=self.flaps)


def decide(standing: Standing | None, severity: Severity, now: int, is_resent: bool = False) -> Verdict:
    """Should this firing be told? `is_resent`: a source says again what it said before (this very label set)."""
    if standing is None:
        return FIRED
    is_louder = severity.rank > standing.rank
    is_inside = now < standing.until
    if not standing.is_open:
        return COOLDOWN if is_inside and not is_louder else FIRED
    if is_louder:
        return RAISED
    if is_resent:
        return REFRESHED
    return DUPLICATE if is_inside else REPEATED
