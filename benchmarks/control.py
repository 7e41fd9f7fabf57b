"""How the processes of a benchmark are told what to do: one JSON object a line in, one a line out.

The parent asks on a child's standard input and waits for the answer on its standard output, so at most one command is
under way. An end of input means that the parent is gone, and the child ends by itself. A failure that is the
measurement's (a refused connection, a timeout) is answered as `{"error": …}`; a bug ends the child with its traceback.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import Any

import msgspec

CONTROL_FD = 0
_READ_BYTES = 65_536


class BenchmarkError(Exception):
    """The measurement cannot be made or is worthless; the message says why."""


class CommandReader:
    """Splits the control pipe into lines. Blocks only inside a line that has begun."""

    def __init__(self, fd: int = CONTROL_FD) -> None:
        self.fd = fd
        self._rest = bytearray()

    def next_line(self) -> bytes | None:
        """The next command, None at the end of input."""
        while True:
            end = self._rest.find(b"\n")
            if end >= 0:
                line = bytes(self._rest[:end])
                del self._rest[: end + 1]
                return line
            data = os.read(self.fd, _READ_BYTES)
            if not data:
                return None
            self._rest += data

    def next_bytes(self, size: int) -> bytes:
        """Exactly `size` raw bytes that follow a line. Raises BenchmarkError at the end of input."""
        while len(self._rest) < size:
            data = os.read(self.fd, _READ_BYTES)
            if not data:
                raise BenchmarkError(f"the control pipe ended {size - len(self._rest)} bytes early")
            self._rest += data
        taken = bytes(self._rest[:size])
        del self._rest[:size]
        return taken


def say(answer: Any) -> None:
    """Writes one answer line (anything that msgspec encodes)."""
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


def raise_open_files() -> int:
    """Lifts the limit of open files to what the system allows; gives the new limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
