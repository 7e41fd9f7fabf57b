"""The part of a store's contract that is about incidents: which alerts belong together, and how far that was looked at.

A workspace's events are looked at once: `keep_incidents` writes what came of some of them and where the next one is, in
one transaction, and only if nobody else has written since the version that was read. So whoever does it, here or on
another node, and whatever people do to incidents in between, an event counts exactly once.
`tests/unit/test_store_incidents.py` is what every adapter must do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from engine.pages import PAGE_DEFAULT
from protocol.incidents import Correlation, Incident, IncidentState, Member

T = TypeVar("T")

# A workspace whose events nobody has looked at yet.
NOT_BEGUN = -1


class IncidentPlace(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How far a workspace is: `position` is the offset of the last event that was looked at (NOT_BEGUN: none was).

    `oldest`: what is behind it still matters. `learnt`: JSON of whoever looks. `settings` None: as usual. `last` and
    `floor`: where the workspace's stream stands.
    """

    position: int = NOT_BEGUN
    oldest: int = 0
    version: int = 0
    learnt: str = ""
    settings: Correlation | None = None
    last: int = 0
    floor: int = 0

    @property
    def is_behind(self) -> bool:
        """Whether there are events that nobody has looked at."""
        return self.position < self.last


class KeptIncident(NamedTuple):
    """An incident and its alerts, in the order of their beginnings; also those that were split off."""

    incident: Incident
    members: Sequence[Member]


class IncidentChange(NamedTuple):
    """What is to be written: incidents, and alerts with the ids of their incidents."""

    incidents: Sequence[Incident] = ()
    members: Sequence[tuple[str, Member]] = ()


class IncidentQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which incidents. Empty tuples and None do not restrict, but those that were merged must be asked for.

    `frameworks` is what the asker may see (None: everything), `framework` what was asked for: one alert there is
    enough. `started_at` is from `since_us` on, before `until_us`. `cursor` is the `next_cursor` of the page before.
    """

    workspace: str
    frameworks: tuple[str, ...] | None = None
    framework: str | None = None
    states: tuple[IncidentState, ...] = ()
    since_us: int | None = None
    until_us: int | None = None
    cursor: str | None = None
    limit: int = PAGE_DEFAULT


class IncidentPage(msgspec.Struct, frozen=True, kw_only=True):
    """Incidents, newest first (by id: UUIDv7), and where the next page starts; None: there is none."""

    items: list[Incident]
    next_cursor: str | None = None


class IncidentStore(Protocol):
    """What correlation needs of a store. Everything raises StoreUnavailable."""

    async def incident_place(self, workspace: str) -> IncidentPlace:
        """How far a workspace is, and where its stream stands."""

    async def keep_incidents(self, workspace: str, place: IncidentPlace, change: IncidentChange) -> bool:
        """Writes what came of some events. False: somebody else has written since `place.version` was read.

        An empty `place.learnt` leaves what is stored.
        """

    async def change_incidents(
        self, workspace: str, ids: Sequence[str], change: Callable[[Sequence[KeptIncident]], tuple[T, IncidentChange]]
    ) -> T:
        """Reads incidents (in the order of `ids`, those that there are), and writes what `change` makes of them, in one
        transaction. `change` is pure, does not raise, and may be called in another thread; its answer comes back."""

    async def set_correlation(self, workspace: str, settings: Correlation) -> None:
        """What ties in this workspace, from now on."""

    async def incidents(self, query: IncidentQuery) -> IncidentPage:
        """A page of incidents. Raises BadRequest for a bad cursor or limit (1..500)."""

    async def incident(self, workspace: str, incident_id: str) -> KeptIncident | None:
        """One of them."""

    async def incidents_named(self, workspace: str, ids: Collection[str]) -> list[KeptIncident]:
        """Those of these incidents that there are."""

    async def incidents_of(self, workspace: str, alert_ids: Collection[str]) -> list[KeptIncident]:
        """The incidents that any of these alerts (500 at most) is in, or was split off from."""

    async def trim_incidents(self, before_us: int) -> int:
        """Deletes some that have been over, and the same, since then; how many."""
