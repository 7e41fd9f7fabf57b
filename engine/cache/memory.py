"""The first level: answers in this process, the least used of which go when there is no room. Pure; told the time.

Owns the entries, in the order of their last use, and for each tag which of them it ends. Bounded by their number and
their size as encoded. An entry that has ended is dropped when somebody asks for it, or when room is needed; a task that
looks for them would only save memory that may be used anyway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

from engine.cache.strategies import Key

# A key, its place in the index and the entry itself, besides what it holds.
ENTRY_BYTES = 400

Tag = tuple[str, str]
Name = tuple[str, Key]


class Held(NamedTuple):
    """An entry: the value, its size as encoded, when it ends, and its tags (workspace, tag)."""

    value: Any
    size: int
    ends_at: float
    tags: tuple[Tag, ...]


class Memory:
    """Entries by strategy and key."""

    def __init__(self, entries_max: int, bytes_max: int) -> None:
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._entries: dict[Name, Held] = {}
        self._by_tag: dict[Tag, set[Name]] = {}
        self.size = 0
        self.evicted = 0
        self.entries: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

    def find(self, name: Name, now: float) -> Held | None:
        """An entry that has not ended; it is the last to go from now on."""
        held = self._entries.pop(name, None)
        if held is None:
            return None
        self._entries[name] = held
        if now < held.ends_at:
            return held
        self.drop(name)
        return None

    def keep(self, name: Name, held: Held) -> None:
        """Keeps an entry if there is room for it at all; others go for it."""
        self.drop(name)
        size = held.size + ENTRY_BYTES
        if not self._entries_max or size > self._bytes_max:
            return
        while self._entries and (self.size + size > self._bytes_max or len(self._entries) >= self._entries_max):
            self.drop(next(iter(self._entries)))
            self.evicted += 1
        self._entries[name] = held
        for tag in held.tags:
            self._by_tag.setdefault(tag, set()).add(name)
        self._weigh(name, size, 1)

    def drop(self, name: Name) -> None:
        """Forgets an entry, if there is one."""
        held = self._entries.pop(name, None)
        if held is None:
            return
        for tag in held.tags:
            names = self._by_tag.get(tag)
            if names is not None:
                names.discard(name)
                if not names:
                    del self._by_tag[tag]
        self._weigh(name, -held.size - ENTRY_BYTES, -1)

    def forget(self, tags: Iterable[Tag]) -> None:
        """Forgets all that these tags end."""
        for tag in tags:
            for name in self._by_tag.pop(tag, ()):
                self.drop(name)

    def forget_kind(self, strategy: str, workspace: str | None) -> None:
        """Forgets all of a strategy, in one workspace or in all of them."""
        for name in [name for name in self._entries if name[0] == strategy and workspace in (None, name[1].workspace)]:
            self.drop(name)

    def clear(self) -> None:
        """Forgets everything."""
        self._entries.clear()
        self._by_tag.clear()
        self.entries.clear()
        self.bytes.clear()
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: Hashable) -> bool:
        return name in self._entries

    def _weigh(self, name: Name, size: int, count: int) -> None:
        self.size += size
        self.entries[name[0]] += count
        self.bytes[name[0]] += size
