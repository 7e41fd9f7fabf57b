"""Which channels are in a storm: as the store has it, so that it is known also of a channel that nobody uses."""

from __future__ import annotations

import msgspec

from engine.access.roles import check
from engine.stores import Store
from protocol.model import Principal
from protocol.times import rfc3339


class StormShown(msgspec.Struct, frozen=True, kw_only=True):
    """A storm: `held` alerts were kept from ringing since it began, `rang` of them had their turn."""

    framework_id: str
    since: str
    held: int
    rang: int


class Storms:
    """The verb for storms."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def now(self, who: Principal) -> list[StormShown]:
        """Those of the workspace that `who` may see, in the order of frameworks. Raises StoreUnavailable."""
        check(who, "read")
        return [
            StormShown(framework_id=framework, since=rfc3339(state.since), held=state.held, rang=state.rang)
            for framework, state in await self._store.storms(who.workspace)
            if who.channels is None or framework in who.channels
        ]
