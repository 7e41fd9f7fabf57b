"""Questions to the store that are answered from the cache where they may be: pages of rules, one's own open alerts.

These two are asked again and again by pages that stay open. Everything else is asked of the store: what is looked up
by its id is cheap there, and who edits must see what is.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from engine.cache.cache import Cache
from engine.cache.strategies import OPEN_ALERTS, RULES, RULES_CHANGED, Key
from engine.shelf.live import Listener
from engine.stores import AlertPage, AlertQuery, Store
from engine.stores.objects import ObjectNews, ObjectQuery, ObjectStore, StoredObject
from protocol.model import AlertState

RULE = "rule"
_OPEN = {state for state in AlertState if state.is_open}


class CachedReads:
    """The store's reads, and what is remembered of them."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def objects(self, store: ObjectStore, query: ObjectQuery) -> Sequence[StoredObject]:
        """`ObjectStore.objects`. Pages of a workspace's rules are remembered."""
        if query.kind != RULE or query.workspace is None:
            return await store.objects(query)

        async def load() -> tuple[StoredObject, ...]:
            return tuple(await store.objects(query))

        return await self._cache.get(RULES, Key(query.workspace, query.framework, (digest(query),)), load)

    async def alerts(self, store: Store, user: str, query: AlertQuery) -> AlertPage:
        """`Store.alerts`. Pages of the open alerts that are `user`'s to see to are remembered."""
        is_open = bool(query.states) and _OPEN.issuperset(query.states)
        if query.assigned_to != user or not is_open:
            return await store.alerts(query)
        key = Key(query.workspace, None, (user, digest(query)))
        return await self._cache.get(OPEN_ALERTS, key, lambda: store.alerts(query))

    def follow_rules(self) -> Listener:
        """Who is told of each change of a rule, before whoever asked for it."""

        def told(news: Sequence[ObjectNews]) -> None:
            for workspace in dict.fromkeys(each.workspace for each in news):
                self._cache.forget(workspace, [RULES_CHANGED])

        return told


def digest(query: msgspec.Struct) -> str:
    """All that a question says, what its asker may see included."""
    return blake2b(msgspec.msgpack.encode(query), digest_size=16).hexdigest()
