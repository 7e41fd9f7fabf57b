"""Incidents as people see and change them: one set of verbs for all doors.

Keeps nothing. An incident is a workspace's; whoever may see only some frameworks sees those incidents that have an
alert there, and of them only those alerts (`engine.core.analytics.incident_part`); he changes none that has others.
What people do is on record before it is done, and is written where the keeper notices (`engine.stores.incidents`).
Acknowledging and resolving is done to the alerts, by the same verb as for any alerts; resolving it as a whole ends the
incident besides, whatever it waits for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

import trio
from msgspec.structs import replace

from actors.ports import Clock
from engine.access.audit import AuditTrail
from engine.access.roles import check, check_framework, may_see
from engine.analytics.learned import Learning
from engine.core.analytics.causes import Cause, causes
from engine.core.analytics.incident_case import MEMBERS_MAX, Case, began
from engine.core.analytics.incident_part import part_of
from engine.stores import Store
from engine.stores.incidents import IncidentChange, IncidentPage, IncidentQuery, KeptIncident
from engine.verbs.people import Deed
from protocol.changes import Action
from protocol.errors import BadRequest, Conflict, PermissionDenied, TocsinError, UnknownChannel
from protocol.incidents import Correlation, Incident, IncidentState, Member, Moment
from protocol.items import ItemResult
from protocol.model import OPEN_STATES, AlertState, Principal, Status

# On another node than the keeper's it may take longer, and nobody waits for that.
SEEN_MAX_S = 1.0
UNKNOWN = "there is no such incident"
# Incidents that are read with their alerts, 500 each at most, for a page of what somebody may see of them.
PARTS_AT_ONCE = 20


class Acts(Protocol):
    """Who does things about alerts."""

    async def act(self, who: Principal, alert_ids: Sequence[str], deed: Deed) -> list[ItemResult]:
        """Does this about alerts; one result per alert, in order."""


class IncidentDetails(NamedTuple):
    """An incident with those of its alerts that may be seen, in the order of their beginnings, and what may have caused
    it."""

    incident: Incident
    members: Sequence[Member]
    causes: Sequence[Cause]


class IncidentDone(NamedTuple):
    """An incident after something was done to its alerts, and a result for each of these."""

    incident: Incident
    results: Sequence[ItemResult]


class Incidents:
    """All raise PermissionDenied, StoreUnavailable."""

    def __init__(
        self,
        store: Store,
        acts: Acts,
        learning: Learning,
        trail: AuditTrail,
        clock: Clock,
        tell: Callable[[str, Sequence[tuple[Incident, Moment]]], None],
        caught_up: Callable[[str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._acts = acts
        self._learning = learning
        self._trail = trail
        self._clock = clock
        self._tell = tell
        self._caught_up = caught_up

    async def page(self, who: Principal, query: IncidentQuery) -> IncidentPage:
        """A page of incidents, newest first. Raises BadRequest."""
        return await incidents_seen(self._store, who, query)

    async def get(self, who: Principal, incident_id: str) -> IncidentDetails:
        """One of them. Raises UnknownChannel."""
        check(who, "read")
        (kept,) = await self._known(who, [incident_id])
        return await self._details(who, kept)

    async def acknowledge(
        self, who: Principal, incident_id: str, notes: str | None = None, address: str = ""
    ) -> IncidentDone:
        """Somebody looks after all its open alerts; a result for each. Idempotent. Raises UnknownChannel, Conflict."""
        deed = Deed(action=Action.ACKNOWLEDGE, notes=notes, address=address)
        _, results = await self._act(who, incident_id, deed)
        (after,) = await self._known(who, [incident_id])
        return IncidentDone(after.incident, results)

    async def resolve(
        self, who: Principal, incident_id: str, notes: str | None = None, address: str = ""
    ) -> IncidentDone:
        """All its alerts are over, and so is it; a result for each. Idempotent. Raises UnknownChannel, Conflict.

        If some could not be resolved now (`busy`) it stays open: the same again does the rest.
        """
        kept, results = await self._act(who, incident_id, Deed(action=Action.RESOLVE, notes=notes, address=address))
        if any(result.status is Status.REJECTED for result in results):
            return IncidentDone(kept.incident, results)

        def resolve(cases: Sequence[Case]) -> list[Member]:
            if cases[0].incident.resolved_by is None:
                cases[0].resolve(self._clock(), who.user, notes or "")
            return []

        case = await self._change(who, [kept], "resolve_incident", address, resolve)
        return IncidentDone(case.incident, results)

    async def split(self, who: Principal, incident_id: str, alert_id: str, address: str = "") -> IncidentDetails:
        """This alert does not belong to it, and will to no other. Raises UnknownChannel, Conflict."""
        check(who, "respond")

        def split(cases: Sequence[Case]) -> list[Member]:
            if alert_id not in cases[0].members:
                raise UnknownChannel("this incident has no such alert")
            return [cases[0].split(alert_id, self._clock(), who.user)]

        known = await self._known(who, [incident_id])
        case = await self._change(who, known, "split_incident", address, split)
        return await self._details(who, KeptIncident(case.incident, list(case.members.values())))

    async def merge(self, who: Principal, incident_id: str, other_id: str, address: str = "") -> IncidentDetails:
        """All alerts of the other one belong to this one. Raises UnknownChannel, BadRequest, Conflict."""
        check(who, "respond")
        if incident_id == other_id:
            raise BadRequest("incident_id: name another incident; this one has its own alerts already")

        def merge(cases: Sequence[Case]) -> list[Member]:
            one, other = cases
            if len(one.members) + len(other.members) > MEMBERS_MAX:
                raise Conflict(f"together they would have more than {MEMBERS_MAX} alerts, the limit: leave them apart")
            moved = list(other.members.values())
            one.take(other, self._clock(), who.user)
            return moved

        known = await self._known(who, [incident_id, other_id])
        case = await self._change(who, known, "merge_incident", address, merge)
        return await self._details(who, KeptIncident(case.incident, list(case.members.values())))

    async def settings(self, who: Principal) -> Correlation:
        """What ties in the workspace."""
        check(who, "read")
        return (await self._store.incident_place(who.workspace)).settings or Correlation()

    async def set_settings(self, who: Principal, settings: Correlation, address: str = "") -> None:
        """What ties from now on; what is together stays so. Raises BadRequest."""
        check(who, "edit")
        if who.channels is not None:
            raise PermissionDenied("this token is limited to channels, and this is about the whole workspace")
        if len(set(settings.labels)) < len(settings.labels) or not all(settings.labels):
            raise BadRequest('labels: name each once, and none without letters; for example ["host", "service"]')
        await self._trail.record(who, "set_correlation", who.workspace, address)
        await self._store.set_correlation(who.workspace, settings)

    async def _known(self, who: Principal, ids: Sequence[str]) -> list[KeptIncident]:
        """Those that there are for him, in this order. Raises UnknownChannel if one is not."""
        found = {kept.incident.id: kept for kept in await self._store.incidents_named(who.workspace, ids)}
        for kept in list(found.values()):
            if who.channels is not None and not set(who.channels) & set(kept.incident.frameworks):
                del found[kept.incident.id]
        if not found.keys() >= set(ids):
            raise UnknownChannel(UNKNOWN)
        return [found[name] for name in ids]

    async def _details(self, who: Principal, kept: KeptIncident) -> IncidentDetails:
        incident, members = _seen_by(who, kept)
        # Of one alert among others that he may not see nobody can say whether they came of it.
        is_known = len(members) > 1 or not incident.has_others
        found = causes(members, await self._learning.followers(who.workspace)) if is_known else []
        return IncidentDetails(incident, members, found)

    async def _act(self, who: Principal, incident_id: str, deed: Deed) -> tuple[KeptIncident, list[ItemResult]]:
        """Does it to those of its alerts that it says something new of."""
        check(who, "respond")
        deed.check()
        (kept,) = await self._known(who, [incident_id])
        _check_whole(who, kept.incident)
        _check_not_merged(kept.incident)
        wanted = (AlertState.ACTIVE,) if deed.action is Action.ACKNOWLEDGE else tuple(OPEN_STATES)
        names = [each.alert_id for each in kept.members if each.state in wanted and not each.is_apart]
        results = await self._acts.act(who, names, deed) if names else []
        # What follows, and who reads it next, should see what has just been done.
        with trio.move_on_after(SEEN_MAX_S):
            await self._caught_up(who.workspace)
        return kept, results

    async def _change(
        self,
        who: Principal,
        known: Sequence[KeptIncident],
        verb: str,
        address: str,
        change: Callable[[Sequence[Case]], list[Member]],
    ) -> Case:
        """Reads, changes and writes in one transaction, and tells; the first of them. Raises what `change` raises."""
        ids = [kept.incident.id for kept in known]
        for kept in known:
            _check_whole(who, kept.incident)
        await self._trail.record(who, verb, " ".join(ids), address)

        def write(found: Sequence[KeptIncident]) -> tuple[TocsinError | list[Case], IncidentChange]:
            cases = [Case(kept.incident, [each for each in kept.members if not each.is_apart]) for kept in found]
            try:
                _check_there(cases, ids)
                moved = change(cases)
            except TocsinError as fault:
                return fault, IncidentChange()
            incidents = [case.incident for case in cases]
            return cases, IncidentChange(incidents, [(cases[0].id, member) for member in moved])

        done = await self._store.change_incidents(who.workspace, ids, write)
        if isinstance(done, TocsinError):
            raise done
        self._tell(who.workspace, [(case.incident, moment) for case in done for moment in case.news])
        return done[0]


async def incidents_seen(store: Store, who: Principal, query: IncidentQuery) -> IncidentPage:
    """A page of incidents as somebody may see them. Raises PermissionDenied, StoreUnavailable."""
    check(who, "read")
    check_framework(who, query.framework)
    page = await store.incidents(replace(query, workspace=who.workspace, frameworks=who.channels))
    partly = [each.id for each in page.items if not _is_whole(who, each)]
    parts = dict[str, Incident]()
    for start in range(0, len(partly), PARTS_AT_ONCE):
        for kept in await store.incidents_named(who.workspace, partly[start : start + PARTS_AT_ONCE]):
            parts[kept.incident.id] = replace(_seen_by(who, kept)[0], story=())
    # What is gone by now is left out: its row says what is not his to see.
    items = [parts.get(each.id, each) for each in page.items if each.id in parts or _is_whole(who, each)]
    return IncidentPage(items=items, next_cursor=page.next_cursor)


def _check_there(cases: Sequence[Case], ids: Sequence[str]) -> None:
    """Raises UnknownChannel for one that is gone, Conflict for one whose alerts are elsewhere."""
    if len(cases) < len(ids):
        raise UnknownChannel(UNKNOWN)
    for case in cases:
        _check_not_merged(case.incident)


def _check_not_merged(incident: Incident) -> None:
    if incident.state is IncidentState.MERGED:
        raise Conflict(f"incident {incident.id} was merged: its alerts are in {incident.merged_into}, do it there")


def _check_whole(who: Principal, incident: Incident) -> None:
    if not _is_whole(who, incident):
        raise PermissionDenied("this incident has alerts of frameworks that this token is not for")


def _is_whole(who: Principal, incident: Incident) -> bool:
    return all(may_see(who, framework) for framework in incident.frameworks)


def _seen_by(who: Principal, kept: KeptIncident) -> tuple[Incident, list[Member]]:
    """An incident and its alerts as somebody may see them, in the order of their beginnings."""
    mine = sorted((each for each in kept.members if not each.is_apart and may_see(who, each.framework)), key=began)
    return (kept.incident, mine) if _is_whole(who, kept.incident) else part_of(kept.incident, mine)
