"""The endpoints of all workspaces, in memory: what senders ask, as the store has them.

Told of every change at its commit (`engine.shelf.live`), so an endpoint that was deleted, put away or switched off is
not sent to from the answer on. Holds what is kept, secrets sealed. At most `objects.endpoints_max` a workspace.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from engine.core.routing import Endpoint as Routed
from engine.notify.ports import Refused, SwitchedOff
from engine.shelf.kinds import Kind
from engine.shelf.live import Listener, ObjectFigures, readable
from engine.stores.objects import ObjectNews, StoredObject
from protocol.endpoints import Endpoint


class KeptEndpoints:
    """Which endpoints there are. Those that were put away are not."""

    def __init__(self) -> None:
        self._endpoints: dict[str, dict[str, Endpoint]] = {}

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


def refusal(endpoint: Endpoint | None) -> Refused | None:
    """Why nothing is sent to an endpoint, whatever its channel; None: it may be sent to."""
    if endpoint is None:
        return Refused("there is no such endpoint any more")
    if endpoint.enabled:
        return None
    return SwitchedOff("the endpoint is switched off" + (f": {endpoint.why_off}" if endpoint.why_off else ""))


def follow_endpoints(
    book: KeptEndpoints, kind: Kind[Endpoint], figures: ObjectFigures, changed: Callable[[str, str], None]
) -> Listener:
    """Keeps the book; `changed` is told the workspace and the endpoint, for whoever remembers something of it."""

    def told(news: Sequence[ObjectNews]) -> None:
        for each in news:
            now = each.now if each.now is not None and each.now.archived_at is None else None
            book.put(each.workspace, each.id, None if now is None else readable(kind, now, figures))
            changed(each.workspace, each.id)

    return told


def as_routed(kind: Kind[Endpoint], figures: ObjectFigures, stored: StoredObject) -> Routed | None:
    """What routing knows of an endpoint; None of one that was put away, or that cannot be read."""
    found = readable(kind, stored, figures) if stored.archived_at is None else None
    if found is None:
        return None
    return Routed(
        id=found.id,
        channel=found.channel,
        names=tuple(filter(None, (found.id, found.name))),
        min_severity=found.min_severity,
        frameworks=found.frameworks,
        is_enabled=found.enabled,
    )
