"""Names to addresses, in threads of its own: a name server that hangs must not take the threads that others need.

A look-up cannot be ended from outside; who gives up on one leaves its thread to itself (`engine.notify.places`).
Nothing is remembered: the system's resolver does that, and knows for how long.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence

from engine.notify.places import WAIT_S, Places

# As many as notifications are sent at once; a hanging name server holds each for its own time-out, some ten seconds.
LOOKUPS_MAX = 32
# Four workspaces whose name servers all hang would have to come together before others wait.
WORKSPACE_LOOKUPS_MAX = 8

# The addresses of a name that a workspace has written down. Raises OSError if there are none, and Crowded.
Resolve = Callable[[str, str], Awaitable[Sequence[str]]]


class Resolver:
    """Asks the system."""

    def __init__(self, wait_s: float = WAIT_S) -> None:
        self._places = Places("look-ups of names", LOOKUPS_MAX, WORKSPACE_LOOKUPS_MAX, wait_s)

    async def __call__(self, workspace: str, host: str) -> Sequence[str]:
        """The addresses of a name, each once, in the system's order. Raises OSError, Crowded."""
        found = await self._places.run(workspace, _look_up, host)
        return list(dict.fromkeys(found))


def _look_up(host: str) -> Sequence[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(address[0]) for *_, address in found]
