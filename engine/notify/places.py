"""Threads for what blocks and cannot be ended from outside: so many in all, and so many of them for one workspace.

Who gives up on a call leaves its thread to itself; its place is taken until the thread ends, whoever waits for it. So a
workspace whose name servers or services hang takes its own places and nobody else's. Who finds none free within
`wait_s` is told so (`Crowded`): that is this engine's want and says nothing of the target, which was not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, TypeVarTuple, cast

import trio

# A crowd of healthy calls is through in that time.
WAIT_S = 1.0

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Crowded(Exception):
    """There is no thread or connection of ours free for it; the target was not asked. Another time there is."""


class Places:
    """So many threads. `what` they do, for who finds none."""

    def __init__(self, what: str, all_max: int, workspace_max: int, wait_s: float = WAIT_S) -> None:
        self._what = what
        self._all = trio.CapacityLimiter(all_max)
        self._workspace_max = workspace_max
        self._wait_s = wait_s
        # Of the workspaces that have, or wait for, one.
        self._own: dict[str, trio.CapacityLimiter] = {}
        self._crowded = 0

    def statistics(self) -> Mapping[str, int]:
        """Threads that are held, and how many found none."""
        return {"held": int(self._all.borrowed_tokens), "crowded": self._crowded}

    async def run(self, workspace: str, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Calls it in a thread, which is left to itself if this is cancelled. Raises Crowded, and what it raises."""
        place = cast("trio.CapacityLimiter", _Place(self, workspace))
        return await trio.to_thread.run_sync(function, *args, abandon_on_cancel=True, limiter=place)

    async def _take(self, workspace: str, borrower: object) -> None:
        own = self._own.setdefault(workspace, trio.CapacityLimiter(self._workspace_max))
        with trio.move_on_after(self._wait_s):
            try:
                await own.acquire_on_behalf_of(borrower)
                try:
                    await self._all.acquire_on_behalf_of(borrower)
                except trio.Cancelled:
                    own.release_on_behalf_of(borrower)
                    raise
            except trio.Cancelled:
                self._forget(workspace)
                raise
            return
        self._crowded += 1
        raise Crowded(f"this engine is busy: no thread is free for {self._what}")

    def _give_back(self, workspace: str, borrower: object) -> None:
        self._all.release_on_behalf_of(borrower)
        self._own[workspace].release_on_behalf_of(borrower)
        self._forget(workspace)

    def _forget(self, workspace: str) -> None:
        seen = self._own[workspace].statistics()
        if not seen.borrowed_tokens and not seen.tasks_waiting:
            del self._own[workspace]


class _Place:
    """One workspace's threads, as trio takes and gives them back: when the thread ends, and not who waits for it."""

    def __init__(self, places: Places, workspace: str) -> None:
        self._places = places
        self._workspace = workspace

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        """Takes a place."""
        await self._places._take(self._workspace, borrower)

    def release_on_behalf_of(self, borrower: object) -> None:
        """Gives it back."""
        self._places._give_back(self._workspace, borrower)
