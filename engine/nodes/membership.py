"""Which nodes there are, and so who owns what: one row in the store for each, renewed every second.

Owns: this node's row, what was seen at the last look, and the owners computed from it. Who wants to know of changes is
called on the loop. A node is live while its row is younger than LIVE_S by the store's clock. Waits for the store only:
while that is away what was seen last counts on, because nothing can be committed then, and afterwards the fence keeps
what two would-be owners do from being stored twice. If it crashes its supervisor starts it again, and it looks anew.

A node that comes, drains or goes says so over the bus, so that the others look at once; what is lost of that costs a
second. Decided against: asking the other nodes themselves (two that cannot reach each other would both be right).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import structlog
import trio

from actors.bell import Bell
from actors.supervisor import Started
from engine.core.ownership import Owners
from engine.stores.nodes import NodeRow, NodeSeen, NodeStore
from protocol.errors import StoreUnavailable

log = structlog.get_logger()

BEAT_S = 1.0
# Two beats may be lost (a full collection, a slow commit); with the third the node is taken for dead. Take-over is
# promised within 5 s: these 3, a look just behind them, and time to recall on what is left of the machines.
LIVE_S = 3.0
# Whose row is about to be too old is looked at when it is, and not with the next beat.
BEHIND_S = 0.02
# A node that has left may still be writing what waited in its store when it said goodbye (five seconds at most, and a
# beat), and there is nobody any more who would tell of it.
AFTERMATH_S = 6.0
# How long the end waits for its own row to go; without it the others notice after LIVE_S.
FAREWELL_S = 1.0


class Membership:
    """This node among the others."""

    def __init__(self, store: NodeStore, me: NodeRow, announce: Callable[[], None]) -> None:
        self._store = store
        self._announce = announce
        self._bell = Bell()
        self._listeners: list[Callable[[], None]] = []
        # Called when others may have decided for our workspaces for a while although they are ours again, or still.
        self.on_lapse: Callable[[], None] = lambda: None
        # Called when a node has left, and once more when nothing of it can be under way any more: it may have committed
        # what it has told nobody.
        self.on_left: Callable[[], None] = lambda: None
        self._aftermath_at = math.inf
        self.me = me
        # As they were at the last look, those that are not live included.
        self.seen: Sequence[NodeSeen] = ()
        self.owners = Owners([me.id])
        # Whether the store has taken no beat since the last one, and until when its silence is forgiven to the others.
        self._was_refused = False
        self._forgiving_until = -math.inf
        self.joined = self.left = self.missed_beats = self.lapses = 0

    def statistics(self) -> dict[str, int]:
        """Nodes that are live now, those that came and went, beats that the store did not take, and how often we were
        taken for dead."""
        return {
            "live": sum(is_live(each) for each in self.seen),
            "joined": self.joined,
            "left": self.left,
            "missed_beats": self.missed_beats,
            "lapses": self.lapses,
        }

    def owner_of(self, workspace: str) -> str | None:
        """The node that decides for a workspace; None: we do."""
        owner = self.owners.of(workspace)
        return None if owner == self.me.id else owner

    def others(self) -> list[str]:
        """The other nodes that were live at the last look."""
        return [each.node.id for each in self.seen if is_live(each) and each.node.id != self.me.id]

    def is_ours(self, workspace: str) -> bool:
        """Whether we decide for a workspace; the empty one stands for what one node does for the installation."""
        return self.owner_of(workspace) is None

    def on_change(self, listener: Callable[[], None]) -> None:
        """Calls this whenever somebody else may own something."""
        self._listeners.append(listener)

    def look(self) -> None:
        """Another node has come, drains or goes: looks at once."""
        self._bell.ring()

    async def run(self, status: Started) -> None:
        """Renews the row for ever. Started when it was written once, however long the store is away."""
        is_first = True
        try:
            while True:
                self._bell.clear()
                has_seen = await self._beat()
                if has_seen and is_first:
                    is_first = False
                    self._announce()
                    status.started()
                # Of a store that is away nobody's age is known, and it is not asked the more often for that.
                await self._bell.wait(min(BEAT_S, self._until_somebody_is_dead_s()) if has_seen else BEAT_S)
        finally:
            with trio.move_on_after(FAREWELL_S, shield=True):
                await self._leave()

    def take_part(self) -> None:
        """We may own something, from the next beat on; for one that was drained and has not ended."""
        if self.me.is_draining:
            self.me = msgspec.structs.replace(self.me, is_draining=False)
            self.look()

    async def drain(self) -> None:
        """We own nothing from now on: the others are told, and take over."""
        self.me = msgspec.structs.replace(self.me, is_draining=True)
        await self._beat()
        self._announce()

    async def _leave(self) -> None:
        try:
            await self._store.forget_node(self.me.id)
        except StoreUnavailable as fault:
            log.warning("node_row_stays", cause=str(fault))
        self._announce()

    async def _beat(self) -> bool:
        try:
            seen = await self._store.renew_node(self.me)
        except StoreUnavailable as fault:
            self.missed_beats += 1
            self._was_refused = True
            log.warning("node_beat_missed", cause=str(fault))
            return False
        self._see(seen)
        return True

    def _see(self, seen: Sequence[NodeSeen]) -> None:
        has_lapsed = bool(self.seen) and self._was_taken_for_dead(seen)
        seen = self._forgiving(seen, has_lapsed)
        before = {each.node.id for each in self.seen if is_live(each)}
        now = {each.node.id for each in seen if is_live(each)}
        for node in sorted(now - before - {self.me.id}):
            self.joined += 1
            log.info("node_joined", node=node)
        for node in sorted(before - now):
            self.left += 1
            log.warning("node_left", node=node)
        self._look_behind(has_left=bool(before - now))
        self.seen = seen
        owners = Owners(able(seen))
        if has_changed := owners != self.owners:
            self.owners = owners
        if has_lapsed:
            self.lapses += 1
            log.warning("node_was_silent", advice="others may have decided for it: what it has in memory is read anew")
            self.on_lapse()
        if has_changed or has_lapsed:
            for listener in self._listeners:
                listener()

    def _forgiving(self, seen: Sequence[NodeSeen], has_lapsed: bool) -> Sequence[NodeSeen]:
        """While the store was away nobody could renew his row: who was there before has LIVE_S more to do so.

        Else the first node to reach it again would take all workspaces over, and give them back a moment later.
        """
        now = trio.current_time()
        if has_lapsed and self._was_refused:
            self._forgiving_until = now + LIVE_S
        self._was_refused = False
        if now >= self._forgiving_until:
            return seen
        before = {each.node.id for each in self.seen if is_live(each)}
        replace = msgspec.structs.replace
        return [replace(each, age_s=min(each.age_s, LIVE_S)) if each.node.id in before else each for each in seen]

    def _until_somebody_is_dead_s(self) -> float:
        """How long until a node that is live would not be any more, unless it renews its row."""
        left = [LIVE_S - each.age_s for each in self.seen if is_live(each) and each.node.id != self.me.id]
        return max(min(left, default=BEAT_S), self._forgiving_until - trio.current_time()) + BEHIND_S

    def _look_behind(self, *, has_left: bool) -> None:
        now = trio.current_time()
        if has_left or now >= self._aftermath_at:
            self._aftermath_at = now + AFTERMATH_S if has_left else math.inf
            self.on_left()

    def _was_taken_for_dead(self, seen: Sequence[NodeSeen]) -> bool:
        """We were stopped, or cut off, for so long that others may have taken our workspaces over."""
        (before_s,) = [each.before_s for each in seen if each.node.id == self.me.id]
        return before_s is None or before_s > LIVE_S


def is_live(each: NodeSeen) -> bool:
    """Whether a node was heard of lately enough."""
    return each.age_s <= LIVE_S


def able(seen: Sequence[NodeSeen]) -> list[str]:
    """Who may own something: the live ones that are not draining; if all are, all of them."""
    live = [each.node for each in seen if is_live(each)]
    return [node.id for node in live if not node.is_draining] or [node.id for node in live]
