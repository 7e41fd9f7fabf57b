"""What becomes of one incident: its state, its counts and its story, from its alerts and from what people do. Pure.

    open ⇄ acknowledged → resolved → open again (an alert of it was re-opened, or one more belongs to it)
    any → merged (its alerts are in another one, for good)

Everything that changes an incident goes through a `Case`, events as well as people's verbs: so the story is the same
whoever asks, and a state is never said twice in a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b

from msgspec.structs import replace

from protocol.incidents import Correlation, Happening, Incident, IncidentState, Member, Moment, ResolveOn
from protocol.model import Alert, AlertState, Event, EventKind, Severity

# Members of one incident: nobody reads more, and one is written and read as a whole.
MEMBERS_MAX = 500
# What of its story is kept: a page of it.
STORY_MAX = 200
_RANDOM_BITS = 62
# How a tie begins that is a rule's.
GOES_WITH = "goes with rule "
# What an event of an alert is in the story of its incident.
_TOLD = {
    EventKind.RAISED: Happening.ALERT_RAISED,
    EventKind.ACKNOWLEDGED: Happening.ALERT_ACKNOWLEDGED,
    EventKind.RESOLVED: Happening.ALERT_RESOLVED,
    EventKind.EXPIRED: Happening.ALERT_RESOLVED,
    EventKind.REOPENED: Happening.ALERT_REOPENED,
}


def opened(incident_id: str, settings: Correlation, members: Iterable[Member], at: int) -> Case:
    """A new incident of these alerts."""
    those = sorted(members, key=began)
    incident = Incident(
        id=incident_id,
        state=IncidentState.OPEN,
        title=those[0].title,
        severity=those[0].severity,
        started_at=those[0].started_at,
        updated_at=at,
        alerts=0,
        open_alerts=0,
        frameworks=(),
        resolve_on=settings.resolve_on,
    )
    case = Case(incident, those)
    case.note(Moment(at=at, what=Happening.OPENED, alert_id=those[0].alert_id))
    for member in those[1:]:
        case.note(Moment(at=at, what=Happening.JOINED, alert_id=member.alert_id, note=member.tie))
    case.settle(at)
    return case


def began(member: Member) -> tuple[int, str]:
    """By which alerts are in the order of their beginnings."""
    return member.started_at, member.alert_id


class Case:
    """An incident and its alerts, while something happens to them. `news`: what has happened since it was made."""

    def __init__(self, incident: Incident, members: Iterable[Member]) -> None:
        self.incident = incident
        self.members = {member.alert_id: member for member in members}
        self.news: list[Moment] = []

    @property
    def id(self) -> str:
        """The incident's."""
        return self.incident.id

    def note(self, moment: Moment) -> None:
        """One more line of the story."""
        story = (*self.incident.story, moment)
        gone = max(len(story) - STORY_MAX, 0)
        self.incident = replace(self.incident, story=story[gone:], untold=self.incident.untold + gone)
        self.news.append(moment)

    def join(self, member: Member, at: int, by: str | None = None) -> None:
        """One more alert belongs to it. An open one opens it again, whoever resolved it: he did not know of it."""
        self.members[member.alert_id] = member
        if member.state.is_open:
            self.incident = replace(self.incident, resolved_by=None)
        self.note(Moment(at=at, what=Happening.JOINED, alert_id=member.alert_id, by=by, note=member.tie))
        self.settle(at)

    def change(self, member: Member, kind: EventKind, at: int, by: str | None) -> None:
        """One of its alerts is so from now on."""
        self.members[member.alert_id] = member
        if (what := _TOLD.get(kind)) is not None:
            self.note(Moment(at=at, what=what, alert_id=member.alert_id, by=by))
        if kind is EventKind.REOPENED:
            # Whoever resolved all of it did not mean this.
            self.incident = replace(self.incident, resolved_by=None)
        self.settle(at)

    def take(self, other: Case, at: int, by: str | None = None) -> None:
        """All alerts of another one are in this one from now on."""
        self.members.update(other.members)
        self.note(Moment(at=at, what=Happening.MERGED, by=by, note=other.id))
        other.members = {}
        other.incident = replace(
            other.incident, state=IncidentState.MERGED, merged_into=self.id, updated_at=at, open_alerts=0
        )
        other.note(Moment(at=at, what=Happening.MERGED, by=by, note=self.id))
        self.settle(at)

    def split(self, alert_id: str, at: int, by: str) -> Member:
        """An alert does not belong to it, and to no other one either."""
        member = replace(self.members.pop(alert_id), is_apart=True)
        self.note(Moment(at=at, what=Happening.SPLIT, alert_id=alert_id, by=by))
        self.settle(at)
        return member

    def resolve(self, at: int, by: str, notes: str) -> None:
        """Somebody has resolved it as a whole. Its alerts say the same themselves."""
        was_over = self.incident.state is IncidentState.RESOLVED
        self.incident = replace(self.incident, resolved_by=by)
        if was_over:
            # Its last alert has just ended, by the same hand.
            self.note(Moment(at=at, what=Happening.RESOLVED, by=by, note=notes))
        self.settle(at, by, notes)

    def settle(self, at: int, by: str | None = None, notes: str = "") -> None:
        """Looks at what its alerts are now, and says so if that makes it another state."""
        before, members = self.incident, self.members.values()
        if before.state is IncidentState.MERGED:
            return
        states = Counter(member.state for member in members)
        is_open = {state: states[state] for state in (AlertState.ACTIVE, AlertState.ACKNOWLEDGED)}
        state = self._state(is_open[AlertState.ACTIVE], is_open[AlertState.ACKNOWLEDGED])
        is_over = state is IncidentState.RESOLVED
        first = min(members, key=began, default=None)
        self.incident = replace(
            before,
            state=state,
            title=before.title if first is None else first.title,
            severity=max((member.severity for member in members), key=_rank, default=before.severity),
            started_at=before.started_at if first is None else first.started_at,
            updated_at=max(at, before.updated_at),
            alerts=len(self.members),
            open_alerts=sum(is_open.values()),
            frameworks=tuple(sorted({member.framework for member in members})),
            acknowledged_at=before.acknowledged_at or (at if state is IncidentState.ACKNOWLEDGED else None),
            resolved_at=(before.resolved_at or at) if is_over else None,
            resolved_by=before.resolved_by if is_over else None,
        )
        if state is not before.state:
            self.note(Moment(at=at, what=_said(before.state, state), by=by, note=notes))

    def _state(self, active: int, acknowledged: int) -> IncidentState:
        if self._is_over(active + acknowledged):
            return IncidentState.RESOLVED
        return IncidentState.ACKNOWLEDGED if acknowledged and not active else IncidentState.OPEN

    def _is_over(self, open_alerts: int) -> bool:
        incident = self.incident
        if not self.members or incident.resolved_by is not None:
            return True
        if incident.resolve_on is ResolveOn.FIRST:
            return not min(self.members.values(), key=began).state.is_open
        return incident.resolve_on is ResolveOn.LAST and not open_alerts


def _rank(severity: Severity) -> int:
    return severity.rank


def _said(before: IncidentState, state: IncidentState) -> Happening:
    if state is IncidentState.OPEN:
        return Happening.REOPENED
    return Happening.RESOLVED if state is IncidentState.RESOLVED else Happening.ACKNOWLEDGED


def signature_of(alert: Alert) -> str:
    """The same for the same alert again: framework, rule (or title), labels without the severity."""
    labels = sorted((name, value) for name, value in alert.labels.items() if name != "severity")
    text = "\0".join((alert.framework_id, alert.rule_id or alert.title, *(part for pair in labels for part in pair)))
    return blake2b(text.encode(), digest_size=8).hexdigest()


def new_incident_id(workspace: str, member: Member) -> str:
    """A UUIDv7 of the moment at which the alert began that made it: the same when it is decided again."""
    digest = blake2b(f"{workspace}\0{member.alert_id}".encode(), digest_size=8).digest()
    random = int.from_bytes(digest) & (1 << _RANDOM_BITS) - 1
    number = (member.started_at // 1_000) << 80 | 0x7 << 76 | 0b10 << 62 | random
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def after(member: Member, event: Event) -> Member:
    """An alert after an event about it, alone or with others."""
    if event.change is not None:
        return member if event.change.state is None else replace(member, state=event.change.state)
    return replace(member, state=event.alert.state, severity=event.alert.severity, title=event.alert.title)
