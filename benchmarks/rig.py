"""What one scenario runs on: a scratch folder, the engine with its data in it, receiver, producer, floor.

Owns the folder and, through `harness.Child`, every process; leaving the rig ends and removes all of it. What is
started first ends last: clients go before the engine, so that its shutdown has nobody to say goodbye to.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from benchmarks import producer
from benchmarks.acks import Acked
from benchmarks.arrivals import Plan
from benchmarks.control import BenchmarkError, raise_open_files
from benchmarks.dial import Target
from benchmarks.floor import wait_until
from benchmarks.harness import READY_TIMEOUT_S, Broadcaster, Child, Cores, Ready, Receivers, environment, python
from benchmarks.measure import NS_PER_MS, NS_PER_S, percentile
from benchmarks.started_engine import WORKSPACE, Engine

T = TypeVar("T")

# Between "go" and the first message, so that every process is waiting when it is due.
LEAD_NS = NS_PER_S * 15 // 100
_COMMITS = 60
_FLOOR_SOURCE = Path(__file__).with_name("floor.c")


class Producers:
    """The parent's side of a producer process."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def open(self, group: str, target: Target, connections: int) -> None:
        """Opens producing connections. Raises BenchmarkError."""
        self._child.ask(producer.Open(group=group, target=target, connections=connections), dict[str, int])

    def paced(self, group: str, framework: str, plan: Plan, identities: int = 0) -> Acked:
        """Open loop: one trigger a message, each at its time; of so many identities in turn (0: each another).

        Raises BenchmarkError unless every one was fired, or told again.
        """
        command = producer.Paced(group=group, framework=framework, plan=plan, identities=identities)
        acked = self._child.ask(command, Acked)
        again = acked.reasons.pop("repeated", 0) if identities else 0
        return _expect(acked, "fired", plan.messages - again)

    def pump(self, command: producer.Pump, connections: int, reason: str) -> Acked:
        """Closed loop. Raises BenchmarkError unless every trigger was answered with this reason."""
        acked = self._child.ask(command, Acked)
        return _expect(acked, reason, connections * command.rounds * command.batch)

    def close(self, group: str) -> None:
        """Closes a group."""
        self._child.ask(producer.Close(group=group), dict[str, str])


def _expect(acked: Acked, reason: str, count: int) -> Acked:
    if acked.reasons != ({reason: count} if count else {}) or acked.errors:
        raise BenchmarkError(
            f"{count} triggers should have been answered {reason!r}, the acks say {acked.reasons}; "
            f"errors: {acked.errors or 'none'}"
        )
    return acked


class Rig:
    """A context manager; everything that it starts lives until it is left."""

    def __init__(self, parent_folder: Path | None = None) -> None:
        self._parent_folder = parent_folder
        self._stack = contextlib.ExitStack()
        self.cores = Cores(sorted(os.sched_getaffinity(0)))
        self.floor_kind = ""
        # Of all its engines: nodes share one, and one that is started again keeps its own.
        self._secret = secrets.token_hex(32)

    def __enter__(self) -> Self:
        raise_open_files()
        folder = tempfile.mkdtemp(prefix="tocsin-bench-", dir=self._parent_folder)
        self.folder = Path(folder)
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)

    def keep(self, what: contextlib.AbstractContextManager[T]) -> T:
        """Enters a context that ends with the rig: after all that is started later, before what was started earlier."""
        return self._stack.enter_context(what)

    def child(self, name: str, argv: Sequence[str], cores: frozenset[int] | None, **env: str) -> Child:
        """Starts a process on these cores (None: on any)."""
        child = self._stack.enter_context(Child(name, argv, self.folder, environment(**env)))
        if cores is not None:
            child.pin(cores)
        return child

    def engine(self, pinned: bool = True) -> Engine:
        """Starts the engine with a fresh store, ready to ack. `pinned`: not on the receiver's core."""
        argv, settings = self._serve("engine", python("tocsin"))
        return Engine(self.child("engine", argv, self.cores.sender if pinned else None, **settings), self._secret)

    @contextlib.contextmanager
    def engine_beside(self, load: str) -> Iterator[Engine]:
        """An engine with this load in its own process (see `busy`), for the length of the context."""
        with self.engine_of_its_own(f"engine-{load}", python("benchmarks.busy", load)) as engine:
            yield engine

    @contextlib.contextmanager
    def engine_of_its_own(
        self, name: str, program: list[str] | None = None, *, pinned: bool = True, **more: str
    ) -> Iterator[Engine]:
        """An engine, run by this program (by default the plain one), for the length of the context.

        Its store is fresh, or what an engine of the same name left behind; `more` are settings (`TOCSIN_…`).
        """
        argv, settings = self._serve(name, program or python("tocsin"))
        with Child(name, argv, self.folder, environment(**(settings | more))) as child:
            if pinned:
                child.pin(self.cores.sender)
            yield Engine(child, self._secret)

    def _serve(self, name: str, program: list[str]) -> tuple[list[str], dict[str, str]]:
        """The command line and settings of an engine whose data goes to a folder of this name."""
        data = self.folder / name
        data.mkdir(mode=0o700, exist_ok=True)
        # The settings go by the environment: arguments are everybody's to see.
        argv = [*program, "serve", "--ws", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        settings = {
            "DATA": str(data),
            "SECRET": self._secret,
            "WORKSPACE": WORKSPACE,
            "WATCH_HOST": "false",
            # Its readings would be counted among those that are measured; the score is there all the same.
            "WATCH_SELF": "false",
            "STORE": f"sqlite:///{data / 'bench.db'}",
        }
        return argv, {f"TOCSIN_{key}": value for key, value in settings.items()}

    def receivers(self, name: str = "receiver") -> Receivers:
        """Starts a receiver on its own core."""
        return Receivers(self.child(name, python("benchmarks.receiver"), self.cores.receiver))

    def producers(self, pinned: bool = True) -> Producers:
        """Starts a producer; pinned, it shares the receiver's core, which is idle when something is sent."""
        cores = self.cores.receiver if pinned else None
        return Producers(self.child("producer", python("benchmarks.producer"), cores))

    @contextlib.contextmanager
    def producers_of_their_own(self, name: str) -> Iterator[Producers]:
        """A producer that is not pinned, for the length of the context."""
        with Child(name, python("benchmarks.producer"), self.folder, environment()) as child:
            yield Producers(child)

    def floor(self, clients: int) -> Broadcaster:
        """Starts the floor for so many clients: in C where there is a compiler, else in Python."""
        program, self.floor_kind = self._floor_program(clients)
        return self.broadcaster("floor", program, framed=True)

    def broadcaster(self, name: str, program: Sequence[str], *, framed: bool, **env: str) -> Broadcaster:
        """Starts a process that speaks the broadcasters' control (see `floor`). Raises BenchmarkError."""
        child = self.child(name, program, self.cores.sender, **env)
        ready = msgspec.json.decode(child.receive(READY_TIMEOUT_S), type=Ready)
        return Broadcaster(child, name, Target(host="127.0.0.1", port=ready.port, plain=framed), framed)

    def _floor_program(self, clients: int) -> tuple[list[str], str]:
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            return python("benchmarks.floor"), "Python (no C compiler here)"
        program = self.folder / "floor-program"
        built = subprocess.run(  # noqa: S603 - our own source, no shell
            [compiler, "-O2", "-o", str(program), str(_FLOOR_SOURCE)], capture_output=True, text=True, check=False
        )
        if built.returncode:
            return python("benchmarks.floor"), f"Python (the C compiler failed: {built.stderr.strip()[:80]})"
        return [str(program), str(clients)], "C"

    def commit_p50_ms(self) -> float:
        """What a durable one-row commit costs here now, one after another."""
        return percentile(self.commits(_COMMITS, 0), 50)

    def commits(self, count: int, rate: float) -> list[float]:
        """The times (ms) of durable one-row commits in this folder (SQLite, WAL, `synchronous=FULL`).

        At a rate, as alerts come: a disk that was left alone answers otherwise than one that is kept busy. 0: at once.
        """
        begin_ns, interval_ns = time.monotonic_ns(), int(NS_PER_S / rate) if rate else 0
        times: list[float] = []
        with contextlib.closing(sqlite3.connect(self.folder / "commit.db", isolation_level=None)) as base:
            base.execute("PRAGMA journal_mode=WAL")
            base.execute("PRAGMA synchronous=FULL")
            base.execute("CREATE TABLE IF NOT EXISTS cost (body BLOB)")
            for index in range(count):
                wait_until(begin_ns + index * interval_ns)
                began = time.monotonic_ns()
                base.execute("INSERT INTO cost VALUES (?)", (bytes(300),))
                times.append((time.monotonic_ns() - began) / NS_PER_MS)
        return times


def plan_round(messages: int, first: int, rate: float) -> Plan:
    """A round that begins shortly: `rate` messages a second, or all at once if it is 0."""
    interval_ns = int(NS_PER_S / rate) if rate else 0
    return Plan(messages=messages, first=first, start_ns=time.monotonic_ns() + LEAD_NS, interval_ns=interval_ns)
