"""A Redis Sentinel that watches nothing: for what is said to somebody who takes it for a Redis."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers.cluster import wait_for
from benchmarks.peers.ports import a_port
from tests.support.redis_server import program

_START_MAX_S = 60.0


@contextmanager
def a_sentinel() -> Iterator[str]:
    """Runs one; its URL, as if it were a Redis."""
    port = a_port()
    with tempfile.TemporaryDirectory(prefix="tocsin-sentinel-") as folder:
        settings, log = Path(folder) / "sentinel.conf", Path(folder) / "log"
        settings.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\nlogfile {log}\n")
        process = subprocess.Popen([program(), str(settings), "--sentinel"], stdin=subprocess.DEVNULL)
        try:
            wait_for(lambda: _has_begun(log, process), _START_MAX_S, "the Sentinel to start")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()
            process.wait()


def _has_begun(log: Path, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "it ended at once"
    with contextlib.suppress(FileNotFoundError):
        return "Sentinel ID is" in log.read_text(errors="replace")
    return False
