"""Postgres' disk is full while triggers come: no ack, no lie, the reason in clear words, and it goes on by itself.

Full for tables: the server lives, and what needs another page is refused (53100). Full for the log of what is written:
the server panics and starts itself again; if there is no room yet it cannot, and ends, until somebody starts it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from protocol.messages import Accepted
from tests.support.engines import EngineProcess, an_engine_process
from tests.support.injected import injected
from tests.support.iso import authenticated, stay_alive, token_for
from tests.support.postgres_fixtures import migrated_template
from tests.support.postgres_server import APP, KEEPER, PostgresServer
from tests.support.sockets import Peer

pytestmark = pytest.mark.alone

NO_ROOM = "pwrite64:error=ENOSPC"
NO_ROOM_SAID = "No space left on device"
# Known with the first commit that needs room; a server that ends is known with the next beat. A loaded machine gets
# its time, and so does a server that recovers.
KNOWN_WITHIN_S = BACK_WITHIN_S = 120.0
# Refused without asking anybody.
TOLD_WITHIN_S = 60.0
# A few of them fill a page, so the next one needs another.
LONG = "x" * 1_500


@dataclass
class Victim:
    """An engine on a Postgres of its own, and all that it has acknowledged."""

    server: PostgresServer
    database: str
    engine: EngineProcess
    folder: Path
    http: httpx.AsyncClient
    acked: list[str] = field(default_factory=list)

    @property
    def log(self) -> str:
        """What the engine has said so far."""
        return (self.folder / "stderr").read_text()

    async def ring(self, peer: Peer, title: str) -> Any:
        """The answer to a trigger; an acknowledgement is noted."""
        alert = {"framework_id": "web", "dedup_key": title, "title": title, "message": LONG}
        await peer.say({"type": "trigger", "alert": alert})
        answer = await peer.hear()
        if isinstance(answer, Accepted):
            (result,) = answer.results
            assert result.status.value == "fired", answer
            self.acked.append(result.alert_id)
        return answer

    async def ring_until(self, over: trio.Event) -> None:
        """One after another, and one that is stored when it is over: who meets the full disk waits for his answer."""
        peer = await authenticated(self.engine, "patient")
        is_stored = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stay_alive, peer)
            while not (is_stored and over.is_set()):
                is_stored = isinstance(await self.ring(peer, f"patient {len(self.acked)}"), Accepted)
            nursery.cancel_scope.cancel()
        peer.close()

    async def unready(self) -> str:
        """Waits until `/readyz` is 503; what it says."""
        with trio.fail_after(KNOWN_WITHIN_S):
            while (answer := await self.http.get("/readyz")).status_code != 503:
                await trio.sleep(0.05)  # of another process nothing else tells
        return str(answer.json()["detail"])

    async def is_refused(self) -> None:
        """Who comes now is told at once, in words, and nothing of it is stored."""
        peer = await authenticated(self.engine, "late")
        with trio.fail_after(TOLD_WITHIN_S):
            answer = await self.ring(peer, "refused")
        assert (answer.code, answer.temporary) == (120, True), answer
        assert "nothing was stored" in answer.message
        peer.close()
        assert (await self.http.get("/healthz")).status_code == 200

    async def goes_on(self) -> None:
        """Ready, and what was acknowledged is stored, once, and nothing else."""
        assert (await self.http.get("/readyz")).status_code == 200
        peer = await authenticated(self.engine, "afterwards")
        await self.ring(peer, "afterwards")
        peer.close()
        stored = await trio.to_thread.run_sync(self.server.sql, "SELECT id FROM alert", self.database, KEEPER)
        assert sorted(number for (number,) in stored) == sorted(self.acked)

    def files(self) -> list[Path]:
        """Where the database's tables and indexes are."""
        ((number,),) = self.server.sql(f"SELECT oid FROM pg_database WHERE datname = '{self.database}'")
        return list((self.server.folder / "data/base" / number).iterdir())


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    server = PostgresServer.start()
    yield server
    server.remove()


@asynccontextmanager
async def a_victim(folder: Path, server: PostgresServer) -> AsyncIterator[Victim]:
    """With its sessions open, and something stored."""
    database = await trio.to_thread.run_sync(migrated_template, server)
    async with an_engine_process(folder, TOCSIN_STORE=server.url(database, APP)) as engine:
        headers = {"Authorization": f"Bearer {token_for('boss')}"}
        async with httpx.AsyncClient(base_url=engine.http, headers=headers, timeout=170) as http:
            victim = Victim(server, database, engine, folder, http)
            peer = await authenticated(engine, "before")
            await victim.ring(peer, "before")
            peer.close()
            yield victim


@asynccontextmanager
async def full(
    server: PostgresServer, *, files: Iterable[Path] = (), for_who_comes: bool = True
) -> AsyncIterator[trio.Process]:
    """The server's processes find no room; frozen meanwhile, so that none is made that is not told.

    `for_who_comes` False: the postmaster and whom it starts find some.
    """
    await trio.to_thread.run_sync(server.freeze)
    # Nobody can tell anything to one that has ended, such as a session of a moment ago.
    whom = server.living()[0 if for_who_comes else 1 :]
    try:
        async with injected(NO_ROOM, whom, files=files, with_children=for_who_comes, then=server.thaw) as strace:
            yield strace
    finally:
        with suppress(ProcessLookupError, FileNotFoundError):
            server.thaw()


@asynccontextmanager
async def ringing(victim: Victim) -> AsyncIterator[None]:
    """Triggers come until the end of it, and all are answered by then."""
    over = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(victim.ring_until, over)
        yield
        over.set()
        nursery.cancel_scope.deadline = trio.current_time() + BACK_WITHIN_S
    assert not nursery.cancel_scope.cancelled_caught, f"who was held has no answer: {victim.log}"


async def test_without_room_for_tables_triggers_are_refused_in_words_until_there_is_some(
    tmp_path: Path, server: PostgresServer
) -> None:
    async with a_victim(tmp_path, server) as victim:
        async with ringing(victim), full(server, files=victim.files()):
            assert "its disk is full" in await victim.unready()
            await victim.is_refused()
        await victim.goes_on()
        assert NO_ROOM_SAID in victim.log
        assert "PANIC" not in server.log


async def test_without_room_for_its_log_the_server_starts_itself_again_and_what_was_held_is_stored(
    tmp_path: Path, server: PostgresServer
) -> None:
    async with a_victim(tmp_path, server) as victim:
        postmaster = server.pid
        # Whoever is there now; who comes after the panic finds room.
        async with ringing(victim), full(server, for_who_comes=False) as strace:
            with trio.fail_after(KNOWN_WITHIN_S):
                await strace.wait()  # the panic of one is the end of all
        await victim.goes_on()
        assert server.pid == postmaster
        assert "PANIC" in server.log
        assert NO_ROOM_SAID in server.log


async def test_a_server_that_ends_because_its_log_has_no_room_loses_nothing_and_is_waited_for(
    tmp_path: Path, server: PostgresServer
) -> None:
    async with a_victim(tmp_path, server) as victim:
        async with ringing(victim):
            async with full(server) as strace:
                with trio.fail_after(KNOWN_WITHIN_S):
                    await strace.wait()  # everybody has ended: the recovery needs room, too
                assert "its server does not answer" in await victim.unready()
                await victim.is_refused()
            await trio.to_thread.run_sync(server.stop)
            await trio.to_thread.run_sync(server.start_again)
        await victim.goes_on()
        assert "PANIC" in server.log
        assert NO_ROOM_SAID in server.log
