"""The bus over a real Postgres alone: the suite, and a server that is frozen, restarted, crashed, or slow to commit.

Time is real here; a server's fault is seen by what a call raises.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
import trio
import trio.testing

from engine.bus import Cause, postgres
from engine.bus.carriers import CarrierDown, Reading
from engine.bus.frames import Parcel
from engine.bus.postgres import PostgresCarrier
from engine.bus.topics import NEWS
from engine.foreign import ForeignLoop
from tests.support.bus_suite import BusSuite
from tests.support.buses import UNHURRIED_S, USUAL_S, MakeCarriers, allow, run_foreign, running_nodes
from tests.support.postgres_fixtures import migrated_template
from tests.support.postgres_server import APP, PASSWORD, PostgresDatabase, PostgresServer

# However slow the machine is, nothing is trimmed that nobody has read yet.
KEEP_S = 600.0


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, UNHURRIED_S)


@pytest.fixture
async def foreign() -> AsyncIterator[ForeignLoop]:
    async with run_foreign() as loop:
        yield loop


@pytest.fixture
def url(postgres_database: PostgresDatabase) -> str:
    """As an engine is told: the role may use the bus, and owns nothing."""
    return postgres_database.url


@dataclass
class OwnServer:
    """A server to be frozen and crashed, with a database that was migrated."""

    server: PostgresServer
    url: str


@pytest.fixture(scope="module")
def own_server() -> Iterator[tuple[PostgresServer, str]]:
    """The server, and a database that was migrated."""
    server = PostgresServer.start()
    yield server, migrated_template(server)
    server.remove()


@pytest.fixture
def own(own_server: tuple[PostgresServer, str]) -> OwnServer:
    server, template = own_server
    return OwnServer(server, server.url(server.new_database(template), APP))


class TestBusOnPostgres(BusSuite):
    @pytest.fixture
    def carriers(self, url: str, foreign: ForeignLoop) -> MakeCarriers:
        return lambda: [PostgresCarrier(foreign, url, KEEP_S)]


@pytest.fixture
async def carrier(url: str, foreign: ForeignLoop) -> AsyncIterator[PostgresCarrier]:
    """One that stands at the end of the news."""
    carrier = PostgresCarrier(foreign, url, KEEP_S)
    try:
        assert await carrier.read([NEWS]) == Reading((), ())
        yield carrier
    finally:
        await carrier.close()


async def news_of(carrier: PostgresCarrier, *wanted: bytes) -> list[bytes]:
    """Reads until all of these have come."""
    heard: list[bytes] = []
    with trio.fail_after(170):
        while not set(wanted) <= set(heard):
            reading = await carrier.read([NEWS])
            assert not reading.lost
            heard += [parcel.body for parcel in reading.parcels]
    return heard


async def is_down(call: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(CarrierDown, match="postgres at 127") as told:
        await call()
    assert PASSWORD not in str(told.value)


async def test_what_was_numbered_first_and_is_committed_last_is_not_skipped(
    url: str, foreign: ForeignLoop, carrier: PostgresCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LOOK_EVERY_S", 0.3)
    other = PostgresCarrier(foreign, url, KEEP_S)
    await other.probe()

    async def write_slowly() -> Any:
        connection = await asyncpg.connect(url)
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(postgres._WRITE, [NEWS], [b"slow"])

        async def end() -> None:
            await transaction.commit()
            await connection.close()

        return end

    end = await foreign.call(write_slowly)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other.send, [Parcel(NEWS, b"fast")])
        assert await carrier.read([NEWS]) == Reading((), ())
        assert await carrier.read([NEWS]) == Reading((), ())
        await foreign.call(end)

        assert await news_of(carrier, b"slow", b"fast") == [b"slow", b"fast"]
    await other.close()


async def test_many_writers_at_once_and_none_of_their_parcels_is_skipped(
    url: str, foreign: ForeignLoop, carrier: PostgresCarrier
) -> None:
    writers = [PostgresCarrier(foreign, url, KEEP_S) for _ in range(4)]
    wanted = [[b"%d of %d" % (number, place) for number in range(60)] for place in range(len(writers))]

    async def write(writer: PostgresCarrier, bodies: list[bytes]) -> None:
        for body in bodies:
            await writer.send([Parcel(NEWS, body)])
        await writer.close()

    async with trio.open_nursery() as nursery:
        for writer, bodies in zip(writers, wanted, strict=True):
            nursery.start_soon(write, writer, bodies)
        heard = await news_of(carrier, *itertools.chain(*wanted))

    assert len(heard) == len(set(heard)) == 240
    assert [[body for body in heard if body in set(bodies)] for bodies in wanted] == wanted


async def test_more_than_is_read_at_a_time_is_read_without_waiting(carrier: PostgresCarrier) -> None:
    wanted = [b"%d" % number for number in range(200)]
    await carrier.send([Parcel(NEWS, body) for body in wanted])

    assert await news_of(carrier, *wanted) == wanted


async def test_news_without_a_bell_is_found_by_the_next_look(
    postgres_database: PostgresDatabase, carrier: PostgresCarrier
) -> None:
    insert = "INSERT INTO bus (topic, at, body) VALUES ('news', 0, 'unrung')"
    postgres_database.server.sql(insert, postgres_database.name)

    assert await news_of(carrier, b"unrung") == [b"unrung"]


async def test_old_rows_are_trimmed_but_for_the_last_so_that_numbers_never_go_back(
    postgres_database: PostgresDatabase, foreign: ForeignLoop
) -> None:
    carrier = PostgresCarrier(foreign, postgres_database.url, keep_s=0.001)
    for number in range(5):
        await carrier.send([Parcel(NEWS, b"%d" % number)] * 10)
    left = postgres_database.server.sql("SELECT count(*), max(id) FROM bus", postgres_database.name)
    await carrier.close()

    assert int(left[0][0]) < 50
    assert left[0][1] == "50"


async def test_a_frozen_postgres_holds_nobody_up_for_longer_than_a_few_seconds(
    own: OwnServer, foreign: ForeignLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier = PostgresCarrier(foreign, own.url, KEEP_S)
    await carrier.send([Parcel(NEWS, b"before")])
    await news_of(carrier, b"before")
    allow(monkeypatch, USUAL_S)
    own.server.freeze()
    # Of a frozen one nothing ever comes: some seconds, and a loaded machine gets its time.
    with trio.fail_after(170):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(is_down, lambda: carrier.send([Parcel(NEWS, b"into the ice")]))
            nursery.start_soon(is_down, lambda: carrier.read([NEWS]))
    own.server.thaw()
    allow(monkeypatch, UNHURRIED_S)
    await carrier.send([Parcel(NEWS, b"after")])

    assert (await news_of(carrier, b"after"))[-1] == b"after"
    await carrier.close()


async def test_it_goes_on_after_the_foreign_loop_was_started_again(url: str) -> None:
    foreign = ForeignLoop()
    carrier = PostgresCarrier(foreign, url, KEEP_S)
    for place in range(2):
        async with trio.open_nursery() as nursery:
            await nursery.start(foreign.run)
            await carrier.read([NEWS])
            await carrier.send([Parcel(NEWS, b"%d" % place)])
            assert (await news_of(carrier, b"%d" % place))[-1] == b"%d" % place
            nursery.start_soon(is_down, lambda: carrier.read([NEWS]))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await is_down(lambda: carrier.read([NEWS]))


async def test_a_crash_of_the_server_is_a_gap_and_then_it_goes_on(own: OwnServer, foreign: ForeignLoop) -> None:
    async with running_nodes(lambda: [PostgresCarrier(foreign, own.url, KEEP_S)]) as nodes:
        one, two = await nodes.start("one"), await nodes.start("two", NEWS)
        one.bus.publish(NEWS, [b"before"])
        await two.until_heard(b"before")
        await trio.to_thread.run_sync(own.server.restart, "immediate")
        one.bus.publish(NEWS, [b"after"])
        await two.until_heard(b"after")

        assert two.bodies() == [b"before", b"after"]
        assert two.gaps() == [Cause.LOST]
