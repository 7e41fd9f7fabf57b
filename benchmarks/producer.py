"""The sending clients: one process that triggers over raw sockets and reads the acks.

Two ways of sending. Open loop (`Paced`): one connection, message i leaves at its intended time whatever became of the
ones before; how late the producer itself was is told. Closed loop (`Pump`): many connections, each sends its next
frame when the ack of the last one is there. All frames are built before the clock starts, and the masks are zeros
(legal, and free), so the producer costs little of the machine that it shares with the engine.

Every ack is read and counted by reason (`acks`).
"""

from __future__ import annotations

import gc
import select
import socket
import time
from collections.abc import Iterator

import msgspec

from benchmarks.acks import Acked, Ledger
from benchmarks.arrivals import Plan
from benchmarks.control import CONTROL_FD, BenchmarkError, CommandReader, raise_open_files, say
from benchmarks.dial import Target, dial
from benchmarks.measure import NS_PER_MS, NS_PER_S
from benchmarks.triggers import distinct, readings, repeated, trigger_frame
from benchmarks.wire import BINARY, CLOSE, FORMS, TEXT, BadStream, walk
from protocol import messages as m
from protocol.codec import WireForm, decode_server
from protocol.errors import TocsinError

_READ_BYTES = 1 << 18


class Open(msgspec.Struct, tag="open"):
    """Opens `connections` authenticated connections as `group`."""

    group: str
    target: Target
    connections: int


class Paced(msgspec.Struct, tag="paced"):
    """Open loop on the group's first connection: one trigger a message, numbered from `plan.first`.

    Of so many `identities` in turn; 0: each another.
    """

    group: str
    framework: str
    plan: Plan
    identities: int = 0
    deadline_s: float = 60.0


class Pump(msgspec.Struct, tag="pump"):
    """Closed loop on all connections of the group: each sends `rounds` messages of `batch` triggers.

    Connection i triggers for `frameworks[i % len(frameworks)]`. `tag` makes identities: distinct ones for every
    trigger, or (`repeat`) the same `batch` identities in each message of a connection.
    """

    group: str
    frameworks: list[str]
    rounds: int
    batch: int
    tag: str
    repeat: bool = False
    # Of distinct ones.
    severity: str = "warning"
    # Instead of triggers: readings of so many metrics in turn (0: triggers).
    metrics: int = 0
    deadline_s: float = 120.0


class Close(msgspec.Struct, tag="close"):
    """Closes a group's connections."""

    group: str


Command = Open | Paced | Pump | Close


class Connection:
    """One producer's socket: what it still has to send, and since when it waits for an ack."""

    __slots__ = ("data", "form", "frames", "own", "sent_ns", "sock")

    def __init__(self, sock: socket.socket, form: WireForm, rest: bytes) -> None:
        self.sock = sock
        self.form = form
        self.data = bytearray(rest)
        self.frames: Iterator[bytes] = iter(())
        # By tag of a repeated message: the alerts of its items (see `Ledger`), kept from one command to the next.
        self.own: dict[str, list[str | None]] = {}
        self.sent_ns = 0

    def send_next(self) -> bool:
        """Sends the next frame, if there is one."""
        frame = next(self.frames, None)
        if frame is None:
            return False
        self.sent_ns = time.monotonic_ns()
        self.sock.sendall(frame)
        return True

    def read(self) -> list[m.ServerMessage]:
        """What came. Raises BenchmarkError if the server ended the connection, BadStream."""
        chunk = self.sock.recv(_READ_BYTES)
        self.data += chunk
        heard: list[m.ServerMessage] = []
        complete = 0
        for opcode, begin, end in walk(self.data):
            if opcode in (TEXT, BINARY):
                heard.append(decode_server(bytes(self.data[begin:end]), self.form))
            elif opcode == CLOSE:
                raise BenchmarkError(f"the server closed a producer: {bytes(self.data[begin:end])!r}")
            complete = end
        del self.data[:complete]
        if not chunk:
            raise BenchmarkError("the server closed a producer without a word")
        return heard


class Producer:
    """All groups of producing connections."""

    def __init__(self) -> None:
        self._groups: dict[str, list[Connection]] = {}

    def serve(self, commands: CommandReader) -> None:
        """Obeys until the end of input. Failures of the measurement are answered; the parent decides."""
        while (line := commands.next_line()) is not None:
            try:
                say(self.obey(msgspec.json.decode(line, type=Command)))
            except (BenchmarkError, BadStream, TocsinError, ConnectionError, TimeoutError) as fault:
                # The boundary: what went wrong is the measurement, which the parent gives up, not this program.
                say({"error": f"{type(fault).__name__}: {fault}"})

    def obey(self, command: Command) -> object:
        """Does one command; its answer. Raises BenchmarkError, BadStream, TocsinError, OSError."""
        match command:
            case Open():
                return {"connections": self.open(command)}
            case Paced():
                return self.paced(command)
            case Pump():
                return self.pump(command)
            case Close():
                self.close(command.group)
                return {"closed": command.group}

    def open(self, command: Open) -> int:
        """Opens a group."""
        form = FORMS[command.target.form]
        dialled = dial(command.target, command.connections)
        self._groups[command.group] = [Connection(sock, form, rest) for sock, _, rest in dialled]
        return command.connections

    def close(self, group: str) -> None:
        """Closes a group; one that is not there is nothing to complain about."""
        for connection in self._groups.pop(group, []):
            connection.sock.close()

    def paced(self, command: Paced) -> Acked:
        """Open loop. Acks are read in the pauses and after the last message."""
        connection, plan = self._groups[command.group][0], command.plan
        numbers = range(plan.first, plan.first + plan.messages)
        of = command.identities
        frames = [
            trigger_frame(connection.form, command.framework, [f"paced-{n % of if of else n}"], n) for n in numbers
        ]
        ledger, answered, late_ns = Ledger(), 0, 0
        for index, frame in enumerate(frames):
            due_ns = plan.due_ns(index)
            while (left_ns := due_ns - time.monotonic_ns()) > 0:
                answered += _read_acks(connection, ledger, plan, left_ns)
            connection.sock.sendall(frame)
            late_ns = max(late_ns, time.monotonic_ns() - due_ns)
        deadline_ns = time.monotonic_ns() + int(command.deadline_s * NS_PER_S)
        while answered < plan.messages and (left_ns := deadline_ns - time.monotonic_ns()) > 0:
            answered += _read_acks(connection, ledger, plan, left_ns)
        return ledger.acked(plan.messages, plan.start_ns, late_ns / NS_PER_MS)

    def pump(self, command: Pump) -> Acked:
        """Closed loop over all connections. Raises BenchmarkError after the deadline."""
        connections = self._groups[command.group]
        for index, connection in enumerate(connections):
            framework = command.frameworks[index % len(command.frameworks)]
            tag, rounds, batch = f"{command.tag}-{index}", command.rounds, command.batch
            if command.metrics:
                connection.frames = iter(readings(connection.form, framework, rounds, batch, command.metrics))
            elif command.repeat:
                connection.frames = iter(repeated(connection.form, framework, tag, rounds, batch))
            else:
                connection.frames = iter(distinct(connection.form, framework, tag, rounds, batch, command.severity))
        own = (
            {each.sock.fileno(): each.own.setdefault(command.tag, []) for each in connections} if command.repeat else {}
        )
        ledger, begin_ns = Ledger(own), time.monotonic_ns()
        with select.epoll() as epoll:
            waiting = {connection.sock.fileno(): connection for connection in connections}
            for fd, connection in waiting.items():
                epoll.register(fd, select.EPOLLIN)
                connection.send_next()
            while waiting:
                left_s = command.deadline_s - (time.monotonic_ns() - begin_ns) / NS_PER_S
                events = epoll.poll(max(0.0, left_s))
                if not events:
                    raise BenchmarkError(f"{len(waiting)} producers still wait after {command.deadline_s} s")
                for fd, _ in events:
                    if not _advance(fd, waiting[fd], ledger):
                        del waiting[fd]
                        epoll.unregister(fd)
        return ledger.acked(len(connections) * command.rounds * command.batch, begin_ns)


def _read_acks(connection: Connection, ledger: Ledger, plan: Plan, left_ns: int) -> int:
    """Reads acks for at most the time given; how many came. A request's id is its number."""
    readable, _, _ = select.select([connection.sock], [], [], left_ns / NS_PER_S)
    if not readable:
        return 0
    heard, now_ns = connection.read(), time.monotonic_ns()
    answered = 0
    for message in heard:
        identity = getattr(message, "id", None)
        if isinstance(identity, int):
            answered += ledger.note(0, message, plan.due_ns(identity - plan.first), now_ns)
    return answered


def _advance(fd: int, connection: Connection, ledger: Ledger) -> bool:
    """Takes what came, sends the next; whether this connection still waits for something."""
    for message in connection.read():
        if ledger.note(fd, message, connection.sent_ns, time.monotonic_ns()):
            return connection.send_next()
    return True


def main() -> None:
    """The process: gone when its parent is."""
    raise_open_files()
    gc.disable()
    Producer().serve(CommandReader(CONTROL_FD))


if __name__ == "__main__":
    main()
