"""The memory guard: above a soft limit nobody new comes in, so that those who are in live on.

Owns: the limit. Asked once a second by the ticker, not once a connection. It refuses and never
frees: who is connected stays, and what each may take up is bounded elsewhere. Decided against counting the machine's
free memory, which other programs change: our own size is what a refusal can influence.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil

# What is left is for bursts, commits, and the operating system's caches of our own database.
SHARE = 0.75
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
MIB = 1_048_576


class MemoryGuard:
    """Tells `overloaded` why nobody new may come in, and (empty) when they may again."""

    def __init__(
        self, soft_bytes: int, overloaded: Callable[[str], None], in_use: Callable[[], int] | None = None
    ) -> None:
        self.soft_bytes = soft_bytes or int(SHARE * available_bytes())
        self.used_bytes = 0
        self._overloaded = overloaded
        self._in_use = in_use or resident_bytes
        self._is_over = False

    def look(self) -> None:
        """One sample."""
        self.used_bytes = self._in_use()
        if self.used_bytes > self.soft_bytes:
            # Told each time: the figure is part of what is said, and those who came in between have to go.
            self._overloaded(f"{self.used_bytes // MIB} MiB of memory in use, soft limit {self.soft_bytes // MIB} MiB")
            self._is_over = True
        elif self._is_over:
            self._overloaded("")
            self._is_over = False


def resident_bytes() -> int:
    """What this process has in memory."""
    return int(psutil.Process().memory_info().rss)


def available_bytes(cgroup_limits: tuple[Path, ...] = _CGROUP_LIMITS) -> int:
    """What this process may use: the machine's memory, or what a container's limit leaves of it."""
    return min([int(psutil.virtual_memory().total), *filter(None, map(_limit_in, cgroup_limits))])


def _limit_in(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None  # not in such a group
    return int(text) if text.isdigit() else None
