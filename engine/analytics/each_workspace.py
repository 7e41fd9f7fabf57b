"""What is done for each workspace by itself: one job of a schedule makes a job for each of them.

So a long one is held to a deadline of its own, fails and is tried again alone, and is found under its workspace's name.
"""

from __future__ import annotations

import msgspec

from engine.jobs.kinds import Kind
from engine.stores import Store

# Jobs that are enqueued in one transaction.
AT_ONCE = 200


class OfWorkspace(msgspec.Struct, frozen=True, kw_only=True):
    """Whose it is, and up to when (`until`, microseconds)."""

    of: str
    until: int


class Started(msgspec.Struct, frozen=True):
    """What the schedule's own job did: a job for each of so many workspaces. Of `under_way` the last one was still to
    be done, so they have no new one."""

    workspaces: int
    under_way: int


async def start_each(store: Store, kind: Kind[OfWorkspace], what: str, until: int) -> Started:
    """A job for each workspace, one at a time of it: its key is `what` and the workspace. Raises StoreUnavailable.

    Twice does no harm: a job that waits is not made again.
    """
    after, count, new = "", 0, 0
    while names := await store.workspaces_seen(after, AT_ONCE):
        made = await store.enqueue(
            [kind.job(OfWorkspace(of=name, until=until), workspace=name, key=f"{what}:{name}") for name in names]
        )
        after, count, new = names[-1], count + len(names), new + sum(each.is_new for each in made)
    return Started(new, count - new)
