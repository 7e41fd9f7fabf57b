"""A Postgres of one's own: a cluster in a temporary folder, on a random port, gone with whoever made it.

Owns the server's processes, its folder, and the databases in it. Benchmarks measure on one (`peers.postgres`), tests
are held against one (tests/support/postgres_server.py). Postgres refuses to run as root, so root hands the cluster to
the system user `postgres`; anybody else runs it as himself. However its maker ends, the server ends too: a shell holds
our end of a pipe.

Who is who: `keeper` is the superuser (the server's own, to look behind everything), `tocsin_owner` owns databases and
runs migrations, `tocsin_app` is made by them. The default collation is a language's on purpose, so that whatever
forgets to compare bytes sorts otherwise than SQLite does.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from benchmarks.control import BenchmarkError
from benchmarks.peers.ports import PortTaken, start_somewhere

KEEPER = "keeper"
OWNER = "tocsin_owner"
APP = "tocsin_app"
# One for all three; it must never be seen in a log or a message, so it is easy to search for.
PASSWORD = "s3cret-of-the-cluster"  # noqa: S105  # of a server that lives for minutes, on loopback
VERSION_MIN = 15
# A second or two each on an idle machine; these only end what hangs.
_START_MAX_S = 120.0
_STOP_MAX_S = 120.0
_PROGRAM_MAX_S = 170.0
# Another program's start and end give no event: it is looked for this often.
_LOOK_S = 0.01
_SETTINGS: Mapping[str, Any] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": 120,  # three nodes with their pools, and somebody beside them
    "logging_collector": "off",
    "log_min_messages": "warning",
    "timezone": "UTC",
}
# The shell ends the server when our end of the pipe closes, that is also when we are killed.
_GUARD = 'cd / && "$@" & child=$!; read -r _; kill -QUIT $child 2>/dev/null; wait $child'


class NotHere(Exception):
    """This machine cannot run a Postgres; the message says what to install."""


def programs() -> Path:
    """The folder with initdb and postgres. Raises NotHere."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda bin: _version(bin.parent.name), reverse=True
    )
    for folder in folders:
        is_whole = (folder / "initdb").exists() and (folder / "postgres").exists()
        if is_whole and _version(folder.parent.name) >= VERSION_MIN:
            return folder
    raise NotHere(f"there is no Postgres {VERSION_MIN} or newer here: apt-get install postgresql")


def _version(text: str) -> int:
    return int(text) if text.isdigit() else VERSION_MIN


def server_user() -> pwd.struct_passwd | None:
    """As whom the server runs; None: as we do. Raises NotHere."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise NotHere(
            "Postgres does not run as root, and there is no system user `postgres`: apt-get install postgresql"
        ) from None


@dataclass
class Cluster:
    """One cluster and its server, which may be stopped and started again on the same port."""

    folder: Path
    port: int
    settings: dict[str, Any]
    _process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    def make(cls, parent: Path | None = None, **settings: Any) -> Self:
        """Makes a cluster in a new folder there, and starts it; half a second on an idle machine.

        Durable, as Postgres comes. Raises NotHere, or BenchmarkError.
        """
        programs()
        folder = Path(tempfile.mkdtemp(prefix="tocsin-postgres-", dir=parent))
        cluster = cls(folder, 0, {**_SETTINGS, **settings})
        try:
            cluster._make_cluster()
            start_somewhere(cluster._start_on, cluster._undo_start)
            cluster.sql(f"CREATE ROLE {OWNER} LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'")
        except BaseException:
            cluster.remove()
            raise
        return cluster

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
        command = ["-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        said = self.run("psql", *command, "-d", self.url(database, user), input=text)
        return [line.split("\x1f") for line in said.splitlines()]

    def run(self, program: str, *arguments: str, input: str = "") -> str:
        """Runs one of Postgres' own programs; what it says. Raises BenchmarkError if it fails."""
        command = [str(programs() / program), *arguments]
        done = subprocess.run(  # noqa: S603 - Postgres' own programs, no shell
            command, input=input, capture_output=True, text=True, cwd="/", timeout=_PROGRAM_MAX_S, check=False
        )
        if done.returncode:
            raise BenchmarkError(f"{program}: {done.stderr.strip()}")
        return done.stdout

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
        wait_for(lambda: not self._is_running(), _STOP_MAX_S, f"Postgres to stop ({mode})")
        if process.stdin is not None:
            process.stdin.close()
        process.wait(_STOP_MAX_S)

    def start_again(self) -> None:
        """Starts the stopped server on its port, and waits until it answers."""
        if self._process is not None:
            raise BenchmarkError("this Postgres runs already")
        options = [f"--{name}={value}" for name, value in self.settings.items()]
        command = [str(programs() / "postgres"), "-D", str(self.folder / "data"), f"--port={self.port}", *options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - Postgres' own program; the shell runs our own words
                ["sh", "-c", _GUARD, "sh", *command],  # noqa: S607 - every machine has it elsewhere
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **_as_user(),
            )
        wait_for(self._is_ready, _START_MAX_S, "Postgres to start", lambda: self.log)

    def remove(self) -> None:
        """Ends the server and deletes its folder."""
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def _make_cluster(self) -> None:
        user = server_user()
        if user is not None:
            shutil.chown(self.folder, user.pw_uid, user.pw_gid)
        self._check_reachable()
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)  # its folder is for its owner alone
        command = [str(programs() / "initdb"), "-D", str(self.folder / "data"), "-U", KEEPER, f"--pwfile={secret}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=icu"]
        command += ["--icu-locale=und", "--no-sync"]
        made = subprocess.run(  # noqa: S603 - Postgres' own program, no shell
            command, capture_output=True, text=True, cwd="/", timeout=_PROGRAM_MAX_S, check=False, **_as_user()
        )
        if made.returncode:
            raise BenchmarkError(f"initdb: {made.stderr.strip()}")
        secret.unlink()

    def _check_reachable(self) -> None:
        """A folder of root's may be closed to the user that the server runs as. Raises NotHere."""
        look = ["test", "-w", str(self.folder)]
        if subprocess.run(look, cwd="/", check=False, **_as_user()).returncode:  # noqa: S603 - no shell
            raise NotHere(
                f"the system user `postgres`, as whom the server runs, may not enter {self.folder.parent}: "
                "choose another folder for the data, or be somebody else than root"
            )

    def _start_on(self, port: int) -> None:
        self.port = port
        self.start_again()

    def _undo_start(self) -> None:
        self.stop("immediate")
        (self.folder / "log").unlink()

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


def _as_user() -> dict[str, Any]:
    """How a program is started as the server's user."""
    user = server_user()
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}


def wait_for(condition: Callable[[], bool], within_s: float, what: str, told: Callable[[], str] = lambda: "") -> None:
    """Looks until it is so. Raises BenchmarkError."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() >= end:
            raise BenchmarkError(f"waited {within_s} s for {what}\n{told()}")
        time.sleep(_LOOK_S)
