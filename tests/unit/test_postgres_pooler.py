"""Sessions behind a pooler: one that hands them on is refused, and ours are told their settings when they are there."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from engine.stores.postgres.connect import connected, with_settings
from protocol.errors import NotYet, StoreRefused

URL = "postgresql://me:hush@db/tocsin"
# What the pooler says in the server's place when somebody logs in.
ITS_OWN = 7


class Client:
    """A connection; in each transaction it is in the session that `pids` says next."""

    def __init__(self, pids: Iterator[int], own: int = ITS_OWN, fault: Exception | None = None) -> None:
        self._pids, self._own, self._fault = pids, own, fault
        self.said: list[str] = []
        self.is_ended = False

    def get_server_pid(self) -> int:
        return self._own

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        if self._fault is not None:
            raise self._fault
        yield

    async def fetchval(self, _: str) -> int:
        return next(self._pids)

    async def fetchrow(self, _: str) -> tuple[int, str, str]:
        return 150_000, "15.0", "UTF8"

    async def execute(self, sql: str, timeout: float = 0.0) -> None:
        if self._fault is not None:
            raise self._fault
        self.said.append(sql)

    async def close(self) -> None:
        self.terminate()

    def terminate(self) -> None:
        self.is_ended = True


def served_by(monkeypatch: pytest.MonkeyPatch, *clients: Client) -> None:
    waiting = list(clients)

    async def connect_to(*_: object, **__: object) -> Client:
        return waiting.pop(0)

    monkeypatch.setattr(asyncpg, "connect", connect_to)


def always(pid: int) -> Iterator[int]:
    return itertools.repeat(pid)


async def enter() -> None:
    async with connected(URL):
        pass


def test_the_server_itself_is_asked_once_and_by_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(always(100), own=100)
    served_by(monkeypatch, client)
    asyncio.run(enter())
    assert client.said == ["SELECT set_config('search_path', 'public', false)"]
    assert client.is_ended


def test_a_pooler_that_gives_a_session_for_good_is_as_good_as_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Client(always(100)), Client(always(200))
    served_by(monkeypatch, first, second)
    asyncio.run(enter())
    assert first.said == ["SELECT set_config('search_path', 'public', false)"]
    assert (first.is_ended, second.is_ended) == (True, True)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (always(100), always(100)),  # the last one that was free
        (itertools.cycle([100, 101]), itertools.cycle([200, 201])),  # in turn
        (iter([100, 100, 100, 100, 100]), iter([200, 200, 100])),  # by chance
    ],
    ids=["the last", "in turn", "by chance"],
)
def test_a_pooler_that_hands_sessions_on_is_refused_before_anything_is_set(
    monkeypatch: pytest.MonkeyPatch, first: Iterator[int], second: Iterator[int]
) -> None:
    clients = Client(first), Client(second)
    served_by(monkeypatch, *clients)
    with pytest.raises(StoreRefused, match=r"the pooler at db/tocsin gives .*pool_mode = session") as refusal:
        asyncio.run(enter())
    assert "hush" not in str(refusal.value)
    assert [client.said for client in clients] == [[], []]
    assert [client.is_ended for client in clients] == [True, True]


def test_statements_that_somebody_else_has_prepared_in_our_session_are_a_sign_of_such_a_pooler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault = asyncpg.DuplicatePreparedStatementError('prepared statement "__asyncpg_stmt_1__" already exists')
    served_by(monkeypatch, Client(always(100), fault=fault))
    with pytest.raises(StoreRefused, match="the pooler at db/tocsin"):
        asyncio.run(enter())


def test_a_pooler_that_has_no_session_for_us_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    full = asyncpg.ConnectionDoesNotExistError("query_wait_timeout")
    served_by(monkeypatch, Client(always(100)), Client(always(200), fault=full))
    with pytest.raises(NotYet, match="db/tocsin serves no two connections of ours: query_wait_timeout"):
        asyncio.run(enter())


def test_a_session_that_cannot_be_told_its_settings_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(always(100), fault=TimeoutError())
    served_by(monkeypatch, client)
    with pytest.raises(TimeoutError):
        asyncio.run(with_settings(URL, 1.0, {"lock_timeout": "3s"}))
    assert client.is_ended


def test_settings_are_said_in_one_statement_for_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = Client(always(100))
    served_by(monkeypatch, client)
    asyncio.run(with_settings(URL, 1.0, {"lock_timeout": "3s", "jit": "off"}))
    assert client.said == ["SELECT set_config('lock_timeout', '3s', false), set_config('jit', 'off', false)"]
