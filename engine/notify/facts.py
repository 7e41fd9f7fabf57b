"""What routing asks of the store: alerts with what was told of them, and the people whom they concern.

Owns nothing. Whom an alert concerns: its assignee, and whoever answers for the team that owns its framework. Nobody who
is not a user of the workspace: an assignee may be any name, and nothing is known of him but that.

What somebody has written down about himself or his team keeps nobody else from being told. A zone that there was when
it was saved may be gone (another machine, other files of zones): his hours are then those of UTC, and of a rota that
cannot be followed all members answer. The log says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec
import structlog

from engine.core.rota import answering
from engine.core.routing import Person
from engine.core.zones import is_zone
from engine.shelf.directory import FRAMEWORK, TEAM, USER
from engine.stores import Store
from protocol.directory import Framework, Team, User
from protocol.model import Alert
from protocol.preferences import Preference

T = TypeVar("T")
PREFERENCE = "preference"
log = structlog.get_logger()


class Facts:
    """Reads, for one workspace at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def alerts(self, workspace: str, alert_ids: Iterable[str]) -> dict[str, Alert]:
        """Those of these that there are."""
        return await self._store.alerts_named(workspace, list(alert_ids))

    async def owner(self, workspace: str, framework: str) -> str | None:
        """The team that owns a framework."""
        known = await self._named(workspace, FRAMEWORK, [framework], Framework)
        return known[framework].owner if framework in known else None

    async def answering(self, workspace: str, teams: Sequence[str], now: int) -> dict[str, tuple[str, ...]]:
        """Of each of these teams that there is who answers for it now."""
        known = await self._named(workspace, TEAM, teams, Team)
        return {name: _answering(workspace, team, now) for name, team in known.items()}

    async def people(self, workspace: str, users: Iterable[str | None]) -> dict[str, Person]:
        """Those of these whom the workspace knows, by id, with what they prefer."""
        names = list(dict.fromkeys(user for user in users if user))
        known = await self._named(workspace, USER, names, User)
        preferences = await self._named(workspace, PREFERENCE, list(known), Preference)
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

    async def _named(self, workspace: str, kind: str, names: Sequence[str], type_: type[T]) -> dict[str, T]:
        if not names:
            return {}
        found = await self._store.objects_named(workspace, kind, names)
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
