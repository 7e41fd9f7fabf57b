"""What is said about a database by its URL: which one it is, never with which password."""

from __future__ import annotations

import asyncio
from pathlib import Path

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
    assert "the database at db/t cannot be used" in refused(url, advice)


@pytest.mark.parametrize(
    ("behind", "said"),
    [
        ("sslmode=verify-full", "has sslmode=verify-full and no sslrootcert=FILE"),
        ("sslmode=verify-ca", "has sslmode=verify-ca and no sslrootcert=FILE"),
        ("sslmode=verify-full&sslrootcert=/no/ca.pem", "names no file: sslrootcert=/no/ca.pem"),
    ],
)
def test_what_is_lacking_for_tls_is_named(
    behind: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Certificates of whoever runs the tests are not ours.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    assert "database at db/t " in refused(f"postgresql://me:hush@db/t?{behind}", said)


def refused(url: str, why: str) -> str:
    """What is said of a URL that is refused for this, without its password."""

    async def connect() -> None:
        async with connected(url):
            raise AssertionError("nothing is there")

    with pytest.raises(StoreRefused, match=why) as refusal:
        asyncio.run(connect())
    assert "hush" not in str(refusal.value)
    return str(refusal.value)
