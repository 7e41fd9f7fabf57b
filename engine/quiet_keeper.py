"""Sees to it that channels which nobody uses notice when quiet begins or ends for their alerts.

A channel that runs knows its own times, and is woken when something changes. One that was retired has open alerts in
the store whose marks would go stale: an alert that is silenced would be shown as ringing, or never ring when that
is over. So at each change of what is quieted, and whenever a window begins or ends, the channels of that workspace with
open alerts are started; they decide, store, tell, and retire again. Owns: which workspaces are still to be looked at.
Waits for the store, and for the next change. If it crashes it is started again and looks at all of them.
"""

from __future__ import annotations

from functools import partial

import structlog
import trio

from actors.ports import Clock
from actors.registry import Registry
from actors.supervisor import Started
from engine.orders import StandingOrders
from engine.patience import answered
from engine.stores import Store
from protocol.errors import Busy
from protocol.model import ChannelKey

log = structlog.get_logger()

# The wall clock, by which windows begin, may be set meanwhile.
LOOK_S = 60.0
# When there was no room to start a channel.
AGAIN_S = 5.0


class QuietKeeper:
    """Wakes what must look at its alerts again."""

    def __init__(self, orders: StandingOrders, store: Store, registry: Registry, clock: Clock) -> None:
        self._orders = orders
        self._book = orders.quiet
        self._store = store
        self._registry = registry
        self._clock = clock
        self._changed: set[str] = set()
        self._news = trio.Event()

    def changed(self, workspace: str) -> None:
        """Something else is quieted in this workspace: those that run look at once, the others are started."""
        self._registry.wake(workspace)
        self._changed.add(workspace)
        self._news.set()

    async def run(self, status: Started) -> None:
        """Looks after all workspaces for ever."""
        self._changed |= set(self._book.workspaces())
        status.started()
        while True:
            now = self._clock()
            due = {name: self._book.next_change(name, now) for name in self._book.workspaces()}
            await self._start_channels()
            with trio.move_on_after(self._pause_s(min(due.values(), default=None))):
                await self._news.wait()
            self._news = trio.Event()
            now = self._clock()
            # Orders without what is over: a window that has ended needs no memory any more.
            self._changed |= {name for name, change in due.items() if change <= now} | set(self._orders.let_go(now))

    def _pause_s(self, due: int | None) -> float:
        pause_s = LOOK_S if due is None else min(LOOK_S, max(0.0, (due - self._clock()) / 1e6))
        return min(pause_s, AGAIN_S) if self._changed else pause_s

    async def _start_channels(self) -> None:
        while self._changed:
            workspace = self._changed.pop()
            ask = partial(self._store.open_frameworks, workspace)
            frameworks = await answered(ask, "the channels with open alerts")
            self._registry.wake(workspace)
            try:
                for framework in frameworks:
                    self._registry.cell(ChannelKey(workspace, framework))
            except Busy as fault:
                log.warning("quiet_channels_wait", workspace=workspace, cause=fault.message)
                self._changed.add(workspace)
                return
