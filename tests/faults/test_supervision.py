"""A channel that crashes under a thousand subscribers is a pause to them, no more. Real sockets, real store."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import trio

from benchmarks.dial import Dialled, Target, dial
from engine.app import Engine
from engine.sections.doors import Gateway
from protocol.effects import Commit, CommitOutcome
from protocol.items import TriggerInput
from protocol.model import Status
from tests.support.engines import a_config

CLIENTS = 1_000
ALERTS = 20
OFFSET = re.compile(rb'"offset":(\d+),"prev":(\d+)')


def listen_for(clients: list[Dialled], last: int) -> list[list[tuple[int, int]]]:
    """What each client was told, as (offset, prev), up to the `last` offset. Blocking: runs in a thread."""
    told = []
    for client in clients:
        heard = bytearray(client.rest)
        while b'"offset":%d,' % last not in heard:
            more = client.sock.recv(65_536)
            assert more, "the server disconnected a subscriber"
            heard += more
        told.append([(int(offset), int(prev)) for offset, prev in OFFSET.findall(heard)])
    return told


async def test_a_crash_between_commit_and_broadcast_loses_nothing_for_a_thousand_subscribers(tmp_path: Path) -> None:
    # Nobody here says that he is alive, however long it takes.
    config = a_config(tmp_path / "data", gateway=Gateway(timeout_s=7_200, handshake_s=60, auth_s=300))
    async with Engine(config) as engine:
        address = urlsplit(engine.ws_url)
        token = engine.issue_token("main", "dashboard", role="viewer")
        target = Target(str(address.hostname), int(address.port or 0), token=token, channels=["alerts:web"])
        clients = await trio.to_thread.run_sync(lambda: list(dial(target, CLIENTS)))
        crashes = crash_after_commit(engine, at={2, 5})

        results = []

        async def trigger(number: int) -> None:
            alert = TriggerInput(framework_id="web", title=f"alert {number}")
            results.extend(await engine.service.trigger(engine.principal("test"), [alert]))

        for number in range(ALERTS):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trigger, number)
        told = await trio.to_thread.run_sync(listen_for, clients, ALERTS)

        assert crashes == [2, 5], "the crashes were not injected"
        assert engine.statistics()["channels"]["channel_restarts"] == 2
        assert [result.status for result in results] == [Status.FIRED] * ALERTS
        assert len({result.alert_id for result in results}) == ALERTS
        assert engine.statistics()["gateway"]["connected_clients"] == CLIENTS
        assert told == [[(n, n - 1) for n in range(1, ALERTS + 1)]] * CLIENTS
        for client in clients:
            client.sock.close()


def crash_after_commit(engine: Engine, at: set[int]) -> list[int]:
    """The channel's actor crashes when the n-th commit is on disk and nobody knows it yet."""
    store = engine._up.store  # the fault is injected below every public door
    commit, crashed, count = store.commit, [], 0

    async def commit_then_crash(work: Commit) -> CommitOutcome:
        nonlocal count
        outcome = await commit(work)
        count += 1
        if count in at:
            crashed.append(count)
            raise RuntimeError(f"injected after commit {count}")
        return outcome

    store.commit = commit_then_crash  # type: ignore[method-assign]
    return crashed
