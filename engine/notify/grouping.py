"""What was told of the incidents that some alerts are part of: so that whoever knows of one hears of what joins it
together, and not one by one (`engine.core.routing`).

Owns nothing. Which incident an alert is in is known a moment after it was committed: a job waits for that, and not for
long. If the keeper does not get there in time each alert is told by itself, as if there were no incidents: too late is
worse than too often. Of an incident with many alerts those are asked about that began first and those that are the most
severe.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

import trio

from engine.core.analytics.incident_case import began
from engine.core.routing import Place
from engine.stores import Store
from engine.stores.deliveries import Wanted
from protocol.incidents import Correlation, Member
from protocol.notify import TOLD, Delivery, DeliveryState
from protocol.times import SECOND_US, parse_rfc3339

# A mail that comes a second later is as good; a keeper that takes longer is in trouble.
WAITS_MAX_S = 1.0
# On another node than the keeper's the store says how far he is: asked again so often, as long.
AGAIN_US = SECOND_US // 10
# Half of them the first, half the most severe.
ASKED_MAX = 50


class Correlating(Protocol):
    """The keeper of incidents."""

    def is_ours(self, workspace: str) -> bool:
        """Whether he is here."""

    async def caught_up(self, workspace: str) -> None:
        """Returns when he has looked at everything that is known of by now."""


class ToldOfIncidents:
    """By incident, channel and recipient: the highest severity that was told at once. Kept up while a job decides."""

    def __init__(self, incident_of: Mapping[str, str]) -> None:
        self._incident_of = incident_of
        self._told: dict[str, dict[Place, int]] = {}

    def join(self, earlier: ToldOfIncidents) -> None:
        """What was decided earlier in the same job, and is perhaps not stored yet."""
        for name, places in earlier._told.items():
            known = self._told.setdefault(name, {})
            known.update({place: max(rank, known.get(place, 0)) for place, rank in places.items()})

    def of(self, alert_id: str) -> Mapping[Place, int]:
        """What was told of an alert's incident; nothing, if it is in none."""
        name = self._incident_of.get(alert_id)
        return self._told.get(name, {}) if name is not None else {}

    def add(self, line: Delivery, rank: int) -> None:
        """One more line of the ledger, about an alert of this severity."""
        name = self._incident_of.get(line.alert_id)
        is_at_once = line.state in TOLD or line.state is DeliveryState.QUEUED
        if name is None or not is_at_once or line.due is not None or not line.change.is_start:
            return
        known = self._told.setdefault(name, {})
        place = (line.channel, line.recipient.name)
        known[place] = max(known.get(place, 0), rank)


class Grouping:
    """Reads, for one job at a time. Raises StoreUnavailable."""

    def __init__(self, store: Store, keeper: Correlating) -> None:
        self._store = store
        self._keeper = keeper

    async def is_early(self, workspace: str, at: str, now: int) -> bool:
        """Whether it is soon known with whom these belong, and not yet."""
        if self._keeper.is_ours(workspace):
            with trio.move_on_after(WAITS_MAX_S):
                await self._keeper.caught_up(workspace)
            return False
        if now - parse_rfc3339(at) > WAITS_MAX_S * SECOND_US:
            return False
        return (await self._store.incident_place(workspace)).is_behind

    async def of(self, workspace: str, alert_ids: Collection[str]) -> ToldOfIncidents:
        """What was told of the incidents of these alerts."""
        found = await self._store.incidents_of(workspace, alert_ids) if alert_ids else []
        found = [kept for kept in found if kept.incident.state.is_open]
        if not found or not await self._is_wanted(workspace):
            return ToldOfIncidents({})
        members = {
            each.alert_id: each for kept in found for each in _asked_about(kept.members, ASKED_MAX // len(found) or 1)
        }
        told = ToldOfIncidents({each.alert_id: kept.incident.id for kept in found for each in _those(kept.members)})
        known = await self._store.known_of(workspace, Wanted(alert_ids=list(members)))
        for alert_id, lines in known.lines.items():
            for line in lines:
                told.add(line, members[alert_id].severity.rank)
        return told

    async def _is_wanted(self, workspace: str) -> bool:
        settings = (await self._store.incident_place(workspace)).settings or Correlation()
        return settings.enabled and settings.group_notifications


def _those(members: Iterable[Member]) -> list[Member]:
    return [member for member in members if not member.is_apart]


def _asked_about(members: Sequence[Member], most: int) -> list[Member]:
    """Those that began first, and the most severe."""
    ordered = sorted(_those(members), key=began)
    loudest = sorted(ordered, key=lambda member: -member.severity.rank)
    return list({each.alert_id: each for each in (*ordered[: most // 2], *loudest[: most - most // 2])}.values())
