"""The processes of a benchmark: how they are started, told, and ended whatever happens.

Owns every child process. The engine, the receiver, the producer, the floor and the peers each run in a process of
their own; the parent only waits, so it takes no part in what is measured. Children are ended by their own process id:
asked first, killed after a grace. A stack (`rig.Rig`) ends all of them on success, failure and Ctrl-C alike; those that
read commands also end by themselves when the parent is gone.

Children start in sessions of their own, so that Ctrl-C reaches the parent alone and the ending has one order.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar, cast

import msgspec

from benchmarks import receiver
from benchmarks.arrivals import Arrivals, Plan
from benchmarks.control import BenchmarkError
from benchmarks.dial import Target
from benchmarks.wire import header_bytes, numbered_payload
from protocol.codec import WireForm, frame
from protocol.messages import Position

T = TypeVar("T")

READY_TIMEOUT_S = 170.0
# A round is bounded in messages and rate by the command line; whatever waits longer than this hangs.
ANSWER_TIMEOUT_S = 180.0
# When nothing has come for so long, the receiver looks whether everything is there.
QUIET_S = 0.15
# A message that is later than this after the sender's end is missing.
COLLECT_DEADLINE_S = 60.0
# The engine drains for up to 10 s.
GRACE_S = 12.0
# Before the first round the size of a frame is not known; an alert with text and labels stays below this.
FIRST_FRAME_BYTES = 2_048
_TAIL_CHARS = 2_000


class Cores:
    """Which cores are whose: the receiver gets the last one for itself where there are two, the senders the others."""

    def __init__(self, available: Sequence[int]) -> None:
        ordered = sorted(available)
        self.receiver = frozenset(ordered[-1:])
        self.sender = frozenset(ordered[:-1] or ordered)
        self.is_split = len(ordered) > 1


class Child:
    """One process, with its standard error kept for the case that it fails."""

    def __init__(self, name: str, argv: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._errors = folder / f"{name}.stderr"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=None if env is None else dict(env),
                start_new_session=True,
            )
        # Both exist: they were asked for as pipes.
        self._stdin = cast(IO[bytes], self._process.stdin)
        self._stdout = cast(IO[bytes], self._process.stdout)
        self._unread = bytearray()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def pin(self, cores: frozenset[int]) -> None:
        """Keeps it on these cores. Called right after the start, so that all its threads inherit it."""
        os.sched_setaffinity(self.pid, cores)

    def send(self, data: bytes) -> None:
        """Writes to its standard input. Raises BenchmarkError if it is gone."""
        try:
            self._stdin.write(data)
            self._stdin.flush()
        except BrokenPipeError as fault:
            raise self.failure("does not listen any more") from fault

    def receive(self, timeout_s: float = ANSWER_TIMEOUT_S) -> bytes:
        """Its next answer line. Raises BenchmarkError if none comes in time, or it is an error."""
        deadline = time.monotonic() + timeout_s
        while (end := self._unread.find(b"\n")) < 0:
            readable, _, _ = select.select([self._stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise self.failure(f"did not answer within {timeout_s} s")
            data = os.read(self._stdout.fileno(), 1 << 20)
            if not data:
                raise self.failure("ended")
            self._unread += data
        line = bytes(self._unread[:end])
        del self._unread[: end + 1]
        if line.startswith(b'{"error":'):
            raise self.failure(str(msgspec.json.decode(line)["error"]))
        return line

    def ask(self, command: Any, answer: type[T], timeout_s: float = ANSWER_TIMEOUT_S) -> T:
        """One command, one answer of this type. Raises BenchmarkError."""
        self.send(msgspec.json.encode(command) + b"\n")
        return msgspec.json.decode(self.receive(timeout_s), type=answer)

    def failure(self, what: str) -> BenchmarkError:
        """An error that names the process and shows the end of what it said."""
        said = self._errors.read_text(errors="replace")[-_TAIL_CHARS:].strip() if self._errors.exists() else ""
        return BenchmarkError(f"{self.name} (process {self.pid}) {what}" + (f"; it said:\n{said}" if said else ""))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Ends it: end of input and SIGTERM, then SIGKILL after the grace (none of it if we are failing anyway)."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        self._process.terminate()
        try:
            self._process.wait(GRACE_S if kind is None else GRACE_S / 4)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stdout.close()


class Ready(msgspec.Struct):
    """The engine's ready line, or a broadcaster's (which says only its port)."""

    ws: str = ""
    http: str = ""
    pid: int = 0
    port: int = 0


def python(module: str, *arguments: str) -> list[str]:
    """Runs one of our modules with this interpreter; `-P`: whatever lies in the current folder is not imported."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment(**more: str) -> dict[str, str]:
    """This environment without any TOCSIN_… setting (a benchmark says its own), and with our packages importable."""
    ours = str(Path(__file__).resolve().parent.parent)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (ours, kept.get("PYTHONPATH", ""))))
    return kept | more


def _room(messages: int, frame_bytes: float) -> int:
    """Bytes that a client may receive in a round; the rest of the room is for positions and pings."""
    return int(messages * (frame_bytes + 64)) + (1 << 16)


class Receivers:
    """The parent's side of a receiver process."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def connect(self, group: str, target: Target, clients: int, missed: int = 0) -> Position:
        """Opens a group; gives where its stream stands. Raises BenchmarkError.

        With a number of messages that each client `missed` the group is armed for them, and they can be collected.
        """
        client_bytes = _room(missed, FIRST_FRAME_BYTES) if missed else 0
        command = receiver.Connect(group=group, target=target, clients=clients, client_bytes=client_bytes)
        return self._child.ask(command, Position)

    def arm(self, group: str, messages: int, frame_bytes: float) -> None:
        """Readies a group for so many messages of about this size."""
        client_bytes = _room(messages, frame_bytes)
        self._child.ask(receiver.Arm(group=group, client_bytes=client_bytes), dict[str, str])

    def collect(self, plan: Plan) -> Arrivals:
        """What the armed group received of a round that the sender has finished."""
        command = receiver.Collect(plan=plan, quiet_s=QUIET_S, deadline_s=COLLECT_DEADLINE_S)
        return self._child.ask(command, Arrivals)

    def lost(self, group: str) -> int:
        """How many of a group's connections the server has ended."""
        return self._child.ask(receiver.Census(group=group), dict[str, int])["closed"]

    def close(self, group: str) -> None:
        """Closes a group."""
        self._child.ask(receiver.Close(group=group), dict[str, str])


class Broadcaster:
    """The parent's side of a process that sends given messages to all its clients (see `floor`)."""

    def __init__(self, child: Child, name: str, target: Target, framed: bool) -> None:
        self.child = child
        self.name = name
        self.target = target
        # The floor sends whole frames; the others get payloads and frame them themselves.
        self._framed = framed

    def attach(self, receivers: Receivers, clients: int) -> None:
        """Lets a group of this name connect."""
        if self._framed:
            self.child.send(b"accept %d\n" % clients)
        receivers.connect(self.name, self.target, clients)
        if self._framed:
            self.child.receive()

    def round(self, receivers: Receivers, plan: Plan, frame_bytes: int) -> Arrivals:
        """Sends numbered messages whose frames have this size, and tells what arrived."""
        messages = [self._message(plan.first + index, frame_bytes) for index in range(plan.messages)]
        size = len(messages[0])
        receivers.arm(self.name, plan.messages, frame_bytes)
        head = f"round {plan.messages} {size} {plan.start_ns} {plan.interval_ns}\n"
        self.child.send(head.encode() + b"".join(messages))
        self.child.receive()
        return receivers.collect(plan)

    def _message(self, number: int, frame_bytes: int) -> bytes:
        # Offsets begin at 1 and numbers are offsets here: nothing but this process writes to these clients.
        payload = numbered_payload(number, number, frame_bytes - header_bytes(frame_bytes))
        return frame(payload, WireForm.JSON) if self._framed else payload
