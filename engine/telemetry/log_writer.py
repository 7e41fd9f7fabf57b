"""Writes log lines to a descriptor from a thread of its own, so that no log call ever waits.

Owns the thread, and the bounded queue before it. When nobody reads the descriptor the queue fills, further lines are
dropped and counted, and the count is told as soon as a line can be written again. At the end what waits has a moment.

Decided against: logging's QueueHandler (its queue has a lock that a log call from a destructor can meet while it is
held; SimpleQueue may be re-entered), and writing through `sys.stderr`, whose buffer lock a daemon thread could still
hold when the interpreter ends.
"""

from __future__ import annotations

import os
import queue
import select
import threading

import msgspec

# At most 2,000 lines of at most 16 KiB wait: 32 MiB when everything goes wrong at once.
QUEUE_MAX_LINES = 2_000
# Lines that are joined into one write: the thread gets the interpreter once for all of them.
JOIN_MAX_LINES = 256
# A shutdown does not wait longer than this for somebody to read the last lines.
CLOSE_S = 1.0


class LineWriter:
    """Writes lines to a file descriptor from a daemon thread. Owns the thread; `push` never waits, from any thread."""

    def __init__(self, descriptor: int, limit: int = QUEUE_MAX_LINES) -> None:
        self._descriptor = descriptor
        self._limit = limit
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._told = 0
        self._thread = threading.Thread(target=self._run, name="tocsin-logs", daemon=True)
        # Lines lost so far, because the queue was full or nobody was left to read.
        self.dropped = 0

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def push(self, line: bytes) -> None:
        """Takes a line (with its line end), or drops and counts it if too many wait."""
        if self._queue.qsize() >= self._limit:
            self.dropped += 1
        else:
            self._queue.put(line)

    def close(self) -> None:
        """Writes what waits, for at most CLOSE_S seconds; then the rest is left to the daemon thread and lost."""
        self._queue.put(None)
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        last = False
        while not last:
            lines = [self._queue.get()]
            while len(lines) < JOIN_MAX_LINES and not self._queue.empty():
                lines.append(self._queue.get())
            last = None in lines
            self._write([line for line in lines if line is not None])

    def _write(self, lines: list[bytes]) -> None:
        # Taken before the write, which may last: what is dropped meanwhile is told next time.
        dropped = self.dropped
        if dropped > self._told:
            lines.append(_notice(dropped - self._told, dropped))
        try:
            _write_all(self._descriptor, b"".join(lines))
        except OSError:
            # The reader of the log is gone for good (EPIPE, EIO): the engine must go on without it.
            self.dropped += len(lines)
        else:
            self._told = dropped


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            # Somebody shares the descriptor and made it non-blocking; this thread may wait.
            select.select([], [descriptor], [])


def _notice(dropped: int, total: int) -> bytes:
    line = {"event": "log lines were dropped", "level": "warning", "dropped": dropped, "dropped_total": total}
    return msgspec.json.encode(line) + b"\n"
