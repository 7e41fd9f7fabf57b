"""The endpoints of all workspaces, in memory: what routing and senders ask, as the store has them.

Told of every change at its commit (`engine.shelf.live`), so an endpoint that was deleted, put away or switched off is
not sent to from the answer on. Holds what is kept, secrets sealed. At most `objects.endpoints_max` a workspace.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from engine.notify.ports import NotAsked
from engine.shelf.kinds import Kind
from engine.shelf.live import Listener, ObjectFigures, readable
from engine.stores.objects import ObjectNews
from protocol.endpoints import Endpoint
from protocol.notify import Why

# Is told the workspace and the endpoint. Does not wait, and raises nothing.
Changed = Callable[[str, str], None]


class KeptEndpoints:
    """Which endpoints there are. Those that were put away are not."""

    def __init__(self) -> None:
        self._endpoints: dict[str, dict[str, Endpoint]] = {}
        self._followers: list[Changed] = []

    def follow(self, changed: Changed) -> None:
        """Tells of each endpoint that is put from now on, for whoever remembers something of it."""
        self._followers.append(changed)

    def of(self, workspace: str) -> Collection[Endpoint]:
        """Those of a workspace, switched off or not."""
        return self._endpoints.get(workspace, {}).values()

    def get(self, workspace: str, object_id: str) -> Endpoint | None:
        """One of them."""
        return self._endpoints.get(workspace, {}).get(object_id)

    def statistics(self) -> Mapping[str, int]:
        """How many there are, and how many of them are switched off."""
        every = [endpoint for those in self._endpoints.values() for endpoint in those.values()]
        return {"endpoints": len(every), "endpoints_off": sum(not endpoint.enabled for endpoint in every)}

    def put(self, workspace: str, object_id: str, endpoint: Endpoint | None) -> None:
        """One is so now; None: it is not there any more."""
        those = self._endpoints.setdefault(workspace, {})
        if endpoint is not None:
            those[object_id] = endpoint
        else:
            those.pop(object_id, None)
            if not those:
                del self._endpoints[workspace]
        for changed in self._followers:
            changed(workspace, object_id)


def refusal(endpoint: Endpoint | None) -> NotAsked | None:
    """Why nothing is sent to an endpoint, whatever its channel; None: it may be sent to."""
    if endpoint is None:
        return NotAsked("there is no such endpoint any more", Why.UNKNOWN)
    if endpoint.enabled:
        return None
    why_off = f": {endpoint.why_off}" if endpoint.why_off else ""
    return NotAsked(f"the endpoint is switched off{why_off}", Why.DISABLED)


def follow_endpoints(book: KeptEndpoints, kind: Kind[Endpoint], figures: ObjectFigures) -> Listener:
    """Keeps the book."""

    def told(news: Sequence[ObjectNews]) -> None:
        for each in news:
            now = each.now if each.now is not None and each.now.archived_at is None else None
            book.put(each.workspace, each.id, None if now is None else readable(kind, now, figures))

    return told
