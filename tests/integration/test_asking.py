"""A process that asks the store by itself: what it finds beside the engine that has it open, and what it may not.

In a file, on a server, and (gathered by the engine) in memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from engine.analytics import count_worker
from engine.analytics.prediction_tasks import AskedCounts, Made
from engine.computing.asking import Asking
from engine.computing.processes import Processes
from engine.stores import Store, open_store
from engine.stores.asking import place_of
from protocol.errors import StoreUnavailable
from protocol.model import ChannelKey
from protocol.predictions import Count
from tests.support.postgres_server import PostgresDatabase
from tests.support.stores import FOREIGN, KEY, NOW, fill
from tests.unit.test_store_predictions import DAYS, START, rang

CURIOUS = "tests.support.curious"


@pytest.fixture(params=["file", "server", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "server":
        database: PostgresDatabase = request.getfixturevalue("postgres_database")
        return database.url
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/store.db"


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[tuple[Store, Asking]]:
    async with open_store(url, clock=lambda: NOW) as store:
        await fill(store, KEY, 1)
        yield store, Asking(store, place_of(url), Processes(1))


async def test_it_finds_what_was_committed_a_moment_ago_and_what_it_prints_is_no_part_of_the_answer(url: str) -> None:
    async with asking(url) as (store, one):
        assert await one.compute(CURIOUS, b"") == b'found ["acme"]'
        await fill(store, FOREIGN, 1)
        assert await one.compute(CURIOUS, b"") == b'found ["acme","umbrella"]'


async def test_one_process_counts_the_alerts_of_several_workspaces_each_as_its_own(url: str) -> None:
    async with asking(url) as (store, one):
        for a_day, name in ((3, "globex"), (5, "umbrella")):
            await rang(store, range(1, DAYS), a_day, ChannelKey(name, "web"))
        asked = AskedCounts(START, ("globex", "nobody", "umbrella"))
        answer = await one.compute(count_worker.__name__, msgspec.msgpack.encode(asked))
        globex, nobodys, umbrella = [
            msgspec.msgpack.decode(made, type=Made) for made in msgspec.msgpack.decode(answer, type=list[bytes])
        ]
    assert nobodys.predictions == []
    for a_day, made in ((3, globex), (5, umbrella)):
        (whole,) = [each.forecast for each in made.predictions if each.framework_id is None]
        assert isinstance(whole, Count)
        assert whole.expected == pytest.approx(a_day, abs=0.5)


@pytest.mark.parametrize(
    "name", ["with space.db", "que?stion=1&mode=rw.db", "100%20.db", "new\nline'\"#.db", "\udcff.db"]
)
async def test_the_file_is_found_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    async with asking(f"sqlite:///{tmp_path}/{name}") as (_, one):
        assert await one.compute(CURIOUS, b"") == b'found ["acme"]'


async def test_it_cannot_write(tmp_path: Path) -> None:
    async with asking(f"sqlite:///{tmp_path}/store.db") as (_, one):
        with pytest.raises(StoreUnavailable, match="does not write"):
            await one.compute(CURIOUS, b"keep")


async def test_a_file_that_is_gone_is_a_store_that_is_away(tmp_path: Path) -> None:
    async with asking(f"sqlite:///{tmp_path}/store.db") as (store, _):
        elsewhere = Asking(store, f"sqlite:///{tmp_path}/none.db", Processes(1))
        with pytest.raises(StoreUnavailable, match="cannot be read"):
            await elsewhere.compute(CURIOUS, b"")


async def test_a_server_that_is_gone_is_a_store_that_is_away_and_its_password_is_not_told(tmp_path: Path) -> None:
    async with asking(f"sqlite:///{tmp_path}/store.db") as (store, _):
        nobody = Asking(store, "postgresql://tocsin:s3cret@127.0.0.1:1/none", Processes(1))
        with pytest.raises(StoreUnavailable) as caught:
            await nobody.compute(CURIOUS, b"")
        assert "s3cret" not in str(caught.value)
