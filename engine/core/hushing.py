"""Does it ring, or is it quiet? All quieting is evaluated here, at one point, in one order.

    maintenance ─▶ silenced ─▶ muted_hours (of its rule) ─▶ flapping ─▶ storm (never for critical) ─▶ it rings

The first that holds becomes the alert's mark (`quieted_by`, `quieted_ref`, `quieted_until`). What suppression has
swallowed does not come here: it would not have rung anyway. An open alert is looked at again when time may change its
mark (`Standing.look_at`), and when other orders hold that concern it (`engine.core.grounds`); a changed mark is told as
`quieted`, the end of the last one as `repeated`: then it rings. Decided against: asking for silences where
notifications are made, as Alertmanager does. There a producer is told that something rang which nobody heard.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from engine.core.agenda import NEVER
from engine.core.flapping import is_flapping
from engine.core.grounds import Grounds, difference_of
from engine.core.ledger import Ledger
from engine.core.quieting import Mark, Reasoned, in_force, labels_of, mark_of, windows_of, written
from engine.core.rules.schedule import hours_of
from engine.core.storm import Storm
from engine.core.suppression import Standing
from engine.core.turn import ROWS_MAX, Turn
from protocol.effects import StormNotice, StormState
from protocol.items import ItemResult
from protocol.model import Alert, EventKind, QuietedBy, Reason, Severity, Status
from protocol.orders import Orders
from protocol.quieting import NOTHING
from protocol.rows import Flaps


class Hush:
    """Decides what of one channel is quiet. Owns the storm, and who is still to be looked at under new orders."""

    def __init__(self, ledger: Ledger, orders: Orders, storm: StormState) -> None:
        self._ledger = ledger
        open_ones = [standing for standing in ledger.standings.values() if standing.is_open]
        held = [standing for standing in open_ones if standing.current().quieted_by is QuietedBy.STORM]
        self.storm = Storm(ledger.policy.storm_per_minute, storm, held)
        self._grounds = Grounds(NOTHING, {})
        self._set(orders)
        # What the store recalls may be marked as things stood before the engine was stopped.
        self._unseen: deque[Standing] = deque(filter(self._may_be_quiet, open_ones))
        if not self._unseen:
            for standing in open_ones:
                standing.grounds = self._grounds

    def adopt(self, orders: Orders) -> None:
        """Other orders hold: whom they concern is looked at again, as decisions have room for it."""
        before = self._grounds
        self._set(orders)
        if self._grounds is not before:
            everybody = self._ledger.standings.values()
            # Those that wait already stay in front, or who changes something again and again would keep the last ones
            # waiting for ever.
            self._unseen = deque(dict.fromkeys((*self._unseen, *everybody)) if self._unseen else everybody)

    def _may_be_quiet(self, standing: Standing) -> bool:
        """Whether there is anything that would not let it ring, or that once did not."""
        alert = standing.current()
        if alert.quieted_by is not None or standing.flaps is not None:
            return True
        return not self._windows.is_empty or alert.rule_id in self._schedules

    def _set(self, orders: Orders) -> None:
        self._windows = windows_of(orders.quieting)
        self._schedules = {rule.id: rule.schedule for rule in orders.rules if rule.schedule is not None}
        if orders.quieting != self._grounds.quieting or self._schedules != self._grounds.schedules:
            self._grounds = Grounds(orders.quieting, self._schedules)
        # Of most channels: then a new alert pays for none of this.
        self._is_idle = self._windows.is_empty and not self._schedules and not self.storm.is_on

    def mark(self, turn: Turn, standing: Standing, is_new: bool = False, is_its_turn: bool = False) -> Mark | None:
        """Sets the mark of an open alert that is about to be told, and when to look at it again."""
        alert = standing.current()
        standing.grounds = self._grounds
        if self._is_idle and standing.flaps is None and alert.quieted_by is None:
            standing.look_at = NEVER
            return None
        mark, standing.look_at = _first(self.reasons(alert, standing.flaps, turn))
        # What rings already is not a new alert; a critical one does not wait.
        if mark is None and (is_new or alert.quieted_by is not None) and alert.severity is not Severity.CRITICAL:
            mark = self._ask_budget(turn, standing, alert, is_its_turn)
        if mark != mark_of(alert):
            standing.become(marked(alert, mark))
        return mark

    def reasons(self, alert: Alert, flaps: Flaps | None, turn: Turn) -> Iterator[Reasoned]:
        """Each reason but the storm, in their order: the mark if it holds, and when that may be different."""
        now = turn.now
        if not self._windows.is_empty:
            labels = labels_of(alert)
            turn.tests_left -= self._windows.cost(labels)
            meant = self._windows.concerning(labels)
            for by in (QuietedBy.MAINTENANCE, QuietedBy.SILENCED):
                yield in_force([window for window in meant if window.by is by], now)
        schedule = self._schedules.get(alert.rule_id) if alert.rule_id is not None else None
        if schedule is not None:
            is_time, change = hours_of(schedule).at(now)
            yield None if is_time else Mark(QuietedBy.MUTED_HOURS, alert.rule_id, written(change)), change
        if flaps is not None and is_flapping(flaps, now):
            yield Mark(QuietedBy.FLAPPING), flaps.calm_at

    def _ask_budget(self, turn: Turn, standing: Standing, alert: Alert, is_its_turn: bool) -> Mark | None:
        if is_its_turn:
            self.storm.rings(turn.now)
            return None
        if self.storm.admits(turn.now):
            return None
        if alert.quieted_by is not QuietedBy.STORM and self.storm.hold(standing, turn.now):
            turn.storms.append(StormNotice(at=turn.now, since=turn.now))
        return Mark(QuietedBy.STORM)

    def look(self, turn: Turn, standing: Standing, is_its_turn: bool = False) -> None:
        """Time, or other orders, may have changed the mark of an open alert: one event if so."""
        before = mark_of(standing.current())
        mark = self.mark(turn, standing, is_its_turn=is_its_turn)
        if mark != before:
            self._ledger.emit(turn, standing, EventKind.REPEATED if mark is None else EventKind.QUIETED)
        self._ledger.agenda.put(standing)

    def pass_time(self, turn: Turn) -> None:
        """Looks at those that new orders concern, lets ring those whose turn it is, and notices a storm's end."""
        for _ in range(min(len(self._unseen), ROWS_MAX)):
            if not self._has_room(turn):
                return
            standing = self._unseen.popleft()
            if standing.is_open and standing.grounds is not self._grounds and self._is_concerned(turn, standing):
                self.look(turn, standing)
            # Of closed ones as well: they must not hold on to what was quieted long ago.
            standing.grounds = self._grounds
        while self._has_room(turn) and (waiting := self.storm.release(turn.now)) is not None:
            self.look(turn, waiting, is_its_turn=True)
        if (over := self.storm.ends()) is not None:
            turn.storms.append(StormNotice(at=turn.now, since=over.since, held=over.held, rang=over.rang, is_over=True))

    def _has_room(self, turn: Turn) -> bool:
        return self._ledger.room(turn) > 0 and turn.tests_left > 0

    def _is_concerned(self, turn: Turn, standing: Standing) -> bool:
        """Whether something that has changed since it was looked at may change its mark."""
        alert, before, now = standing.current(), standing.grounds, self._grounds
        if before is None or not now.has_same_hours(before, alert.rule_id):
            return True
        difference = difference_of(before.quieting, now.quieting)
        if (alert.quieted_by, alert.quieted_ref) in difference.gone:
            return True
        if difference.added.is_empty or difference.added.is_far_from(alert):
            return False
        labels = labels_of(alert)
        turn.tests_left -= difference.added.cost(labels)
        return bool(difference.added.concerning(labels))

    def next_due(self) -> int:
        """When (microseconds) there is something to do here; in the past if the last decision had no room for it."""
        return 0 if self._unseen else self.storm.next_due()

    def owes(self, standing: Standing) -> bool:
        """Whether time may change an alert's mark other than by a silence or maintenance, for which
        somebody starts the channel."""
        if not standing.is_open or standing.look_at == NEVER:
            return False
        alert = standing.current()
        return alert.quieted_by is QuietedBy.FLAPPING or alert.rule_id in self._schedules


def _first(reasons: Iterable[Reasoned]) -> tuple[Mark | None, int]:
    """The first that holds, and when to ask again."""
    first, due = None, NEVER
    for mark, change in reasons:
        first, due = first or mark, min(due, change)
    return first, due


def marked(alert: Alert, mark: Mark | None) -> Alert:
    """The alert with this mark, or without any."""
    by, ref, until = mark or (None, None, None)
    return replace(alert, quieted_by=by, quieted_ref=ref, quieted_until=until)


def quieted(mark: Mark, standing: Standing, offset: int) -> ItemResult:
    """The answer to what was stored and told, and does not ring."""
    return ItemResult(
        status=Status.SUPPRESSED,
        reason=Reason(mark.by.value),
        alert_id=standing.alert_id,
        offset=offset,
        message=explained(mark),
    )


def explained(mark: Mark) -> str:
    """A mark in words."""
    what = {
        QuietedBy.MAINTENANCE: f"maintenance window {mark.ref} is on",
        QuietedBy.SILENCED: f"silence {mark.ref} matches",
        QuietedBy.MUTED_HOURS: f"outside of the active hours of rule {mark.ref}",
        QuietedBy.FLAPPING: "it comes and goes too often",
        QuietedBy.STORM: "this channel's budget of new alerts is spent; it rings when its turn comes",
    }[mark.by]
    return f"stored, but quiet: {what}" + (f", until {mark.until}" if mark.until else "")
