"""P1 against a power cut: what was acknowledged is on the disk, whatever of the rest the disk has written."""

from __future__ import annotations

import itertools
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import trio

from engine.stores import Retention
from engine.stores.sqlite.file import Database
from engine.stores.sqlite.open import open_database
from protocol.effects import Committed
from protocol.model import ChannelKey
from tests.support.power_cut import CutDatabase, Disk, a_disk
from tests.support.stores import NOW, a_commit

CHANNELS = 4
COMMITS = 60
CUTS = 40


class _Cut:
    """The files after a cut, and what had been acknowledged before it."""

    def __init__(self, folder: Path, acked: frozenset[str]) -> None:
        self.folder = folder
        self.acked = acked

    async def lost(self) -> set[str]:
        """What was acknowledged and is gone. Asserts that the rest is sound: no damage, no hole in the offsets."""
        path = self.folder / "store.db"
        async with open_database(Database(path), Retention(), lambda: NOW, None) as store:
            found = await store.locate("acme", sorted(self.acked))
            for number in range(CHANNELS):
                key = ChannelKey("acme", f"f{number}")
                offsets = [event.offset for event in await store.history(key, 0, 10_000)]
                assert offsets == list(range(1, (await store.recall(key)).offset + 1))
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        return set(self.acked) - set(found)


async def cuts(folder: Path, disk: Disk, synchronous: str, seed: int) -> list[_Cut]:
    """Four producers commit as fast as they can; now and then the power goes, between an ack and the next."""
    luck = random.Random(seed)
    # Which of all the acks a cut follows: exactly `CUTS`, whichever way the producers take turns.
    followed = set(luck.sample(range(CHANNELS * COMMITS), CUTS))
    acks = itertools.count()
    acked: set[str] = set()
    made: list[_Cut] = []

    async def produce(number: int) -> None:
        key, base = ChannelKey("acme", f"f{number}"), 0
        for _ in range(COMMITS):
            outcome = await store.commit(a_commit(key, base, 3))
            assert isinstance(outcome, Committed)
            base += 3
            acked.update(result.alert_id for result in outcome.results if result.alert_id)
            if next(acks) in followed:
                # The ack first: whatever is in `acked` now has been said to somebody.
                known = frozenset(acked)
                there = folder / f"cut-{len(made)}"
                disk.cut(there, luck if luck.random() < 0.7 else None)
                made.append(_Cut(there, known))

    database = CutDatabase(folder / "store.db", synchronous=synchronous)
    async with open_database(database, Retention(), lambda: NOW, None) as store, trio.open_nursery() as nursery:
        for number in range(CHANNELS):
            nursery.start_soon(produce, number)
    assert len(made) == CUTS
    return made


async def test_what_was_acknowledged_survives_a_power_cut(tmp_path: Path) -> None:
    with a_disk() as disk:
        made = await cuts(tmp_path, disk, "FULL", seed=1)
    assert [await cut.lost() for cut in made] == [set()] * CUTS


async def test_this_disk_does_lose_what_nobody_synced(tmp_path: Path) -> None:
    # The same check with `synchronous = NORMAL`, which syncs at checkpoints only: it must find losses.
    with a_disk() as disk:
        made = await cuts(tmp_path, disk, "NORMAL", seed=1)
    losses = [await cut.lost() for cut in made]
    # About half of them; one is enough to know that the check can see it.
    assert any(losses)
