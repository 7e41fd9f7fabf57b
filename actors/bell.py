"""A bell: one task waits for it, with patience; whoever has something for that task rings. Owns nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio


@dataclass
class Bell:
    """An event that can be set again. One task waits for it."""

    event: trio.Event = field(default_factory=trio.Event)

    def ring(self) -> None:
        """Wakes who waits, or who will next."""
        self.event.set()

    @property
    def is_rung(self) -> bool:
        """Whether whoever waits next is woken at once."""
        return self.event.is_set()

    def clear(self) -> None:
        """Forgets what was rung."""
        self.event = trio.Event()

    async def wait(self, seconds: float) -> None:
        """Until it is rung, but no longer than this."""
        with trio.move_on_after(seconds):
            await self.event.wait()
        self.clear()
