"""What routing asks of the store: alerts with what was told of them, and the people whom they concern.

Owns nothing. Whom an alert concerns: its assignee, and whoever answers for the team that owns its framework. Nobody who
is not a user of the workspace: an assignee may be any name, and nothing is known of him but that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec
import structlog

from engine.core.rota import answering
from engine.core.routing import Person
from engine.shelf.directory import FRAMEWORK, TEAM, USER
from engine.stores import Store
from protocol.directory import Framework, Team, User
from protocol.model import Alert
from protocol.notify import Preference

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
        return {name: answering(team, now) for name, team in known.items()}

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
                zone=user.zone,
                preference=preferences.get(name),
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
