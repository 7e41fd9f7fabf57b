"""What the doctor says of a Postgres: a real one, as it is, and as it should not be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.configuration.config import Config
from engine.doctor import Finding, Level, clock, network, postgres, store
from engine.stores.postgres.looking import Looked
from tests.support.postgres_server import PASSWORD, PostgresDatabase, PostgresServer

OK, WARNING, FAIL = Level.OK, Level.WARNING, Level.FAIL


def by_check(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def look(url: str) -> list[Finding]:
    return list(store.state(Config(data=Path("none"), store=url)))


@pytest.fixture
def postgres_url(postgres_database: PostgresDatabase) -> str:
    return postgres_database.url


@pytest.fixture(autouse=True)
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    # A machine full of tests answers late.
    monkeypatch.setattr(postgres, "PING_SLOW_S", 30.0)
    monkeypatch.setattr(postgres, "CLOCKS_APART_S", 30.0)


def test_one_that_is_migrated_and_used_by_its_own_role_is_in_order_but_for_the_tests_own_haste(
    postgres_url: str,
) -> None:
    found = look(postgres_url)
    assert [(each.check, each.level) for each in found if each.level is not OK] == [("store", FAIL)]
    assert "synchronous_commit or fsync is off" in next(each.text for each in found if each.level is FAIL)
    assert {each.check for each in found} == {"store", "login", "migrations", "epoch"}
    assert PASSWORD not in str(found)


def test_migrations_to_come_are_a_fail_with_the_command(postgres_server: PostgresServer, empty_postgres: str) -> None:
    found = by_check(iter(look(postgres_server.url(empty_postgres))))
    assert found["migrations"].level is FAIL
    assert "tocsin migrate --store URL" in found["migrations"].advice


def test_an_owners_login_is_a_fail(postgres_database: PostgresDatabase) -> None:
    assert by_check(iter(look(postgres_database.owner_url)))["login"].level is FAIL


def test_one_that_does_not_answer_is_a_fail_with_its_host() -> None:
    (found,) = look("postgresql://tocsin:hunter2@127.0.0.1:9/tocsin")
    assert (found.level, "127.0.0.1:9/tocsin" in found.text, "hunter2" in str(found)) == (FAIL, True, False)


def test_one_of_another_program_is_a_fail(postgres_server: PostgresServer, empty_postgres: str) -> None:
    postgres_server.sql("CREATE TABLE theirs (id int)", empty_postgres)
    (found,) = look(postgres_server.url(empty_postgres))
    assert (found.level, "belongs to another program" in found.text) == (FAIL, True)


GOOD = Looked("16.1", True, False, "tocsin_app", 10, 100, 0.1, 0.0005, [], [], "e1")


@pytest.mark.parametrize(
    ("changed", "check", "level"),
    [
        ({}, "store", OK),
        ({"ping_s": 60.0}, "store", WARNING),
        ({"is_durable": False}, "store", FAIL),
        ({"is_standby": True}, "store", FAIL),
        ({"connections": 90}, "store", WARNING),
        ({"ahead_s": -60.0}, "clock", WARNING),
    ],
)
def test_a_server_that_is_far_full_not_durable_or_late_is_told(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], check: str, level: Level
) -> None:
    monkeypatch.setattr(postgres, "look_at", lambda url: GOOD._replace(**changed))
    worst = [each.level for each in look(postgres_url) if each.check == check and each.level is not OK] or [OK]
    assert worst == [level]


def test_the_checks_of_clock_and_ports_know_a_store_without_a_file(postgres_url: str, tmp_path: Path) -> None:
    config = Config(data=tmp_path, store=postgres_url, ws="127.0.0.1:0", http="127.0.0.1:0")
    assert [each.level for each in clock.sanity(config)] == [OK]
    *ports, engine = network.ports(config)
    assert [each.level for each in (*ports, engine)] == [OK, OK, OK]
    # Others may: such a store has no file that would tell.
    assert engine.text == "none answers at 127.0.0.1:0 (`tocsin nodes`: elsewhere)"
