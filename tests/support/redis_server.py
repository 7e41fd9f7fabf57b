"""A real Redis for tests: a server of its own on a random port, in a temporary folder, gone with the session.

Owns the server's process and its folder. `RedisServer.start()` is what the session fixture `redis_server` calls
(tests/support/redis_fixtures.py); the fixture `redis` lends the shared one to a test, mended and emptied, so that a
test may stop it, freeze it or fill it. If the program is missing the test fails and says what to install: a test of
the cache or the bus must not pass by absence. Debian's redis-server is what runs here; TOCSIN_TEST_REDIS names another
program that speaks the same (valkey-server).

`command` speaks RESP on a connection of its own, so that a test looks behind whatever library the engine uses.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from benchmarks.peers.cluster import wait_for
from benchmarks.peers.ports import PortTaken, start_somewhere

# It must never be seen in a log or a message, so it is easy to search for.
PASSWORD = "s3cret-of-the-redis-tests"
SLOTS = 16_384
# Milliseconds each on an idle machine; these only end what hangs.
_START_MAX_S = 120.0
_STOP_MAX_S = 120.0
_ANSWER_MAX_S = 60.0
_TAKEN = "Failed listening on port"
# Where a cluster's bus is, seen from the port.
_BUS = 10_000
_READY = "Ready to accept connections"


class RedisRefused(Exception):
    """The server answered with an error."""


def program() -> str:
    """The server's program. Fails the test if there is none, and says what to install."""
    name = os.environ.get("TOCSIN_TEST_REDIS", "redis-server")
    found = shutil.which(name)
    if found is None:
        raise pytest.fail.Exception(f"these tests need {name}: apt-get install redis-server (make system does)")
    return found


@dataclass
class RedisServer:
    """One server, which may be stopped, frozen and started again on the same port; it keeps nothing on disk."""

    folder: Path
    port: int = 0
    password: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None
    _is_frozen: bool = False

    @classmethod
    def start(cls, *, password: str = "", **settings: Any) -> RedisServer:
        """Starts one; a tenth of a second. `settings`: redis.conf's, with _ for -, besides ours."""
        told = {name.replace("_", "-"): str(value) for name, value in settings.items()}
        server = cls(Path(tempfile.mkdtemp(prefix="tocsin-redis-")), password=password, settings=told)
        try:
            start_somewhere(server._start_on, server.stop, beside=_BUS)
        except BaseException:
            server.remove()
            raise
        return server

    @classmethod
    def cluster_of(cls, count: int) -> list[RedisServer]:
        """A Redis Cluster of so many masters that all know each other; the caller removes each."""
        servers: list[RedisServer] = []
        try:
            for _ in range(count):
                servers.append(cls.start(cluster_enabled="yes", cluster_node_timeout=60_000))
            _join(servers)
        except BaseException:
            for server in servers:
                server.remove()
            raise
        return servers

    @property
    def url(self) -> str:
        """As the engine is told."""
        return f"redis://{f':{self.password}@' if self.password else ''}127.0.0.1:{self.port}/0"

    @property
    def log(self) -> str:
        """What the server has said so far."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        """Also while it is frozen."""
        return self._process is not None

    def command(self, *words: str | bytes | int) -> Any:
        """Sends one command; its answer: bytes, int, None or a list of them. Raises RedisRefused."""
        with (
            socket.create_connection(("127.0.0.1", self.port), _ANSWER_MAX_S) as line,
            line.makefile("rb") as answers,
        ):
            if self.password:
                _ask(line, answers, ["AUTH", self.password])
            return _ask(line, answers, words)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Ends the server at once, whatever it does; its port answers nobody, and what it knew is gone."""
        process, self._process = self._process, None
        if process is not None:
            self._is_frozen = False
            process.send_signal(signal.SIGCONT)
            process.send_signal(how)
            process.wait(_STOP_MAX_S)

    def start_again(self) -> None:
        """Starts the stopped server on its port, empty, and waits until it answers."""
        assert self._process is None, "it runs"
        (self.folder / "log").unlink(missing_ok=True)
        own = {"bind": "127.0.0.1", "dir": str(self.folder), "logfile": str(self.folder / "log"), "appendonly": "no"}
        options = {"port": str(self.port), "save": "", **own, **self.settings}
        if self.password:
            options["requirepass"] = self.password
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        # The kernel ends it with us, also when we are killed.
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", program(), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._is_ready, _START_MAX_S, "Redis to start", lambda: self.log)

    def restart_empty(self) -> None:
        """Stops and starts: connections are cut, and everything is gone."""
        self.stop()
        self.start_again()

    def freeze(self) -> None:
        """SIGSTOP: connections stay, nothing answers."""
        assert self._process is not None, "it is stopped"
        self._process.send_signal(signal.SIGSTOP)
        self._is_frozen = True

    def thaw(self) -> None:
        """Lets a frozen server go on."""
        if self._process is not None and self._is_frozen:
            self._process.send_signal(signal.SIGCONT)
        self._is_frozen = False

    def mend(self) -> None:
        """As new: it runs, empty, with the limits and settings that it was started with."""
        self.thaw()
        if self._process is None:
            self.start_again()
        self.command("FLUSHALL")
        for name, value in {"maxmemory": "0", "maxmemory-policy": "noeviction", **self.settings}.items():
            if name.startswith("maxmemory"):
                self.command("CONFIG", "SET", name, value)

    def remove(self) -> None:
        """Ends the server, however it is, and deletes its folder."""
        self.stop()
        shutil.rmtree(self.folder)

    def _start_on(self, port: int) -> None:
        self.port = port
        self.start_again()

    def _is_ready(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            if _TAKEN in self.log:
                raise PortTaken(self.log)
            return _READY in self.log
        assert self._process is not None
        assert self._process.poll() is None, "Redis ended at once: wrong settings?"
        return False


def _ask(line: socket.socket, answers: BinaryIO, words: Any) -> Any:
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    line.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
    return _answer(answers)


def _answer(answers: BinaryIO) -> Any:
    head = answers.readline().rstrip(b"\r\n")
    kind, rest = head[:1], head[1:]
    if kind == b"-":
        raise RedisRefused(rest.decode())
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if int(rest) < 0 else answers.read(int(rest) + 2)[:-2]
    if kind == b"*":
        return None if int(rest) < 0 else [_answer(answers) for _ in range(int(rest))]
    assert kind == b"+", head
    return rest


def _join(servers: list[RedisServer]) -> None:
    share = -(-SLOTS // len(servers))
    for number, server in enumerate(servers):
        server.command("CLUSTER", "ADDSLOTSRANGE", number * share, min(SLOTS, (number + 1) * share) - 1)
        server.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for other in servers[:number]:
            server.command("CLUSTER", "MEET", "127.0.0.1", other.port)

    def is_up() -> bool:
        infos = [server.command("CLUSTER", "INFO") for server in servers]
        return all(b"cluster_state:ok" in info and b"known_nodes:%d\r" % len(servers) in info for info in infos)

    wait_for(is_up, _START_MAX_S, "the cluster to be whole")


def serve() -> Iterator[RedisServer]:
    """One server for as long as the generator is held: the body of a fixture."""
    server = RedisServer.start()
    try:
        yield server
    finally:
        server.remove()
