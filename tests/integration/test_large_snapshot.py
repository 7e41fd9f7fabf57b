"""A snapshot of very many open alerts: all of them, each once, in bounded memory, while others go on ringing."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import trio

from engine.app import Engine
from engine.stores import open_store
from protocol import messages as m
from protocol.items import TriggerInput
from protocol.model import ChannelKey
from tests.support.engines import a_config, an_engine
from tests.support.sockets import Peer
from tests.support.stores import NOW, fill

OPEN = 30_000
# One page of alerts in all its forms is some 500 kB; the alerts as a whole would be more than 30 MB.
GROWTH_MAX_BYTES = 16_000_000
PATIENCE_S = 600.0


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_a_snapshot_of_very_many_alerts_shows_each_once_in_bounded_memory(tmp_path: Path) -> None:
    settings = a_config(tmp_path)
    async with open_store(settings.store_url, clock=lambda: NOW) as store:
        await fill(store, ChannelKey("acme", "checkout"), OPEN // 1_000, size=1_000)
    with trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path) as engine:
            before = resident_bytes()
            peer = await a_peer(engine)
            await peer.say({"type": "subscribe", "channel": "workspace", "snapshot": True})
            assert isinstance(await peer.hear(), m.Subscribed)
            who = engine.principal("a producer", workspace="acme")
            count, last, growth = 0, "g", 0  # a letter beyond those of ids
            while True:
                page = await peer.hear()
                assert isinstance(page, m.Snapshot), page
                # The newest first, so that none comes twice; a set of all would be most of what is measured.
                ids = [last, *(alert.id for alert in page.alerts)]
                assert all(after < before for before, after in pairwise(ids))
                count, last = count + len(page.alerts), ids[-1]
                growth = max(growth, resident_bytes() - before)
                if page.page % 50 == 0:
                    await engine.service.trigger(who, [TriggerInput(framework_id="web", title=f"{page.page}")])
                if page.last:
                    break
            assert count == OPEN, "those that rang meanwhile are newer than the first page"
            assert growth < GROWTH_MAX_BYTES
            first = await peer.hear()
            assert isinstance(first, m.AlertMessage)
            assert (first.prev, first.offset) == (OPEN, OPEN + 1)
            peer.close()


async def a_peer(engine: Engine) -> Peer:
    host, _, port = engine.ws_url.removeprefix("ws://").partition(":")
    sock = trio.socket.socket()
    await sock.connect((host, int(port)))
    peer = Peer(sock)
    await peer.upgrade()
    await peer.say({"type": "auth", "token": engine.issue_token("acme", "ann")})
    await peer.hear()
    return peer
