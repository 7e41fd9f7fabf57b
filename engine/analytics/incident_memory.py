"""One workspace's machine of incidents, made from the store: where it goes on, and what was missed.

What is missed is said, never guessed: if more events wait than we are willing to look at, or the retention has taken
some, the newest are looked at, and how the alerts of open incidents are is read from the alerts themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog
from msgspec.structs import replace

from actors.ports import HISTORY_CHUNK, Clock
from engine.analytics.learned import Learning
from engine.analytics.leisure import Turn
from engine.core.analytics.correlating import Changes, Correlator
from engine.core.analytics.telling_labels import Learnt
from engine.stores import Store
from engine.stores.incidents import NOT_BEGUN, IncidentChange, IncidentPlace, IncidentQuery
from protocol.incidents import Correlation, IncidentState
from protocol.model import DerivedKey, Event

# Half a minute of looking; behind by more, a workspace has a flood, and what comes now matters more.
BACKLOG_MAX = 20_000
# Events are looked at again at the start if others may tie to them: as many as are remembered, and what lay between.
REPLAYED_MAX = 20_000
# After a flood of which some was passed over: to look at as many again would be to fall behind again.
REPLAYED_AFTER_FLOOD = 500
PAGE = 50
_OPEN = (IncidentState.OPEN, IncidentState.ACKNOWLEDGED)
log = structlog.get_logger()


class Keeping:
    """A machine, and how far it is: up to `position` it has looked, up to `done` what came of it is stored.

    `unsaved`: events that it has seen since the store was told how far it is.
    """

    def __init__(self, place: IncidentPlace, machine: Correlator) -> None:
        self.place = place
        self.machine = machine
        self.position = self.done = place.position
        self.unsaved = 0
        # Of the machine's counter, what has been added to ours.
        self.forgotten = 0

    def next_place(self, changes: Changes) -> IncidentPlace:
        """How far it is now, as the store is to know it."""
        oldest = self.machine.oldest
        return replace(
            self.place,
            position=self.position,
            oldest=self.position if oldest is None else min(oldest - 1, self.position),
            learnt="" if changes.learnt is None else msgspec.json.encode(changes.learnt).decode(),
        )

    def saved(self, place: IncidentPlace) -> None:
        """The store has taken it."""
        self.place = replace(place, version=place.version + 1)
        self.unsaved = 0


class Memory:
    """Makes machines from the store. Everything raises StoreUnavailable."""

    def __init__(self, store: Store, learning: Learning, clock: Clock) -> None:
        self._store = store
        self._learning = learning
        self._clock = clock

    async def recall(self, workspace: str) -> tuple[Keeping, int]:
        """The machine of a workspace where it goes on, and how many events it will never see."""
        place = await self._store.incident_place(workspace)
        start = max(place.position, place.floor, place.last - BACKLOG_MAX, 0)
        settings = place.settings or Correlation()
        learnt = msgspec.json.decode(place.learnt, type=Learnt) if place.learnt else Learnt(since=start + 1)
        machine = Correlator(workspace, settings, await self._learning.of(workspace), learnt)
        keeping = Keeping(replace(place, position=start), machine)
        skipped = 0 if place.position == NOT_BEGUN else start - place.position
        await self._replay(workspace, keeping, REPLAYED_AFTER_FLOOD if skipped else REPLAYED_MAX)
        if skipped:
            log.warning("incident_events_skipped", workspace=workspace, events=skipped, limit=BACKLOG_MAX)
        return keeping, skipped

    async def _replay(self, workspace: str, keeping: Keeping, most: int) -> None:
        """What others may still tie to, at leisure."""
        place = keeping.place
        after = max(place.oldest, place.floor, place.position - most)
        while after < place.position:
            events = await self.events(workspace, after)
            events = [event for event in events if event.workspace_offset <= place.position]
            if not events:
                break
            await self.load(workspace, keeping.machine, [name for event in events for name in event.ids])
            turn = Turn()
            for event in events:
                keeping.machine.replay(event)
                await turn.may_rest()
            after = events[-1].workspace_offset
        keeping.machine.drain()

    async def events(self, workspace: str, after: int, most: int = HISTORY_CHUNK) -> Sequence[Event]:
        """The next events of a workspace."""
        return await self._store.derived_history(DerivedKey(workspace), after, most)

    async def load(self, workspace: str, machine: Correlator, alert_ids: Sequence[str]) -> None:
        """The incidents of these alerts."""
        names = list(dict.fromkeys(alert_ids))
        for start in range(0, len(names), 500):
            for kept in await self._store.incidents_of(workspace, names[start : start + 500]):
                machine.load(kept.incident, kept.members)

    async def refresh(self, workspace: str, keeping: Keeping) -> bool:
        """How the alerts of open incidents are by now: some of what happened to them was skipped.

        False: somebody else has written meanwhile.
        """
        query = IncidentQuery(workspace=workspace, states=_OPEN, limit=PAGE)
        while True:
            page = await self._store.incidents(query)
            for incident in page.items:
                if not await self._refresh_one(workspace, keeping, incident.id):
                    return False
            if page.next_cursor is None:
                return True
            query = replace(query, cursor=page.next_cursor)

    async def _refresh_one(self, workspace: str, keeping: Keeping, incident_id: str) -> bool:
        kept = await self._store.incident(workspace, incident_id)
        if kept is None:
            return True
        names = [member.alert_id for member in kept.members if member.state.is_open and not member.is_apart]
        keeping.machine.load(kept.incident, kept.members)
        keeping.machine.refresh(await self._store.alerts_named(workspace, names), self._clock())
        return await self.save(workspace, keeping, keeping.machine.drain())

    async def save(self, workspace: str, keeping: Keeping, changes: Changes) -> bool:
        """Has the store keep what has changed, and how far it is. False: somebody else has written meanwhile."""
        place = keeping.next_place(changes)
        if not await self._store.keep_incidents(workspace, place, IncidentChange(changes.incidents, changes.members)):
            return False
        keeping.saved(place)
        return True
