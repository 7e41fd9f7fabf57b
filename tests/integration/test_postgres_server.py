"""The server that tests of the store use: what they do to it is what they believe."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres_server import OWNER, PostgresServer, _state, programs


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    server = PostgresServer.start()
    yield server
    server.remove()


def test_a_fresh_database_is_empty_and_belongs_to_the_owner(
    postgres_server: PostgresServer, empty_postgres: str
) -> None:
    ((tables, user),) = postgres_server.sql(
        "SELECT count(*), current_user FROM pg_tables WHERE schemaname = 'public'", empty_postgres, OWNER
    )
    assert (tables, user) == ("0", OWNER)


def test_what_was_committed_is_there_after_a_crash_of_the_server(server: PostgresServer) -> None:
    name = server.new_database()
    server.sql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)", name)
    server.restart("immediate")
    assert server.sql("SELECT n FROM kept", name) == [["7"]]
    assert "database system was not properly shut down" in server.log or "interrupted" in server.log


def test_a_frozen_server_is_stopped_in_all_its_processes_and_goes_on_afterwards(server: PostgresServer) -> None:
    server.freeze()
    frozen = {_state(pid) for pid in server.pids()}
    server.thaw()
    assert frozen in ({"T"}, {"T", "Z"})  # Z: it had ended before
    assert server.sql("SELECT 1") == [["1"]]


def test_nothing_is_left_of_a_server_that_was_removed_while_it_was_frozen() -> None:
    server = PostgresServer.start()
    pids = server.pids()
    server.freeze()
    server.remove()
    assert not server.folder.exists()
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def test_a_server_ends_with_the_tests_that_started_it_however_they_end() -> None:
    script = (
        "from tests.support.postgres_server import PostgresServer\n"
        "server = PostgresServer.start(); print(server.pid, server.folder, flush=True); input()"
    )
    tests = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert tests.stdout is not None
    assert tests.stdin is not None
    pid, folder = tests.stdout.readline().split()
    watched = os.pidfd_open(int(pid))
    tests.send_signal(signal.SIGKILL)
    tests.wait()
    tests.stdout.close()
    tests.stdin.close()
    assert select.select([watched], [], [], 170.0)[0], "the server has outlived its tests"
    os.close(watched)
    subprocess.run(["rm", "-r", folder], check=True)


def test_a_machine_without_the_programs_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    with pytest.raises(pytest.fail.Exception, match="apt-get install postgresql"):
        programs()
