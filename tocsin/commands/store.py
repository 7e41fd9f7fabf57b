"""Commands about the store as such: `tocsin migrate` and `tocsin copy`.

SQLite is migrated by `serve` too; a database on Postgres by its owner alone, with this command, because the engine's
role may not change tables. No engine needs to run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tocsin.commands import options

if TYPE_CHECKING:
    from engine.configuration.fields import Secret

# Where the password of the engine's role comes from if no file is named. Never the command line: others can read that.
APP_PASSWORD = "TOCSIN_APP_PASSWORD"  # noqa: S105  # its name
# A password, and a line break behind it.
PASSWORD_MAX_BYTES = 1_024


@click.command(short_help="Brings the store up to date.")
@click.option("--status", "only_status", is_flag=True, help="Only says what is applied and what is pending.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Applies what is pending and takes it back.")
@click.option(
    "--store", metavar="URL", help="The store; on Postgres with its owner's login. [tocsin.db in the data folder]"
)
@click.option("--app-role", metavar="NAME", help="Postgres: whom engines connect as; made if need be. [tocsin_app]")
@click.option(
    "--app-password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"Postgres: the file with that role's password, instead of {APP_PASSWORD}.",
)
@options.configuration
def migrate(
    only_status: bool,
    is_dry: bool,
    store: str | None,
    app_role: str | None,
    app_password_file: Path | None,
    data: str | None,
    config_file: str | None,
) -> None:
    """Applies the migrations that the store lacks, each in a transaction.

    SQLite: `serve` does the same at its start. Postgres: say it with the URL of the database's owner; it makes the role
    that engines connect as, and grants it what they need.
    """
    from engine.configuration.fields import ConfigError
    from engine.stores.postgres.connect import is_postgres

    url = options.load(data, config_file, store=store).store_url
    try:
        if only_status:
            _show_status(url)
        elif is_dry:
            _rehearse(url)
        elif is_postgres(url):
            _migrate_postgres(url, app_role, app_password_file)
        else:
            _migrate_sqlite(url)
    except ValueError as fault:
        raise ConfigError("store", str(fault)) from fault


@click.command(short_help="Moves an installation to another store.")
@click.option("--from", "source", required=True, metavar="URL", help="The store that is read. No engine may use it.")
@click.option("--to", "target", required=True, metavar="URL", help="An empty one; on Postgres a migrated database.")
def copy(source: str, target: str) -> None:
    """Copies everything from one store to another: SQLite and Postgres, in any direction; all of it or nothing.

    On Postgres with the login of the database's owner. Positions and the epoch stay, so clients go on where they were.
    The data folder's keys are files: take them along.
    """
    from engine.configuration.fields import ConfigError

    try:
        left = asyncio.run(_copy(source, target))
    except ValueError as fault:
        raise ConfigError("store", str(fault)) from fault
    for table in left:
        options.write(f"left behind: {table}, for which the target has no place")
    options.write("copied; every table was counted on both sides")


async def _copy(source: str, target: str) -> Sequence[str]:
    from contextlib import AsyncExitStack

    from engine.stores.copying import Source, Target
    from engine.stores.copying import copy as copy_rows
    from engine.stores.postgres.connect import is_postgres
    from engine.stores.postgres.copying import source_database, target_database
    from engine.stores.sqlite.copying import source_file, target_file

    await _refuse_itself(source, target)
    async with AsyncExitStack() as stack:
        start: Source
        end: Target
        if is_postgres(source):
            start = await stack.enter_async_context(source_database(source))
        else:
            start = stack.enter_context(source_file(source))
        if is_postgres(target):
            end = await stack.enter_async_context(target_database(target))
        else:
            end = stack.enter_context(target_file(target))
        copied = await copy_rows(start, end, lambda table, count: options.write(f"{table:24} {count:>12,}"))
    return copied.left


async def _refuse_itself(source: str, target: str) -> None:
    from engine.stores.postgres import copying as postgres
    from engine.stores.postgres.connect import is_postgres
    from engine.stores.sqlite import copying as sqlite

    if is_postgres(source) and is_postgres(target):
        await postgres.refuse_itself(source, target)
    elif not is_postgres(source) and not is_postgres(target):
        sqlite.refuse_itself(source, target)


def _show_status(url: str) -> None:
    from engine.stores import migrate as sqlite
    from engine.stores.postgres import migrations as postgres
    from engine.stores.postgres.connect import is_postgres
    from protocol.times import rfc3339

    status = asyncio.run(postgres.status(url)) if is_postgres(url) else sqlite.status(url)
    for line in status.applied:
        options.write(f"applied  {line.number:04} {line.name}  {rfc3339(line.applied_at)}")
    for migration in status.pending:
        options.write(f"pending  {migration.number:04} {migration.name}")


def _rehearse(url: str) -> None:
    from engine.stores import migrate as sqlite
    from engine.stores.postgres import migrations as postgres
    from engine.stores.postgres.connect import is_postgres

    pending = asyncio.run(postgres.rehearse(url)) if is_postgres(url) else sqlite.rehearse(url)
    _tell([f"would apply  {migration.number:04} {migration.name}" for migration in pending])


def _migrate_sqlite(url: str) -> None:
    from engine.stores import migrate as migrations

    _tell([f"applied  {line.number:04} {line.name}" for line in migrations.migrate(url)])


def _migrate_postgres(url: str, name: str | None, password_file: Path | None) -> None:
    from engine.stores.postgres import migrations
    from engine.stores.postgres.roles import DEFAULT_ROLE, EngineRole

    role = EngineRole(name or DEFAULT_ROLE, _password(password_file))
    done = asyncio.run(migrations.migrate(url, role))
    _tell([f"applied  {line.number:04} {line.name}" for line in done.applied])
    if done.is_new_role:
        how = "" if role.password else f", without a password: say this again with {APP_PASSWORD} to give it one"
        options.write(f"made the role {role.name}{how}")


def _tell(lines: Sequence[str]) -> None:
    for line in lines or ["nothing to do: the store is up to date"]:
        options.write(line)


def _password(file: Path | None) -> Secret:
    import os

    from engine.configuration.fields import Secret

    if file is None:
        return Secret(os.environ.get(APP_PASSWORD, ""))
    with file.open("rb") as opened:
        return Secret(opened.read(PASSWORD_MAX_BYTES).decode().rstrip("\n"))
