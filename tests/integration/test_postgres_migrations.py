"""Migrations on a real Postgres: what they leave, what they refuse, and what a crash or a rival does to them."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner

from engine.configuration.fields import Secret
from engine.stores.migrate import Migration
from engine.stores.migrate import migrations as files
from engine.stores.postgres import migrations
from engine.stores.postgres.connect import connected
from engine.stores.postgres.roles import EngineRole, check_role
from protocol.errors import StoreRefused
from tests.support.engines import command, environment
from tests.support.postgres_fixtures import ROLE
from tests.support.postgres_server import APP, KEEPER, OWNER, PASSWORD, PostgresDatabase, PostgresServer
from tests.unit.test_migrate import COUNTED
from tocsin.cli import cli

KNOWN = files("postgres")
# For a process that waits for the other one, on a machine that does much else.
PATIENCE_S = 170.0
LATER = Migration(9_999, "later", "CREATE TABLE later (n bigint)")


def tables(server: PostgresServer, database: str) -> set[str]:
    return {name for (name,) in server.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", database)}


def run(*arguments: str, **environ: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, [*arguments], env=environ)
    return result.exit_code, result.output


def refused_to_start(url: str) -> str:
    async def start() -> None:
        async with connected(url) as connection:
            await migrations.check_migrated(connection)
            await check_role(connection)

    with pytest.raises(StoreRefused) as refusal:
        asyncio.run(start())
    return str(refusal.value)


def test_an_empty_database_gets_every_migration_and_then_has_nothing_to_do(
    postgres_server: PostgresServer, empty_postgres: str
) -> None:
    url = postgres_server.url(empty_postgres)
    first = asyncio.run(migrations.migrate(url, ROLE))
    assert [line.number for line in first.applied] == [migration.number for migration in KNOWN]
    assert asyncio.run(migrations.migrate(url, ROLE)).applied == []
    status = asyncio.run(migrations.status(url))
    assert (status.applied, status.pending) == (first.applied, [])


def test_a_rehearsal_says_what_would_be_applied_and_leaves_nothing(
    postgres_server: PostgresServer, empty_postgres: str
) -> None:
    assert asyncio.run(migrations.rehearse(postgres_server.url(empty_postgres))) == KNOWN
    assert tables(postgres_server, empty_postgres) == set()


def test_two_migrations_at_the_same_time_take_turns(postgres_server: PostgresServer, empty_postgres: str) -> None:
    url = postgres_server.url(empty_postgres)

    async def both() -> list[migrations.Migrated]:
        return await asyncio.gather(migrations.migrate(url, ROLE), migrations.migrate(url, ROLE))

    done = asyncio.run(both())
    applied = sorted(line.number for each in done for line in each.applied)
    assert applied == [migration.number for migration in KNOWN]


@pytest.mark.parametrize("is_empty", [True, False], ids=["empty", "a version behind"])
def test_two_commands_at_the_same_time_both_end_well_and_apply_everything_once(
    postgres_server: PostgresServer, empty_postgres: str, tmp_path: Path, is_empty: bool
) -> None:
    url = postgres_server.url(empty_postgres)
    behind = [] if is_empty else KNOWN[:-1]
    if behind:
        asyncio.run(migrations.migrate(url, ROLE, behind))
    password = {"TOCSIN_APP_PASSWORD": PASSWORD}
    line = command("migrate", "--store", url, "--data", str(tmp_path))
    both = [
        subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(**password))
        for _ in range(2)
    ]
    told = [process.communicate(timeout=PATIENCE_S)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    applied = [number for text in told for number in re.findall(r"applied  (\d{4})", text)]
    assert sorted(map(int, applied)) == [migration.number for migration in KNOWN[len(behind) :]]
    assert PASSWORD not in "".join(told)


def test_a_migration_that_breaks_off_leaves_what_was_before_it_and_can_be_said_again(
    postgres_server: PostgresServer, empty_postgres: str
) -> None:
    url = postgres_server.url(empty_postgres)
    broken = Migration(9_999, "later", "CREATE TABLE later (n bigint); SELECT 1 / 0")
    with pytest.raises(StoreRefused, match="division by zero"):
        asyncio.run(migrations.migrate(url, ROLE, [*KNOWN, broken]))
    assert "later" not in tables(postgres_server, empty_postgres)
    assert [line.number for line in asyncio.run(migrations.status(url)).applied] == [each.number for each in KNOWN]
    done = asyncio.run(migrations.migrate(url, ROLE, [*KNOWN, LATER]))
    assert [line.number for line in done.applied] == [9_999]


def test_hours_whose_noise_was_confirmed_as_well_are_counted_again(
    postgres_server: PostgresServer, empty_postgres: str
) -> None:
    url = postgres_server.url(empty_postgres)
    asyncio.run(migrations.migrate(url, ROLE, [each for each in KNOWN if each.number < 15]))
    # Of a workspace and a channel that nobody asks for here.
    postgres_server.sql(f"SET session_replication_role = replica; {COUNTED}", empty_postgres)
    asyncio.run(migrations.migrate(url, ROLE))
    rows = postgres_server.sql("SELECT start / 3600000000, due FROM aggregate_hour ORDER BY start", empty_postgres)
    assert [tuple(row) for row in rows] == [("0", ""), ("1", "9"), ("2", "0")]


def test_a_server_that_crashes_in_the_middle_of_a_migration_has_none_of_it_afterwards() -> None:
    server = PostgresServer.start()
    try:
        name = server.new_database()
        asyncio.run(migrations.migrate(server.url(name), ROLE))
        # Waits for the test to crash the server: the table has been made by then, and is not committed.
        slow = Migration(9_999, "slow", "CREATE TABLE slow (n bigint); NOTIFY made; SELECT pg_sleep(600)")
        with pytest.raises(StoreRefused, match="broke off"):
            asyncio.run(_crash_meanwhile(server, name, slow))
        server.start_again()
        assert "slow" not in tables(server, name)
        assert asyncio.run(migrations.status(server.url(name))).pending == []
    finally:
        server.remove()


async def _crash_meanwhile(server: PostgresServer, name: str, slow: Migration) -> None:
    migrating = asyncio.create_task(migrations.migrate(server.url(name), ROLE, [*KNOWN, slow]))
    keeper = await asyncpg.connect(server.url(name, KEEPER))
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event = 'PgSleep'"
    while not await keeper.fetchval(asleep, name):  # another program's state has no event
        await asyncio.sleep(0.01)
    await keeper.close()
    await asyncio.to_thread(server.stop, "immediate")
    await migrating


def test_a_database_that_is_newer_is_refused_by_migrations_and_by_an_engine(
    postgres_server: PostgresServer, empty_postgres: str
) -> None:
    url = postgres_server.url(empty_postgres)
    asyncio.run(migrations.migrate(url, ROLE, [*KNOWN, LATER]))
    with pytest.raises(StoreRefused, match="newer than this program"):
        asyncio.run(migrations.migrate(url, ROLE))
    assert "newer than this program" in refused_to_start(postgres_server.url(empty_postgres, APP))


def test_a_database_of_another_program_is_refused_and_left_as_it_is(
    postgres_server: PostgresServer, empty_postgres: str
) -> None:
    # Others call their ledger `migration`, too.
    postgres_server.sql("CREATE TABLE migration (id int); CREATE TABLE diary (day date)", empty_postgres, OWNER)
    for act in (migrations.status, migrations.rehearse):
        with pytest.raises(StoreRefused, match="another program"):
            asyncio.run(act(postgres_server.url(empty_postgres)))
    with pytest.raises(StoreRefused, match="another program"):
        asyncio.run(migrations.migrate(postgres_server.url(empty_postgres), ROLE))
    assert tables(postgres_server, empty_postgres) == {"migration", "diary"}


def test_a_database_with_an_extension_in_it_is_still_empty(
    postgres_server: PostgresServer, empty_postgres: str
) -> None:
    postgres_server.sql("CREATE EXTENSION pg_stat_statements", empty_postgres)
    assert asyncio.run(migrations.status(postgres_server.url(empty_postgres))).applied == []


def test_a_database_that_cannot_hold_every_text_is_refused(postgres_server: PostgresServer) -> None:
    postgres_server.sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C' LOCALE_PROVIDER libc")
    try:
        with pytest.raises(StoreRefused, match="encoding is LATIN1"):
            asyncio.run(migrations.status(postgres_server.url("latin", KEEPER)))
    finally:
        postgres_server.drop_database("latin")


def test_an_engine_on_a_database_without_migrations_is_told_the_command(
    postgres_server: PostgresServer, empty_postgres: str
) -> None:
    assert "tocsin migrate --store URL" in refused_to_start(postgres_server.url(empty_postgres))


# Who may start


@pytest.mark.parametrize(("user", "why"), [(OWNER, "owns the tables"), (KEEPER, "is a superuser")])
def test_an_engine_does_not_start_as_somebody_who_could_step_out_of_row_level_security(
    postgres_server: PostgresServer, postgres_database: PostgresDatabase, user: str, why: str
) -> None:
    said = refused_to_start(postgres_server.url(postgres_database.name, user))
    assert f"must not connect as '{user}'" in said
    assert why in said
    assert PASSWORD not in said


@pytest.mark.parametrize(
    ("rights", "why"),
    [
        ("BYPASSRLS", "may bypass row-level security"),
        ("CREATEROLE", "may make itself the owner (CREATEROLE)"),
        ("REPLICATION", "may copy all rows (REPLICATION)"),
        (f"IN ROLE {OWNER}", "owns the tables"),
        (f"IN ROLE {KEEPER}", "is a superuser"),
        (f"NOINHERIT IN ROLE {OWNER}", "owns the tables"),
    ],
)
def test_an_engine_does_not_start_as_somebody_who_could_become_such_a_one(
    postgres_server: PostgresServer, postgres_database: PostgresDatabase, rights: str, why: str
) -> None:
    postgres_server.sql(f"CREATE ROLE mighty LOGIN PASSWORD '{PASSWORD}' {rights}")
    postgres_server.sql("GRANT SELECT ON migration TO mighty", postgres_database.name)
    try:
        assert why in refused_to_start(postgres_server.url(postgres_database.name, "mighty"))
    finally:
        postgres_server.sql("REVOKE SELECT ON migration FROM mighty", postgres_database.name)
        postgres_server.sql("DROP ROLE mighty")


def test_the_role_that_a_migration_has_made_may_start(postgres_database: PostgresDatabase) -> None:
    async def start() -> str:
        async with connected(postgres_database.url) as connection:
            await migrations.check_migrated(connection)
            await check_role(connection)
            return str(await connection.fetchval("SELECT session_user"))

    assert asyncio.run(start()) == APP


def test_a_role_that_is_too_mighty_is_not_made_the_engines(
    postgres_server: PostgresServer, empty_postgres: str
) -> None:
    with pytest.raises(StoreRefused, match="owns this database, or may bypass"):
        asyncio.run(migrations.migrate(postgres_server.url(empty_postgres), EngineRole(OWNER)))


def test_a_role_with_another_name_can_be_the_engines(postgres_server: PostgresServer, empty_postgres: str) -> None:
    role = EngineRole("watchman", Secret("päss wörd"))
    try:
        assert asyncio.run(migrations.migrate(postgres_server.url(empty_postgres), role)).is_new_role

        async def count() -> int:
            url = postgres_server.url(empty_postgres, "watchman", "p%C3%A4ss%20w%C3%B6rd")
            async with connected(url) as connection:
                return int(await connection.fetchval("SELECT count(*) FROM alert"))

        assert asyncio.run(count()) == 0
    finally:
        postgres_server.sql("DROP OWNED BY watchman", empty_postgres)
        postgres_server.sql("DROP ROLE watchman")


def test_a_name_of_a_role_is_no_sql(postgres_server: PostgresServer, empty_postgres: str) -> None:
    with pytest.raises(StoreRefused, match="not allowed"):
        asyncio.run(migrations.migrate(postgres_server.url(empty_postgres), EngineRole('x"; DROP TABLE store; --')))


# The command


def test_the_command_migrates_makes_the_role_and_shows_no_password(
    postgres_server: PostgresServer, empty_postgres: str, tmp_path: Path
) -> None:
    url = postgres_server.url(empty_postgres)
    data = ["--data", str(tmp_path), "--store", url]
    secret = tmp_path / "password"
    secret.write_text("of the watchman\n")
    command = ["migrate", *data, "--app-role", "watchman", "--app-password-file", str(secret)]
    try:
        told = [run("migrate", "--dry-run", *data), run("migrate", "--status", *data), run(*command), run(*command)]
        assert [code for code, _ in told] == [0, 0, 0, 0]
        dry, pending, done, again = (text for _, text in told)
        assert "would apply  0001" in dry
        assert "pending  0001" in pending
        assert "applied  0001" in done
        assert "made the role watchman\n" in done
        assert again == "nothing to do: the store is up to date\n"
        assert PASSWORD not in "".join(text for _, text in told)
        found = postgres_server.sql("SELECT rolpassword LIKE 'SCRAM%' FROM pg_authid WHERE rolname = 'watchman'")
        assert found == [["t"]]
        assert "of the watchman" not in postgres_server.log
        login = postgres_server.url(empty_postgres, "watchman", "of%20the%20watchman")
        assert refused_to_start(login.replace(empty_postgres, "nowhere"))
    finally:
        postgres_server.sql("DROP OWNED BY watchman", empty_postgres)
        postgres_server.sql("DROP ROLE watchman")


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        (f"postgresql://{OWNER}:wrong-{PASSWORD}@127.0.0.1:PORT/postgres", "password authentication failed"),
        (f"postgresql://{OWNER}:{PASSWORD}@127.0.0.1:PORT/nowhere", 'database "nowhere" does not exist'),
        (f"postgresql://{OWNER}:{PASSWORD}@127.0.0.1:1/nowhere", "Connect call failed"),
    ],
)
def test_a_wrong_url_is_one_line_with_host_and_cause_and_without_the_password(
    postgres_server: PostgresServer, tmp_path: Path, url: str, cause: str
) -> None:
    url = url.replace("PORT", str(postgres_server.port))
    code, said = run("migrate", "--status", "--store", url, "--data", str(tmp_path))
    assert code == 2
    assert "127.0.0.1" in said
    assert cause in said
    assert PASSWORD not in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("by", ["PGPASSWORD", "PGPASSFILE"])
def test_the_owners_password_need_not_stand_on_the_command_line(
    postgres_server: PostgresServer, empty_postgres: str, tmp_path: Path, by: str
) -> None:
    file = tmp_path / "pgpass"
    file.write_text(f"127.0.0.1:{postgres_server.port}:{empty_postgres}:{OWNER}:{PASSWORD}\n")
    file.chmod(0o600)
    url = postgres_server.url(empty_postgres).replace(f":{PASSWORD}@", "@")
    assert PASSWORD not in url
    data = ["--store", url, "--data", str(tmp_path)]
    assert run("migrate", *data)[0] == 2
    told = {"PGPASSWORD": PASSWORD, "PGPASSFILE": str(file)}
    assert run("migrate", *data, **{by: told[by]})[0] == 0
    assert run("migrate", *data, **{by: told[by]}) == (0, "nothing to do: the store is up to date\n")
