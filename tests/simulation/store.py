"""The store of a simulation: the real one in memory, behind a door that fails on purpose, and a ledger of the truth.

Owns: the faults that are switched on (`Faults`), and what was really committed (`Ledger`, written by the real store's
own feed, whatever the engine was told). One `FaultyStore` per image of the engine: when the image is killed its store
is dead, and the next image opens another door to the same data. Decided against a model of the contract in Python: it
would have to be as right as the store that it stands for.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from engine.stores import CommittedEvents, Feed, Store
from engine.stores.jobs import Doorbell
from engine.stores.objects import ObjectFeed
from protocol.effects import Commit, CommitOutcome, Unavailable
from protocol.errors import StoreUnavailable
from protocol.model import ChannelKey, Event
from tests.simulation.trace import Trace, Violation

# What the next commit of a channel meets:
TORN = "torn"  # nothing is stored, the answer is Unavailable
UNANSWERED = "unanswered"  # stored, and yet the answer is Unavailable
RAISE_BEFORE = "raise before"  # a bug in the store's client: the actor crashes, nothing was stored
RAISE_AFTER = "raise after"  # the same between commit and broadcast


class Injected(Exception):
    """A crash that the nemesis wanted."""


class Ledger:
    """Every event that the store has, in its order: by channel, by workspace, by the person whom it is assigned to."""

    def __init__(self) -> None:
        self.channels: dict[ChannelKey, list[Event]] = {}
        self.workspaces: dict[str, list[Event]] = {}
        self.users: dict[str, list[Event]] = {}

    def note(self, committed: Sequence[CommittedEvents]) -> None:
        """Takes what the real store committed. Raises Violation if its offsets are not dense (P3)."""
        for one in committed:
            for event in one.events:
                key = ChannelKey(one.workspace, event.alert.framework_id)
                place = self.channels.setdefault(key, [])
                if _is_next(place, event, event.offset, f"channel {key.name}"):
                    place.append(event)
                whole = self.workspaces.setdefault(one.workspace, [])
                if _is_next(whole, event, event.workspace_offset, f"workspace {one.workspace}"):
                    whole.append(event)
                # What comes again (a batch that was answered from the store) has no place in a person's stream.
                for user, offset in event.user_offsets.items():
                    mine = self.users.setdefault(user, [])
                    if _is_next(mine, event, offset, f"user {user}"):
                        mine.append(event)


def _is_next(events: Sequence[Event], event: Event, offset: int, stream: str) -> bool:
    if offset <= len(events):  # a batch that was answered from the store comes again
        if msgspec.structs.replace(events[offset - 1], user_offsets={}) != msgspec.structs.replace(
            event, user_offsets={}
        ):
            raise Violation(f"{stream}: offset {offset} was given twice")
        return False
    if offset != len(events) + 1:
        raise Violation(f"{stream}: offset {offset} follows on {len(events)}")
    return True


class Faults:
    """What is wrong with the store now. All off: `clear`."""

    def __init__(self) -> None:
        self.away: str | None = None
        self.slow_s = 0.0
        self.reads_fail = 0
        self.commits: dict[ChannelKey, deque[str]] = {}
        self.anybody: deque[str] = deque()

    def clear(self) -> None:
        """Everything works again."""
        self.away, self.slow_s, self.reads_fail = None, 0.0, 0
        self.commits.clear()
        self.anybody.clear()

    def next_for(self, key: ChannelKey) -> str:
        """What this commit meets; empty: nothing."""
        for waiting in (self.commits.get(key), self.anybody):
            if waiting:
                return waiting.popleft()
        return ""


class FaultyStore:
    """The contract of `engine.stores.Store`, as one image of the engine sees it."""

    def __init__(self, inner: Store, faults: Faults, ledger: Ledger, chance: random.Random, trace: Trace) -> None:
        self._inner = inner
        self._faults = faults
        self._ledger = ledger
        self._chance = chance
        self._trace = trace
        self._feed: Feed = lambda committed: None
        self._is_mute = False
        # One writer: commits happen, and are told to the feed, in one order.
        self._order = trio.StrictFIFOLock()
        self.is_available = True
        self.is_reachable = True
        self.is_dead = False
        self.injected_crashes: Callable[[ChannelKey], None] = lambda key: None
        inner.set_feed(self._committed)

    @property
    def epoch(self) -> str:
        return self._inner.epoch

    def set_feed(self, feed: Feed) -> None:
        self._feed = feed

    def set_object_feed(self, feed: ObjectFeed) -> None:
        self._inner.set_object_feed(feed)

    def set_doorbell(self, ring: Doorbell) -> None:
        self._inner.set_doorbell(ring)

    def __getattr__(self, name: str) -> Any:
        """Every read of the contract: fails while the store is away, else the real one's answer."""
        question = getattr(self._inner, name)

        async def ask(*arguments: Any, **more: Any) -> Any:
            await self._answer()
            return await question(*arguments, **more)

        return ask

    def statistics(self) -> dict[str, int | float]:
        return self._inner.statistics()

    async def commit(self, commit: Commit) -> CommitOutcome:
        async with self._order:
            fault = self._faults.next_for(commit.key)
            outcome = await self._commit(commit, fault)
        if self._faults.slow_s:
            await trio.sleep(self._chance.uniform(0, self._faults.slow_s))  # the answer is on its way
        if fault in (RAISE_BEFORE, RAISE_AFTER) and not self.is_dead:
            self.injected_crashes(commit.key)
            raise Injected(fault)
        if self.is_dead or fault == UNANSWERED:
            outcome = Unavailable(fault or "dead")
        self.is_available = not isinstance(outcome, Unavailable)
        return outcome

    async def _commit(self, commit: Commit, fault: str) -> CommitOutcome:
        if self._faults.slow_s:
            await self._slowly(commit)
        else:
            await trio.lowlevel.checkpoint()
        if self.is_dead or self._faults.away is not None or fault in (TORN, RAISE_BEFORE):
            self._trace("store", f"{fault or 'away'}: {commit.key.name} after {commit.base}")
            return Unavailable(self._faults.away or fault or "dead")
        if fault:
            self._trace("store", f"{fault}: {commit.key.name} after {commit.base}")
        # Whoever crashes over its answer may have been told of by the feed, or not.
        return await self._keep(commit, mute=fault == UNANSWERED or (bool(fault) and self._chance.random() < 0.5))

    async def _keep(self, commit: Commit, *, mute: bool) -> CommitOutcome:
        self._is_mute = mute
        try:
            return await self._inner.commit(commit)
        finally:
            self._is_mute = False

    async def _slowly(self, commit: Commit) -> None:
        try:
            await trio.sleep(self._chance.uniform(0, self._faults.slow_s))
        except trio.Cancelled:
            if not self.is_dead and self._faults.away is None and self._chance.random() < 0.5:
                # "Cancelled: the commit may still happen."
                with trio.CancelScope(shield=True):
                    await self._keep(commit, mute=False)
            raise

    async def commit_as_a_stranger(self, commit: Commit) -> CommitOutcome:
        """Somebody else owns the channel for a moment: the engine is not told, and finds itself behind."""
        async with self._order:
            return await self._keep(commit, mute=True)

    async def _answer(self) -> None:
        faults = self._faults
        await (trio.sleep(self._chance.uniform(0, faults.slow_s)) if faults.slow_s else trio.lowlevel.checkpoint())
        if faults.reads_fail and not self.is_dead:
            faults.reads_fail -= 1
            raise StoreUnavailable("a read failed")
        if self.is_dead or faults.away is not None:
            raise StoreUnavailable(faults.away or "dead")

    def _committed(self, committed: Sequence[CommittedEvents]) -> None:
        self._ledger.note(committed)
        if not self._is_mute and not self.is_dead:
            self._feed(committed)


class Storage:
    """The data that outlives the engine's images, and the door of the present one."""

    def __init__(self, inner: Store, chance: random.Random, trace: Trace) -> None:
        self.inner = inner
        self.faults = Faults()
        self.ledger = Ledger()
        self._chance = chance
        self._trace = trace
        self._scope = trio.CancelScope()
        self._death: Exception | None = None
        self.door: FaultyStore | None = None
        self.injected_crashes: Callable[[ChannelKey], None] = lambda key: None

    @asynccontextmanager
    async def open(self, *_: Any, **__: Any) -> AsyncIterator[Store]:
        """The `open_store` of the engine's world."""
        self.door = door = FaultyStore(self.inner, self.faults, self.ledger, self._chance, self._trace)
        door.injected_crashes = self.injected_crashes
        self._scope, self._death = trio.CancelScope(), None
        with self._scope:
            try:
                yield door  # type: ignore[misc]  # reads are found by name
            finally:
                door.is_dead = True
        if self._death is not None:
            raise self._death

    def writer_dies(self) -> None:
        """The store's writer meets a bug: the store's context ends with it."""
        self._death = Injected("the writer died")
        self._scope.cancel()

    async def stored(self, key: ChannelKey) -> Sequence[Event]:
        """What the real store answers for a whole channel."""
        return await self.inner.history(key, 0, 1_000_000)
