"""Whom there is to notify in each workspace: its endpoints, and whether there are any people. In memory.

Owns that; the store owns it for good, and tells of every change (`engine.shelf.live`). Synchronous. The standing orders
know from here in which workspaces anything has to be routed at all; channels are woken when that changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from engine.core.routing import Endpoint
from engine.orders import StandingOrders
from engine.shelf.live import Listener
from engine.stores.objects import ObjectNews, StoredObject

Wake = Callable[[str, str | None], None]
# An endpoint as routing knows it; None: this version of the program cannot read it.
ReadEndpoint = Callable[[StoredObject], Endpoint | None]


class NotifyBook:
    """Endpoints by workspace, and people by their ids alone."""

    def __init__(self, orders: StandingOrders, wake: Wake) -> None:
        self._orders = orders
        self._wake = wake
        self._endpoints: defaultdict[str, dict[str, Endpoint]] = defaultdict(dict)
        self._people: defaultdict[str, set[str]] = defaultdict(set)

    def endpoints(self, workspace: str) -> Sequence[Endpoint]:
        """Those of a workspace, in the order of their ids."""
        those = self._endpoints.get(workspace, {})
        return [those[name] for name in sorted(those)]

    def is_anybody_there(self, workspace: str) -> bool:
        """Whether there is anybody in this workspace who can be told of anything."""
        return workspace in self._endpoints or workspace in self._people

    def put_endpoint(self, workspace: str, endpoint_id: str, endpoint: Endpoint | None) -> None:
        """It is so from now on; None: there is none."""
        self._endpoints[workspace].pop(endpoint_id, None)
        if endpoint is not None:
            self._endpoints[workspace][endpoint_id] = endpoint
        self._look(workspace)

    def follow_endpoints(self, read: ReadEndpoint) -> Listener:
        """Keeps endpoints as the store has them."""

        def told(news: Sequence[ObjectNews]) -> None:
            for each in news:
                self.put_endpoint(each.workspace, each.id, None if each.now is None else read(each.now))

        return told

    def follow_people(self) -> Listener:
        """Keeps who there is."""

        def told(news: Sequence[ObjectNews]) -> None:
            for each in news:
                is_there = each.now is not None and each.now.archived_at is None
                known = self._people[each.workspace]
                (known.add if is_there else known.discard)(each.id)
                self._look(each.workspace)

        return told

    def _look(self, workspace: str) -> None:
        for kept in (self._endpoints, self._people):
            if not kept[workspace]:
                del kept[workspace]
        if self._orders.put_notified(workspace, self.is_anybody_there(workspace)):
            self._wake(workspace, None)
