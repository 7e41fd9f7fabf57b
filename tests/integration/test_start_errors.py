"""What `tocsin serve` says when something that it needs is wrong: one line with host and cause, never the password."""

from __future__ import annotations

import re
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from tests.support.engines import command, environment, first_line
from tests.support.postgres_fixtures import migrated_template
from tests.support.postgres_server import APP, OWNER, PASSWORD, PostgresDatabase, PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.sentinels import a_sentinel

PATIENCE_S = 170.0
SECRET = "hunter2"


def refused(folder: Path, *arguments: str, secret: str = SECRET, **variables: str) -> str:
    """The one line with which the program ends, with exit code 2 and without the password."""
    line = command("serve", "--ws", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", str(folder / "data"), *arguments)
    done = subprocess.run(
        line, capture_output=True, text=True, env=environment(**variables), timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert secret not in done.stderr
    return done.stderr.rstrip("\n")


class Http(socketserver.StreamRequestHandler):
    """Answers a first line that is none as web servers do."""

    def handle(self) -> None:
        self.rfile.readline()
        self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@contextmanager
def an_http_port() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Http) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"mysql://tocsin:{SECRET}@db/tocsin", "store 'mysql://tocsin:***@db/tocsin' is not known: use "),
        (f"postgresql://tocsin:{SECRET}@127.0.0.1:9/tocsin", "no connection to the database at 127.0.0.1:9/tocsin: "),
        (f"postgresql://tocsin:{SECRET}@nowhere.invalid/tocsin", "at nowhere.invalid/tocsin: "),
        (f"postgresql://tocsin:{SECRET}@db:port/tocsin", "the URL of the database at db/tocsin cannot be used"),
        (f"postgresql://t:{SECRET}@127.0.0.1:70000/tocsin", "the database at 127.0.0.1:70000/tocsin cannot be used"),
        (f"postgresql://tocsin:{SECRET}#@db/tocsin", "in a password %40 for @"),
        (f"postgresql://tocsin:p@127.0.0.1:9/{SECRET}@db/tocsin", "at db/tocsin cannot be used: write postgresql://"),
        (f"postgresql:tocsin:{SECRET}@db/tocsin", "store 'postgresql:tocsin:***@db/tocsin' is not known: use "),
    ],
)
def test_a_store_that_is_no_store_or_does_not_answer_is_named_with_host_and_cause(
    tmp_path: Path, url: str, said: str
) -> None:
    line = refused(tmp_path, "--store", url)
    assert said in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"mysql://:{SECRET}@cache", "use redis://[[user]:password@]host[:port][/database]"),
        (f"REDIS://:{SECRET}@cache", "use redis://[[user]:password@]host[:port][/database]"),
        (f"redis://:{SECRET}@127.0.0.1:70000", "use redis://[[user]:password@]host[:port][/database]"),
        (f"redis://:{SECRET}@127.0.0.1:9", "no connection to the Redis at redis://:********@127.0.0.1:9: "),
        (f"redis://:{SECRET}@nowhere.invalid", "no connection to the Redis at redis://:********@nowhere.invalid: "),
    ],
)
def test_a_redis_that_is_none_or_does_not_answer_is_named_with_host_and_cause(
    tmp_path: Path, url: str, said: str
) -> None:
    assert said in refused(tmp_path, "--redis", url)


@pytest.mark.parametrize(
    ("package", "arguments", "said"),
    [
        ("asyncpg", ("--store", "postgresql://db/tocsin"), "pip install 'tocsin[postgres]'"),
        ("redis", ("--redis", "redis://cache"), "pip install 'tocsin[redis]'"),
    ],
)
def test_a_library_that_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, package: str, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / f"{package}.py").write_text("raise ImportError('as if it were not installed')")
    variables = environment()
    path = f"{tmp_path}:{variables['PYTHONPATH']}"
    assert said in refused(tmp_path, *arguments, PYTHONPATH=path)


def test_a_wrong_password_of_a_database_is_told_with_the_host(
    tmp_path: Path, postgres_database: PostgresDatabase
) -> None:
    line = refused(tmp_path, "--store", postgres_database.url.replace(PASSWORD, SECRET))
    assert f"127.0.0.1:{postgres_database.server.port}/{postgres_database.name}: password authentication failed" in line


def test_a_wrong_password_of_a_redis_is_told_and_not_waited_for(tmp_path: Path) -> None:
    server = RedisServer.start(password=PASSWORD)
    try:
        line = refused(tmp_path, "--wait", "600", "--redis", server.url.replace(PASSWORD, SECRET))
        without = refused(tmp_path, "--wait", "600", "--redis", server.url.replace(f":{PASSWORD}@", ""))
    finally:
        server.remove()
    host = f"127.0.0.1:{server.port}/0 refuses us: "
    advice = "; put the right one into redis.url, redis://[user]:password@host:port (TOCSIN_REDIS_URL)"
    assert line.endswith(f"@{host}invalid username-password pair or user is disabled{advice}")
    assert without.endswith(f"//{host}it wants a password{advice}")


def test_a_user_of_a_redis_without_rights_is_told_and_not_waited_for(tmp_path: Path, redis: RedisServer) -> None:
    redis.command("ACL", "SETUSER", "weak", "on", f">{SECRET}")
    line = refused(tmp_path, "--wait", "600", "--redis", redis.url.replace("redis://", f"redis://weak:{SECRET}@"))
    redis.command("ACL", "DELUSER", "weak")
    assert f"127.0.0.1:{redis.port}/0 refuses us: " in line
    assert "give that user its rights there" in line


def test_a_sentinel_is_told_from_a_redis_and_not_waited_for(tmp_path: Path) -> None:
    with a_sentinel() as url:
        line = refused(tmp_path, "--wait", "600", "--redis", url)
    assert f"what answers at {url} is a Sentinel" in line
    assert "name the Redis itself" in line
    assert "\n" not in line


def test_a_database_that_is_not_there_is_named(tmp_path: Path, postgres_server: PostgresServer) -> None:
    line = refused(tmp_path, "--store", postgres_server.url("nobodys"), secret=PASSWORD)
    assert f"at 127.0.0.1:{postgres_server.port}/nobodys: " in line
    assert 'database "nobodys" does not exist' in line
    assert "\n" not in line


def test_a_port_of_http_is_no_redis_and_not_waited_for(tmp_path: Path) -> None:
    with an_http_port() as port:
        line = refused(tmp_path, "--wait", "600", "--redis", f"redis://:{SECRET}@127.0.0.1:{port}")
    assert f"what answers at redis://:********@127.0.0.1:{port} is no Redis" in line
    assert "\n" not in line


def test_a_database_without_tables_says_which_command_is_missing(
    tmp_path: Path, postgres_server: PostgresServer, empty_postgres: str
) -> None:
    assert "tocsin migrate --store URL" in refused(
        tmp_path, "--store", postgres_server.url(empty_postgres), secret=PASSWORD
    )


def test_a_database_of_another_program_is_refused_and_not_waited_for(
    tmp_path: Path, postgres_server: PostgresServer, empty_postgres: str
) -> None:
    postgres_server.sql("CREATE TABLE theirs (id int)", empty_postgres)
    line = refused(tmp_path, "--wait", "600", "--store", postgres_server.url(empty_postgres), secret=PASSWORD)
    assert "belongs to another program (1 table in its schema public)" in line


def test_a_database_of_a_newer_tocsin_is_refused(tmp_path: Path, postgres_database: PostgresDatabase) -> None:
    postgres_database.server.sql("INSERT INTO migration VALUES (999, 'future', 0, 'x')", postgres_database.name)
    line = refused(tmp_path, "--wait", "600", "--store", postgres_database.owner_url, secret=PASSWORD)
    assert "the database is newer than this program (migration 999 'future')" in line


def test_a_login_that_could_step_out_of_its_workspaces_is_refused(
    tmp_path: Path, postgres_database: PostgresDatabase
) -> None:
    line = refused(tmp_path, "--store", postgres_database.owner_url, secret=PASSWORD)
    assert f"must not connect as {OWNER!r}" in line


async def waited_for(folder: Path, arguments: tuple[str, ...], start: Callable[[], None]) -> bytes:
    """Starts an engine, then what it waits for as soon as it has said so; what it said until it was told to end."""
    places = ("--ws", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", str(folder / "data"))
    process = await trio.lowlevel.open_process(
        command("serve", "--wait", "600", *arguments, *places),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(TOCSIN_WATCH_HOST="false", TOCSIN_WATCHDOG_EXIT_S="120"),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        with trio.fail_after(PATIENCE_S):
            said = await process.stderr.receive_some()
            start()
            assert (await first_line(process)).startswith('{"ready": true')
            process.terminate()
            said += b"".join([part async for part in process.stderr])
            assert await process.wait() == 0
        return bytes(said)
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()
        await process.stdout.aclose()
        await process.stderr.aclose()


async def test_with_wait_a_redis_that_comes_later_is_waited_for_and_said_once(tmp_path: Path) -> None:
    server = RedisServer.start()
    try:
        server.stop()
        said = await waited_for(tmp_path, ("--redis", server.url), server.start_again)
    finally:
        server.remove()
    (reason,) = re.findall(rb"waiting, \d+ s at most: (.*)", said)
    assert reason.startswith(b"no connection to the Redis at ")


async def test_with_wait_a_database_that_comes_later_is_waited_for_and_each_reason_is_said_once(tmp_path: Path) -> None:
    server = PostgresServer.start()
    try:
        url = server.url(migrated_template(server), APP)
        server.stop()
        said = await waited_for(tmp_path, ("--store", url), server.start_again)
    finally:
        server.remove()
    first, *others = re.findall(rb"waiting, \d+ s at most: (.*)", said)
    assert first.startswith(b"no connection to the database at 127.0.0.1:")
    # Perhaps it is seen at its start, too.
    assert len({first, *others}) == 1 + len(others)
    assert PASSWORD.encode() not in said
