"""Incidents over HTTP: alerts that belong together, what happened to them, and what people do about them as a whole."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from engine.http.bodies import json_body
from engine.http.operators import PeerAddress
from engine.http.parameters import Cursor, Limit, Moment, parse_moment, parse_words
from engine.http.role_guards import needs
from engine.pages import PAGE_DEFAULT
from engine.stores.incidents import IncidentQuery
from engine.verbs.incidents import IncidentDetails, Incidents
from protocol import incidents as kept
from protocol.errors import UnknownChannel
from protocol.fields import Id, Text
from protocol.incidents import Correlation, Happening, IncidentState, ResolveOn
from protocol.items import ItemResult
from protocol.model import AlertState, Principal, Severity
from protocol.names import check_id, is_id
from protocol.times import rfc3339

Asked = Request[Principal, Any, Any]
States = Annotated[list[str] | None, QueryParameter(name="state", description="open, acknowledged, resolved, merged")]


class IncidentShown(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts that belong together: how many, how many of them are open, of which frameworks. `title` is that of the
    alert that began first, `severity` the highest. `merged_into`: its alerts are in that incident. `has_others`: there
    are more alerts in it, of frameworks that this token is not for; all that is said of alerts is of those that it is
    for."""

    id: str
    state: IncidentState
    title: str
    severity: Severity
    started_at: str
    updated_at: str
    acknowledged_at: str | None
    resolved_at: str | None
    resolved_by: str | None
    resolve_on: ResolveOn
    merged_into: str | None
    alerts: int
    open_alerts: int
    frameworks: list[str]
    has_others: bool


class IncidentAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert of an incident. `tie`: why it belongs (`host=h1`); empty for the first."""

    id: str
    framework_id: str
    rule_id: str | None
    title: str
    severity: Severity
    state: AlertState
    started_at: str
    tie: str


class IncidentCause(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that may have caused the others, and what speaks for it; the likeliest first."""

    alert_id: str
    title: str
    started_at: str
    why: str


class IncidentMoment(msgspec.Struct, frozen=True, kw_only=True):
    """A line of its story, the oldest first."""

    at: str
    what: Happening
    alert_id: str | None
    by: str | None
    note: str


class IncidentWhole(IncidentShown, frozen=True, kw_only=True):
    """An incident with its alerts (500 at most), in the order of their beginnings. `story_untold`: older lines that are
    gone."""

    members: list[IncidentAlert]
    causes: list[IncidentCause]
    story: list[IncidentMoment]
    story_untold: int


class IncidentList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of incidents, newest first."""

    items: list[IncidentShown]
    next_cursor: str | None


class NotesBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one has to say about it."""

    notes: Text | None = None


class SplitBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which alert does not belong to it."""

    alert_id: Id


class MergeBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose alerts belong to this one as well."""

    incident_id: Id


class IncidentResults(msgspec.Struct, frozen=True, kw_only=True):
    """The incident after it, and a result for each of its alerts that it was done to, in their order."""

    incident: IncidentShown
    results: list[ItemResult]


def incident_routes(verbs: Incidents, address: PeerAddress) -> list[HTTPRouteHandler]:
    """`/api/v1/incidents`."""
    return [*_reading(verbs), *_changing(verbs, address), *_settings(verbs, address)]


def _reading(verbs: Incidents) -> list[HTTPRouteHandler]:
    @get("/api/v1/incidents", operation_id="list_incidents", tags=["incidents"])
    async def incidents(
        request: Asked,
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
        framework_id: FromQuery[str | None] = None,
        states: States = None,
        since: Moment = None,
        until: Moment = None,
    ) -> IncidentList:
        """A page of incidents, newest first; those that were merged into others only if asked for (`state=merged`)."""
        query = IncidentQuery(
            workspace=request.user.workspace,
            framework=framework_id and check_id(framework_id, "framework_id"),
            states=parse_words(states, IncidentState, "state"),
            since_us=parse_moment(since, "since"),
            until_us=parse_moment(until, "until"),
            cursor=cursor,
            limit=limit,
        )
        page = await verbs.page(request.user, query)
        return IncidentList(items=[_shown(each) for each in page.items], next_cursor=page.next_cursor)

    @get("/api/v1/incidents/{incident_id:str}", operation_id="get_incident", tags=["incidents"])
    async def incident(request: Asked, incident_id: FromPath[str]) -> IncidentWhole:
        """One incident: its alerts, what happened to it, and which of them may have caused the others."""
        return _whole(await verbs.get(request.user, _known(incident_id)))

    return [incidents, incident]


def _changing(verbs: Incidents, address: PeerAddress) -> list[HTTPRouteHandler]:
    def options(verb: str, body: type[msgspec.Struct]) -> dict[str, Any]:
        return {
            "path": f"/api/v1/incidents/{{incident_id:str}}/{verb}",
            "status_code": 200,
            "guards": [needs("respond")],
            "dto": json_body(body),
            "return_dto": None,
            "operation_id": f"{verb}_incident",
            "tags": ["incidents"],
        }

    @post(**options("acknowledge", NotesBody))
    async def acknowledge(
        request: Asked, incident_id: FromPath[str], data: JSONBody[NotesBody | None] = None
    ) -> IncidentResults:
        """Acknowledges all its alerts that nobody looks after. Idempotent. 409 if it was merged."""
        notes = data.notes if data is not None else None
        done = await verbs.acknowledge(request.user, _known(incident_id), notes, address(request))
        return IncidentResults(incident=_shown(done.incident), results=list(done.results))

    @post(**options("resolve", NotesBody))
    async def resolve(
        request: Asked, incident_id: FromPath[str], data: JSONBody[NotesBody | None] = None
    ) -> IncidentResults:
        """Resolves all its open alerts, and with them the incident. Idempotent. 409 if it was merged."""
        notes = data.notes if data is not None else None
        done = await verbs.resolve(request.user, _known(incident_id), notes, address(request))
        return IncidentResults(incident=_shown(done.incident), results=list(done.results))

    @post(**options("split", SplitBody))
    async def split(request: Asked, incident_id: FromPath[str], data: JSONBody[SplitBody]) -> IncidentWhole:
        """Takes an alert out of it, for good: it joins no other incident by itself. 409 if it was merged."""
        return _whole(await verbs.split(request.user, _known(incident_id), data.alert_id, address(request)))

    @post(**options("merge", MergeBody))
    async def merge(request: Asked, incident_id: FromPath[str], data: JSONBody[MergeBody]) -> IncidentWhole:
        """Takes all alerts of another incident into this one; of it only its story is left. 409 if one was merged."""
        other = _known(data.incident_id)
        return _whole(await verbs.merge(request.user, _known(incident_id), other, address(request)))

    return [acknowledge, resolve, split, merge]


def _settings(verbs: Incidents, address: PeerAddress) -> list[HTTPRouteHandler]:
    @get("/api/v1/incident-settings", operation_id="get_incident_settings", tags=["incidents"])
    async def settings(request: Asked) -> Correlation:
        """What makes alerts of the workspace one incident."""
        return await verbs.settings(request.user)

    @put(
        "/api/v1/incident-settings",
        status_code=200,
        guards=[needs("edit")],
        dto=json_body(Correlation),
        return_dto=None,
        operation_id="put_incident_settings",
        tags=["incidents"],
    )
    async def set_settings(request: Asked, data: JSONBody[Correlation]) -> Correlation:
        """What does from now on; incidents that there are stay as they are. `enabled: false` switches it off."""
        await verbs.set_settings(request.user, data, address(request))
        return await verbs.settings(request.user)

    return [settings, set_settings]


def _known(incident_id: str) -> str:
    if not is_id(incident_id):
        raise UnknownChannel("there is no such incident")
    return incident_id


def _when(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)


def _fields(incident: kept.Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "state": incident.state,
        "title": incident.title,
        "severity": incident.severity,
        "started_at": rfc3339(incident.started_at),
        "updated_at": rfc3339(incident.updated_at),
        "acknowledged_at": _when(incident.acknowledged_at),
        "resolved_at": _when(incident.resolved_at),
        "resolved_by": incident.resolved_by,
        "resolve_on": incident.resolve_on,
        "merged_into": incident.merged_into,
        "alerts": incident.alerts,
        "open_alerts": incident.open_alerts,
        "frameworks": list(incident.frameworks),
        "has_others": incident.has_others,
    }


def _shown(incident: kept.Incident) -> IncidentShown:
    return IncidentShown(**_fields(incident))


def _whole(details: IncidentDetails) -> IncidentWhole:
    incident = details.incident
    return IncidentWhole(
        **_fields(incident),
        members=[_member(member) for member in details.members],
        causes=[
            IncidentCause(
                alert_id=cause.member.alert_id,
                title=cause.member.title,
                started_at=rfc3339(cause.member.started_at),
                why=cause.why,
            )
            for cause in details.causes
        ],
        story=[
            IncidentMoment(at=rfc3339(each.at), what=each.what, alert_id=each.alert_id, by=each.by, note=each.note)
            for each in incident.story
        ],
        story_untold=incident.untold,
    )


def _member(member: kept.Member) -> IncidentAlert:
    return IncidentAlert(
        id=member.alert_id,
        framework_id=member.framework,
        rule_id=member.rule_id,
        title=member.title,
        severity=member.severity,
        state=member.state,
        started_at=rfc3339(member.started_at),
        tie=member.tie,
    )
