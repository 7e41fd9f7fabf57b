"""A real Postgres for tests: `benchmarks.peers.cluster` with what tests do to a server.

`PostgresServer.start()` is what the session fixture `postgres_server` calls (tests/support/postgres_fixtures.py makes
databases, too); a test that stops, freezes or power-cuts the server starts one for itself, because all others share
that one. If the programs are missing the test fails and says what to install: a test of the store must not pass by
absence. Not durable by default (`fsync=off`): what is killed keeps its data, a power cut would not; tests of durability
say `durable=True`.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import cluster
from benchmarks.peers.cluster import APP, KEEPER, OWNER, PASSWORD, Cluster, wait_for

__all__ = ["APP", "KEEPER", "OWNER", "PASSWORD", "PostgresDatabase", "PostgresServer", "programs"]
_FREEZE_MAX_S = 120.0
_SETTINGS: Mapping[str, Any] = {"shared_buffers": "32MB", "wal_level": "minimal", "max_wal_senders": 0}
_FAST: Mapping[str, Any] = {"fsync": "off", "full_page_writes": "off"}


def programs() -> Path:
    """The folder with initdb and postgres. Fails the test if there is none, and says what to install."""
    with _failing():
        return cluster.programs()


@contextlib.contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except cluster.NotHere as fault:
        raise pytest.fail.Exception(f"these tests need Postgres: {fault} (make system does)") from None


class PostgresServer(Cluster):
    """One cluster and its server, which may be stopped, frozen and started again on the same port."""

    @classmethod
    def start(cls, *, durable: bool = False, **settings: Any) -> PostgresServer:
        """Makes a cluster and starts it; half a second on an idle machine."""
        with _failing():
            return cls.make(**{**_SETTINGS, **({} if durable else _FAST), **settings})

    def restart(self, mode: str = "fast") -> None:
        """Stops and starts; `immediate` is a crash with its recovery."""
        self.stop(mode)
        self.start_again()

    def freeze(self) -> None:
        """SIGSTOP for the postmaster and all its processes: connections stay, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)  # first, so that it starts no more
        wait_for(lambda: _state(self.pid) == "T", _FREEZE_MAX_S, "the postmaster to freeze")
        for pid in self.pids()[1:]:
            os.kill(pid, signal.SIGSTOP)
        # Z: it had ended, and the postmaster had not yet noticed.
        wait_for(lambda: {_state(pid) for pid in self.pids()} <= {"T", "Z"}, _FREEZE_MAX_S, "Postgres to freeze")

    def thaw(self) -> None:
        """Lets a frozen server go on."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def living(self) -> list[int]:
        """The postmaster, and those of its processes that have not ended; frozen, it does not notice who has."""
        return [pid for pid in self.pids() if _state(pid) != "Z"]

    def remove(self) -> None:
        """Ends the server, however it is, and deletes its folder."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                self.thaw()
        super().remove()

    def pids(self) -> list[int]:
        """Its processes, the postmaster first."""
        postmaster = self.pid
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *(int(child) for child in children)]


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
