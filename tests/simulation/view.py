"""What one client was told of one stream, held against the ledger message by message (P3, and saved before told).

A view is strict where a real client is lenient: within one subscription nothing may come twice, and whatever passes its
filter must come, in order, unless a `gap` or `recovered: false` said that it does not. The ledger is what the store
really has at that moment, so a message about something that is not stored is caught as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from protocol import messages as m
from protocol.changes import changed
from protocol.model import Alert, AlertState, Event, EventKind, Severity
from tests.simulation.trace import Violation

# What may give way in the outbox of a slow peer, and whatever is milder.
MILD = Severity.WARNING


class View:
    """One client's place in one stream."""

    def __init__(
        self,
        who: str,
        channel: str,
        min_severity: Severity,
        events: Callable[[], Sequence[Event]],
        *,
        may_be_trimmed: bool = False,
        snapshot: bool = False,
    ) -> None:
        self.who = who
        # As it is asked for; `name` is what the server calls it.
        self.channel = channel
        self.name = ""
        self.min_severity = min_severity
        self._events = events
        self.position: m.Position | None = None
        # Where recovery was last asked from.
        self._asked: m.Position | None = None
        self._may_be_trimmed = may_be_trimmed
        self._wants_snapshot = snapshot
        # The open alerts as they come, and up to where an event may be left out because a page shows it.
        self._pages: list[m.Snapshot] = []
        self._shown_until = 0
        self.is_followed = False
        # The alerts whose firing it was told of, and those that it was shown. What a gap left out is not among them.
        self.known: set[str] = set()
        # Something was left out since it subscribed, and not fetched: its marks count up to there, by the protocol.
        self.has_gap = False

    def request(self, number: int, back_to: m.Position | None = None) -> m.Subscribe:
        """The subscription to ask for now; `back_to` asks for what a gap left out."""
        self._asked = back_to or self.position
        return m.Subscribe(
            id=number,
            channel=self.channel,
            min_severity=self.min_severity,
            recover=self._asked,
            snapshot=self._wants_snapshot,
        )

    def subscribed(self, message: m.Subscribed) -> None:
        """The answer to it."""
        stored = len(self._events())
        self._must(message.offset <= stored, f"is at {message.offset}, the store at {stored}")
        allowed = {"ok", "trimmed"} if self._may_be_trimmed else {"ok"}
        self._must(message.reason in (allowed if self._asked else {"fresh"}), f"recovery answered {message.reason}")
        self._must(message.recovered is (message.reason == "ok"), f"{message.recovered} and {message.reason}")
        self.name, self.is_followed = message.channel, True
        self._pages, self._shown_until, self.has_gap = [], 0, False
        self.position = self._asked if message.recovered else m.Position(message.epoch, message.offset)

    def snapshot(self, message: m.Snapshot) -> None:
        """A page of the open alerts: all of them were open then, and with the last page none is missing."""
        pages = self._pages
        since = pages[-1].offset if pages else 0
        self._must(message.page == len(pages) and since <= message.offset, f"was shown page {message.page}, {since}")
        self._must(not pages or not pages[-1].last, "was shown a page after the last one")
        self._shown_until = self._shown_until or message.offset
        pages.append(message)
        self.known.update(alert.id for alert in message.alerts)
        is_open = self._open_at(message.offset)
        closed = [alert.title for alert in message.alerts if is_open.get(alert.id) != alert.state]
        self._must(not closed, f"was shown as open at {message.offset}: {closed}")
        if message.last:
            shown = {alert.id for page in pages for alert in page.alerts}
            missing = (self._open_at(pages[0].offset).keys() & is_open.keys()) - shown
            self._must(not missing, f"was not shown {missing}, open from {pages[0].offset} to {message.offset}")

    def _open_at(self, offset: int) -> dict[str, AlertState]:
        last: dict[str, Alert] = {}
        for event in self._events()[:offset]:
            if event.change is None:
                last[event.alert.id] = event.alert
                continue
            # Somebody's stream may name alerts that were never on it.
            known = [alert_id for alert_id in event.alert_ids if alert_id in last]
            last |= {alert_id: changed(last[alert_id], event.kind, event.change) for alert_id in known}
        return {
            alert.id: alert.state
            for alert in last.values()
            if alert.state.is_open and alert.severity.rank >= self.min_severity.rank
        }

    def alert(self, message: m.AlertMessage) -> None:
        """A live message, or one of the history."""
        here, events = self._here(), self._events()
        self._must(message.offset > here, f"was told {message.offset} after {here}: reordered or twice")
        self._must(message.offset <= len(events), f"was told {message.offset}, which is not stored")
        known = max(here, self._shown_until)
        self._must(message.prev <= known, f"was told {message.offset} with prev {message.prev}, but has only {here}")
        self._nothing_between(here, message.offset - 1)
        event = events[message.offset - 1]
        told = message.data or (tuple(message.alert_ids or ()), message.change)
        stored = event.alert if event.change is None else (event.alert_ids, event.change)
        is_same = told == stored and message.event is event.kind and message.timestamp == event.at
        self._must(is_same and message.by == event.by, f"was told something else at {message.offset} than is stored")
        self._must(event.alert.severity.rank >= self.min_severity.rank, f"was told {message.offset} despite the filter")
        self._move(message.epoch, message.offset)
        if message.event is EventKind.FIRED:
            self.known.update(message.ids)

    def gap(self, message: m.GapMessage) -> None:
        """Some were left out, by policy: exactly so many, all of them mild, and nothing before the first of them."""
        here, events = self._here(), self._events()
        self._must(message.prev <= here < message.from_ <= message.to <= len(events), f"was told {message} at {here}")
        self._nothing_between(here, message.from_ - 1)
        left_out = self._wanted(message.from_ - 1, message.to)
        severe = [offset for offset in left_out if events[offset - 1].alert.severity.rank > MILD.rank]
        self._must(len(left_out) == message.count and not severe, f"was told {message}, left out are {left_out}")
        self._move(message.epoch, message.to)
        self.has_gap = True

    def proof(self, message: m.PositionMessage) -> None:
        """Proof of silence."""
        here = self._here()
        self._must(message.offset <= len(self._events()), f"has proof of {message.offset}, which is not stored")
        if message.offset > here:
            self._nothing_between(here, message.offset)
            self._move(message.epoch, message.offset)

    def is_level(self) -> bool:
        """Whether everything that is stored was told, or announced as lost."""
        return self.is_followed and self._here() == len(self._events())

    def _nothing_between(self, here: int, until: int) -> None:
        missed = self._wanted(here, until)
        self._must(not missed, f"has a silent gap: {missed}")

    def _wanted(self, here: int, until: int) -> list[int]:
        """The offsets of a stretch that pass the filter."""
        here = max(here, self._shown_until)
        events = self._events()[here:until]
        return [here + n for n, event in enumerate(events, 1) if event.alert.severity.rank >= self.min_severity.rank]

    def _here(self) -> int:
        self._must(self.position is not None, "was told something before its subscription was answered")
        return self.position.offset if self.position else 0

    def _move(self, epoch: str, offset: int) -> None:
        self._must(self.position is None or self.position.epoch == epoch, "was told of another epoch")
        self.position = m.Position(epoch, offset)

    def _must(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            raise Violation(f"{self.who} on {self.name or self.channel} {otherwise}")
