"""What a channel's machine remembers: its open alerts and windows, and where its stream stands.

This ledger is in memory and of alerts. The ledger of notifications, who was told of what, is a table that knows nothing
of this one (`engine.stores.deliveries`).

Owns them for one run; the store owns them between runs. Whoever decides (`ringing`, `watching`, `acting`, `passing`)
changes them through here, so that each change is told (an event), stored (a row) and looked at again when it is due.
Decided against: a timer per alert (one heap, put right only at its head), and writing each duplicate (counters run in
memory and are written together, at latest `flush_s` later).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from msgspec.structs import replace

from engine.core.agenda import NEVER, Agenda
from engine.core.flapping import begun, said
from engine.core.lifecycle import Step, stepped
from engine.core.suppression import Standing, Verdict
from engine.core.turn import ROWS_MAX, Policy, Turn
from protocol.effects import Recalled
from protocol.items import ItemResult
from protocol.model import Change, Event, EventKind, Suppressed
from protocol.rows import Row
from protocol.times import SECOND_US, parse_rfc3339


class Ledger:
    """The standings of one channel, by identity and by alert, and what of them the store does not know yet."""

    def __init__(self, framework: str, recalled: Recalled, policy: Policy) -> None:
        self.framework = framework
        self.policy = policy
        self.offset = recalled.offset
        self.standings: dict[str, Standing] = {}
        # Standings that count towards the limit and are not here: a copy holds only some of a channel's.
        self.others = 0
        self.by_id: dict[str, Standing] = {}
        self.agenda: Agenda[Standing] = Agenda()
        # Whose counters are ahead of the store, and when they must be written; the oldest first.
        self._unwritten: dict[Standing, int] = {}
        self._flush_us = int(policy.flush_s * SECOND_US)
        self._patience_us = int(policy.unacknowledge_s * SECOND_US) or NEVER
        # Should a store recall an alert and its successor, the open one (else the later one) stands.
        rows = sorted(recalled.rows, key=lambda row: (row.alert.state.is_open, row.window.until))
        for row in {row.identity: row for row in rows}.values():
            self.remember(self.standing_for(row))

    def standing_for(self, row: Row) -> Standing:
        """What will be remembered of an alert."""
        return Standing(row, self._patience_us)

    def remember(self, standing: Standing) -> None:
        """An alert stands, new or changed. One that is closed does not take the place of another one."""
        if standing.is_open or standing.identity not in self.standings:
            self.standings[standing.identity] = standing
        self.by_id[standing.alert_id] = standing
        self.agenda.put(standing)

    def forget(self, standing: Standing) -> None:
        """Out of memory; its row stays in the store as it was written last."""
        if self.standings.get(standing.identity) is standing:
            del self.standings[standing.identity]
        del self.by_id[standing.alert_id]
        self._unwritten.pop(standing, None)
        self.agenda.drop(standing)

    def supersede(self, turn: Turn, before: Standing) -> None:
        """A closed alert whose place is taken: its window ends here, in the store as well."""
        if before.count:
            self.receipt(turn, before)
        if before.kept_until > turn.now:
            before.until, before.flaps = min(before.until, turn.now), None
            turn.touched[before] = None
        self.forget(before)

    def room(self, turn: Turn) -> int:
        """How many more events this decision may have."""
        return self.policy.events_max - len(turn.events)

    def step(self, turn: Turn, standing: Standing, step: Step, by: str | None, notes: str | None = None) -> ItemResult:
        """A step of the table that changes something: one event, and the answer if somebody asked for it."""
        standing.become(stepped(standing.current(), step, turn.at, by, notes))
        self.hear(turn, standing, is_bad=standing.is_open)
        self.emit(turn, standing, step.event, by)
        return self.told(step, standing)

    def hear(self, turn: Turn, standing: Standing, is_bad: bool) -> None:
        """Somebody said how it is: whether it comes and goes is known by that."""
        figures, flaps = self.policy.flapping, standing.flaps
        if figures is None or (flaps is None and is_bad):
            return
        known = begun(parse_rfc3339(standing.current().triggered_at)) if flaps is None else flaps
        standing.flaps = said(known, is_bad, turn.now, figures)
        if standing.flaps is not flaps:
            turn.touched[standing] = None
            self.agenda.put(standing)

    def receipt(self, turn: Turn, standing: Standing) -> None:
        """What a window has swallowed is told; it is empty afterwards."""
        self.emit(turn, standing, EventKind.RECEIPT, suppressed=standing.receipt())

    def emit(
        self,
        turn: Turn,
        standing: Standing,
        kind: EventKind,
        by: str | None = None,
        suppressed: Suppressed | None = None,
        also: tuple[str, ...] = (),
    ) -> None:
        """What happened to a standing's alert goes on the stream, and into the store."""
        self.offset += 1
        alert = standing.current()
        turn.events.append(
            Event(offset=self.offset, kind=kind, alert=alert, at=turn.at, by=by, suppressed=suppressed, also=also)
        )
        turn.touched[standing] = None
        self.agenda.put(standing)

    def emit_many(
        self, turn: Turn, standings: Sequence[Standing], kind: EventKind, change: Change, people: tuple[str, ...]
    ) -> None:
        """The same happened to all of these: one event, and each into the store."""
        self.offset += 1
        loudest = max(standings, key=lambda standing: standing.rank).current()
        turn.events.append(
            Event(
                offset=self.offset,
                kind=kind,
                alert=loudest,
                at=turn.at,
                by=change.by,
                alert_ids=tuple([standing.alert_id for standing in standings]),
                change=replace(change, severity=loudest.severity),
                also=people,
            )
        )
        for standing in standings:
            turn.touched[standing] = None
            self.agenda.put(standing)

    def told(self, outcome: Verdict | Step, standing: Standing) -> ItemResult:
        """The answer to what has just been put on the stream."""
        return ItemResult(status=outcome.status, reason=outcome.reason, alert_id=standing.alert_id, offset=self.offset)

    def counted(self, turn: Turn, standing: Standing) -> None:
        """Its counters are ahead of the store."""
        if standing not in self._unwritten:
            self._unwritten[standing] = turn.now + self._flush_us

    def flush(self, turn: Turn) -> None:
        """Writes the counters; all that are waiting once one must be, so that there is one such commit in `flush_s`."""
        for standing in turn.touched:
            self._unwritten.pop(standing, None)
        if not self._unwritten:
            return
        oldest = next(iter(self._unwritten.values()))
        # Further ahead than `flush_s`, the clock was set back: waiting for it would lose more than we promise.
        if turn.now < oldest <= turn.now + self._flush_us:
            return
        self.write_counters(turn)

    def write_counters(self, turn: Turn) -> None:
        """Some of the counters that are ahead of the store, as many as a commit has room for."""
        for standing in list(itertools.islice(self._unwritten, max(ROWS_MAX - len(turn.touched), 0))):
            del self._unwritten[standing]
            turn.touched[standing] = None

    @property
    def is_ahead(self) -> bool:
        """Whether some counters are ahead of the store."""
        return bool(self._unwritten)

    def next_due(self) -> int:
        """When (microseconds) time alone changes something, or counters must be written; NEVER."""
        return min(self.agenda.next_due(), next(iter(self._unwritten.values()), NEVER))
