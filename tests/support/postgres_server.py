"""A real Postgres for tests: a cluster of its own in a temporary folder, on a random port, gone with the session.

Owns the server's processes, its folder, and the databases in it. `PostgresServer.start()` is what the session fixture
`postgres_server` calls (tests/support/postgres_fixtures.py makes databases, too); a test that stops, freezes or
power-cuts the server starts one for itself, because all others share that one. Postgres refuses to run as root, so root
hands the cluster to the system user `postgres`; anybody else runs it as himself. If the programs are missing the test
fails and says what to install: a test of the store must not pass by absence.

Who is who: `keeper` is the superuser (the server's own, tests use it to look behind everything), `tocsin_owner` owns
databases and runs migrations, `tocsin_app` is made by them. Not durable by default (`fsync=off`): what is killed keeps
its data, a power cut would not; tests of durability say `durable=True`. The default collation is a language's on
purpose, so that whatever forgets to compare bytes sorts otherwise than SQLite does.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

KEEPER = "keeper"
OWNER = "tocsin_owner"
APP = "tocsin_app"
# One for all three; it must never be seen in a log or a message, so it is easy to search for.
PASSWORD = "s3cret-of-the-tests"
_START_MAX_S = 30.0
_STOP_MAX_S = 20.0
# On a random port somebody else may be quicker.
_PORTS_TRIED = 5
_SETTINGS: Mapping[str, Any] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": 120,  # three nodes with their pools, and a test beside them
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "logging_collector": "off",
    "log_min_messages": "warning",
    "timezone": "UTC",
}
_FAST: Mapping[str, Any] = {"fsync": "off", "full_page_writes": "off"}


def programs() -> Path:
    """The folder with initdb and postgres. Fails the test if there is none, and says what to install."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda bin: _version(bin.parent.name), reverse=True
    )
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists() and _version(folder.parent.name) >= 15:
            return folder
    raise pytest.fail.Exception("these tests need Postgres 15 or newer: apt-get install postgresql (make system does)")


def _version(text: str) -> int:
    return int(text) if text.isdigit() else 15


def _user() -> str | None:
    """As whom the server runs; None: as we do."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise pytest.fail.Exception(
            "Postgres does not run as root, and there is no system user `postgres`: apt-get install postgresql"
        ) from None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class PortTaken(Exception):
    """Somebody else was quicker."""


@dataclass
class PostgresServer:
    """One cluster and its server, which may be stopped, frozen and started again on the same port."""

    folder: Path
    port: int
    settings: dict[str, Any]
    _process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    def start(cls, *, durable: bool = False, **settings: Any) -> PostgresServer:
        """Makes a cluster and starts it; half a second on an idle machine."""
        folder = Path(tempfile.mkdtemp(prefix="tocsin-postgres-"))
        server = cls(folder, 0, {**_SETTINGS, **({} if durable else _FAST), **settings})
        try:
            server._make_cluster()
            server._start_somewhere()
            server.sql(f"CREATE ROLE {OWNER} LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'")
        except BaseException:
            server.remove()
            raise
        return server

    @property
    def pid(self) -> int:
        """The postmaster's."""
        return int((self.folder / "data/postmaster.pid").read_text().splitlines()[0])

    @property
    def log(self) -> str:
        """What the server has said so far."""
        return (self.folder / "log").read_text(errors="replace")

    def url(self, database: str, user: str = OWNER, password: str = PASSWORD) -> str:
        """A store's URL."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def sql(self, text: str, database: str = "postgres", user: str = KEEPER) -> list[list[str]]:
        """Runs statements (each in a transaction of its own) with psql; the rows, as text. Raises for any error."""
        command = [str(programs() / "psql"), "-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1"]
        command += ["-d", self.url(database, user), "-f", "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def new_database(self, template: str = "template0") -> str:
        """The name of a fresh database that `tocsin_owner` owns."""
        name = f"tocsin_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        """Deletes a database, whoever is still connected to it."""
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def stop(self, mode: str = "fast") -> None:
        """Ends the server as `pg_ctl stop -m` does: smart, fast, or immediate (no checkpoint: a crash)."""
        how = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.kill(self.pid, how)
        assert process.stdin is not None
        _wait_for(lambda: not self._is_running(), _STOP_MAX_S, f"Postgres to stop ({mode})")
        process.stdin.close()
        process.wait(_STOP_MAX_S)

    def start_again(self) -> None:
        """Starts the stopped server on its port, and waits until it answers."""
        assert self._process is None, "it runs"
        # The shell ends the server when our end of the pipe closes, that is also when we are killed.
        guard = 'cd / && "$@" & child=$!; read -r _; kill -QUIT $child 2>/dev/null; wait $child'
        options = [f"--{name}={value}" for name, value in self.settings.items()]
        command = [str(programs() / "postgres"), "-D", str(self.folder / "data"), f"--port={self.port}", *options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", guard, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as_user(),
            )
        _wait_for(self._is_ready, _START_MAX_S, "Postgres to start", lambda: self.log)

    def restart(self, mode: str = "fast") -> None:
        """Stops and starts; `immediate` is a crash with its recovery."""
        self.stop(mode)
        self.start_again()

    def freeze(self) -> None:
        """SIGSTOP for the postmaster and all its processes: connections stay, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)  # first, so that it starts no more
        _wait_for(lambda: _state(self.pid) == "T", _STOP_MAX_S, "the postmaster to freeze")
        for pid in self._pids()[1:]:
            os.kill(pid, signal.SIGSTOP)
        # Z: it had ended, and the postmaster had not yet noticed.
        _wait_for(lambda: {_state(pid) for pid in self._pids()} <= {"T", "Z"}, _STOP_MAX_S, "Postgres to freeze")

    def thaw(self) -> None:
        """Lets a frozen server go on."""
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def remove(self) -> None:
        """Ends the server, however it is, and deletes its folder."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                self.thaw()
            self.stop("immediate")
        shutil.rmtree(self.folder)

    def _make_cluster(self) -> None:
        user = _user()
        if user is not None:
            shutil.chown(self.folder, user, pwd.getpwnam(user).pw_gid)
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)  # its folder is for its owner alone
        command = [str(programs() / "initdb"), "-D", str(self.folder / "data"), "-U", KEEPER, f"--pwfile={secret}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=icu"]
        command += ["--icu-locale=und", "--no-sync"]
        made = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=60, **self._as_user())
        assert made.returncode == 0, made.stderr
        secret.unlink()

    def _start_somewhere(self) -> None:
        for attempt in range(1, _PORTS_TRIED + 1):
            self.port = _free_port()
            try:
                self.start_again()
                break
            except PortTaken:
                self.stop("immediate")
                (self.folder / "log").unlink()
                if attempt == _PORTS_TRIED:
                    raise

    def _as_user(self) -> dict[str, Any]:
        user = _user()
        return {} if user is None else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": ()}

    def _pids(self) -> list[int]:
        """The postmaster first."""
        postmaster = self.pid
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *(int(child) for child in children)]

    def _is_running(self) -> bool:
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
            return Path(f"/proc/{self.pid}").exists()
        return False

    def _is_ready(self) -> bool:
        if "could not create any TCP/IP sockets" in self.log:
            raise PortTaken(self.log)
        status = self.folder / "data/postmaster.pid"
        with contextlib.suppress(FileNotFoundError):
            lines = status.read_text().splitlines()
            # The eighth line is the server's own word on its state.
            return len(lines) > 7 and lines[7].strip() == "ready" and int(lines[3]) == self.port
        return False


@dataclass(frozen=True)
class PostgresDatabase:
    """A database of a server, with who may connect to it."""

    server: PostgresServer
    name: str

    @property
    def url(self) -> str:
        """As the engine connects: without any right to step out of row-level security."""
        return self.server.url(self.name, APP)

    @property
    def owner_url(self) -> str:
        """As migrations connect."""
        return self.server.url(self.name, OWNER)

    @property
    def keeper_url(self) -> str:
        """As a superuser, who sees every row."""
        return self.server.url(self.name, KEEPER)


def _state(pid: int) -> str:
    """As ps says it: T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _wait_for(condition: Any, within_s: float, what: str, told: Any = lambda: "") -> None:
    """Another program's start and end give no event to a test that is synchronous: looks every 10 ms."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"waited {within_s} s for {what}\n{told()}"
        time.sleep(0.01)
