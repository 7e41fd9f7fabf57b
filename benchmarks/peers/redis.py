"""A Redis of the benchmark's own: for engines (`cache`, `fanout --nodes`), and for BullMQ's rows beside ours in `jobs`.

The server listens on a Unix socket only and keeps its data where ours lies. BullMQ is asked twice: with `appendfsync
always`, the counterpart of our durable commits, and with `everysec`, as people run it, where a second of acked jobs is
lost with the machine. The program is `bullmq_jobs.mjs`: the same queues, slots, rates and no-op jobs; both keep what is
done.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Child
from benchmarks.peers import node_peer
from engine.extras import how_to_get

FSYNCS = ("always", "everysec")
_READY = b"ready to accept connections at"
_READY_S = 120.0


def why_none() -> str:
    """Why our engines can have no Redis here; empty if they can."""
    if shutil.which("redis-server") is None:
        return "there is no redis-server here"
    return "" if importlib.util.find_spec("redis") else f"the package redis is not installed ({how_to_get('redis')})"


def bullmq() -> tuple[list[str], str]:
    """The program, and why there is none."""
    if shutil.which("redis-server") is None:
        return [], "there is no redis-server here"
    program = node_peer("bullmq_jobs.mjs")
    return program or [], "" if program else "there is no node here, or it does not find the npm package"


@contextlib.contextmanager
def redis(folder: Path, fsync: str, name: str = "") -> Iterator[str]:
    """A Redis for the length of the context: its socket. Without `fsync` it keeps nothing. Raises BenchmarkError."""
    name = name or f"redis-{fsync}"
    # A socket's path has 107 characters at most, so it does not lie beside the data.
    with tempfile.TemporaryDirectory(prefix="tocsin-") as place:
        socket = f"{place}/redis"
        data = folder / name
        data.mkdir()
        told = ["--port", "0", "--unixsocket", socket, "--dir", str(data), "--save", ""]
        durable = ["--appendonly", "yes", "--appendfsync", fsync, "--maxmemory-policy", "noeviction"]
        with Child(name, ["redis-server", *told, *(durable if fsync else [])], folder) as server:
            while _READY not in server.receive(_READY_S):
                pass
            yield socket
