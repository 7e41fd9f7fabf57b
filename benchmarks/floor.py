"""The floor without a compiler, and the control that all plain broadcasters share.

A broadcaster is a process that sends given messages to all its clients at given times: the floor (`floor.c`, or this),
our own gateway without a store (`bare`), and the peers. All are told the same, so their rounds can alternate:

    → {"port": P}                                         ready (as the engine's ready line)
    ← accept N                                            (floor only: nothing else accepts on command)
    → {"accepted": total}
    ← round MESSAGES SIZE START_NS INTERVAL_NS, then MESSAGES*SIZE bytes
    → {"sent": MESSAGES}

Message i is meant to leave at START_NS + i*INTERVAL_NS of CLOCK_MONOTONIC. The floor is given whole frames, the others
payloads, which they frame themselves.
"""

from __future__ import annotations

import socket
import time
from typing import NamedTuple

from benchmarks.control import CONTROL_FD, BenchmarkError, CommandReader, raise_open_files, say
from benchmarks.measure import NS_PER_S

_BACKLOG = 1_024


class Round(NamedTuple):
    """One round to send: messages of equal size, the first at `start_ns`, then one each `interval_ns`."""

    messages: list[bytes]
    start_ns: int
    interval_ns: int

    def due_ns(self, index: int) -> int:
        """When this message is meant to leave."""
        return self.start_ns + index * self.interval_ns


def read_round(line: bytes, commands: CommandReader) -> Round:
    """The round that a `round` line announces. Raises BenchmarkError for another line or an early end."""
    word, *numbers = line.split()
    if word != b"round" or len(numbers) != 4:
        raise BenchmarkError(f"unknown command: {line[:80]!r}")
    messages, size, start_ns, interval_ns = (int(number) for number in numbers)
    data = commands.next_bytes(messages * size)
    return Round([data[at : at + size] for at in range(0, messages * size, size)], start_ns, interval_ns)


def wait_until(due_ns: int) -> None:
    """Sleeps until a moment of CLOCK_MONOTONIC."""
    left_ns = due_ns - time.monotonic_ns()
    if left_ns > 0:
        time.sleep(left_ns / NS_PER_S)


class Floor:
    """The plain loop of `send`, in Python: a higher floor than C's, and reported as such."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._clients: list[socket.socket] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listener.getsockname()[1])

    def serve(self, commands: CommandReader) -> None:
        """Obeys until the end of input. Raises BenchmarkError for what it does not understand."""
        say({"port": self.port})
        while (line := commands.next_line()) is not None:
            if line.startswith(b"accept "):
                self.accept(int(line.split()[1]))
                say({"accepted": len(self._clients)})
            else:
                say({"sent": self.send(read_round(line, commands))})

    def accept(self, clients: int) -> None:
        """Takes so many connections that wait, or will come."""
        for _ in range(clients):
            sock, _ = self.listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._clients.append(sock)

    def send(self, plan: Round) -> int:
        """Each message to every client, at its time; how many messages."""
        for index, message in enumerate(plan.messages):
            wait_until(plan.due_ns(index))
            for sock in self._clients:
                sock.sendall(message)
        return len(plan.messages)

    def close(self) -> None:
        """Closes everything."""
        for sock in (self.listener, *self._clients):
            sock.close()


def main() -> None:
    """The process."""
    raise_open_files()
    Floor().serve(CommandReader(CONTROL_FD))


if __name__ == "__main__":
    main()
