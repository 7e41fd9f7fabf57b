"""The standing orders of every channel: which rules hold there, and what is quieted.

Owns them in memory; the store (or the configuration) owns them for good. Synchronous: channels ask at every batch, and
get the same object until something has changed. Whoever changes something here wakes the channels that it concerns
(`actors.registry.Registry.wake`), after the change is stored.
"""

from __future__ import annotations

from collections.abc import Sequence

from protocol.model import ChannelKey
from protocol.orders import NO_ORDERS, Orders
from protocol.rules import Rule


class StandingOrders:
    """What holds for each channel. `rules` are those of the configuration, `own_workspace` is that of who names none.

    Raises ValueError if a rule names no workspace and `own_workspace` is empty: it would watch nothing, silently.
    """

    def __init__(self, rules: Sequence[Rule], own_workspace: str) -> None:
        by_channel: dict[ChannelKey, list[Rule]] = {}
        for rule in rules:
            workspace = rule.workspace or own_workspace
            if not workspace:
                raise ValueError(f"rule {rule.id!r} names no workspace, and there is none of our own")
            by_channel.setdefault(ChannelKey(workspace, rule.framework), []).append(rule)
        self._orders = {key: Orders(rules=tuple(those)) for key, those in by_channel.items()}

    def of(self, key: ChannelKey) -> Orders:
        """What holds for a channel now."""
        return self._orders.get(key, NO_ORDERS)
