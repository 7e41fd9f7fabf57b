"""The standing orders of every channel: which rules hold there, and what is quieted.

Owns them in memory; the store (or the configuration) owns them for good. Synchronous: channels ask at every batch, and
get the same object until something has changed. Whoever changes something here wakes the channels that it concerns
(`actors.registry.Registry.wake`), after the change is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from engine.quiet.quiet_book import Quiet, QuietBook, QuietKey
from protocol.model import ChannelKey
from protocol.orders import NO_ORDERS, Orders
from protocol.quieting import NOTHING, Quieting
from protocol.rules import Rule


class StandingOrders:
    """What holds for each channel. `rules` are those of the configuration, `own_workspace` is that of who names none.

    Raises ValueError if a rule names no workspace and `own_workspace` is empty: it would watch nothing, silently.
    """

    def __init__(self, rules: Sequence[Rule], own_workspace: str) -> None:
        self._configured: dict[ChannelKey, list[Rule]] = {}
        # Of the stored ones: those of each channel by id, and the channel of each.
        self._stored: dict[ChannelKey, dict[str, Rule]] = {}
        self._channels: dict[tuple[str, str], ChannelKey] = {}
        # Made when they are asked for, forgotten when something changes.
        self._orders: dict[ChannelKey, Orders] = {}
        self.quiet = QuietBook()
        # Of channels without rules, by what is quieted there: most of a workspace have the same.
        self._quiet_only: dict[tuple[Quieting, bool], Orders] = {}
        # Workspaces in which somebody can be notified.
        self._notified: set[str] = set()
        for rule in rules:
            workspace = rule.workspace or own_workspace
            if not workspace:
                raise ValueError(f"rule {rule.id!r} names no workspace, and there is none of our own")
            self._configured.setdefault(ChannelKey(workspace, rule.framework), []).append(rule)
        self._reserved = {(key.workspace, rule.id) for key, those in self._configured.items() for rule in those}

    def of(self, key: ChannelKey) -> Orders:
        """What holds for a channel now."""
        known = self._orders.get(key)
        if known is not None:
            return known
        rules = (*self._configured.get(key, ()), *self._stored_of(key))
        quieting, notifies = self.quiet.of(key), key.workspace in self._notified
        if rules:
            return self._orders.setdefault(key, Orders(rules=rules, quieting=quieting, notifies=notifies))
        # Channels without rules are not remembered: anybody may name one.
        if quieting == NOTHING and not notifies:
            return NO_ORDERS
        return self._quiet_only.setdefault((quieting, notifies), Orders(quieting=quieting, notifies=notifies))

    def rules(self) -> list[tuple[str, Rule]]:
        """All rules that hold, each with the workspace that it holds in."""
        configured = [(key.workspace, rule) for key, those in self._configured.items() for rule in those]
        return configured + [(key.workspace, rule) for key, those in self._stored.items() for rule in those.values()]

    def put_notified(self, workspace: str, is_notified: bool) -> bool:
        """Whether somebody in this workspace can be notified; whether that is news."""
        if (workspace in self._notified) is is_notified:
            return False
        (self._notified.add if is_notified else self._notified.discard)(workspace)
        for key in [key for key in self._orders if key.workspace == workspace]:
            del self._orders[key]
        return True

    def put_quiet(self, workspace: str, changes: Mapping[QuietKey, Quiet | None], now: int) -> None:
        """These silences and windows are so from now on (None: there is none)."""
        self.quiet.put(workspace, changes, now)
        self._forget_quiet([workspace])

    def let_go(self, now: int) -> list[str]:
        """Forgets quiet that is over; the workspaces where there was some."""
        touched = self.quiet.let_go(now)
        self._forget_quiet(touched)
        return touched

    def _forget_quiet(self, workspaces: Collection[str]) -> None:
        if workspaces:
            self._quiet_only.clear()
        for key in [key for key in self._orders if key.workspace in workspaces]:
            del self._orders[key]

    def put_rule(self, workspace: str, rule_id: str, rule: Rule | None) -> set[ChannelKey]:
        """A stored rule is so from now on (None: there is none). The channels that this concerns.

        A rule of the configuration counts before it.
        """
        concerned = set()
        before = self._channels.pop((workspace, rule_id), None)
        if before is not None:
            del self._stored[before][rule_id]
            if not self._stored[before]:
                del self._stored[before]
            concerned.add(before)
        if rule is not None and (workspace, rule_id) not in self._reserved:
            key = self._channels[workspace, rule_id] = ChannelKey(workspace, rule.framework)
            self._stored.setdefault(key, {})[rule_id] = rule
            concerned.add(key)
        for key in concerned:
            self._orders.pop(key, None)
        return concerned

    def _stored_of(self, key: ChannelKey) -> Sequence[Rule]:
        """In the order of their ids: a restart must not change in which order they are asked."""
        those = self._stored.get(key, {})
        return [those[name] for name in sorted(those)]
