"""The listening clients: one process, raw sockets, one epoll, no WebSocket library.

Owns every subscriber's socket of a benchmark. The parent tells it (over `control`) to connect a group, to arm it for a
round, and afterwards to collect. While armed it does three things per readable socket: `recv_into` the client's place
in one arena, note where the bytes now end, note the time (CLOCK_MONOTONIC, which all processes of a machine share).
Frames are walked and messages read only when collecting, after the measurement (`arrivals`).

Decided against: asyncio or trio (a wake-up per client is what we want to measure, not what we want to have here);
parsing while receiving (it would delay the note of the next client); waiting for a count of bytes (frame sizes vary).
Garbage collection is off: a pause here would be booked as the engine's.
"""

from __future__ import annotations

import gc
import mmap
import select
import time

import msgspec

from benchmarks.arrivals import Arrivals, Client, Group, Plan, on_their_way_ns, read_round
from benchmarks.control import CONTROL_FD, BenchmarkError, CommandReader, raise_open_files, say
from benchmarks.dial import NOWHERE, Target, dial
from benchmarks.wire import UNSOLICITED_PONG, BadStream, read_stream
from protocol.messages import Position

_EVENTS_MAX = 4_096
# Arrivals are noted up to this (and a timer's slack of 50 µs) late, the same for everybody in a run.
COALESCE_S = 0.0001
_SCRATCH_BYTES = 1 << 16


class Connect(msgspec.Struct, tag="connect"):
    """Opens `clients` connections to `target` as `group`.

    With `client_bytes` the group is armed with that, from the first byte behind the server's answers on: a round begins
    that is sent while they connect.
    """

    group: str
    target: Target
    clients: int
    client_bytes: int = 0


class Arm(msgspec.Struct, tag="arm"):
    """The next round is this group's; each client may receive at most `client_bytes` in it."""

    group: str
    client_bytes: int


class Collect(msgspec.Struct, tag="collect"):
    """The sender of the round is done: wait for the rest and tell what came.

    Ready when nothing came for `quiet_s` and nothing is missing, or after `deadline_s`.
    """

    plan: Plan
    quiet_s: float
    deadline_s: float


class Census(msgspec.Struct, tag="census"):
    """How many connections of a group has the other side ended?"""

    group: str


class Close(msgspec.Struct, tag="close"):
    """Closes a group's connections."""

    group: str


Command = Connect | Arm | Collect | Census | Close


class Receiver:
    """All groups; at most one of them is armed."""

    def __init__(self, control_fd: int = -1) -> None:
        self._epoll = select.epoll()
        self._control_fd = control_fd
        if control_fd >= 0:
            self._epoll.register(control_fd, select.EPOLLIN)
        self._groups: dict[str, Group] = {}
        self._owners: dict[int, tuple[Group, Client]] = {}
        self._armed: Group | None = None
        self._arena: mmap.mmap | None = None
        self._cpu_ns = 0
        self._overflow = ""
        self._scratch = memoryview(bytearray(_SCRATCH_BYTES))

    def serve(self, commands: CommandReader) -> None:
        """Obeys until the end of input. Failures of the measurement are answered; the parent decides."""
        while True:
            try:
                if not self._take(-1):
                    continue
                line = commands.next_line()
                if line is None:
                    return
                say(self.obey(msgspec.json.decode(line, type=Command)))
            except (BenchmarkError, BadStream, ConnectionError, TimeoutError) as fault:
                # The boundary: what went wrong is the measurement, which the parent gives up, not this program.
                say({"error": f"{type(fault).__name__}: {fault}"})

    def obey(self, command: Command) -> object:
        """Does one command; its answer. Raises BenchmarkError, BadStream, OSError."""
        match command:
            case Connect():
                return self.connect(command)
            case Arm():
                self.arm(command)
                return {"armed": command.group}
            case Collect():
                return self.collect(command)
            case Census():
                return {"closed": self._groups[command.group].closed}
            case Close():
                self.close(command.group)
                return {"closed": command.group}

    def _take(self, timeout_s: float) -> bool | None:
        """Takes what arrives within the timeout (-1: whenever): whether a command waits; None if nothing came."""
        events = self._epoll.poll(timeout_s, _EVENTS_MAX)
        if events and self._armed is not None:
            # As a network card does: a moment's pause instead of a wake-up per message. Else the sender's `send` pays
            # for waking this process, a thousand times, which no dashboard on another machine ever costs it.
            time.sleep(COALESCE_S)
            events = self._epoll.poll(0, _EVENTS_MAX)
        asked = False
        for fd, _ in events:
            if fd == self._control_fd:
                asked = True
                continue
            group, client = self._owners[fd]
            if group is self._armed:
                self._note(group, client)
            else:
                self._skim(group, client)
        return asked if events else None

    def _note(self, group: Group, client: Client) -> None:
        """The hot path: where the bytes end now, and when."""
        room = client.view[client.pos :]
        if not room:
            # Read no further: the socket would stay readable for ever. Told when the round is collected.
            self._overflow = f"a client received more than the {len(client.view)} bytes planned for the round"
        size = _receive(client, room) if room else 0
        if not size:
            self._lose(group, client)
            return
        client.pos += size
        client.chunk_ends.append(client.pos)
        client.chunk_times.append(time.monotonic_ns())

    def _skim(self, group: Group, client: Client) -> None:
        """Between rounds: pings are answered, else an idle client is taken for dead; alerts are strays."""
        size = _receive(client, self._scratch)
        if not size:
            self._lose(group, client)
            return
        data = client.tail + self._scratch[:size]
        stream = read_stream(data, {})
        group.strays += len(stream.offsets)
        client.tail = data[stream.complete :]
        if stream.pings:
            client.sock.send(UNSOLICITED_PONG)

    def _lose(self, group: Group, client: Client) -> None:
        self._forget(client)
        group.closed += 1

    def _forget(self, client: Client) -> None:
        fd = client.sock.fileno()
        if self._owners.pop(fd, None) is not None:
            self._epoll.unregister(fd)
            client.sock.close()

    def connect(self, command: Connect) -> Position:
        """Opens a group and brings each client to where it only listens; where that is in the last one's stream.

        Raises BenchmarkError, BadStream, OSError.
        """
        place = NOWHERE
        group = self._groups[command.group] = Group()
        for sock, place, rest in dial(command.target, command.clients):
            sock.setblocking(False)
            client = Client(sock, place.offset, rest)
            group.clients.append(client)
            self._owners[sock.fileno()] = (group, client)
            self._epoll.register(sock.fileno(), select.EPOLLIN)
        if command.client_bytes:
            self.arm(Arm(group=command.group, client_bytes=command.client_bytes))
            now_ns = time.monotonic_ns()
            for client in group.clients:
                client.chunk_ends.append(client.pos)
                client.chunk_times.append(now_ns)
        return place

    def arm(self, command: Arm) -> None:
        """Gives each client of the group its place in the arena. One arena for all rounds: pages are touched once."""
        group = self._groups[command.group]
        share = command.client_bytes
        if self._arena is None or len(self._arena) < len(group.clients) * share:
            self._arena = mmap.mmap(-1, len(group.clients) * share)
        whole = memoryview(self._arena)
        for index, client in enumerate(group.clients):
            client.arm(whole[index * share : (index + 1) * share])
            if client.sock.fileno() >= 0:
                client.sock.send(UNSOLICITED_PONG)
        self._armed = group
        self._cpu_ns = time.process_time_ns()

    def collect(self, command: Collect) -> Arrivals:
        """Waits until all is there (or the deadline is over), disarms, and reads what came. Raises BenchmarkError."""
        group, plan = self._armed, command.plan
        if group is None:
            raise BenchmarkError("collect without arm")
        deadline = time.monotonic() + command.deadline_s
        while True:
            self._settle(command.quiet_s, deadline)
            if self._overflow:
                raise BenchmarkError(self._overflow)
            cpu_ns = time.process_time_ns() - self._cpu_ns
            arrivals, streams = read_round(group, plan)
            if arrivals.verdict.missing == 0 or time.monotonic() >= deadline or not group.is_alive:
                break
        self._armed = None
        group.strays = 0
        for client, stream in zip(group.clients, streams, strict=True):
            client.tail = bytes(client.view[stream.complete : client.pos])
            client.base += plan.messages
        arrivals.on_way_ns = on_their_way_ns(arrivals, plan)
        arrivals.cpu_percent = min(100.0, 100.0 * cpu_ns / max(1, arrivals.on_way_ns))
        return arrivals

    def _settle(self, quiet_s: float, deadline: float) -> None:
        """Takes what comes until nothing came for a while. However late we are, what is there already is taken."""
        while (asked := self._take(quiet_s)) is not None:
            if asked:
                raise BenchmarkError("the parent asks (or is gone) while it should wait for an answer")
            if time.monotonic() >= deadline:
                return

    def close(self, name: str) -> None:
        """Closes a group; one that is not there is nothing to complain about."""
        group = self._groups.pop(name, None)
        if group is None:
            return
        self._armed = None if group is self._armed else self._armed
        for client in group.clients:
            self._forget(client)


def _receive(client: Client, room: memoryview) -> int:
    """How many bytes came; 0 when the connection is over, politely or not."""
    try:
        return client.sock.recv_into(room)
    except ConnectionResetError:
        return 0


def main() -> None:
    """The process: quiet in the middle of a round, and gone when its parent is."""
    raise_open_files()
    gc.disable()
    Receiver(CONTROL_FD).serve(CommandReader(CONTROL_FD))


if __name__ == "__main__":
    main()
