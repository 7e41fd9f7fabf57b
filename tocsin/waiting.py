"""Waits at the start for what an engine needs and does not own: its database, its Redis, room on its disk.

After a power cut everything starts at once, and an engine is quicker than a database. `tocsin serve --wait 60` asks
again, with growing pauses, until all are there or the time is over; without it one look decides. What waiting cannot
mend (a wrong URL, a missing library, a database of another program) ends the start at once. Owns nothing; blocks,
because nothing runs yet.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from protocol.errors import NotYet

FIRST_PAUSE_S = 0.5
# A database takes seconds to recover; asking it more often helps nobody.
PAUSE_MAX_S = 5.0
# Nodes that were started together do not ask together.
JITTER = 0.2
WAIT_MAX_S = 86_400.0

# Looks once. Raises NotYet, or what waiting cannot mend.
Look = Callable[[], None]


def wait_for(
    looks: Iterable[Look],
    wait_s: float,
    tell: Callable[[str], None],
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Returns when each look was good once, in order. Raises the last NotYet when `wait_s` are over, and whatever else
    a look raises at once. `tell` hears each new reason to wait.
    """
    ends_at = clock() + wait_s
    for look in looks:
        pause_s, said = FIRST_PAUSE_S, ""
        while True:
            try:
                look()
                break
            except NotYet as fault:
                left_s = ends_at - clock()
                if left_s <= 0:
                    raise
                if str(fault) != said:
                    said = str(fault)
                    tell(f"waiting, {left_s:.0f} s at most: {said}")
            spread = 1 + random.uniform(-JITTER, JITTER)  # noqa: S311  # spreads load, no secret
            sleep(min(pause_s * spread, left_s))
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
