"""What the parts of `cache` have in common: caches that share a Redis, and answers as a store would give them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import trio

from engine.cache import SecondLevel
from engine.cache.cache import Cache
from engine.cache.counts import Counts
from engine.cache.memory import Memory
from engine.cache.shared import Shared
from engine.cache.strategies import PATTERNS, RULES, STATISTICS, STRATEGIES, Patterns, Statistics, Strategy
from engine.cache.wire import Names
from engine.configuration.fields import SecretUrl
from engine.foreign import ForeignLoop
from engine.stores.objects import StoredObject
from protocol.patterns import Pattern, PatternKind, Source

WORKSPACE = "bench"
NUMBERS = {f"severity.{word}": float(count) for count, word in enumerate(("info", "warning", "error", "critical"))}
_VALUE_MAX_BYTES = 1 << 20
# A benchmark is not to be spoiled by one slow answer.
_WAIT_S = 1.0


def room() -> Memory:
    """A first level in which there is room for everything."""
    return Memory(50_000, 256 << 20)


@contextlib.asynccontextmanager
async def sharing(
    url: str, *, near_s: float = math.inf, through: Callable[[SecondLevel], SecondLevel] = lambda level: level
) -> AsyncIterator[tuple[Cache, Shared]]:
    """A cache that shares this Redis. What its task would do is done by `settle`, so that it can be timed."""
    # Without the package there are other benchmarks.
    from engine.cache.redis import RedisLevel

    async with trio.open_nursery() as nursery:
        foreign, counts = ForeignLoop(), Counts(STRATEGIES)
        await nursery.start(foreign.run)
        level = through(RedisLevel(SecretUrl(url), foreign, wait_s=_WAIT_S, value_max_bytes=_VALUE_MAX_BYTES))
        shared = Shared(level, Names("app", "benchmark"), counts)
        await shared.settle()
        yield Cache(room(), counts, shared, near_s=near_s), shared
        await level.close()
        nursery.cancel_scope.cancel()


def _answer(strategy: Strategy[Any], value: Any) -> Callable[[], Awaitable[Any]]:
    async def load() -> Any:
        await trio.lowlevel.checkpoint()
        return value

    return load


statistics = _answer(STATISTICS, Statistics(at=1, numbers=NUMBERS))
patterns = _answer(
    PATTERNS,
    Patterns(
        items=tuple(
            Pattern(
                id=f"p{number}",
                kind=PatternKind.CO_OCCURRENCE,
                framework="web",
                sources=(Source("web", f"rule-{number}", "CPU"), Source("web", f"rule-{number + 1}", "Disk")),
                summary=f"rule-{number} and rule-{number + 1} ring together",
                confidence=0.9,
                support=90,
                occasions=95,
                lift=12.0,
                evidence=tuple(f"01a207fe-aa4a-792f-bab6-{number:012}" for _ in range(5)),
                first_at="2026-10-01T08:00:00.000000Z",
                last_at="2026-11-01T08:00:00.000000Z",
                found_at="2026-11-01T12:00:00.000000Z",
                since="2026-10-01T12:00:00.000000Z",
            )
            for number in range(5)
        ),
        next_cursor=None,
        run=None,
    ),
)
rules = _answer(
    RULES,
    tuple(
        StoredObject(
            workspace=WORKSPACE,
            kind="rule",
            id=f"rule-{number}",
            version=1,
            framework="web",
            body='{"kind":"threshold","metric":"cpu","threshold":90.0,"title":"CPU is hot"}',
            created_at=1,
            updated_at=1,
            updated_by="ann",
        )
        for number in range(10)
    ),
)
