"""Whom there is to notify in each workspace: its endpoints, and whether there are any people. In memory.

Owns who the people are; endpoints are kept by `kept_endpoints`, for senders as well. The store owns all of it for good,
and tells of every change (`engine.shelf.live`). Synchronous. The standing orders know from here in which workspaces
anything has to be routed at all; channels are woken when that changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from engine.notify.kept_endpoints import KeptEndpoints
from engine.orders import StandingOrders
from engine.shelf.live import Listener
from engine.stores.objects import ObjectNews
from protocol.endpoints import Endpoint

Wake = Callable[[str, str | None], None]


class NotifyBook:
    """Endpoints by workspace, and people by their ids alone."""

    def __init__(self, orders: StandingOrders, wake: Wake, endpoints: KeptEndpoints) -> None:
        self._orders = orders
        self._wake = wake
        self._endpoints = endpoints
        self._people: defaultdict[str, set[str]] = defaultdict(set)
        endpoints.follow(lambda workspace, _: self._look(workspace))

    def endpoints(self, workspace: str) -> Sequence[Endpoint]:
        """Those of a workspace, in the order of their ids."""
        return sorted(self._endpoints.of(workspace), key=lambda endpoint: endpoint.id)

    def is_anybody_there(self, workspace: str) -> bool:
        """Whether there is anybody in this workspace who can be told of anything."""
        return bool(self._endpoints.of(workspace)) or workspace in self._people

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
        if not self._people[workspace]:
            del self._people[workspace]
        if self._orders.put_notified(workspace, self.is_anybody_there(workspace)):
            self._wake(workspace, None)
