"""A started engine, as the other processes of a benchmark see it: where it listens, tokens for it, what its doors tell.

Owns nothing: the process is the rig's. Asks the HTTP door, and waits for its answer.
"""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import jwt
import msgspec

from benchmarks.control import BenchmarkError
from benchmarks.dial import Target
from benchmarks.harness import READY_TIMEOUT_S, Child, Ready
from engine.access.roles import SYSTEM_WORKSPACE

WORKSPACE = "bench"
_TOKEN_TTL_S = 3_600
# The largest page of the HTTP door.
_ALERTS_MAX = 500


class Engine:
    """A started engine: where it listens, and tokens for it."""

    def __init__(self, child: Child, secret: str) -> None:
        self.child = child
        self._secret = secret
        ready = msgspec.json.decode(child.receive(READY_TIMEOUT_S), type=Ready)
        address = urlsplit(ready.ws)
        if not address.hostname or not address.port:
            raise child.failure(f"said where to connect in a way that cannot be read: {ready.ws!r}")
        self._host, self._port = address.hostname, address.port
        self.http = ready.http

    def target(self, form: str, role: str, frameworks: Sequence[str] = (), workspace: str = WORKSPACE) -> Target:
        """How a client of this role connects; it subscribes to these frameworks' channels (in turn)."""
        claims = {
            "sub": f"bench-{role}",
            "workspaceId": workspace,
            "role": role,
            "exp": int(time.time()) + _TOKEN_TTL_S,
        }
        return Target(
            host=self._host,
            port=self._port,
            form=form,
            token=jwt.encode(claims, self._secret, algorithm="HS256"),
            channels=[f"alerts:{framework}" for framework in frameworks],
        )

    def occurrences(self, framework: str) -> list[int]:
        """How often each alert of a framework happened, as the HTTP door reads it from the store: of 500 at most.

        Raises BenchmarkError.
        """
        body = self._get(f"/api/v1/alerts?limit={_ALERTS_MAX}&framework_id={framework}")
        return [item.occurrences for item in msgspec.json.decode(body, type=_Page).items]

    def nodes(self) -> list[SeenNode]:
        """Which nodes it sees, itself included. Raises BenchmarkError."""
        token = self.target("json", "admin", workspace=SYSTEM_WORKSPACE).token
        return msgspec.json.decode(self._get("/api/v1/nodes", token), type=_Nodes).items

    def metrics(self) -> dict[str, float]:
        """What the engine counts, by the names and labels of its page for Prometheus. Raises BenchmarkError."""
        lines = self._get("/metrics").decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def health_score(self) -> float:
        """How well it finds itself in its last five minutes, 0 to 100. Raises BenchmarkError."""
        return self.metrics()["tocsin_health_score"]

    def jobs_over(self, queues: Sequence[str]) -> int:
        """How many jobs of these queues have been done. Raises BenchmarkError."""
        ended = ((name, value) for name, value in self.metrics().items() if name.startswith("tocsin_jobs_ended_total"))
        return int(sum(value for name, value in ended if any(f'"{queue}"' in name for queue in queues)))

    def jobs_to_do(self, queues: Sequence[str]) -> int:
        """How many jobs of these queues wait or are being done. Raises BenchmarkError."""
        token = self.target("json", "admin", workspace=SYSTEM_WORKSPACE).token
        found = msgspec.json.decode(self._get("/api/v1/queues", token), type=_Queues).items
        return sum(queue.waiting + queue.active + queue.delayed for queue in found if queue.queue in queues)

    def run_schedule(self, name: str) -> None:
        """Has a schedule of the engine's own done once, unless it is being done. Raises BenchmarkError."""
        token = self.target("json", "admin", workspace=SYSTEM_WORKSPACE).token
        fine = (http.client.ACCEPTED, http.client.CONFLICT)
        self._ask("POST", f"/api/v1/schedules/{name}/run", token, fine)

    def _get(self, path: str, token: str = "") -> bytes:
        return self._ask("GET", path, token or self.target("json", "viewer").token, (http.client.OK,))

    def _ask(self, method: str, path: str, token: str, fine: Sequence[int]) -> bytes:
        connection = http.client.HTTPConnection(urlsplit(self.http).netloc, timeout=READY_TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request(method, path, headers={"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            body = response.read()
        if response.status not in fine:
            raise BenchmarkError(f"{path} was refused ({response.status}): {body[:200]!r}")
        return body


class _Counted(msgspec.Struct):
    """Of an alert, how often it happened."""

    occurrences: int


class _Page(msgspec.Struct):
    """An answer of the HTTP door."""

    items: list[_Counted]


class SeenNode(msgspec.Struct, frozen=True):
    """A node, as another or itself sees it; `state` is `live` if nothing is wrong with it."""

    id: str
    state: str
    is_this: bool


class _Nodes(msgspec.Struct):
    """An answer of the HTTP door."""

    items: list[SeenNode]


class _Queue(msgspec.Struct):
    """A queue, and how many of its jobs are not over."""

    queue: str
    waiting: int
    active: int
    delayed: int


class _Queues(msgspec.Struct):
    """An answer of the HTTP door."""

    items: list[_Queue]
