"""Postgres restarted, frozen, its sessions ended and its questions cancelled: answers, never crashes; nothing is left
over.

Time is real: the server's and asyncio's clocks know nothing of trio's. The longest wait is for a frozen server.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import trio
import trio.testing

from engine import foreign as foreign_loop
from engine.ids import now_us
from engine.stores import AlertQuery, Retention, Store, open_store
from engine.stores.postgres.readers import READ_SESSIONS
from protocol.effects import Behind, Committed, Unavailable
from protocol.errors import StoreUnavailable
from protocol.model import ChannelKey
from tests.support.postgres_fixtures import migrated_template
from tests.support.postgres_server import APP, PASSWORD, PostgresServer
from tests.support.stores import KEY, OTHER, a_commit, committed, fill

ALL = AlertQuery(workspace="acme", limit=500)
# Some seconds each; a loaded machine gets its time. (Whoever waited for a frozen server would wait for ever.)
FROZEN_MAX_S, BACK_S = 120.0, 120.0
LOOK_AROUND = (
    "SELECT count(*) FILTER (WHERE state <> 'idle'), count(*) FILTER (WHERE xact_start IS NOT NULL)"
    f" FROM pg_stat_activity WHERE usename = '{APP}'"
)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    server = PostgresServer.start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def url(server: PostgresServer) -> str:
    return server.url(migrated_template(server), APP)


@pytest.fixture
def key(request: pytest.FixtureRequest) -> ChannelKey:
    """A channel for the test alone: the database is shared."""
    return ChannelKey("acme", f"channel-of-{request.node.name}"[:60])


async def when_it_is_back(store: Store, key: ChannelKey, base: int) -> None:
    """Commits as soon as the store can again."""
    commit = a_commit(key, base)
    with trio.fail_after(BACK_S):
        while isinstance(outcome := await store.commit(commit), Unavailable):
            await trio.sleep(0.1)
    assert isinstance(outcome, Committed)


async def test_a_crash_of_the_server_is_an_answer_and_what_was_acked_is_there(
    server: PostgresServer, url: str, key: ChannelKey
) -> None:
    async with open_store(url) as store:
        await fill(store, key, 3)
        await trio.to_thread.run_sync(server.stop, "immediate")
        outcome = await store.commit(a_commit(key, 3))
        assert isinstance(outcome, Unavailable)
        assert PASSWORD not in outcome.cause
        assert not store.is_available
        with pytest.raises(StoreUnavailable) as caught:
            await store.alerts(ALL)
        assert PASSWORD not in str(caught.value)
        await trio.to_thread.run_sync(server.start_again)
        await when_it_is_back(store, key, 3)
        assert store.is_available
        assert [event.offset for event in await store.history(key, 0, 10)] == [1, 2, 3, 4]


async def test_sessions_that_an_operator_ends_are_made_anew(server: PostgresServer, url: str, key: ChannelKey) -> None:
    async with open_store(url) as store:
        await fill(store, key, 1)
        await store.alerts(ALL)
        end = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{APP}'"
        await trio.to_thread.run_sync(server.sql, end)
        await when_it_is_back(store, key, 1)
        with trio.fail_after(BACK_S):
            while True:
                try:
                    assert (await store.recall(key)).offset == 2
                    break
                except StoreUnavailable:
                    await trio.sleep(0.1)


async def test_a_frozen_server_is_not_waited_for(server: PostgresServer, url: str, key: ChannelKey) -> None:
    async with open_store(url) as store:
        await fill(store, key, 1)
        await store.alerts(ALL)
        await trio.to_thread.run_sync(server.freeze)
        try:
            began = trio.current_time()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_is_away, store)
                assert isinstance(await store.commit(a_commit(key, 1)), Unavailable)
            assert trio.current_time() - began < FROZEN_MAX_S
        finally:
            server.thaw()
        with trio.fail_after(BACK_S):
            while isinstance(await store.commit(a_commit(key, (await _offset(store, key)))), Unavailable | Behind):
                await trio.sleep(0.1)


async def test_who_is_cancelled_while_the_server_is_frozen_is_back_soon_and_leaves_nobody_and_no_session_behind(
    server: PostgresServer, url: str, key: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A loaded machine gets its time; who waits for the server has it for longer, until his transaction's time is over.
    monkeypatch.setattr(foreign_loop, "CANCEL_MAX_S", 5.0)
    async with open_store(url) as store:
        await fill(store, key, 1)
        await store.alerts(ALL)
        foreign, readers = store._readers._foreign, store._readers._sessions  # type: ignore[attr-defined]
        (before,) = [connection.session for connection in readers._idle]
        await trio.to_thread.run_sync(server.freeze)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(store.commit, a_commit(key, 1))
                # One in its transaction, some that connect, and one that waits for a place.
                for _ in range(READ_SESSIONS + 1):
                    nursery.start_soon(store.alerts, ALL)
                await trio.testing.wait_all_tasks_blocked()
                # What was called before it has begun over there.
                await foreign.call(_nothing)
                nursery.cancel_scope.cancel()
            # Who heeds nobody is left behind.
            assert foreign.abandoned == 0
            assert readers._idle == []
            assert before.is_closed()
        finally:
            server.thaw()
        opened = readers.opened
        with trio.fail_after(BACK_S):
            while await _offset(store, key) < 1:
                await trio.sleep(0.1)
        assert readers.opened > opened


async def _offset(store: Store, key: ChannelKey) -> int:
    """Where it stands; whether the frozen commit happened only the server knows."""
    try:
        return (await store.recall(key)).offset
    except StoreUnavailable:
        return -1


async def _nothing() -> None:
    """A moment over there."""


async def _is_away(store: Store) -> None:
    with pytest.raises(StoreUnavailable):
        await store.alerts(ALL)


async def test_five_hundred_cancelled_questions_leave_no_transaction_and_no_setting(
    server: PostgresServer, url: str, key: ChannelKey
) -> None:
    async with open_store(url) as store:
        await fill(store, key, 1, size=50)
        for number in range(100):
            with trio.move_on_after(0.0002 * (number % 10)):
                async with trio.open_nursery() as nursery:
                    for _ in range(5):
                        nursery.start_soon(store.alerts, ALL)
        assert len((await store.alerts(AlertQuery(workspace="acme", framework=key.framework))).items) == 50
        readers: Any = store._readers  # type: ignore[attr-defined]

        async def look() -> list[tuple[bool, str | None]]:
            """Outside of a transaction: inside each says anew whose rows it may see."""
            idle = [connection.session for connection in readers._sessions._idle]
            setting = "SELECT nullif(current_setting('tocsin.workspaces', true), '')"
            return [(each.is_in_transaction(), await each.fetchval(setting)) for each in idle]

        assert set(await readers._foreign.call(look)) == {(False, None)}
        with trio.fail_after(BACK_S):
            while await trio.to_thread.run_sync(server.sql, LOOK_AROUND) != [["0", "0"]]:
                await trio.sleep(0.1)  # the server notices a session that was terminated when it writes next


async def test_two_nodes_that_both_think_a_channel_is_theirs_leave_no_gap_and_no_double(
    url: str, key: ChannelKey
) -> None:
    async with open_store(url) as one, open_store(url) as other:
        won: list[int] = []

        async def contend(store: Store) -> None:
            base = 0
            while base < 20:
                outcome = await store.commit(a_commit(key, base))
                if isinstance(outcome, Committed):
                    won.append(base := base + 1)
                else:
                    assert isinstance(outcome, Behind), outcome
                    base = outcome.offset

        async with trio.open_nursery() as nursery:
            nursery.start_soon(contend, one)
            nursery.start_soon(contend, other)
        assert sorted(won) == list(range(1, len(won) + 1))
        events = await one.history(key, 0, 100)
        assert [event.offset for event in events] == sorted(won)
        offsets = [event.workspace_offset for event in events]
        assert offsets == sorted(set(offsets))


async def test_commits_of_two_nodes_in_many_channels_go_on_beside_trims_without_a_deadlock(
    server: PostgresServer, url: str, key: ChannelKey
) -> None:
    keys = [ChannelKey("acme", f"{key.framework[:50]}-{number}") for number in range(4)]
    short = Retention(events_s=0, events_per_channel=1)
    async with open_store(url, retention=short) as one, open_store(url) as other:

        async def commits(store: Store, of: ChannelKey) -> None:
            for base in range(10):
                await committed(store, a_commit(of, base))

        async with trio.open_nursery() as nursery:
            for number, of in enumerate(keys):
                nursery.start_soon(commits, (one, other)[number % 2], of)
            for _ in range(5):
                await one.trim(now_us())
    assert "deadlock" not in server.log


async def test_what_a_transaction_of_one_workspace_asks_it_sees_of_no_other(url: str) -> None:
    async with open_store(url) as store:
        await fill(store, KEY, 1)
        await fill(store, OTHER, 1)

        def count(connection: object) -> int:
            return int(connection.ask("SELECT count(*) FROM alert", []).fetchone()[0])  # type: ignore[attr-defined]

        assert await store._readers.read(count, "acme") >= 2  # type: ignore[attr-defined]
        assert await store._readers.read(count, "umbrella") == 0  # type: ignore[attr-defined]
        assert await store._readers.read(count) >= 2  # type: ignore[attr-defined]
