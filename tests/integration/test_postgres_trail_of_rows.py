"""What a change of a row leaves in row_audit: who, what, from which state to which, and no secret."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import asyncpg
import msgspec
import pytest

from engine.stores import open_store
from protocol.effects import Audit
from protocol.model import AlertState
from tests.support.postgres_rows import fill, in_transaction
from tests.support.postgres_server import APP, OWNER, PostgresDatabase
from tests.support.stores import NOW, a_commit, a_row, an_alert, committed

SEALED = "v1.key.c2VhbGVkIHNlY3JldA"
ENDPOINT = json.dumps({"name": "hook", "sealed": SEALED})


@pytest.fixture
def filled(postgres_database: PostgresDatabase) -> PostgresDatabase:
    asyncio.run(in_transaction(postgres_database.url, "*", fill))
    return postgres_database


def lines(database: PostgresDatabase, *changes: str, actor: str | None = "ann", url: str = "") -> list[dict[str, Any]]:
    """What these changes, in acme's transaction, have added to the trail."""

    async def change(connection: asyncpg.Connection) -> list[Any]:
        last = await connection.fetchval("SELECT max(id) FROM row_audit")
        if actor is not None:
            await connection.execute("SELECT set_config('tocsin.actor', $1, true)", actor)
        for sql in changes:
            await connection.execute(sql)
        return list(await connection.fetch("SELECT * FROM row_audit WHERE id > $1 ORDER BY id", last))

    found = asyncio.run(in_transaction(url or database.url, '["acme"]', change))
    documents = ("key", "before", "after")
    return [{**row, **{name: row[name] and json.loads(row[name]) for name in documents}} for row in map(dict, found)]


def test_a_change_says_who_did_it_and_what_is_different(filled: PostgresDatabase) -> None:
    (line,) = lines(filled, "UPDATE alert SET state = 2, assigned_to = 'bob', occurrences = 7, body = 'x'")
    assert (line["workspace"], line["relation"], line["verb"]) == ("acme", "alert", "UPDATE")
    assert (line["actor"], line["login"], line["key"]) == ("ann", APP, {"workspace": 901, "id": "a"})
    assert line["before"] == {"state": 1, "assigned_to": None}
    assert line["after"] == {"state": 2, "assigned_to": "bob"}
    assert line["at"] > 1_700_000_000_000_000


def test_a_sighting_of_an_alert_is_nobodys_change(filled: PostgresDatabase) -> None:
    assert lines(filled, "UPDATE alert SET occurrences = 7, last_seen_at = 9, body = 'x'") == []


def test_an_alert_that_is_deleted_leaves_a_line(filled: PostgresDatabase) -> None:
    (line,) = lines(filled, "DELETE FROM alert")
    assert (line["verb"], line["before"]["state"], line["after"]) == ("DELETE", 1, None)


def test_secrets_are_not_copied_but_a_change_of_them_is_seen(filled: PostgresDatabase) -> None:
    digest = hashlib.sha256(ENDPOINT.encode()).hexdigest()
    made, changed, gone = lines(
        filled,
        f"INSERT INTO object VALUES ('endpoint', 'acme', 'hook', 1, NULL, '{ENDPOINT}', 1, 1, 'ann')",
        "UPDATE object SET body = '{}', version = 2 WHERE kind = 'endpoint'",
        "DELETE FROM object WHERE kind = 'endpoint'",
    )
    assert [made["verb"], changed["verb"], gone["verb"]] == ["INSERT", "UPDATE", "DELETE"]
    assert made["key"] == {"kind": "endpoint", "workspace": "acme", "id": "hook"}
    assert made["after"]["body_sha256"] == digest
    assert changed["before"] == {"version": 1, "body_sha256": digest}
    assert set(changed["after"]) == {"version", "body_sha256"}
    assert "sealed" not in str([made, changed, gone])
    assert SEALED not in str([made, changed, gone])


@pytest.mark.parametrize(
    ("change", "relation", "after"),
    [
        ("UPDATE tracker SET item = 'next', body = '{1}'", "tracker", {"item": "next"}),
        ("UPDATE revocation SET ends_at = 9", "revocation", {"ends_at": 9}),
        ("UPDATE delivery SET state = 'read', updated_at = 9", "delivery", {"state": "read"}),
    ],
)
def test_what_people_change_leaves_a_line(
    filled: PostgresDatabase, change: str, relation: str, after: dict[str, Any]
) -> None:
    (line,) = lines(filled, change)
    assert (line["relation"], line["workspace"]) == (relation, "acme")
    assert after.items() <= line["after"].items()


def test_a_step_of_a_machine_leaves_none(filled: PostgresDatabase) -> None:
    steps = ("UPDATE delivery SET attempts = 2, state = 'delivered'", "UPDATE job SET state = 2", "DELETE FROM entry")
    assert lines(filled, *steps) == []


def test_queues_and_schedules_are_everybodys_and_leave_lines_that_operators_read(filled: PostgresDatabase) -> None:
    async def change(connection: asyncpg.Connection) -> list[Any]:
        for sql in (
            "INSERT INTO job_queue (name) VALUES ('alert')",
            "UPDATE job_queue SET paused_at = 5",
            "UPDATE job_queue SET paused_at = 5",
            "INSERT INTO job_cron (name, last_fire) VALUES ('nightly', 1)",
            "UPDATE job_cron SET last_fire = 2",
            "UPDATE job_cron SET paused_at = 5",
        ):
            await connection.execute(sql)
        return list(
            await connection.fetch(
                "SELECT relation, verb, workspace, after ->> 'paused_at' FROM row_audit"
                " WHERE relation LIKE 'job%' ORDER BY id"
            )
        )

    assert [tuple(row) for row in asyncio.run(in_transaction(filled.url, "*", change))] == [
        ("job_queue", "INSERT", None, None),
        ("job_queue", "UPDATE", None, "5"),
        ("job_cron", "INSERT", None, None),
        ("job_cron", "UPDATE", None, "5"),
    ]


def test_without_a_word_on_who_it_was_the_row_itself_may_say_it(filled: PostgresDatabase) -> None:
    (line,) = lines(filled, "UPDATE object SET version = 2, updated_by = 'bob'", actor=None)
    assert line["actor"] == "bob"


def test_somebody_beside_the_engine_is_named_by_his_login(filled: PostgresDatabase) -> None:
    (line,) = lines(filled, "UPDATE tracker SET item = 'x'", actor=None, url=filled.owner_url)
    assert (line["actor"], line["login"]) == (None, OWNER)


def test_who_bypasses_row_level_security_leaves_a_line_too(filled: PostgresDatabase) -> None:
    changes = ("UPDATE alert SET state = 4", "UPDATE tracker SET item = 'x'")
    server, name = filled.server, filled.name
    for sql in changes:
        server.sql(sql, name)
    asked = "SELECT relation, workspace, login, actor FROM row_audit WHERE login = 'keeper' ORDER BY id"
    assert server.sql(asked, name) == [
        [relation, workspace, "keeper", ""] for relation in ("alert", "tracker") for workspace in ("acme", "umbrella")
    ]


@pytest.mark.parametrize("function", ["tocsin_note_row('id', '')", "tocsin_note_alerts()"])
def test_nobody_makes_lines_up_with_a_table_of_his_own(filled: PostgresDatabase, function: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for function"):
        lines(
            filled,
            "CREATE TEMPORARY TABLE object (id text)",
            f"CREATE TRIGGER made_up AFTER INSERT ON object FOR EACH ROW EXECUTE FUNCTION {function}",
        )


def test_a_line_of_the_trail_leaves_a_transaction_the_workspaces_that_it_has_named(filled: PostgresDatabase) -> None:
    async def change(connection: asyncpg.Connection) -> Any:
        await connection.execute("UPDATE alert SET state = 2")
        await connection.execute("UPDATE tracker SET item = 'x'")
        return await connection.fetchval("SELECT count(*) FROM alert")

    assert asyncio.run(in_transaction(filled.url, '["acme"]', change)) == 1


@pytest.mark.parametrize("table", ["audit", "administrative_act", "object_version", "row_audit"])
@pytest.mark.parametrize("change", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {}"])
def test_a_trail_is_not_even_changed_by_its_owner(filled: PostgresDatabase, table: str, change: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="is append-only"):
        asyncio.run(in_transaction(filled.owner_url, "*", lambda connection: connection.execute(change.format(table))))


async def test_each_alert_that_a_group_commits_is_changed_by_whoever_changed_it(
    postgres_database: PostgresDatabase,
) -> None:
    async with open_store(postgres_database.url) as store:
        alerts = [an_alert() for _ in range(3)]
        await committed(store, a_commit(rows=[a_row(alert) for alert in alerts]))
        resolved = [msgspec.structs.replace(alert, state=AlertState.RESOLVED) for alert in alerts]
        acts = [
            Audit(at=NOW, by=name, verb="resolve", alert_id=alert.id)
            for name, alert in zip(("ann", "bob"), alerts, strict=False)
        ]
        await committed(store, a_commit(base=3, rows=[a_row(alert) for alert in resolved], audits=acts))
    lines = postgres_database.server.sql("SELECT key ->> 'id', actor FROM row_audit", postgres_database.name)
    assert dict(lines) == dict(zip([alert.id for alert in alerts], ["ann", "bob", ""], strict=True))
