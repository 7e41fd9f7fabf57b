"""Which alerts of a workspace belong together: events of its stream in, incidents out. Pure.

Two alerts tie if they began within `window_s` of each other and either share a label that tells something
(`telling_labels`), or their rules were found to go together and no such label says that they are about different
things. What ties, directly or through others, is one group; a group with two different alerts is an incident (the same
alert again and again is none). So within a window the order in which alerts arrive does not change who is with whom.

Bounds: an incident has MEMBERS_MAX alerts and begins within SPAN_US; what ties to a full one begins the next. Of the
last alerts RECENT_MAX (`recent_alerts`) are looked at, which is more than ties in any window that people read.

Fed by `engine.analytics.incident_keeper`, one event at a time in the order of the stream; `drain` says what is to be
stored. What is not in memory is loaded before (`missing`, `load`): memory is a cache of the store and of the last
events, so a machine that is built anew in between goes on as the one before.

Decided against: clustering by the similarity of texts (nobody can say why two alerts are together), and weights of
labels that add up (one host is enough, three vague labels are not).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from operator import attrgetter
from typing import NamedTuple

from msgspec.structs import replace

from engine.core.analytics.alert_group import AlertGroup
from engine.core.analytics.incident_case import (
    GOES_WITH,
    MEMBERS_MAX,
    Case,
    after,
    began,
    new_incident_id,
    opened,
    signature_of,
)
from engine.core.analytics.recent_alerts import Recent, RecentAlerts
from engine.core.analytics.telling_labels import Learnt, TellingLabels
from protocol.incidents import Correlation, Incident, Member, Moment
from protocol.model import Alert, Event, EventKind
from protocol.times import SECOND_US, parse_rfc3339

# Of alerts of a rule that goes with another one's: the nearest are enough, and a thousand would be looked at each time.
NEIGHBOURS_MAX = 20
# Events that say nothing of how an alert is.
_SILENT = frozenset({EventKind.REPEATED, EventKind.RECEIPT, EventKind.COMMENTED, EventKind.QUIETED, EventKind.ASSIGNED})


class Learned(NamedTuple):
    """Rules that were found to go together, each pair both ways."""

    partners: Mapping[str, frozenset[str]] = {}


class Changes(NamedTuple):
    """What is to be stored: incidents, alerts with their incident's id, what has happened, in order; `learnt` if that
    is to be stored again."""

    incidents: Sequence[Incident]
    members: Sequence[tuple[str, Member]]
    news: Sequence[tuple[Incident, Moment]]
    learnt: Learnt | None = None


class Correlator:
    """The machine of one workspace. `learnt` is what its labels have said so far; it belongs to the machine."""

    def __init__(self, workspace: str, settings: Correlation, learned: Learned, learnt: Learnt) -> None:
        self._workspace = workspace
        self._settings = settings
        self.learned = learned
        self._labels = TellingLabels(settings, learnt)
        self._groups: dict[str, AlertGroup] = {}
        self._apart: set[str] = set()
        self._recent = RecentAlerts(settings.window_s * SECOND_US)
        # Loaded for an event, or of alerts that were forgotten: not to stay.
        self._visitors: list[AlertGroup] = []
        self._touched: dict[str, Case] = {}
        self._moved: dict[str, str] = {}

    @property
    def learnt(self) -> Learnt:
        """What its labels have said so far."""
        return self._labels.learnt

    @property
    def oldest(self) -> int | None:
        """The workspace offset of the first event that still matters; None: none does."""
        firsts = [self._recent.oldest, self.learnt.since if self.learnt.now else None]
        return min([first for first in firsts if first is not None], default=None)

    @property
    def forgotten(self) -> int:
        """Alerts that were forgotten early because they were too many."""
        return self._recent.forgotten

    def missing(self, events: Iterable[Event]) -> list[str]:
        """The alerts of these events whose incidents, if they are in any, must be loaded before."""
        return [
            alert_id
            for event in events
            if event.kind is not EventKind.FIRED and event.kind not in _SILENT
            for alert_id in event.ids
            if alert_id not in self._groups
        ]

    def load(self, incident: Incident, members: Sequence[Member]) -> None:
        """An incident that is stored, with all its alerts; until `drain`, if nothing that is replayed is about it."""
        self._apart.update(member.alert_id for member in members if member.is_apart)
        case = Case(incident, [member for member in members if not member.is_apart])
        group = AlertGroup(case.members, case)
        if not any(alert_id in self._groups for alert_id in case.members):
            self._groups.update(dict.fromkeys(case.members, group))
            self._visitors.append(group)

    def replay(self, event: Event) -> None:
        """An event that was looked at before this machine was made: it is remembered, and changes no incident."""
        if event.kind is EventKind.FIRED:
            self._fire(event, is_new=False)
        elif event.kind not in _SILENT:
            for alert_id in event.ids:
                group = self._groups.get(alert_id)
                if group is not None and group.case is None:
                    group.members[alert_id] = after(group.members[alert_id], event)

    def apply(self, event: Event) -> None:
        """The next event."""
        if event.kind is EventKind.FIRED:
            self._fire(event, is_new=True)
        elif event.kind not in _SILENT:
            for alert_id in event.ids:
                self._change(alert_id, event)

    def refresh(self, alerts: Mapping[str, Alert], at: int) -> None:
        """How these alerts are now, whatever was missed of them."""
        for alert_id, alert in alerts.items():
            group = self._groups.get(alert_id)
            if group is None or group.case is None:
                continue
            member = group.members[alert_id]
            now = replace(member, state=alert.state, severity=alert.severity)
            if now != member:
                kind = EventKind.UNACKNOWLEDGED if alert.state.is_open else EventKind.RESOLVED
                group.case.change(now, kind, at, alert.resolved_by)
                self._note(group.case, [alert_id])

    def drain(self) -> Changes:
        """What has changed since the last time. It must be stored, or the machine be made anew."""
        cases = list(self._touched.values())
        members = [
            (incident_id, self._groups[alert_id].members[alert_id]) for alert_id, incident_id in self._moved.items()
        ]
        news = [(case.incident, moment) for case in cases for moment in case.news]
        for case in cases:
            case.news = []
        self._touched, self._moved = {}, {}
        for group in self._visitors:
            self._let_go(group)
        self._visitors = []
        return Changes([case.incident for case in cases], members, news, self._labels.stored())

    def _fire(self, event: Event, *, is_new: bool) -> None:
        alert, started_at, at = event.alert, parse_rfc3339(event.alert.triggered_at), parse_rfc3339(event.at)
        if not self._settings.enabled or alert.id in self._recent or alert.id in self._apart:
            return
        if is_new or event.workspace_offset >= self.learnt.since:
            self._labels.hear(alert.labels, started_at, at, event.workspace_offset)
        self._look_at(self._recent.prune(started_at, at))
        labels = self._labels.of(alert.labels)
        keys = tuple([f"{name}={value}" for name, value in labels.items()])
        if alert.rule_id is not None and self.learned.partners.get(alert.rule_id):
            keys += (_by_rule(alert.rule_id),)
        if not keys:
            return
        recent = Recent(event.workspace_offset, started_at, alert.id, keys, labels)
        known = self._groups.get(alert.id)
        if known is None:
            self._place(alert, recent, at, is_new=is_new)
        self._look_at(self._recent.remember(recent))

    def _place(self, alert: Alert, recent: Recent, at: int, *, is_new: bool) -> None:
        """Finds out with whom an alert belongs."""
        ties = {id(group): (group, tie) for group, tie in self._neighbours(alert, recent)}
        member = Member(
            alert_id=alert.id,
            framework=alert.framework_id,
            title=alert.title,
            severity=alert.severity,
            state=alert.state,
            started_at=recent.started_at,
            signature=signature_of(alert),
            rule_id=alert.rule_id,
        )
        found = [group for group, _ in ties.values() if group.takes(recent.started_at)]
        chosen, count = list[AlertGroup](), 1
        for group in sorted(found, key=attrgetter("age")):
            is_for_now = is_new or (group.case is None and group.is_all_like(member))
            if count + len(group.members) <= MEMBERS_MAX and is_for_now:
                chosen.append(group)
                count += len(group.members)
        if chosen:
            member = replace(member, tie=ties[id(chosen[0])][1])
        self._join(member, chosen, at)

    def _join(self, member: Member, groups: Sequence[AlertGroup], at: int) -> None:
        """The alert makes one group of these."""
        if not groups:
            self._groups[member.alert_id] = AlertGroup({member.alert_id: member})
            return
        main = groups[0]
        for other in groups[1:]:
            self._unite(main, other, at)
        if main.case is not None:
            main.case.join(member, at)
            self._note(main.case, [member.alert_id])
        main.add(member)
        self._groups[member.alert_id] = main
        if main.case is None and len(main.signatures) > 1:
            name = new_incident_id(self._workspace, member)
            main.case = opened(name, self._settings, main.members.values(), at)
            main.members = main.case.members
            self._note(main.case, main.members)

    def _unite(self, main: AlertGroup, other: AlertGroup, at: int) -> None:
        if main.case is not None and other.case is not None:
            moved = list(other.members)
            main.case.take(other.case, at)
            self._note(other.case, ())
            self._note(main.case, moved)
            self._groups.update(dict.fromkeys(moved, main))
            return
        self._groups.update(dict.fromkeys(other.members, main))
        for member in sorted(other.members.values(), key=began):
            if main.case is not None:
                main.case.join(member, at)
                self._note(main.case, [member.alert_id])
            main.add(member)

    def _change(self, alert_id: str, event: Event) -> None:
        group = self._groups.get(alert_id)
        if group is None:
            return
        member = after(group.members[alert_id], event)
        if group.case is None:
            group.members[alert_id] = member
        elif member != group.members[alert_id]:
            group.case.change(member, event.kind, parse_rfc3339(event.at), event.by)
            self._note(group.case, [alert_id])

    def _neighbours(self, alert: Alert, recent: Recent) -> Iterator[tuple[AlertGroup, str]]:
        """The groups that an alert ties to, each with why.

        Of a label the nearest before and after are enough: whoever is farther ties to these.
        """
        for name, value in recent.labels.items():
            key = f"{name}={value}"
            for near in self._recent.near(key, recent.started_at, 1):
                yield self._groups[near], key
        for partner in sorted(self.learned.partners.get(alert.rule_id or "", ())):
            for near in self._recent.near(_by_rule(partner), recent.started_at, NEIGHBOURS_MAX):
                if _agree(recent.labels, self._recent[near].labels):
                    yield self._groups[near], f"{GOES_WITH}{partner}"

    def _note(self, case: Case, moved: Iterable[str]) -> None:
        self._touched[case.id] = case
        self._moved.update(dict.fromkeys(moved, case.id))

    def _look_at(self, forgotten: Iterable[str]) -> None:
        """Nobody ties to these any more: their groups may go, once what has changed is stored."""
        self._visitors += [self._groups[alert_id] for alert_id in forgotten if alert_id in self._groups]

    def _let_go(self, group: AlertGroup) -> None:
        """What was stored can be loaded again, and what nobody ties to any more is nothing."""
        if any(alert_id in self._recent for alert_id in group.members):
            return
        for alert_id in group.members:
            if self._groups.get(alert_id) is group:
                del self._groups[alert_id]


def _agree(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether no label says that these are about different things."""
    return all(other.get(name, value) == value for name, value in one.items())


def _by_rule(rule_id: str) -> str:
    # No label's name is empty.
    return f"={rule_id}"


def learned_of(pairs: Iterable[Sequence[str]]) -> Learned:
    """Rules that go together, from lists of rules that were found to."""
    partners: dict[str, set[str]] = {}
    for rules in pairs:
        for one, other in combinations(sorted(set(rules)), 2):
            partners.setdefault(one, set()).add(other)
            partners.setdefault(other, set()).add(one)
    return Learned({rule: frozenset(others) for rule, others in partners.items()})
