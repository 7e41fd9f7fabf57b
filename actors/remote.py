"""Runs a cell whose channel is decided on another node: its commands go there, and its followers are told from here.

Owns nothing: mailbox and audience are the cell's. Takes commands one batch at a time, as the channel itself does, and
waits until the owner has answered it, so that their order is kept. What was committed comes over the bus and is told as
it comes (`Cell.hear`); whatever is missing is read from the store. If an answer does not come, the batch is sent again
to whoever is the owner then; past `answer_s` it is answered busy, because nobody waits for it any more. If we become
the owner we end, the cell is run by `actors.channel`, and what was not answered is decided there. If we crash the cell
still holds the batch, and it is sent again under the same id.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
import trio

from actors.cell import Cell
from actors.cell_actor import CellActor, ChannelKit
from actors.forwarding import LetterTooLarge
from protocol.commands import Batch
from protocol.items import ItemResult
from protocol.model import ChannelKey, Reason, Status

log = structlog.get_logger()

UNANSWERED = ItemResult(
    status=Status.REJECTED,
    reason=Reason.BUSY,
    message="the node that decides for this workspace does not answer; send it again in a moment",
)
TOO_LARGE = ItemResult(
    status=Status.REJECTED,
    reason=Reason.BUSY,
    message="this item is larger than what may go to the node that decides for this workspace; name fewer alerts",
)
# An owner that is there answers in milliseconds; a second is for one that collects garbage, or waits for its store.
RESEND_S = 1.0
# After the owner has changed: what the former one has done already may still be answered by it.
FORMER_S = 0.25
# Whoever was asked does not own the workspace, and here that is not known yet; the next look at the nodes says it.
DISAGREED_S = 0.1


# Has an owner do this: the cell, the batch, how many results each command has, and where it
# stands in a trace. None: it says that it is not the owner.
Forward = Callable[
    [str, ChannelKey, Batch, Sequence[int], Sequence[str | None]], Awaitable[Sequence[ItemResult] | None]
]


@dataclass(frozen=True)
class RemoteKit:
    """What a remote actor is handed beside the kit of channels. `answer_s`: how long whoever asks waits at most."""

    forward: Forward
    answer_s: float = 5.0


class RemoteActor(CellActor):
    """One run of the link between a cell and the owner of its channel."""

    def __init__(self, cell: Cell, kit: ChannelKit, remote: RemoteKit) -> None:
        super().__init__(cell, kit)
        self._remote = remote
        # Halved while a batch is too large for a letter.
        self._batch_max = kit.limits.batch_max

    async def run(self) -> bool:
        """Runs until idle (True), or until we decide (False). Raises what went wrong."""
        cell = self._cell
        # Who has sent it knows the owner, too, and asks it soon: sent by both it would be done twice.
        cell.mailbox.give_back()
        cell.looked()
        await self._catch_up(await self._answered(self._kit.store.position))
        is_idle = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_for_ever)
            is_idle = await self._serve()
            nursery.cancel_scope.cancel()
        return is_idle

    async def _serve(self) -> bool:
        """Forwards batches; True when idle, False when there is nobody to forward to but ourselves."""
        cell, kit = self._cell, self._kit
        while cell.owner is not None:
            if not await cell.mailbox.wait(kit.limits.idle_s):
                if not cell.mailbox and (cell.mailbox.is_closed or not self._is_followed):
                    return True
            elif cell.mailbox:
                await self._handle()
        return False

    @property
    def _is_followed(self) -> bool:
        return bool(self._cell.audience)

    async def _handle(self) -> None:
        cell, kit = self._cell, self._kit
        batch = cell.mailbox.pin(self._batch_max, kit.clock, kit.new_id, kit.orders(cell.key))
        try:
            await self._settle(batch)
        except* LetterTooLarge:
            if len(batch.commands) == 1:
                cell.mailbox.refuse_pinned(TOO_LARGE)
            else:
                cell.mailbox.unpin()
                self._batch_max = max(1, len(batch.commands) // 2)
        else:
            self._batch_max = kit.limits.batch_max

    async def _settle(self, batch: Batch) -> None:
        """Asks until there is an answer, or nobody waits for one any more."""
        cell, kit = self._cell, self._kit
        began = trio.current_time()
        while cell.owner is not None:
            if trio.current_time() - began >= self._remote.answer_s:
                refused = cell.mailbox.refuse_pinned(UNANSWERED)
                log.warning("owner_silent", channel=cell.key.name, owner=cell.owner, commands=refused)
                return
            results = await self._ask(cell.owner, batch)
            if results is not None:
                handled = cell.mailbox.settle(results)
                kit.observer.batch(cell.key, handled, trio.current_time() - began)
                return
        # Ours to decide: under orders and a time of now.
        cell.mailbox.unpin()

    async def _ask(self, owner: str, batch: Batch) -> Sequence[ItemResult] | None:
        """What the owner answers; None: it does not, or says that it is not the owner."""
        results: Sequence[ItemResult] | None = None
        mailbox, tracer = self._cell.mailbox, self._kit.tracer
        trace = None if tracer is None else tracer.forward(self._cell.key, owner, mailbox.traces)
        with trio.CancelScope(deadline=trio.current_time() + RESEND_S) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._hurry, owner, scope)
                results = await self._remote.forward(
                    owner, self._cell.key, batch, mailbox.pinned_places, mailbox.pinned_traces
                )
                if results is None:
                    await trio.sleep(DISAGREED_S)
                nursery.cancel_scope.cancel()
        if trace is not None:
            trace(results is not None)
        return results

    async def _hurry(self, owner: str, scope: trio.CancelScope) -> None:
        """Does not wait for long once another node is the owner."""
        await self._cell.wait_owner_other_than(owner)
        scope.deadline = min(scope.deadline, trio.current_time() + FORMER_S)

    async def _look_for_ever(self) -> None:
        """Tells from the store what was committed and not heard of."""
        cell = self._cell
        while True:
            await cell.wait_news()
            if cell.has_news:
                cell.looked()
                await self._catch_up(await self._look())
