"""A channel's mailbox: bounded, and it outlives whoever reads it.

The reader pins a batch, decides it, commits it, answers it, and only then lets go. If it crashes in between, the next
reader finds the same batch under the same id, so that what was committed is answered and not decided again. After a
machine raised, the batch is taken apart and its commands come singly: the one that raises three times is set aside,
its neighbours are handled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import trio

from actors.ports import Answer, Clock, NewId
from actors.tracing import CURRENT
from protocol.commands import Batch, Command
from protocol.errors import Busy
from protocol.items import ItemResult
from protocol.limits import Limit
from protocol.model import Reason, Status
from protocol.orders import Orders
from protocol.wording import several

# The first raise may be the neighbours' fault, the second bad luck with recalled state; the third is the command's.
TRIES_MAX = 3
FAILED = ItemResult(
    status=Status.REJECTED, reason=Reason.FAILED, message="this item made the engine fail three times; it was set aside"
)
PARKED = ItemResult(
    status=Status.REJECTED,
    reason=Reason.FAILED,
    message="this channel failed too often and is paused for some seconds (channel.park_s); then send it again",
)
MOVED = ItemResult(
    status=Status.REJECTED, reason=Reason.BUSY, message="another node decides for this workspace now; send it again"
)


class Receipt:
    """Collects the results of one request, whose items may go to several channels, and answers once.

    `hand_back`: tells another node, which has sent it, that nothing of it was done here; None: it is from here.
    """

    __slots__ = ("_answer", "_hand_back", "_missing", "_results", "trace")

    def __init__(self, items: int, answer: Answer, hand_back: Callable[[], None] | None = None) -> None:
        self._results: list[ItemResult | None] = [None] * items
        self._missing = items
        self._answer = answer
        self._hand_back = hand_back
        # Where the request stands in a trace, if it is traced.
        self.trace = CURRENT.get()
        if not items:
            # Nobody will settle anything: without this, who asks for nothing waits until his time is over.
            answer([])

    def settle(self, index: int, result: ItemResult) -> None:
        """The result of one item; the last one sends the answer. A second result for an item is ignored."""
        if self._results[index] is None:
            self._results[index] = result
            self._missing -= 1
            if self._missing == 0:
                self._answer([done for done in self._results if done is not None])

    @property
    def is_from_elsewhere(self) -> bool:
        """Whether another node has sent it."""
        return self._hand_back is not None

    def give_back(self) -> None:
        """Nobody does it here any more: it is handed back or, if something of it was done, the rest is refused."""
        if self._hand_back is not None and self._missing == len(self._results):
            self._hand_back()
        else:
            for index in range(len(self._results)):
                self.settle(index, MOVED)


class Envelope:
    """A command on its way, with where its results go: a place in the receipt for each item of the command."""

    __slots__ = ("command", "failures", "places", "receipt", "trace")

    def __init__(self, command: Command, receipt: Receipt, *places: int) -> None:
        self.command = command
        self.receipt = receipt
        self.places = places
        # Where its request stands in a trace, if it is traced.
        self.trace = receipt.trace
        self.failures = 0

    def answer(self, result: ItemResult) -> None:
        """Hands the same result to the request for each item."""
        for place in self.places:
            self.receipt.settle(place, result)

    def settle(self, results: Sequence[ItemResult]) -> None:
        """Hands the results to the request that they belong to, one for each item."""
        for place, result in zip(self.places, results, strict=True):
            self.receipt.settle(place, result)


class Mailbox:
    """Commands that wait for one channel, in order, with at most `limit` items (a bulk change has many)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Envelope] = deque()
        self._pinned: Sequence[Envelope] = ()
        # Of all that waits or is pinned.
        self._items = 0
        self._batch: Batch | None = None
        self._singly = 0
        self._arrived = trio.Event()
        self._is_woken = False
        # Nothing more is taken; what waits is still handled.
        self.is_closed = False

    def __len__(self) -> int:
        return self._items

    @property
    def pinned_id(self) -> str | None:
        """The id of the batch that a reader has pinned and not settled."""
        return None if self._batch is None else self._batch.id

    @property
    def traces(self) -> list[str]:
        """Where the requests of the pinned batch stand in traces: those that are traced, each once."""
        found = {envelope.trace: None for envelope in self._pinned}
        return [trace for trace in found if trace is not None]

    @property
    def is_woken(self) -> bool:
        """Whether somebody woke the reader since it looked last."""
        return self._is_woken

    def put_all(self, envelopes: Sequence[Envelope]) -> None:
        """Takes all of them or, if there is no room, none: raises Busy."""
        if self.is_closed:
            raise Busy("the engine is stopping; send it again when it is back")
        items = _items_of(envelopes)
        if self._items + items > self._limit:
            raise Busy(
                f"this channel has {several(self._items, 'command')} waiting, limit {self._limit}; "
                "send it again in a moment",
                Limit.CHANNEL_MAILBOX,
            )
        self._waiting.extend(envelopes)
        self._items += items
        self._arrived.set()

    def oblige(self) -> None:
        """The reader has something to do although no command may wait: at its next step, or when it is woken."""
        self._is_woken = True

    def wake(self) -> None:
        """The reader has something to do although no command may wait: other orders hold now."""
        self._is_woken = True
        self._arrived.set()

    def close(self) -> None:
        """Takes nothing more; the reader is woken to finish."""
        self.is_closed = True
        self._arrived.set()

    async def wait(self, seconds: float) -> bool:
        """Waits until there is something to do, at most so long. Says whether there is."""
        if self or self.is_closed or self._is_woken:
            # A full mailbox of commands that need no commit must not keep everybody else from running.
            await trio.lowlevel.checkpoint()
        else:
            self._arrived = trio.Event()
            with trio.move_on_after(seconds):
                await self._arrived.wait()
        was_woken = self._is_woken
        if self._batch is None:
            self._is_woken = False
        return bool(self) or was_woken

    def pin(self, limit: int, clock: Clock, new_id: NewId, orders: Orders) -> Batch:
        """The batch to decide now: the pinned one if there is one, else waiting commands of up to `limit` items.

        It may be empty. A command with more items than that comes alone. A pinned batch keeps the orders under which it
        was decided first.
        """
        if self._batch is None:
            self._pinned = self._take(1 if self._singly else limit)
            commands = tuple(envelope.command for envelope in self._pinned)
            self._batch = Batch(new_id(), clock(), commands, orders)
        return self._batch

    def _take(self, limit: int) -> list[Envelope]:
        """Waiting commands of up to `limit` items, at least one if any waits."""
        taken: list[Envelope] = []
        waiting = self._waiting
        while waiting and (not taken or len(waiting[0].places) <= limit):
            envelope = waiting.popleft()
            limit -= len(envelope.places)
            taken.append(envelope)
        return taken

    def settle(self, results: Sequence[ItemResult]) -> int:
        """The pinned batch is done: answers its commands and lets go of them; how many there were.

        Results may end between two commands: those that have none come first in the next batch. If they end within one,
        or are too many, nothing is answered and nothing let go of: whoever decided this crashes over it.
        """
        pinned, ends, start = self._pinned, list[int](), 0
        while len(ends) < len(pinned) and start < len(results):
            start += len(pinned[len(ends)].places)
            ends.append(start)
        if start != len(results):
            raise ValueError(f"{len(results)} results for {start} items")
        done, start = len(ends), 0
        self._pinned, self._batch = (), None
        self._singly = max(0, self._singly - done)
        self._items -= len(results)
        self._waiting.extendleft(reversed(pinned[done:]))
        for envelope, end in zip(pinned, ends, strict=False):
            envelope.settle(results[start:end])
            start = end
        return done

    def unpin(self) -> None:
        """The pinned batch is somebody else's to handle now: its commands wait again, first of all."""
        pinned, self._pinned, self._batch = self._pinned, (), None
        self._waiting.extendleft(reversed(pinned))

    def give_back(self) -> None:
        """Another node decides now: what others have sent here goes back to them, and is not sent on from here."""
        if any(envelope.receipt.is_from_elsewhere for envelope in self._pinned):
            self.unpin()
        theirs = [envelope for envelope in self._waiting if envelope.receipt.is_from_elsewhere]
        if theirs:
            self._waiting = deque([each for each in self._waiting if not each.receipt.is_from_elsewhere])
            self._items -= _items_of(theirs)
            for receipt in dict.fromkeys(envelope.receipt for envelope in theirs):
                receipt.give_back()

    def refuse_pinned(self, result: ItemResult) -> int:
        """Answers the pinned batch with the same refusal and lets go of it; how many commands there were."""
        pinned, self._pinned, self._batch = self._pinned, (), None
        self._items -= _items_of(pinned)
        for envelope in pinned:
            envelope.answer(result)
        return len(pinned)

    @property
    def pinned_places(self) -> tuple[int, ...]:
        """How many results each command of the pinned batch has."""
        return tuple([len(envelope.places) for envelope in self._pinned])

    @property
    def pinned_traces(self) -> tuple[str | None, ...]:
        """Where the request of each command of the pinned batch stands in a trace; empty: none is traced."""
        traces = tuple([envelope.trace for envelope in self._pinned])
        return traces if any(traces) else ()

    def machine_raised(self) -> Command | None:
        """The pinned batch made the machine raise. Gives the command that is set aside, if one is."""
        culprits, self._pinned, self._batch = self._pinned, (), None
        if len(culprits) == 1:
            culprits[0].failures += 1
            if culprits[0].failures >= TRIES_MAX:
                self._singly = max(0, self._singly - 1)
                self._items -= len(culprits[0].places)
                culprits[0].answer(FAILED)
                return culprits[0].command
        self._singly = max(self._singly, len(culprits))
        self._waiting.extendleft(reversed(culprits))
        return None

    def refuse_all(self, result: ItemResult) -> None:
        """Answers everything that waits with the same refusal (the channel is parked)."""
        refused = [*self._pinned, *self._waiting]
        self._pinned, self._batch, self._singly, self._items = (), None, 0, 0
        self._waiting.clear()
        for envelope in refused:
            envelope.answer(result)


def _items_of(envelopes: Sequence[Envelope]) -> int:
    return sum([len(envelope.places) for envelope in envelopes])
