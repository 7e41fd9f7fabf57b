"""Other people's servers as rows beside ours: WebSocket broadcasters (see `benchmarks.floor`) in `fanout --bare`, and
queues in `jobs` (`queues`); and the servers that both need (`redis`, `postgres`).

Each is a program of its own that is given what it needs to be at its best for this: no compression, no pings, its own
broadcast function where it has one. A peer that is not installed is left out, and the report says so.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import python

_HERE = Path(__file__).parent
_NODE_TIMEOUT_S = 20.0


class Peer(NamedTuple):
    """One peer: the command that starts it (None: not installed here)."""

    name: str
    program: list[str] | None


def peers() -> list[Peer]:
    """All broadcasters that we know of."""
    return [
        Peer("websockets", python_peer("websockets")),
        Peer("picows", python_peer("picows")),
        Peer("node-ws", node_peer("node_ws.mjs")),
    ]


def python_peer(package: str) -> list[str] | None:
    """The command of our program for a Python package, None if it is not installed."""
    if importlib.util.find_spec(package) is None:
        return None
    return python(f"benchmarks.peers.{package}_server")


def node_peer(program: str) -> list[str] | None:
    """The command of our program for an npm package; None if node, or the package, is not installed.

    It is looked for in NODE_PATH and in ./node_modules.
    """
    node = shutil.which("node")
    if node is None:
        return None
    places = [*filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep)), str(Path.cwd() / "node_modules")]
    command = [node, str(_HERE / program), *places]
    probe = subprocess.run(  # noqa: S603 - our own program, no shell
        [*command, "--probe"], capture_output=True, stdin=subprocess.DEVNULL, timeout=_NODE_TIMEOUT_S, check=False
    )
    return command if probe.returncode == 0 else None
