"""What routing asks of the store: alerts with what was told of them, and the people whom they concern.

Owns nothing; what several ask at the same moment is one read (`engine.notify.gathered`). Whom an alert concerns: its
assignee, and whoever answers for the team that owns its framework. Nobody who is not a user of the workspace: an
assignee may be any name, and nothing is known of him but that.

What somebody has written down about himself or his team keeps nobody else from being told. A zone that there was when
it was saved may be gone (another machine, other files of zones): his hours are then those of UTC, and of a rota that
cannot be followed all members answer. The log says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
import structlog

from engine.core.rota import answering
from engine.core.routing import Person
from engine.core.zones import is_zone
from engine.notify.gathered import Gathered
from engine.shelf.directory import FRAMEWORK, TEAM, USER
from engine.stores import Store
from engine.stores.deliveries import Wanted
from engine.stores.objects import StoredObject
from protocol.directory import Framework, Team, User
from protocol.model import Alert, ChannelKey
from protocol.notify import Delivery
from protocol.preferences import Preference

T = TypeVar("T")
PREFERENCE = "preference"
log = structlog.get_logger()


class AboutAlerts(NamedTuple):
    """Some alerts of a channel, what was told of them, and the team that owns their framework."""

    alerts: Mapping[str, Alert]
    lines: Mapping[str, Sequence[Delivery]]
    owner: str | None


class Facts:
    """Reads, for one workspace at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._gathered = Gathered(store.known_of)

    async def alerts(self, workspace: str, alert_ids: Iterable[str]) -> dict[str, Alert]:
        """Those of these that there are."""
        return await self._store.alerts_named(workspace, list(alert_ids))

    async def about(self, key: ChannelKey, alert_ids: Sequence[str], versions: Sequence[str]) -> AboutAlerts:
        """Those of these alerts that there are, with the lines that `engine.stores.deliveries.Wanted` speaks of."""
        wanted = Wanted(alert_ids, versions, {FRAMEWORK: [key.framework]})
        known = await self._gathered.known_of(key.workspace, wanted)
        frameworks = _read(key.workspace, FRAMEWORK, known.objects[FRAMEWORK], Framework)
        owner = frameworks[key.framework].owner if key.framework in frameworks else None
        return AboutAlerts(known.alerts, known.lines, owner)

    async def answering(self, workspace: str, teams: Sequence[str], now: int) -> dict[str, tuple[str, ...]]:
        """Of each of these teams that there is who answers for it now."""
        if not teams:
            return {}
        found = await self._gathered.known_of(workspace, Wanted(objects={TEAM: teams}))
        known = _read(workspace, TEAM, found.objects[TEAM], Team)
        return {name: _answering(workspace, team, now) for name, team in known.items()}

    async def people(self, workspace: str, users: Iterable[str | None]) -> dict[str, Person]:
        """Those of these whom the workspace knows, by id, with what they prefer."""
        names = list(dict.fromkeys(user for user in users if user))
        if not names:
            return {}
        # A preference is its user's, and has his id.
        found = await self._gathered.known_of(workspace, Wanted(objects={USER: names, PREFERENCE: names}))
        known = _read(workspace, USER, found.objects[USER], User)
        preferences = _read(workspace, PREFERENCE, found.objects[PREFERENCE], Preference)
        return {
            name: Person(
                id=name,
                email=user.email,
                slack_id=user.slack_id,
                zone=_known_zone(workspace, USER, name, user.zone) or "UTC",
                preference=_in_known_zone(workspace, preferences.get(name)),
            )
            for name, user in known.items()
        }


def _read(workspace: str, kind: str, found: Mapping[str, StoredObject], type_: type[T]) -> dict[str, T]:
    """What is not put away, by id."""
    values: dict[str, Any] = {}
    for name, stored in found.items():
        if stored.archived_at is None:
            try:
                values[name] = msgspec.json.decode(stored.body, type=type_)
            except msgspec.DecodeError as fault:
                log.error("object_unreadable", kind=kind, workspace=workspace, id=name, cause=str(fault))
    return values


def _answering(workspace: str, team: Team, now: int) -> tuple[str, ...]:
    try:
        return answering(team, now)
    except (KeyError, ValueError, OSError, OverflowError) as fault:
        # No such zone; or a day or a moment that this version does not know how to read.
        log.error("rota_unreadable", workspace=workspace, id=team.id, cause=str(fault), told="all members")
        return team.members


def _in_known_zone(workspace: str, preference: Preference | None) -> Preference | None:
    if preference is None or preference.zone is None:
        return preference
    zone = _known_zone(workspace, PREFERENCE, preference.id, preference.zone)
    return msgspec.structs.replace(preference, zone=zone)


def _known_zone(workspace: str, kind: str, object_id: str, zone: str) -> str | None:
    """The zone, if there is one of this name."""
    if is_zone(zone):
        return zone
    log.error("zone_unknown", workspace=workspace, kind=kind, id=object_id, zone=zone)
    return None
