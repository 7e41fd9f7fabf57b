"""What happened, line by line in virtual time, and what must never happen."""

from __future__ import annotations

import hashlib

import trio


class Violation(AssertionError):
    """A promise was broken."""


class Trace:
    """The story of one run. Equal runs have equal digests."""

    def __init__(self, *, aloud: bool = False) -> None:
        self.lines: list[str] = []
        self._aloud = aloud

    def __call__(self, who: str, what: str) -> None:
        line = f"{trio.current_time():9.3f}  {who:<12} {what}"
        self.lines.append(line)
        if self._aloud:
            print(line)

    def digest(self) -> str:
        """A short name of the whole story."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:16]
