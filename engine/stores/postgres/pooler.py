"""Whether a pooler stands before the server that gives a session to whoever has the next transaction.

Our sessions have settings (time-outs, how long a commit waits), prepared statements and a bell (LISTEN). Handed on by
such a pooler, another's settings would count for our commits, and nobody would hear the bell: that is refused before
anything is set. One that gives a session to one client for good is no different from the server itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

# Each client asks so often: in turn, by the last one that was free or by chance, what is shared shows itself.
ROUNDS = 3
_WHO = "SELECT pg_backend_pid()"


async def hands_sessions_on(first: asyncpg.Connection, url: str, timeout_s: float) -> bool:
    """Whether two clients meet in one session of the server, or one is in several. Raises what connecting raises."""
    if await _who(first) == first.get_server_pid():
        return False
    import asyncpg  # it is there, or there were no first client

    # Whoever answered the login is not the server.
    second = await asyncpg.connect(url, timeout=timeout_s, statement_cache_size=0)
    try:
        seen: tuple[set[int], set[int]] = (set(), set())
        for _ in range(ROUNDS):
            for pids, client in zip(seen, (first, second), strict=True):
                pids.add(await _who(client))
        return seen[0] & seen[1] != set() or max(map(len, seen)) > 1
    finally:
        second.terminate()


async def _who(client: asyncpg.Connection) -> int:
    # In one transaction: what is asked, and the answer, are two trips.
    async with client.transaction():
        pid: int = await client.fetchval(_WHO)
    return pid
