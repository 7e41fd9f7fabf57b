"""Events of alerts that may belong together, and whoever feeds them to the machine and keeps what it says: the keeper
without a store, a clock and other tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from engine.core.analytics.correlating import Correlator, Learned
from engine.core.analytics.telling_labels import Learnt
from protocol.incidents import Correlation, Incident, IncidentState, Member, Moment
from protocol.model import Alert, AlertState, Change, Event, EventKind, Severity
from protocol.times import SECOND_US, parse_rfc3339, rfc3339

START_US = 1_767_225_600 * SECOND_US
NOBODY = Learned()


def alert_id(number: int) -> str:
    return f"019b7679-f400-7000-8000-{number:012d}"


def fired(
    number: int,
    at_s: float = 0,
    *,
    rule: str | None = None,
    severity: Severity = Severity.WARNING,
    framework: str = "web",
    began_s: float | None = None,
    **labels: str,
) -> Event:
    """Alert `number` fires, so many seconds after the start."""
    at = rfc3339(START_US + round(at_s * SECOND_US))
    began = at if began_s is None else rfc3339(START_US + round(began_s * SECOND_US))
    alert = Alert(
        id=alert_id(number),
        framework_id=framework,
        severity=severity,
        state=AlertState.ACTIVE,
        current_value=1.0,
        threshold_value=None,
        title=f"alert {number}",
        occurrences=1,
        triggered_at=began,
        last_seen_at=at,
        notification_sent=False,
        labels=labels,
        rule_id=rule,
    )
    return Event(offset=0, kind=EventKind.FIRED, alert=alert, at=at)


def then(event: Event, kind: EventKind, at_s: float, by: str | None = None, **changes: object) -> Event:
    """The same alert later."""
    states = {
        EventKind.RESOLVED: AlertState.RESOLVED,
        EventKind.EXPIRED: AlertState.EXPIRED,
        EventKind.ACKNOWLEDGED: AlertState.ACKNOWLEDGED,
    }
    alert = replace(event.alert, state=states.get(kind, AlertState.ACTIVE), **changes)
    return Event(offset=0, kind=kind, alert=alert, at=rfc3339(START_US + round(at_s * SECOND_US)), by=by)


def resolved(event: Event, at_s: float, by: str | None = "ann") -> Event:
    return then(event, EventKind.RESOLVED, at_s, by)


def all_resolved(events: Sequence[Event], at_s: float) -> Event:
    """One event about many."""
    at = rfc3339(START_US + round(at_s * SECOND_US))
    return Event(
        offset=0,
        kind=EventKind.RESOLVED,
        alert=replace(events[0].alert, state=AlertState.RESOLVED),
        at=at,
        by="ann",
        alert_ids=tuple(event.alert.id for event in events),
        change=Change(at=at, state=AlertState.RESOLVED, by="ann"),
    )


class Kept:
    """What is stored of one workspace, and the machine."""

    def __init__(self, settings: Correlation | None = None, learned: Learned = NOBODY) -> None:
        self.settings = settings or Correlation()
        self.learned = learned
        self.incidents: dict[str, Incident] = {}
        self.members: dict[str, tuple[str, Member]] = {}
        self.news: list[tuple[Incident, Moment]] = []
        self.log: list[Event] = []
        self.oldest = 0
        self.learnt = Learnt()
        self.machine = self._new()

    def _new(self) -> Correlator:
        learnt = replace(self.learnt, now={}, values=dict(self.learnt.values))
        return Correlator("acme", self.settings, self.learned, learnt)

    def feed(self, *events: Event, at_once: int = 1) -> None:
        """The next events of the stream, so many in a transaction."""
        for start in range(0, len(events), at_once):
            chunk = [
                replace(event, workspace_offset=len(self.log) + n)
                for n, event in enumerate(events[start : start + at_once], 1)
            ]
            self.load(self.machine.missing(chunk))
            for event in chunk:
                self.machine.apply(event)
            self.log += chunk
            self.keep()

    def load(self, alert_ids: Sequence[str]) -> None:
        for name in dict.fromkeys(self.members[each][0] for each in alert_ids if each in self.members):
            self.machine.load(self.incidents[name], [member for of, member in self.members.values() if of == name])

    def keep(self) -> None:
        changes = self.machine.drain()
        self.incidents |= {incident.id: incident for incident in changes.incidents}
        self.members |= {member.alert_id: (of, member) for of, member in changes.members}
        self.news += changes.news
        self.learnt = changes.learnt or self.learnt
        self.oldest = self.machine.oldest or len(self.log) + 1

    def restart(self) -> None:
        """Another machine goes on from what is stored."""
        self.machine = self._new()
        events = self.log[self.oldest - 1 :]
        self.load([each for event in events for each in event.ids])
        for event in events:
            self.machine.replay(event)
        changes = self.machine.drain()
        assert not changes.incidents
        assert not changes.members

    def partition(self) -> set[frozenset[str]]:
        """Who is with whom."""
        groups: dict[str, set[str]] = {}
        for name, (of, member) in self.members.items():
            if not member.is_apart:
                groups.setdefault(of, set()).add(name)
        return {frozenset(group) for group in groups.values()}

    def only(self) -> Incident:
        """The incident that there is, but for those that are in it now."""
        (incident,) = (each for each in self.incidents.values() if each.state is not IncidentState.MERGED)
        return incident


def by_hand(alerts: Mapping[str, Event], window_s: float = 300) -> set[frozenset[str]]:
    """Who is with whom, by looking at all pairs: what the machine must come to as well."""
    parent = {name: name for name in alerts}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    def began(name: str) -> str:
        return alerts[name].alert.triggered_at

    for one in alerts:
        for other in alerts:
            apart = abs(parse_rfc3339(began(one)) - parse_rfc3339(began(other)))
            if apart <= window_s * SECOND_US and alerts[one].alert.labels.items() & alerts[other].alert.labels.items():
                parent[root(one)] = root(other)
    groups: dict[str, set[str]] = {}
    for name in alerts:
        groups.setdefault(root(name), set()).add(name)
    return {frozenset(group) for group in groups.values() if len({_what(alerts[each]) for each in group}) > 1}


def _what(event: Event) -> tuple[object, ...]:
    alert = event.alert
    return alert.framework_id, alert.rule_id or alert.title, *sorted(alert.labels.items())
