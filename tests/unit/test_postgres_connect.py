"""What is said about a database by its URL: which one it is, never with which password."""

from __future__ import annotations

import asyncio

import pytest

from engine.stores.postgres.connect import connected, named
from protocol.errors import StoreRefused


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:hush@db:5433/tocsin?sslmode=require", "db:5433/tocsin"),
        ("postgresql://me:hu#sh@db/tocsin", "db/tocsin"),
        ("postgresql://me:hush", "localhost/"),
        ("postgresql://me@/tocsin?host=/run/postgresql", "/run/postgresql/tocsin"),
        ("postgresql:///tocsin?host=db&port=5433&password=hush", "db:5433/tocsin"),
        ("postgresql://?host=db&dbname=tocsin", "db/tocsin"),
    ],
)
def test_a_database_is_named_by_its_host_wherever_the_url_has_it(url: str, said: str) -> None:
    assert named(url) == said


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        (
            "postgresql://me:hush@db/t?sslmode=perhaps",
            r"%2F for /; behind the \? only what Postgres' own programs take",
        ),
        ("postgresql://me:hush@db:port/t", r"%2F for /\)$"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_with_what_may_be_wrong_in_it(url: str, advice: str) -> None:
    async def connect() -> None:
        async with connected(url):
            raise AssertionError("nothing is there")

    with pytest.raises(StoreRefused, match=advice) as refusal:
        asyncio.run(connect())
    assert "the database at db/t cannot be used" in str(refusal.value)
    assert "hush" not in str(refusal.value)
