"""A Postgres of the benchmark's own: for our rows on it, for the floor beside them, and for Procrastinate's row.

As it comes, `fsync` and `synchronous_commit` on, its data where ours lies. `tocsin migrate` by the owner makes the
tables once, in a template; each run gets a database of its own from that. The floor is Postgres' own load program in C
(pgbench): the same commits on the same server, in a database without our tables. Where there is no Postgres the rows
are left out, and the report says why.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from benchmarks.control import BenchmarkError
from benchmarks.harness import environment, python
from benchmarks.measure import percentile
from benchmarks.options import Options
from benchmarks.peers.cluster import APP, KEEPER, PASSWORD, Cluster, NotHere, programs, server_user
from benchmarks.report import Figures

_FLOOR = "floor"
# As wide as an alert's row, as in the floor of the embedded store.
_ROW = "INSERT INTO cost SELECT repeat('x', 300) FROM generate_series(1, {rows});\n"
_US_PER_MS = 1_000
# On an idle machine it takes one.
_MIGRATE_MAX_S = 170.0
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


def why_none() -> str:
    """Why there can be no Postgres here; empty if there can."""
    try:
        folder = programs()
        server_user()
    except NotHere as fault:
        return str(fault)
    missing = [name for name in ("psql", "pgbench") if not (folder / name).exists()]
    missing += [name for name in ("asyncpg", "greenlet") if importlib.util.find_spec(name) is None]
    return f"there is no {' and no '.join(missing)} here" if missing else ""


def procrastinate() -> tuple[list[str], str]:
    """The program of the other queue, and why there is none."""
    if importlib.util.find_spec("procrastinate") is None or importlib.util.find_spec("psycopg") is None:
        return [], "it is not installed, or psycopg is not"
    return python("benchmarks.peers.procrastinate_jobs"), ""


class Place(NamedTuple):
    """Where what is measured on Postgres is kept: on a server of our own, or in a database that somebody brought."""

    what: str
    server: Server | None
    url: str = ""

    def database(self) -> AbstractContextManager[str]:
        """The URL for an engine: of a fresh database for the length of the context, or of what was brought."""
        return self.server.migrated() if self.server is not None else contextlib.nullcontext(self.url)

    def owner_of(self, url: str) -> str:
        """The same database with its owner's login, where the server is our own; else as it was brought."""
        return self.server.owner_of(url) if self.server is not None else url


@contextlib.contextmanager
def place(options: Options, figures: Figures) -> Iterator[Place | None]:
    """The database that the options name, else a server for the length of the context; None, with a warning, if there
    can be none. Raises BenchmarkError."""
    if options.store_url is not None:
        yield Place("a Postgres that was brought", None, options.store_url)
        return
    with contextlib.ExitStack() as stack:
        why = why_none()
        try:
            found = None if why else Place("Postgres", stack.enter_context(postgres(options.folder)))
        except NotHere as fault:
            found, why = None, str(fault)
        if found is None:
            figures.warn("postgres", 0, f"Postgres is left out: {why}")
        yield found


class Server:
    """A running Postgres with our tables in a template."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._template = cluster.new_database()
        _migrate(cluster.url(self._template))
        cluster.sql(f"CREATE DATABASE {_FLOOR}")
        cluster.sql("CREATE TABLE cost (body text)", _FLOOR)

    @contextlib.contextmanager
    def migrated(self) -> Iterator[str]:
        """A fresh database for the length of the context: its URL for an engine."""
        with self._database(self._template) as name:
            yield self._cluster.url(name, APP)

    def owner_of(self, url: str) -> str:
        """The same database of ours with its owner's login."""
        return self._cluster.url(url.rpartition("/")[2])

    @contextlib.contextmanager
    def empty(self) -> Iterator[str]:
        """A database without any table, for whoever makes his own: its owner's URL."""
        with self._database("template0") as name:
            yield self._cluster.url(name)

    def commits(self, count: int, rate: float = 0, rows: int = 1) -> list[float]:
        """The times (ms) of durable commits of so many rows, one after another, at a rate (0: at once)."""
        with tempfile.TemporaryDirectory(prefix="tocsin-") as folder:
            log = [f"--log-prefix={folder}/log", "--log", f"--transactions={count}"]
            self._pgbench(rows, *log, *([f"--rate={rate}"] if rate else []))
            (told,) = Path(folder).glob("log.*")
            lines = [[int(field) for field in line.split()] for line in told.read_text().splitlines()]
        # With a rate a time runs from when it was due, and the last field is how late it began.
        return [(line[2] - (line[6] if rate else 0)) / _US_PER_MS for line in lines]

    def commit_p50_ms(self, count: int) -> float:
        """What a durable one-row commit costs here now, one after another."""
        return percentile(self.commits(count), 50)

    def rows_per_s(self, clients: int, count: int, rows: int) -> float:
        """How many rows a second come of durable commits of so many rows, each client one after another."""
        said = self._pgbench(rows, f"--client={clients}", f"--transactions={count}")
        found = _TPS.search(said)
        if found is None:
            raise BenchmarkError(f"pgbench said no rate: {said}")
        return float(found[1]) * rows

    def _pgbench(self, rows: int, *arguments: str) -> str:
        with tempfile.TemporaryDirectory(prefix="tocsin-") as folder:
            script = Path(folder) / "commit.sql"
            script.write_text(_ROW.format(rows=rows))
            fixed = ["--no-vacuum", "--protocol=prepared", f"--file={script}"]
            return self._cluster.run("pgbench", *fixed, *arguments, self._cluster.url(_FLOOR, KEEPER))

    @contextlib.contextmanager
    def _database(self, template: str) -> Iterator[str]:
        name = self._cluster.new_database(template)
        try:
            yield name
        finally:
            self._cluster.drop_database(name)


@contextlib.contextmanager
def postgres(folder: Path | None) -> Iterator[Server]:
    """A Postgres for the length of the context, its data in this folder (None: the temporary one).

    Raises NotHere, or BenchmarkError.
    """
    cluster = Cluster.make(folder)
    try:
        yield Server(cluster)
    finally:
        cluster.remove()


def _migrate(url: str) -> None:
    """As its owner does it, once."""
    settings = {"TOCSIN_STORE": url, "TOCSIN_APP_PASSWORD": PASSWORD}
    done = subprocess.run(  # noqa: S603 - our own program, no shell
        [*python("tocsin"), "migrate"],
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_MIGRATE_MAX_S,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"tocsin migrate: {done.stderr.strip()}")
