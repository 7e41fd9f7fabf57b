"""The second level as this node uses it: asked while it answers, told what is forgotten until it has heard it.

Owns: whether it is up, which tags it has not been told of yet, and what is still to be written. One task does all that
is not a question: deletes tokens, writes entries, sweeps, finds out whether the server is back. It waits for the
server, a second at most each time. If it crashes it is restarted with what it owed.

After any failure nobody asks until this task has had an answer from the same server; from another one (restarted, with
or without an old copy of its data) everything is swept first. While a tag is owed, no entry with it is read or written.
So whatever is away, what is read from here was true when it was asked for. A node that starts sweeps as well: it cannot
know what it did not get to say before it was killed.

Decided against: counting failures before it is left alone (three requests would wait in vain instead of one), and
writing entries before who asked is answered (half a millisecond for nothing).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog
import trio

from actors.bell import Bell
from actors.restart import RestartPolicy, backoff_s
from actors.supervisor import Started
from engine.cache import Entry, Found, LevelDown, LevelRefused, SecondLevel
from engine.cache.counts import ANY, Counts, Fault
from engine.cache.memory import Tag
from engine.cache.strategies import Key, Strategy
from engine.cache.wire import Names, Unreadable, decode

log = structlog.get_logger()

# What is forgotten in so long is said together: a busy engine commits hundreds of times a second.
GATHER_S = 0.025
PROBES = RestartPolicy(first_delay_s=0.05, max_delay_s=5.0)
# Tags that it was not told of; with more, everything is swept instead.
OWED_MAX = 10_000
# Entries that wait to be written, and their bytes; others are dropped and counted, and are misses later.
WRITES_MAX = 1_000
WRITES_MAX_BYTES = 16 << 20
CLOSE_MAX_S = 1.0


class Answer(NamedTuple):
    """What was found: the value in a tuple, None: nothing. `tokens`: what to keep a new value with; None: do not."""

    value: tuple[Any] | None
    tokens: bytes | None


NOTHING = Answer(None, None)


class Shared:
    """One node's side of the second level."""

    def __init__(self, level: SecondLevel, names: Names, counts: Counts) -> None:
        self.is_up = False
        self.names = names
        self._level = level
        self._counts = counts
        # What it was not told of yet, and what it is being told of.
        self._owed: set[Tag] = set()
        self._telling: set[Tag] = set()
        self._sweeps: dict[str, None] = {}
        self._writes: dict[str, Entry] = {}
        self._write_bytes = 0
        # Whom we talk to: another one knows nothing, or what was true long ago.
        self._server = ""
        self._falls = 0
        self._try_at = -math.inf
        self._bell = Bell()
        self._bell.ring()

    async def find(self, strategy: Strategy[Any], key: Key, tags: Sequence[Tag]) -> Answer:
        """What is kept under a key, if it still counts. Never fails: what cannot be used is counted, and nothing."""
        if not self.is_up or self._owes(tags):
            return NOTHING
        names = [self.names.tag(*tag) for tag in tags]
        name = self.names.entry(strategy, key)
        try:
            found = await self._level.find(name, names)
        except LevelDown as fault:
            self._counts.fail(Fault.UNREACHABLE, strategy.name)
            if self.is_up:
                self._falls_silent(fault)
            return NOTHING
        except LevelRefused as fault:
            self._refused(fault, strategy.name)
            return NOTHING
        self._falls = 0
        return NOTHING if self._owes(tags) else Answer(self._read(strategy, name, found), found.tokens)

    def keep(self, strategy: Strategy[Any], key: Key, tokens: bytes, body: bytes) -> None:
        """Has an entry written soon, with the tokens that were there before the store was asked."""
        if len(self._writes) >= WRITES_MAX or self._write_bytes + len(body) > WRITES_MAX_BYTES:
            self._counts.fail(Fault.DROPPED, strategy.name)
            return
        name = self.names.entry(strategy, key)
        self._writes[name] = Entry(name, self.names.packed(name, tokens, body), strategy.lifetime_s)
        self._write_bytes += len(body)
        self._bell.ring()

    def forget(self, tags: Iterable[Tag]) -> None:
        """Nothing with these tags counts from now on."""
        self._owed.update(tags)
        self._bell.ring()

    def sweep(self, pattern: str) -> None:
        """Has all keys that match deleted soon; until then nothing is read."""
        self._sweeps[pattern] = None
        self.is_up = False
        self._bell.ring()

    def statistics(self) -> Mapping[str, float]:
        """How it stands, for /metrics."""
        return {
            "up": int(self.is_up),
            "owed": len(self._owed) + len(self._telling),
            "writes_waiting": len(self._writes),
        }

    async def run(self, task_status: Started) -> None:
        """Until cancelled."""
        task_status.started()
        try:
            while True:
                if self.is_up:
                    await self._bell.wait(math.inf)
                await trio.sleep(max(GATHER_S, self._try_at - trio.current_time()))
                await self.settle()
        finally:
            with trio.move_on_after(CLOSE_MAX_S, shield=True):
                await self._level.close()

    async def settle(self) -> bool:
        """Does what there is to do now; whether the second level has heard all. Called by `run`, and by tests."""
        self._telling, self._owed = self._owed, set()
        has_heard = False
        try:
            has_heard = await self._has_talked()
        finally:  # also when it was cancelled, or had a bug: whoever runs next owes it still
            if not has_heard:
                self._owed |= self._telling
            self._telling = set()
        if len(self._owed) > OWED_MAX:
            self._owed.clear()
            self.sweep(self.names.pattern())
        return has_heard

    async def _has_talked(self) -> bool:
        if not self.is_up and trio.current_time() < self._try_at:
            return False
        try:
            if not self.is_up:
                await self._meet()
            await self._level.delete([self.names.tag(*tag) for tag in self._telling])
            for pattern in list(self._sweeps):
                await self._level.sweep(pattern)
                del self._sweeps[pattern]
            await self._write()
        except LevelDown as fault:
            self._counts.fail(Fault.UNREACHABLE)
            self._falls_silent(fault)
            return False
        except LevelRefused as fault:
            self._refused(fault)
            self._falls_silent(fault)
            return False
        if not self.is_up and not self._sweeps:
            self.is_up = True
            log.info("cache_answers", server=self._server[:12])
        return True

    async def _meet(self) -> None:
        server = await self._level.ping()
        if server != self._server:
            self._sweeps[self.names.pattern()] = None
            self._server = server

    async def _write(self) -> None:
        entries, self._writes, self._write_bytes = list(self._writes.values()), {}, 0
        try:
            await self._level.keep(entries)
        except LevelRefused as fault:  # no memory: what is there can still be read, and be forgotten
            self._refused(fault)

    def _read(self, strategy: Strategy[Any], name: str, found: Found) -> tuple[Any] | None:
        try:
            body = None if found.value is None else self.names.unpacked(name, found.value, found.tokens)
            return None if body is None else (decode(strategy, body),)
        except Unreadable:
            self._counts.fail(Fault.UNREADABLE, strategy.name)
            return None

    def _owes(self, tags: Iterable[Tag]) -> bool:
        return any(tag in self._owed or tag in self._telling for tag in tags)

    def _refused(self, fault: LevelRefused, strategy: str = ANY) -> None:
        if not self._counts.faults[Fault.REFUSED]:
            log.warning("cache_refused", cause=str(fault), advice="see maxmemory and the rights of our user there")
        self._counts.fail(Fault.REFUSED, strategy)

    def _falls_silent(self, fault: Exception) -> None:
        if not self._falls:
            log.warning("cache_unreachable", cause=str(fault), advice="everything goes on without it, slower")
        self._falls += 1
        self.is_up = False
        jitter = random.random()  # noqa: S311  # not a secret
        self._try_at = trio.current_time() + backoff_s(PROBES, self._falls, jitter)
        self._bell.ring()
