"""The schedule `digests`: finds what was put aside and not sent when it was due, and has it sent.

What is put aside has a job of its own for the moment when it is due; so there is something to find only if that job is
gone (it failed, or the line was written in the very moment in which it ran). Owns nothing.
"""

from __future__ import annotations

import msgspec

from actors.ports import Clock
from engine.jobs.kinds import Done, Kind, Result
from engine.jobs.scheduler import RunArgs
from engine.notify.jobs import DIGESTS, digest_job
from engine.stores import Store
from protocol.jobs import Claimed, Queue

# Recipients at a time: their jobs are one transaction that nobody notices.
FOUND_MAX = 1_000


class Found(msgspec.Struct, frozen=True):
    """What a run found."""

    digests: int


class Digests:
    """Does the jobs of the schedule."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @property
    def kind(self) -> Kind[RunArgs]:
        """Its kind of job."""
        return Kind(name=DIGESTS, queue=Queue.NOTIFICATION, args=RunArgs, run=self.run)

    async def run(self, claimed: Claimed, args: RunArgs) -> Result:
        """Makes a job for each recipient for whom something is overdue.

        Looks at all of them: thousands may have their job, and wait for a target that is away; who has none is found
        behind them. A job that there is already is not made again.
        """
        now, found, last = self._clock(), 0, None
        while overdue := await self._store.digests_due(now, FOUND_MAX, last):
            await self._store.enqueue([digest_job(*each) for each in overdue])
            found, last = found + len(overdue), overdue[-1]
        return Done(result=Found(digests=found))
