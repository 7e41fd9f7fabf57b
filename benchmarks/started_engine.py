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

    def _get(self, path: str, token: str = "") -> bytes:
        token = token or self.target("json", "viewer").token
        connection = http.client.HTTPConnection(urlsplit(self.http).netloc, timeout=READY_TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            body = response.read()
        if response.status != http.client.OK:
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
