"""Which waiting jobs are begun when somebody they wait for may be slow: no target, and no workspace, has all the slots.

Pure. A job may name a target, whom it waits for while it is done: a server somewhere, that may hang until the job's
deadline. Of one target only a few are in hand at a time, so that the rest of the slots reach the others; one workspace
with many slow targets has a part of them, and what waits for nobody outside keeps some for itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from protocol.jobs import Held, Queue, Shares


class Waiting(NamedTuple):
    """A job that waits, with its place in the order of claiming."""

    rank: int
    id: int
    workspace: str
    target: str


class Room:
    """What is left of a queue's slots for jobs with a target."""

    def __init__(self, queue: Queue, shares: Shares, count: int) -> None:
        self._targets: Counter[str] = Counter()
        self._workspaces: Counter[str] = Counter()
        for held, number in shares.in_hand.items():
            if held.queue is queue:
                self._note(held, number)
        in_hand = self._workspaces.total()
        self._each = shares.each
        self._of_workspace = shares.of_workspace.get(queue, in_hand + count)
        self.left = max(0, min(count, shares.of_all.get(queue, in_hand + count) - in_hand))

    def is_full(self, target: str) -> bool:
        """Whether no more of this target may be begun."""
        return self._targets[target] >= self._each

    def is_filled_by(self, workspace: str) -> bool:
        """Whether no more of this workspace may be begun."""
        return self._workspaces[workspace] >= self._of_workspace

    def choose(self, waiting: Iterable[Waiting]) -> list[Waiting]:
        """Those that may be begun, of jobs in the order of claiming."""
        chosen: list[Waiting] = []
        for one in waiting:
            if len(chosen) >= self.left:
                break
            if not self.is_full(one.target) and self._workspaces[one.workspace] < self._of_workspace:
                self._note(one, 1)
                chosen.append(one)
        self.left -= len(chosen)
        return chosen

    def _note(self, one: Held | Waiting, number: int) -> None:
        self._targets[one.target] += number
        self._workspaces[one.workspace] += number
