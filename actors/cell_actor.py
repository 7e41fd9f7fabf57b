"""What whoever runs a cell does, be it its channel here or the link to its owner elsewhere: recall, and catch up.

Owns nothing: the cell outlives it. Waits for the store; while that is away the cell says so to whoever comes, and it is
tried again, for ever. Here is also the kit that both kinds are handed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
import trio

from actors import patience
from actors.audience import Audience, channel_offset
from actors.cell import Cell, ChannelLimits
from actors.ports import HISTORY_CHUNK, ChannelStore, Clock, MachineFactory, NewId, Observer, OrdersOf
from actors.tracing import Tracer
from protocol.effects import Recalled
from protocol.errors import StoreUnavailable
from protocol.model import ChannelKey, Event
from protocol.orders import NO_ORDERS, Orders

log = structlog.get_logger()

# After a gap of the bus all channels look. A store that reads four things at once has always more to do with so many,
# and whoever else asks it waits behind these few, not behind 5,000.
LOOKS_MAX = 16


def _nobody(workspace: str, events: Sequence[Event]) -> None:
    """Where nothing is derived from channels."""


def _no_orders(key: ChannelKey) -> Orders:
    """Where nobody gives any."""
    return NO_ORDERS


@dataclass(frozen=True)
class ChannelKit:
    """What every channel actor is handed."""

    store: ChannelStore
    machine: MachineFactory
    clock: Clock
    new_id: NewId
    observer: Observer
    limits: ChannelLimits
    # What holds for a channel; `Registry.wake` says that it has changed.
    orders: OrdersOf = _no_orders
    # Told of events that a channel found in the store: the feed may never have said that they were committed.
    found: Callable[[str, Sequence[Event]], None] = _nobody
    # Follows what is asked of channels; None: nobody does.
    tracer: Tracer | None = None
    # Of all channels together, for those that only want to know whether they have missed anything.
    looks: trio.Semaphore = field(default_factory=partial(trio.Semaphore, LOOKS_MAX))


class CellActor:
    """What both kinds have in common."""

    def __init__(self, cell: Cell, kit: ChannelKit) -> None:
        self._cell = cell
        self._kit = kit

    async def _recall(self) -> Recalled:
        """All that the store knows of the channel."""
        return await self._answered(self._kit.store.recall)

    async def _look(self) -> Recalled:
        """Where the channel stands in the store; in the midst of others that look, too."""
        return await self._answered(self._look_in_turn)

    async def _look_in_turn(self, key: ChannelKey) -> Recalled:
        async with self._kit.looks:
            return await self._kit.store.position(key)

    async def _answered(self, ask: Callable[[ChannelKey], Awaitable[Recalled]]) -> Recalled:
        attempt = 0
        while True:
            try:
                recalled = await ask(self._cell.key)
            except StoreUnavailable as fault:
                attempt += 1
                await self._away(str(fault), attempt)
            else:
                self._back()
                return recalled

    async def _catch_up(self, recalled: Recalled) -> Audience:
        """Tells subscribers what was committed but not told before the last run ended."""
        cell = self._cell
        if cell.audience is None or cell.audience.epoch != recalled.epoch:
            cell.audience = Audience(cell.key.name, recalled.epoch, recalled.offset, recalled.floor, channel_offset)
            cell.changed()
        audience = cell.audience
        audience.floor = recalled.floor
        if audience.told < recalled.floor:
            # Trimmed while we could not tell it. What is left would follow on a `prev` that hides the gap.
            audience.lose(recalled.floor)
        attempt = 0
        while audience.told < recalled.offset:
            try:
                missed: Sequence[Event] = await self._kit.store.history(cell.key, audience.told, HISTORY_CHUNK)
            except StoreUnavailable as fault:
                attempt += 1
                await self._away(str(fault), attempt)
                continue
            self._back()
            if not missed:
                raise RuntimeError(f"{cell.key.name}: the store lost events {audience.told + 1}..{recalled.offset}")
            self._kit.observer.delivered(audience.tell(missed))
            self._kit.found(cell.key.workspace, missed)
        return audience

    async def _away(self, cause: str, attempt: int) -> None:
        if self._cell.away is None:
            log.warning("store_away", channel=self._cell.key.name, cause=cause)
        self._cell.away = cause
        self._cell.changed()
        await patience.pause(attempt)

    def _back(self) -> None:
        if self._cell.away is not None:
            log.info("store_back", channel=self._cell.key.name)
        self._cell.away = None
