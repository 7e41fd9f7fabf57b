"""Requests between nodes: commands that go to the owner of their workspace, and those that come to us as the owner.

Owns: the requests that are under way to others, and those that came from others, with their results for a while: one
that is sent again (its answer was lost, or late) is answered, not done again. Called on the loop with each letter of
the bus; waits for nothing but, in `forward`, for the answer. What does not fit is answered busy, as at any door. If we
are not the owner we say so: whoever asked looks again who is. What was sent long ago, or may have been done and
forgotten, is nobody's: whoever waits for an answer sends his request again, with a new time. Nothing here is trusted to
name somebody's rights: the door that took the request has checked them, and only a node can make a letter that opens.

Decided against doing the work of a workspace that is not ours because somebody asked: two nodes would take turns at
being behind each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest

import trio

from actors.cell import Cell
from actors.mailbox import Envelope, Receipt
from actors.ports import Clock
from protocol.commands import Batch, Command
from protocol.errors import TocsinError
from protocol.forwarding import (
    Answered,
    ForeignLetter,
    Forward,
    Letter,
    Packed,
    check_age,
    commands_of,
    pack,
    results_of,
)
from protocol.items import ItemResult
from protocol.model import ChannelKey, Reason, Status

# Results of requests that may be sent again: some seconds of a busy node, about 10 MB. What is still under way is not
# among them: the mailboxes bound it, and sent again it must not be done twice.
REMEMBERED_MAX_ITEMS = 50_000

ANSWER_TOO_LARGE = ItemResult(
    status=Status.REJECTED, reason=Reason.BUSY, message="done, but the answer is too large; ask for less at a time"
)
# Nodes of two versions stand side by side while an installation is upgraded.
UNKNOWN_HERE = ItemResult(
    status=Status.REJECTED,
    reason=Reason.BUSY,
    message="the node that decides for this workspace is of another version and does not know this; try again later",
)
UNKNOWN_ANSWER = ItemResult(
    status=Status.REJECTED,
    reason=Reason.BUSY,
    message="done, but the node that did it is of another version, and its answer cannot be read here",
)


class LetterTooLarge(Exception):
    """So much does not go in one letter: send less of it at a time."""


# Sends a letter to a node, as far as that is possible. Raises LetterTooLarge.
Send = Callable[[str, Letter], None]


class _Pending:
    """A request of ours that is under way."""

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.letter: Answered | None = None


class _Taken:
    """A request of another node: how many results it has, when it was sent, and the results once they are known."""

    def __init__(self, items: int, at: int) -> None:
        self.items = items
        self.at = at
        self.results: tuple[Packed, ...] | None = None


class Forwarding:
    """Both ends of it, for one node. `cell` gives a channel's cell; it may raise Busy."""

    def __init__(
        self, node: str, cell: Callable[[ChannelKey], Cell], is_ours: Callable[[str], bool], send: Send, clock: Clock
    ) -> None:
        self._node = node
        self._clock = clock
        self._cell = cell
        self._is_ours = is_ours
        self._send = send
        self._pending: dict[str, _Pending] = {}
        self._taken: dict[str, _Taken] = {}
        # Of these the ones whose results are known, the oldest first.
        self._done: deque[str] = deque()
        self._remembered = 0
        # Up to when requests were sent that may have been done and forgotten: one that comes again is not taken.
        self._forgotten_at = 0
        self.sent = self.taken = self.again = self.not_ours = self.late = self.unknown = 0

    def statistics(self) -> dict[str, int]:
        """Requests sent and taken, those that came again or to the wrong node, answers that came too late, and single
        commands and results of another version."""
        return {
            "sent": self.sent,
            "taken": self.taken,
            "again": self.again,
            "not_ours": self.not_ours,
            "late": self.late,
            "unknown": self.unknown,
            "under_way": len(self._pending),
        }

    async def forward(
        self, owner: str, key: ChannelKey, batch: Batch, places: Sequence[int], traces: Sequence[str | None] = ()
    ) -> Sequence[ItemResult] | None:
        """Has the owner do this; None: it says that it is not the owner. Waits until cancelled for an answer.

        Raises LetterTooLarge.
        """
        pending = self._pending[batch.id] = _Pending()
        letter = Forward(
            origin=self._node,
            id=batch.id,
            workspace=key.workspace,
            framework=key.framework,
            at=self._clock(),
            commands=pack(batch.commands),
            places=tuple(places),
            traces=tuple(traces),
        )
        self.sent += 1
        try:
            self._send(owner, letter)
            await pending.answered.wait()
        finally:
            del self._pending[batch.id]
        answer = pending.letter
        return None if answer is None or not answer.is_owner else self._read(answer, sum(places))

    def _read(self, answer: Answered, items: int) -> Sequence[ItemResult]:
        """So many results, those of another version told as such. Raises ForeignLetter."""
        results = results_of(answer)
        if len(results) != items:
            # Asked again it would answer the same.
            results = [None] * items
        self.unknown += results.count(None)
        return [UNKNOWN_ANSWER if result is None else result for result in results]

    def answered(self, letter: Answered) -> None:
        """An owner has answered."""
        pending = self._pending.get(letter.id)
        if pending is None:
            self.late += 1
        else:
            pending.letter = letter
            pending.answered.set()

    def asked(self, letter: Forward) -> None:
        """Another node takes us for the owner of this workspace. Raises ForeignLetter."""
        check_age(letter.at, self._clock())
        if not self._is_ours(letter.workspace):
            self.not_ours += 1
            self._send(letter.origin, Answered(id=letter.id, is_owner=False))
            return
        taken = self._taken.get(letter.id)
        if taken is None:
            if letter.at <= self._forgotten_at:
                raise ForeignLetter("whether it was done before is not known any more")
            self._take(letter)
        else:
            self.again += 1
            if taken.results is not None:
                self._send(letter.origin, Answered(id=letter.id, results=taken.results))

    def _take(self, letter: Forward) -> None:
        commands, items = commands_of(letter), sum(letter.places)
        taken = self._taken[letter.id] = _Taken(items, letter.at)
        self.taken += 1

        def answer(results: Sequence[ItemResult]) -> None:
            self._remember(letter.id, items)
            try:
                taken.results = pack(results)
                self._send(letter.origin, Answered(id=letter.id, results=taken.results))
            except LetterTooLarge:
                taken.results = pack([ANSWER_TOO_LARGE] * items)
                self._send(letter.origin, Answered(id=letter.id, results=taken.results))

        def hand_back() -> None:
            self.not_ours += 1
            del self._taken[letter.id]
            self._send(letter.origin, Answered(id=letter.id, is_owner=False))

        envelopes = self._envelopes(letter, commands, Receipt(items, answer, hand_back))
        try:
            self._cell(ChannelKey(letter.workspace, letter.framework)).put_all(envelopes)
        except TocsinError as fault:
            refused = ItemResult(status=Status.REJECTED, reason=Reason.BUSY, message=fault.message)
            for envelope in envelopes:
                envelope.answer(refused)

    def _envelopes(self, letter: Forward, commands: Sequence[Command | None], receipt: Receipt) -> list[Envelope]:
        """Those of its commands that we know; the others are answered."""
        envelopes, first = [], 0
        for command, places, trace in zip_longest(commands, letter.places, letter.traces[: len(commands)]):
            its_places = range(first, first + places)
            first += places
            if command is None:
                self._refuse(receipt, its_places)
                continue
            envelope = Envelope(command, receipt, *its_places)
            envelope.trace = trace
            envelopes.append(envelope)
        return envelopes

    def _refuse(self, receipt: Receipt, places: Iterable[int]) -> None:
        self.unknown += 1
        for place in places:
            receipt.settle(place, UNKNOWN_HERE)

    def _remember(self, number: str, items: int) -> None:
        """Its results are known: kept until there are too many newer ones."""
        self._done.append(number)
        self._remembered += items
        while self._remembered > REMEMBERED_MAX_ITEMS and len(self._done) > 1:
            forgotten = self._taken.pop(self._done.popleft())
            self._remembered -= forgotten.items
            self._forgotten_at = max(self._forgotten_at, forgotten.at)
