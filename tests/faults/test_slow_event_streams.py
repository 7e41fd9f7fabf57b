"""A reader of an event stream stops reading in a storm: nobody else notices, and what waits for it is bounded.

If what it misses is mild it is told so and gets the rest when it reads again; if it is not, the stream is ended and
counted. Real sockets, whose buffers must be full first, so there is much to say.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import h11
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.event_stream import GOODBYE_S
from engine.app import Engine
from engine.http import server
from engine.http.server import KEEP_ALIVE_S
from engine.http.streams import SEND_MAX_S
from engine.others import ConnectionInfo
from engine.sections.doors import Gateway
from protocol.items import TriggerInput
from tests.support.engines import an_engine
from tests.support.event_readers import Heard, Reader

READERS = 10
BATCHES, BATCH = 25, 20
LAST = BATCHES * BATCH
MESSAGE = "x" * 8_000
SOFT_BYTES, MAX_BYTES = 65_536, 1_048_576
# Who keeps up with the commit before may get one whole commit beyond the bound.
ONE_COMMIT_BYTES = BATCH * (len(MESSAGE) + 1_000)
LIMITS = Gateway(drain_s=1.0, close_s=0.5, outbox_soft_bytes=SOFT_BYTES, outbox_max_bytes=MAX_BYTES)


@pytest.fixture
def patient_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel has a clock of its own, which goes on: it would end a connection that nobody reads from so long."""
    monkeypatch.setattr(server, "SEND_MAX_S", 1_000.0)


@asynccontextmanager
async def a_reader(
    engine: Engine, user: str, receive_bytes: int | None = None, last: str | None = None
) -> AsyncIterator[Reader]:
    """Who follows the channel; with a kernel that keeps no more than `receive_bytes` for it."""
    address, sock = urlsplit(engine.http_url), trio.socket.socket()
    if receive_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    await sock.connect((str(address.hostname), address.port))
    async with trio.SocketStream(sock) as stream:
        reader = Reader(stream)
        token = engine.issue_token("main", user, "viewer")
        headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": last} if last else {})
        await reader.ask("/api/v1/stream?framework_id=web", headers)
        assert (await reader.next()).kind == "subscribed"
        yield reader


async def heard_until(reader: Reader, last: int) -> list[Heard]:
    """Alerts and gaps, up to the one that covers an offset."""
    heard = [await reader.next("alert", "gap")]
    while place_of(heard[-1]) < last:
        heard.append(await reader.next("alert", "gap"))
    return heard


def place_of(heard: Heard) -> int:
    return int(heard.data["to"] if heard.kind == "gap" else heard.data["offset"])


async def storm(engine: Engine, severity: str, others: Sequence[Reader] = ()) -> int:
    """Every alert is another one, and all others hear it. The most bytes that ever waited for who is stalled."""
    most = 0
    for batch in range(BATCHES):
        alerts = [
            TriggerInput(framework_id="web", title=f"{batch}-{n}", severity=severity, message=MESSAGE)
            for n in range(BATCH)
        ]
        await engine.service.trigger(engine.principal("test"), alerts)
        most = max(most, *[each.waiting_bytes for each in await stalled_ones(engine)], 0)
        for reader in others:
            places = [place_of(each) for each in await heard_until(reader, (batch + 1) * BATCH)]
            assert places == list(range(batch * BATCH + 1, (batch + 1) * BATCH + 1)), "nobody else notices"
    return most


async def stalled_ones(engine: Engine) -> list[ConnectionInfo]:
    return (await engine.operators.connections(engine.principal("boss"), user="stalled")).items


def shown(engine: Engine, name: str) -> float:
    (line,) = (line for line in engine.metrics.render().decode().splitlines() if line.startswith(f"{name} "))
    return float(line.split()[1])


async def test_mild_alerts_give_way_for_a_reader_that_stops_and_a_gap_says_which(
    tmp_path: Path, mock_clock: MockClock, patient_kernel: None
) -> None:
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(an_engine(tmp_path, gateway=LIMITS))
        stalled = await stack.enter_async_context(a_reader(engine, "stalled", 4_096))
        others = [await stack.enter_async_context(a_reader(engine, "ann")) for _ in range(READERS)]
        most = await storm(engine, "info", others)
        assert SOFT_BYTES < most <= SOFT_BYTES + ONE_COMMIT_BYTES, "what waits is bounded, and there was something"

        heard = await heard_until(stalled, LAST)
        place = 0
        for each in heard:
            first = each.data["from"] if each.kind == "gap" else each.data["offset"]
            assert (each.data["prev"], first) == (place, place + 1), "every place is an alert or in a gap"
            place = place_of(each)
        left_out = sum(each.data["count"] for each in heard if each.kind == "gap")
        assert left_out == shown(engine, "tocsin_messages_dropped_info_total") > 0
        assert shown(engine, "tocsin_slow_disconnects_total") == 0


async def test_a_reader_that_misses_what_matters_is_cut_and_counted_and_comes_back_where_it_was(
    tmp_path: Path, mock_clock: MockClock, patient_kernel: None
) -> None:
    async with an_engine(tmp_path, gateway=LIMITS) as engine:
        async with a_reader(engine, "stalled", 4_096) as stalled:
            most = await storm(engine, "error")
            assert MAX_BYTES / 2 < most <= MAX_BYTES + ONE_COMMIT_BYTES
            assert shown(engine, "tocsin_slow_disconnects_total") == 1
            # What is under way is given up, then the connection, and Hypercorn waits for another request on it.
            for wait_s in (GOODBYE_S, SEND_MAX_S, KEEP_ALIVE_S):
                await wait_all_tasks_blocked(0.05)
                mock_clock.jump(wait_s)
            await wait_all_tasks_blocked(0.05)
            assert await stalled_ones(engine) == []
            assert shown(engine, 'tocsin_refused_total{limit="outbox_bytes"}') == 1
            assert shown(engine, 'tocsin_http{figure="connections_open"}') == 0
            heard: list[Heard] = []
            with pytest.raises(h11.RemoteProtocolError, match="incomplete"):
                while True:
                    heard.append(await stalled.next("alert", "gap"))
        assert [place_of(each) for each in heard] == list(range(1, len(heard) + 1))
        async with a_reader(engine, "stalled", last=heard[-1].place) as again:
            missed = await heard_until(again, LAST)
        assert [place_of(each) for each in missed] == list(range(len(heard) + 1, LAST + 1))
