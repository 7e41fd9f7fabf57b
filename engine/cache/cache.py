"""The cache: what the engine asks before it asks the store, and tells when something is not true any more.

Owns the first level and the questions to the store that are under way (one for each key, whoever else asks waits for
it). Everything that asks runs in the asker's own task; `run` is the second level's task. A question that began before
its tags were forgotten answers those who asked until then, and is not remembered. If whoever put the question is
cancelled, one of those who wait puts it anew; if it fails, all of them fail, and the next one asks again.

Decided against: an entry that is renewed before it ends (the store would be asked for what nobody wants any more), and
lifetimes that are spread out (entries are not made at the same moment here; single flight takes care of the rest).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import trio
from prometheus_client.core import Metric

from actors.supervisor import Started
from engine.cache.counts import Counts, Fault
from engine.cache.memory import Held, Memory, Name, Tag
from engine.cache.shared import Answer, Shared
from engine.cache.strategies import ALERTS, STRATEGIES, Key, Strategy, of_framework
from engine.cache.wire import encode
from engine.stores import CommittedEvents

T = TypeVar("T")


class _Flight:
    """A question to the store that is under way. `answer` is in a tuple, None: it has none."""

    def __init__(self, tags: Sequence[Tag]) -> None:
        self.tags = frozenset(tags)
        self.over = trio.Event()
        self.answer: tuple[Any] | None = None
        self.fault: Exception | None = None


class Cache:
    """What is remembered in this process and, with `shared`, in all nodes.

    `near_s`: an entry of the first level ends so soon, if other nodes may change what it is made of.
    """

    def __init__(
        self,
        memory: Memory,
        counts: Counts | None = None,
        shared: Shared | None = None,
        *,
        near_s: float = float("inf"),
        value_max_bytes: int = 1 << 20,
    ) -> None:
        self.counts = counts or Counts(STRATEGIES)
        self.memory = memory
        self._shared = shared
        # Of the first level, where other nodes may change what entries are made of: see `engine.cache`.
        self.near_s = near_s
        self._value_max_bytes = value_max_bytes
        self._flights: dict[Name, _Flight] = {}

    async def get(self, strategy: Strategy[T], key: Key, load: Callable[[], Awaitable[T]]) -> T:
        """The answer to a key: remembered, or from `load`. Raises what that raises, and nothing of its own."""
        name = (strategy.name, key)
        while True:
            held = self.memory.find(name, trio.current_time())
            if held is not None:
                self.counts.near[strategy.name] += 1
                return held.value  # type: ignore[no-any-return]  # it was kept under this strategy
            flight = self._flights.get(name)
            if flight is None:
                return await self._ask(strategy, key, load)
            await flight.over.wait()
            if flight.fault is not None:
                raise flight.fault
            if flight.answer is not None:
                self.counts.joined[strategy.name] += 1
                return flight.answer[0]  # type: ignore[no-any-return]  # the same

    async def refresh(self, strategy: Strategy[T], key: Key, load: Callable[[], Awaitable[T]]) -> T:
        """Has `load` answer now, and remembers it in the place of what is there: for whoever computes it anyway."""
        self.memory.drop((strategy.name, key))
        return await self._ask(strategy, key, load, is_forced=True)

    def forget(self, workspace: str, tags: Iterable[str]) -> None:
        """Nothing of this workspace that has one of these tags is true any more, on any node."""
        full = [(workspace, tag) for tag in tags]
        self._drop(full)
        if self._shared is not None:
            self._shared.forget(full)

    def told(self, committed: Sequence[CommittedEvents]) -> None:
        """These were committed, here or on another node. Called on the loop, before anybody else hears of it."""
        if self._shared is None and not self.memory and not self._flights:
            return
        for one in committed:
            frameworks = {event.alert.framework_id for event in one.events} | {key.framework for key in one.moved}
            if frameworks:
                self.forget(one.workspace, [ALERTS, *map(of_framework, frameworks)])

    def forget_kind(self, strategy: Strategy[Any], workspace: str | None = None) -> None:
        """Everything of a strategy is to be asked for anew, in one workspace or (None) in all; here and in the second
        level at once, in other nodes' memory within `near_s`."""
        self.memory.forget_kind(strategy.name, workspace)
        for kind, key in list(self._flights):
            if kind == strategy.name and workspace in (None, key.workspace):
                del self._flights[kind, key]
        if self._shared is not None:
            self._shared.sweep(self._shared.names.pattern(strategy, workspace))

    def clear(self) -> None:
        """Forgets what is in this process: words of others may have been missed."""
        self.memory.clear()
        self._flights.clear()

    def flush(self) -> None:
        """Forgets everything, in the second level too; for tests and operators."""
        self.clear()
        if self._shared is not None:
            self._shared.sweep(self._shared.names.pattern())

    def families(self) -> Iterator[Metric]:
        """What it counts and holds, for /metrics."""
        yield from self.counts.families(self.memory.entries, self.memory.bytes)

    def statistics(self) -> Mapping[str, float]:
        """How it stands, for /metrics."""
        near = {"evicted": self.memory.evicted, "loading": len(self._flights)}
        return {**near, **(self._shared.statistics() if self._shared else {})}

    async def run(self, task_status: Started) -> None:
        """Until cancelled: what the second level and the other nodes are to hear."""
        if self._shared is not None:
            await self._shared.run(task_status)
        task_status.started()
        await trio.sleep_forever()

    async def _ask(
        self, strategy: Strategy[T], key: Key, load: Callable[[], Awaitable[T]], is_forced: bool = False
    ) -> T:
        name, tags = (strategy.name, key), [(key.workspace, tag) for tag in strategy.tags(key)]
        flight = self._flights[name] = _Flight(tags)
        try:
            found = Answer(None, None) if self._shared is None else await self._shared.find(strategy, key, tags)
            if found.value is not None and not is_forced:
                self.counts.far[strategy.name] += 1
                flight.answer = found.value
            else:
                self.counts.misses[strategy.name] += 1
                flight.answer = (await load(),)
            self._keep(strategy, key, flight, found)
        except Exception as fault:
            flight.fault = fault
            raise
        finally:
            if self._flights.get(name) is flight:
                del self._flights[name]
            flight.over.set()
        answer: T = flight.answer[0]
        return answer

    def _keep(self, strategy: Strategy[Any], key: Key, flight: _Flight, found: Answer) -> None:
        # Forgotten meanwhile, or asked anew by somebody who computes it.
        if self._flights.get((strategy.name, key)) is not flight or flight.answer is None:
            return
        value = flight.answer[0]
        body = encode(value)
        if len(body) > self._value_max_bytes:
            self.counts.fail(Fault.TOO_LARGE, strategy.name)
            return
        ends_at = trio.current_time() + min(strategy.lifetime_s, self.near_s)
        self.memory.keep((strategy.name, key), Held(value, len(body), ends_at, tuple(flight.tags)))
        if self._shared is not None and found.tokens is not None and flight.answer is not found.value:
            self._shared.keep(strategy, key, found.tokens, body)

    def _drop(self, tags: Sequence[Tag]) -> None:
        self.counts.forgotten += len(tags)
        self.memory.forget(tags)
        for name, flight in list(self._flights.items()):
            if not flight.tags.isdisjoint(tags):
                # Whoever asks from now on asks anew.
                del self._flights[name]
