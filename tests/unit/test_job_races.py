"""Two nodes at one database, in a file: who wins a job, and what the loser can do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio

from engine.stores import open_store
from protocol.jobs import Queue, Settlement, Verdict
from tests.support.jobs import a_job
from tests.support.stores import NOW

RACES = 1_000
ONE = {Queue.ALERT: 1}


async def test_a_thousand_races_for_one_job_have_one_winner_each_whose_finish_counts_once(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path / 'store.db'}", clock=lambda: NOW) as store:
        winners = set()

        async def claim(node: str, won: list[Any]) -> None:
            won += [(node, claimed) for claimed in await store.claim(node, ONE, 30.0)]

        async def settle(one: Settlement, held: list[bool]) -> None:
            held += await store.settle([one])

        for _ in range(RACES):
            won: list[Any] = []
            held: list[bool] = []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(store.enqueue, [a_job()])
                for node in ("n1", "n2"):
                    nursery.start_soon(claim, node, won)
            if not won:  # both were quicker than the job
                await claim("n3", won)
            ((node, claimed),) = won
            winners.add(node)
            stale = claimed.lease._replace(number=claimed.lease.number - 1)
            async with trio.open_nursery() as nursery:
                for lease in (claimed.lease, claimed.lease, stale):
                    one = Settlement(lease=lease, verdict=Verdict.COMPLETED, follow=(a_job(queue=Queue.PREDICTION),))
                    nursery.start_soon(settle, one, held)
            assert sorted(held) == [False, False, True]
        counts = await store.queue_counts()
        assert (counts[Queue.ALERT].completed, counts[Queue.PREDICTION].waiting) == (RACES, RACES)
        assert {"n1", "n2"} <= winners
