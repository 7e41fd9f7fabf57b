"""One reader among fifty stops reading in a storm: nobody else notices, and it misses nothing without being told."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import trio

from engine.app import Engine
from engine.sections.doors import Gateway
from engine.telemetry.metrics import Metrics
from protocol import messages as m
from protocol.items import TriggerInput
from protocol.model import Severity
from tests.support.engines import an_engine
from tests.support.sockets import Peer

READERS = 49
BATCHES, BATCH = 25, 20
LAST = BATCHES * BATCH
# Long alerts: what the kernel's buffers hold for one connection (a few hundred kB) is soon not enough.
MESSAGE = "x" * 8_000
# Of twenty: mostly chatter, and three that matter.
STORM = (*["info"] * 13, "error", *["warning"] * 4, "critical", "error")
MILD = frozenset({Severity.INFO, Severity.WARNING})
LIMITS = Gateway(
    drain_s=1.0,
    close_s=0.5,
    outbox_soft_bytes=65_536,
    outbox_max_bytes=4_194_304,
    # Nobody here says that he is alive, however long the storm takes.
    timeout_s=7_200,
    auth_s=300,
)


async def a_follower(engine: Engine, receive_bytes: int | None = None) -> Peer:
    """A subscriber of the channel; with a kernel that keeps no more than `receive_bytes` for it."""
    address = urlsplit(engine.ws_url)
    sock = trio.socket.socket()
    if receive_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    await sock.connect((str(address.hostname), address.port))
    peer = Peer(sock)
    await peer.upgrade()
    await peer.say({"type": "auth", "token": engine.issue_token("main", "dashboard", role="viewer")})
    assert isinstance(await peer.hear(), m.AuthSuccess)
    await peer.say({"type": "subscribe", "channel": "alerts:web"})
    assert isinstance(await peer.hear(), m.Subscribed)
    return peer


async def heard_until(peer: Peer, last: int) -> list[m.AlertMessage | m.GapMessage]:
    """Alerts and gaps, up to the one that covers the last offset."""
    heard: list[m.AlertMessage | m.GapMessage] = []
    at = 0
    while at < last:
        message = await peer.hear()
        if isinstance(message, m.AlertMessage | m.GapMessage):
            heard.append(message)
            at = place_of(message)
    return heard


def place_of(message: m.AlertMessage | m.GapMessage) -> int:
    return message.to if isinstance(message, m.GapMessage) else message.offset


class Readers:
    """Those who go on reading: what each was told, and who waits until all were told so much."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._peers = peers
        self.told: list[list[m.AlertMessage | m.GapMessage]] = [[] for _ in peers]

    async def read(self, last: int) -> None:
        """Until each has this offset."""
        async with trio.open_nursery() as nursery:
            for peer, told in zip(self._peers, self.told, strict=True):
                nursery.start_soon(self._read, peer, told, last)

    async def _read(self, peer: Peer, told: list[m.AlertMessage | m.GapMessage], last: int) -> None:
        told += await heard_until(peer, last)


async def storm(engine: Engine, readers: Readers) -> None:
    """Every alert is another one, so that none is swallowed. The next batch comes when all have read: who is in time is
    no matter of how fast the machine is."""
    severities = itertools.cycle(STORM)
    for batch in range(BATCHES):
        alerts = [
            TriggerInput(framework_id="web", title=f"{batch}-{n}", severity=next(severities), message=MESSAGE)
            for n in range(BATCH)
        ]
        await engine.service.trigger(engine.principal("test"), alerts)
        await readers.read((batch + 1) * BATCH)


def shown(metrics: Metrics, name: str) -> float:
    (line,) = (line for line in metrics.render().decode().splitlines() if line.startswith(f"{name} "))
    return float(line.split()[1])


async def test_a_reader_that_stops_in_a_storm_misses_what_is_mild_is_told_so_and_gets_it_later(
    tmp_path: Path,
) -> None:
    async with an_engine(tmp_path, gateway=LIMITS) as engine:
        stalled = await a_follower(engine, receive_bytes=4_096)
        peers = [await a_follower(engine) for _ in range(READERS)]
        readers = Readers(peers)
        await storm(engine, readers)
        offsets = [[place_of(message) for message in told] for told in readers.told]
        assert offsets == [list(range(1, LAST + 1))] * READERS
        lag_s = shown(engine.metrics, "tocsin_outbox_lag_seconds")
        assert lag_s > 0, "operators see that somebody is behind"

        heard = await heard_until(stalled, LAST)
        gaps = [message for message in heard if isinstance(message, m.GapMessage)]
        alerts = {message.offset: message for message in heard if isinstance(message, m.AlertMessage)}
        place = 0
        for message in heard:
            first = message.from_ if isinstance(message, m.GapMessage) else message.offset
            assert (message.prev, first) == (place, place + 1), "every place is an alert or in a gap"
            place = place_of(message)
        assert gaps, "the kernel held the whole storm: nothing was tested"
        severities = [Severity(word) for word in itertools.islice(itertools.cycle(STORM), LAST)]
        assert {severities[offset - 1] for offset in range(1, LAST + 1) if offset not in alerts} <= MILD

        dropped = sum(shown(engine.metrics, f"tocsin_messages_dropped_{each.value}_total") for each in MILD)
        assert dropped == sum(gap.count for gap in gaps) == LAST - len(alerts)
        assert shown(engine.metrics, "tocsin_slow_disconnects_total") == 0

        await stalled.say(
            {
                "type": "subscribe",
                "channel": "alerts:web",
                "recover": {"epoch": gaps[0].epoch, "offset": gaps[0].prev},
            }
        )
        again = await heard_until(stalled, LAST)
        assert [message.offset for message in again] == list(range(gaps[0].prev + 1, LAST + 1))
        for peer in (stalled, *peers):
            peer.close()
