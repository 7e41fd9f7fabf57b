"""Sees to it that channels which nobody uses notice when quiet begins or ends for their alerts.

A channel that runs knows its own times, and is woken when something changes. One that was retired (it does not stay for
this, `actors.ports.Machine.owes`) has open alerts in the store whose marks would go stale: an alert that is silenced
would be shown as ringing, or never ring when that is over. So at each change of what is quieted, and whenever a window
begins or ends, the channels of that workspace with open alerts are started, some at a time; they decide, store, tell,
and retire again. A workspace without room keeps its place, the others go on. Owns: which workspaces are still to be
looked at, and which channels still to be started. Waits for the store, and for the next change. If it crashes it is
started again and looks at all of them; what was quieted in the store when the engine starts, `engine.keepers.unsettled`
starts.
"""

from __future__ import annotations

from collections import deque
from functools import partial

import structlog
import trio

from actors.patience import answered
from actors.ports import Clock
from actors.registry import Registry
from actors.supervisor import Started
from engine.orders import StandingOrders
from engine.stores import Store
from protocol.errors import Busy
from protocol.model import ChannelKey

log = structlog.get_logger()

# The wall clock, by which windows begin, may be set meanwhile.
LOOK_S = 60.0
# When there was no room to start a channel.
AGAIN_S = 5.0
# Each of them reads the store at once and commits: so many take about as long as the pause, and who else is there gets
# his turn.
STARTED_AT_ONCE = 64
PAUSE_S = 0.1


class QuietKeeper:
    """Wakes what must look at its alerts again."""

    def __init__(self, orders: StandingOrders, store: Store, registry: Registry, clock: Clock) -> None:
        self._orders = orders
        self._book = orders.quiet
        self._store = store
        self._registry = registry
        self._clock = clock
        self._changed: set[str] = set()
        # The frameworks of each workspace whose channels are still to be started.
        self._waiting: dict[str, deque[str]] = {}
        self._news = trio.Event()

    def changed(self, workspace: str) -> None:
        """Something else is quieted in this workspace: those that run look at once, the others are started."""
        self._registry.wake(workspace)
        self._changed.add(workspace)
        self._news.set()

    def look_again(self) -> None:
        """This node may have become the owner of other workspaces: looks at all of them."""
        self._changed |= set(self._book.workspaces())
        self._news.set()

    async def run(self, status: Started) -> None:
        """Looks after all workspaces for ever."""
        self._changed |= set(self._book.workspaces())
        status.started()
        while True:
            now = self._clock()
            due = {name: self._book.next_change(name, now) for name in self._book.workspaces()}
            await self._find_channels()
            await self._start_channels()
            with trio.move_on_after(self._pause_s(min(due.values(), default=None))):
                await self._news.wait()
            self._news = trio.Event()
            now = self._clock()
            # Orders without what is over: a window that has ended needs no memory any more.
            self._changed |= {name for name, change in due.items() if change <= now} | set(self._orders.let_go(now))

    def _pause_s(self, due: int | None) -> float:
        pause_s = LOOK_S if due is None else min(LOOK_S, max(0.0, (due - self._clock()) / 1e6))
        return min(pause_s, AGAIN_S) if self._waiting else pause_s

    async def _find_channels(self) -> None:
        while self._changed:
            workspace = next(iter(self._changed))
            if not self._registry.is_ours(workspace):
                # Its owner starts them; those that run here only follow.
                self._changed.discard(workspace)
                continue
            frameworks = await answered(
                partial(self._store.open_frameworks, workspace), "the channels with open alerts"
            )
            self._changed.discard(workspace)
            self._registry.wake(workspace)
            # Who waits already comes first: where there is no room for all, the same ones would have it every time.
            those = dict.fromkeys([*self._waiting.get(workspace, ()), *frameworks])
            if those:
                self._waiting[workspace] = deque(those)

    async def _start_channels(self) -> None:
        """Starts all for which there is room."""
        started = 0
        for workspace in list(self._waiting):
            waiting = self._waiting[workspace]
            while waiting and self._registry.is_ours(workspace):
                try:
                    self._registry.cell(ChannelKey(workspace, waiting[0]))
                except Busy as fault:
                    log.warning("quiet_channels_wait", workspace=workspace, waiting=len(waiting), cause=fault.message)
                    break
                waiting.popleft()
                started += 1
                if started % STARTED_AT_ONCE == 0:
                    await trio.sleep(PAUSE_S)
            if not waiting or not self._registry.is_ours(workspace):
                del self._waiting[workspace]
