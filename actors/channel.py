"""Runs one workspace channel.

Owns the channel's alerts while it runs (in its machine); the store owns them between runs. The cell (`actors.cell`)
outlives runs, so a crash is a pause to subscribers and producers, nothing more. Takes commands one batch at a
time, so two triggers never race. Waits only for the store: while it is away we keep the batch, the cell answers busy,
and nothing is restarted. If our machine raises we crash: memory is recalled from the store, and the mailbox still holds
the batch. Saved before told: answers and broadcasts follow the commit. When
another node becomes the owner we store what is counted and end; the cell is run by `actors.remote` then.
"""

from __future__ import annotations

import structlog
import trio

from actors.audience import Audience
from actors.cell import Cell
from actors.cell_actor import CellActor, ChannelKit
from actors.ports import Machine
from actors.tracing import BatchTrace
from protocol.commands import Batch
from protocol.effects import Behind, Commit, Committed, Recalled, StormNotice, Unavailable
from protocol.errors import CommitInvalid

log = structlog.get_logger()


class MachineRaised(Exception):
    """The machine raised: the actor crashes, but its restart intensity does not count it (its commands do)."""


class ChannelActor(CellActor):
    """One run of a channel: recall, catch up, then batch after batch, until it has been idle for long enough."""

    def __init__(self, cell: Cell, kit: ChannelKit) -> None:
        super().__init__(cell, kit)
        # Of the batch that was handled last.
        self._trace: BatchTrace | None = None
        # The channel's last batch in the store, as far as we know.
        self._last_batch = ""

    async def run(self) -> bool:
        """Runs until idle (True), or until another node decides (False). Raises MachineRaised, or what went wrong."""
        while self._cell.owner is None:
            self._cell.looked()
            recalled = await self._recall()
            self._last_batch = recalled.last_batch
            machine = self._kit.machine(self._cell.key, recalled, self._kit.orders(self._cell.key))
            audience = await self._catch_up(recalled)
            self._answer_committed(recalled)
            # Hours of readings may have to be heard again: what was committed need not wait for it, nor other channels.
            for _ in machine.restore():
                await trio.lowlevel.checkpoint()
            if await self._serve(machine, audience, recalled.offset):
                return True
        return False

    async def _serve(self, machine: Machine, audience: Audience, offset: int) -> bool:
        """Handles batches; True when idle, False when memory must be recalled: here, or where the owner is now."""
        cell = self._cell
        while True:
            if not await self._wait(machine, audience):
                is_level = await self._finish(machine, offset)
                if not cell.mailbox and (cell.mailbox.is_closed or not (audience or cell.mailbox.is_woken)):
                    return True
                # Somebody came while that was being stored: the channel is in use again.
                if not is_level:
                    return False
                continue
            if cell.may_be_behind and cell.owner is None and not await self._is_level(audience, offset):
                cell.is_behind = True
            if cell.is_behind or cell.owner is not None:
                # If the store has not moved on after all what is counted is kept; else the fence keeps it out.
                await self._finish(machine, offset)
                return False
            committed = await self._handle(machine, offset)
            if committed is None:
                return False
            delivered = audience.tell(committed.events)
            self._kit.observer.delivered(delivered)
            if self._trace is not None:
                self._trace.told(delivered)
            if committed.events:
                offset = committed.events[-1].offset

    async def _is_level(self, audience: Audience, offset: int) -> bool:
        """Whether the store stands where we do. Most who look have missed nothing: a gap of the bus concerns all."""
        self._cell.may_be_behind = False
        place = await self._look()
        return (place.epoch, place.offset, place.last_batch) == (audience.epoch, offset, self._last_batch)

    async def _wait(self, machine: Machine, audience: Audience) -> bool:
        """Waits for commands or for what is due. False: nothing for so long that the channel can be retired."""
        cell, kit = self._cell, self._kit
        due = machine.next_due()
        # Never longer than `idle_s`: the wall clock, by which things are due, may be set back meanwhile.
        idle_s = kit.limits.idle_s
        wait_s = idle_s if due is None else min(idle_s, max(0.0, (due - kit.clock()) / 1e6))
        while not await cell.mailbox.wait(wait_s):
            if cell.mailbox.is_closed:
                return False
            # Something due that others start the channel for (a window that ends next year) does not keep it running.
            if wait_s >= idle_s and not audience and not machine.owes():
                return False
            if due is not None:
                return True
        return True

    async def _finish(self, machine: Machine, offset: int) -> bool:
        """Before the end: stores what the machine has counted and not written yet. False: the store has moved on."""
        kit = self._kit
        batch = Batch(kit.new_id(), kit.clock(), ())
        while (decision := machine.flush(batch)).is_durable:
            if await self._commit(Commit(self._cell.key, offset, batch, decision, self._last_batch)) is None:
                return False
            batch = Batch(kit.new_id(), kit.clock(), ())
        return True

    async def _handle(self, machine: Machine, offset: int) -> Committed | None:
        cell, kit = self._cell, self._kit
        began = trio.current_time()
        batch = cell.mailbox.pin(kit.limits.batch_max, kit.clock, kit.new_id, kit.orders(cell.key))
        if kit.tracer is not None:
            self._trace = kit.tracer.batch(cell.key, cell.mailbox.traces, len(batch.commands))
        try:
            decision = machine.decide(batch)
        except Exception as fault:
            raise self._blame(batch, fault) from fault
        if self._trace is not None:
            decision = self._trace.decided(decision)
        committed: Committed | None = Committed(decision.results, ())
        if decision.is_durable:
            try:
                committed = await self._commit(Commit(cell.key, offset, batch, decision, self._last_batch))
            except CommitInvalid as fault:
                raise self._blame(batch, fault) from fault
            if self._trace is not None:
                self._trace.committed(committed is not None)
        if committed is not None:
            handled = cell.mailbox.settle(committed.results)
            for limit in decision.refusals:
                kit.observer.refused(limit)
            for notice in decision.storms:
                self._say_storm(notice)
            kit.observer.batch(cell.key, handled, trio.current_time() - began)
        return committed

    def _say_storm(self, notice: StormNotice) -> None:
        channel = self._cell.key.name
        if notice.is_over:
            seconds = (notice.at - notice.since) / 1e6
            log.info("storm_over", channel=channel, seconds=seconds, held=notice.held, rang=notice.rang)
        else:
            log.warning("storm_began", channel=channel)
        self._kit.observer.storm(self._cell.key, notice)

    def _blame(self, batch: Batch, fault: Exception) -> Exception:
        """What to crash with after the machine failed over a batch; its commands come singly from now on."""
        cell, kit = self._cell, self._kit
        if self._trace is not None:
            self._trace.failed(fault)
        set_aside = cell.mailbox.machine_raised()
        if set_aside is not None:
            kit.observer.dead_letter(cell.key)
            # All that is left of it: what it was, cut to a line.
            command = f"{set_aside!r:.1000}"
            log.error(f"dead_letter {batch.id}", channel=cell.key.name, command=command, exc_info=fault)
        if not batch.commands:
            # Nobody's command is to blame: this one counts against the channel.
            return RuntimeError(f"{cell.key.name} failed over what was due: {fault!r}")
        return MachineRaised(f"{cell.key.name}: {fault!r}")

    async def _commit(self, commit: Commit) -> Committed | None:
        """Commits, however long the store is away. None: the store has moved on, recall and decide again."""
        attempt = 0
        while True:
            outcome = await self._kit.store.commit(commit)
            match outcome:
                case Committed():
                    self._last_batch = commit.batch.id
                    self._back()
                    return outcome
                case Behind():
                    # A workflow batch was in between, and has said so; of anybody else we should not have heard here.
                    self._kit.observer.conflict(self._cell.key)
                    say = log.info if self._cell.is_behind else log.warning
                    say("behind", channel=self._cell.key.name, ours=commit.base, theirs=outcome.offset)
                    return None
                case Unavailable():
                    attempt += 1
                    await self._away(outcome.cause, attempt)

    def _answer_committed(self, recalled: Recalled) -> None:
        """A batch that was committed just before a crash is answered, not decided again."""
        mailbox = self._cell.mailbox
        if mailbox.pinned_id is not None and mailbox.pinned_id == recalled.last_batch:
            mailbox.settle(recalled.last_results)
