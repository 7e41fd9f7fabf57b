"""Names to addresses, in threads of its own: a name server that hangs must not take the threads that others need.

A look-up cannot be ended from outside; who gives up on one leaves its thread to itself, and `LOOKUPS_MAX` counts those
as well. Nothing is remembered: the system's resolver does that, and knows for how long.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence

import trio

# As many as notifications are sent at once; a hanging name server holds each for its own time-out, some ten seconds.
LOOKUPS_MAX = 32

# The addresses of a name. Raises OSError if there are none.
Resolve = Callable[[str], Awaitable[Sequence[str]]]


class Resolver:
    """Asks the system."""

    def __init__(self, lookups_max: int = LOOKUPS_MAX) -> None:
        self._limiter = trio.CapacityLimiter(lookups_max)

    async def __call__(self, host: str) -> Sequence[str]:
        """The addresses of a name, each once, in the system's order. Raises OSError."""
        found = await trio.to_thread.run_sync(_look_up, host, abandon_on_cancel=True, limiter=self._limiter)
        return list(dict.fromkeys(found))


def _look_up(host: str) -> Sequence[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(address[0]) for *_, address in found]
