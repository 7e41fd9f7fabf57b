"""What is remembered of the store's answers, and the contract of what remembers it for all nodes.

A cache is never the truth and never in the way: what is broken, slow, full, foreign or gone in it is a miss, and the
store is asked. `cache.py` is what the engine calls: a first level in this process (`memory.py`), a second one that all
nodes share (`shared.py` over `redis.py`), each question to the store once at a time. What is kept, for how long and
what ends it earlier are values (`strategies.py`).

How nothing old is told. Every entry has tags (`alerts`, `framework/checkout`, `objects/rule`) of its workspace. Who
commits a change forgets its tags in the same turn, before whoever asked for the change is answered; the entries are
dropped, and a question to the store that was under way then is not remembered. In the second level each tag has a
token, a random one, and an entry carries the tokens that were there *before* the store was asked; it counts only while
they still are. To forget is to delete the token: one step, whatever the number of entries, and what another node is
about to write with the old token is nobody's. So a deletion never has to be in time, and keys need not be looked for.

What the bounds are: on the node that commits, nothing old at all. The others hear of each commit over the bus, and
forget before they tell anybody: whoever saw an alert on his stream finds it in the next answer, too. Who asks another
node sooner than the bus may get what was true some milliseconds ago; if the word is lost, `cache.near_s` ago, because
with other nodes the first level keeps nothing longer. Every node that hears of a change deletes the tokens: only if
the one that committed cannot reach Redis, and no other one hears of it, an old entry lives as long as its strategy
says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class LevelDown(Exception):
    """The second level did not answer in time, or is not there. Not our fault; it is tried again by itself."""


class LevelRefused(Exception):
    """It answered, and would not: it has no memory, or we may not. The operator's to mend."""


class Found(NamedTuple):
    """What is kept under a key (None: nothing), and the tokens of its tags now, in the order of the tags."""

    value: bytes | None
    tokens: bytes


class Entry(NamedTuple):
    """What is to be kept, and how long (seconds)."""

    key: str
    value: bytes
    lifetime_s: float


class SecondLevel(Protocol):
    """What keeps entries for all nodes. All raise LevelDown, LevelRefused."""

    async def find(self, key: str, tags: Sequence[str]) -> Found:
        """An entry and its tags' tokens, all keys of one workspace. A tag that has no token gets one."""

    async def keep(self, entries: Sequence[Entry]) -> None:
        """Keeps entries in the place of older ones."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Deletes keys; those that are not there do no harm."""

    async def sweep(self, pattern: str) -> int:
        """Deletes all keys that match (`*` stands for anything), step by step; how many there were."""

    async def ping(self) -> str:
        """Which server answers: another word after each start of it. Called by one task, before anything is found."""

    async def close(self) -> None:
        """Gives connections back. Raises nothing."""
