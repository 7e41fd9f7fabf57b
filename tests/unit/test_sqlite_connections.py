"""The record of connections: the reference's columns, and what a killed process leaves behind."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.stores import Retention, open_store
from engine.stores.connections import ConnectionChange, ConnectionEvent
from protocol.times import SECOND_US
from tests.support.stores import NOW

COLUMNS = "client_id, user_id, workspace_id, framework_id, connected_at, last_activity_at, status"


def rows(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT {COLUMNS} FROM websocket_connections ORDER BY client_id").fetchall()


def opened(client: str, at: int = 1) -> ConnectionChange:
    return ConnectionChange(kind=ConnectionEvent.OPENED, client_id=client, at=at, user="ann", workspace="acme")


def subscribed(client: str, framework: str, at: int = 2) -> ConnectionChange:
    return ConnectionChange(kind=ConnectionEvent.SUBSCRIBED, client_id=client, at=at, framework=framework)


def active(client: str, at: int) -> ConnectionChange:
    return ConnectionChange(kind=ConnectionEvent.ACTIVE, client_id=client, at=at)


def closed(client: str, at: int = 3) -> ConnectionChange:
    return ConnectionChange(kind=ConnectionEvent.CLOSED, client_id=client, at=at)


@pytest.mark.parametrize("batches", [1, 6])
async def test_changes_end_the_same_in_one_batch_or_in_many(tmp_path: Path, batches: int) -> None:
    path = tmp_path / "store.db"
    changes = [
        opened("a"), opened("b"), subscribed("a", "checkout"), subscribed("b", "search"), closed("a"),
        opened("a", 4), closed("b"), opened("c"), subscribed("c", "cart", 5), subscribed("c", "shop", 6),
        closed("nobody"), subscribed("nobody", "cart"),
    ]  # fmt: skip
    size = len(changes) // batches
    async with open_store(str(path)) as store:
        for start in range(0, len(changes), size):
            await store.connection_changes(changes[start : start + size])
        assert rows(path) == [
            ("a", "ann", "acme", None, 4, 4, "active"),
            ("b", "ann", "acme", "search", 1, 3, "disconnected"),
            ("c", "ann", "acme", "shop", 1, 6, "active"),
        ]


async def test_a_client_that_opens_again_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_store(str(path)) as store:
        await store.connection_changes([opened("a"), opened("b")])
        await store.connection_changes(
            [subscribed("a", "checkout"), closed("a"), subscribed("b", "cart"), opened("b", 9)]
        )
        assert rows(path) == [
            ("a", "ann", "acme", "checkout", 1, 3, "disconnected"),
            ("b", "ann", "acme", None, 9, 9, "active"),
        ]


async def test_a_sign_of_life_moves_the_last_activity_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_store(str(path)) as store:
        await store.connection_changes([opened("a"), active("a", 5), opened("b"), subscribed("b", "cart")])
        await store.connection_changes([active("b", 60), active("nobody", 60)])
        assert rows(path) == [
            ("a", "ann", "acme", None, 1, 5, "active"),
            ("b", "ann", "acme", "cart", 1, 60, "active"),
        ]
        await store.connection_changes([active("b", 120), closed("b", 130)])
        assert rows(path)[1] == ("b", "ann", "acme", "cart", 1, 130, "disconnected")


async def test_who_was_active_when_the_process_was_killed_is_disconnected_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_store(str(path)) as store:
        await store.connection_changes([opened("a"), opened("b")])
    assert [row[-1] for row in rows(path)] == ["active", "active"]
    async with open_store(str(path)):
        assert [row[-1] for row in rows(path)] == ["disconnected", "disconnected"]


async def test_closed_connections_older_than_the_retention_are_deleted(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_store(str(path), retention=Retention(events_s=60)) as store:
        await store.connection_changes([opened(f"c{n:04}", NOW) for n in range(1_200)])
        await store.connection_changes([closed(f"c{n:04}", NOW) for n in range(1_100)])
        await store.connection_changes([closed("c1199", NOW + 50 * SECOND_US)])
        assert await store.trim(NOW + 61 * SECOND_US) == 0
        left = rows(path)
        assert len(left) == 100
        assert {row[-1] for row in left} == {"active", "disconnected"}
