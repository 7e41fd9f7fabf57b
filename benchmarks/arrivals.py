"""What a round brought to a group of subscribers: who missed what, and when each message was there.

Pure but for the sockets that a Client carries. Works on the notes that the receiver took (bytes, and after each read
their end and the time). Clients of one channel get identical bytes, so a stream is parsed once and the others are
compared with it; what differs is parsed for itself. Everything is held against the offsets that the round must have
had, client by client.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

import msgspec

from benchmarks.measure import NS_PER_MS, Verdict, arrival_times, covered, verify
from benchmarks.wire import Heard, Stream, read_stream


class Plan(msgspec.Struct, frozen=True):
    """A round: message number `first + i` is meant to leave at `start_ns + i * interval_ns` (CLOCK_MONOTONIC)."""

    messages: int
    first: int
    start_ns: int
    interval_ns: int

    def due_ns(self, index: int) -> int:
        """When the message of this index (0 … messages-1) is meant to leave."""
        return self.start_ns + index * self.interval_ns


class Arrivals(msgspec.Struct):
    """What a round brought. Latencies in milliseconds from the intended send time."""

    clients: int
    verdict: Verdict
    # Connections that the other side ended, and the close codes that it gave.
    closed: int = 0
    close_codes: list[int] = []
    # Mean size of an alert's frame, header included.
    frame_bytes: float = 0.0
    # Until the last of all clients had it, for each message that reached all.
    last_client_ms: list[float] = []
    # Every single delivery, in no order.
    delivery_ms: list[float] = []
    deliveries: int = 0
    # From the intended begin of the first message to the last byte of the last one.
    elapsed_ns: int = 0
    # The time in which at least one message was on its way, and the receiver's own CPU time as a share of that.
    on_way_ns: int = 0
    cpu_percent: float = 0.0
    reads: int = 0


class Client:
    """One subscriber: its socket, its place in the arena, and the notes of the armed round."""

    __slots__ = ("base", "chunk_ends", "chunk_times", "pos", "sock", "tail", "view")

    def __init__(self, sock: socket.socket, base: int, tail: bytes) -> None:
        self.sock = sock
        # The last offset before the next round.
        self.base = base
        # The beginning of a frame that is not complete yet.
        self.tail = tail
        self.view = memoryview(b"")
        self.pos = 0
        self.chunk_ends: list[int] = []
        self.chunk_times: list[int] = []

    def arm(self, view: memoryview) -> None:
        """A new round: its bytes go to `view`, behind the tail that is already there."""
        self.view, self.pos = view, len(self.tail)
        view[: self.pos] = self.tail
        self.chunk_ends, self.chunk_times = [], []


class Group:
    """Clients of one server."""

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.closed = 0
        # Alerts that came outside of rounds: nobody asked for them any more.
        self.strays = 0

    @property
    def is_alive(self) -> bool:
        """Whether any connection is left."""
        return self.closed < len(self.clients)


def read_round(group: Group, plan: Plan) -> tuple[Arrivals, list[Stream]]:
    """What every client of the group received, and each one's stream. Raises BadStream."""
    known: dict[bytes, Heard] = {}
    reference, stream = b"", Stream()
    verdicts: dict[tuple[int, int], Verdict] = {}
    streams: list[Stream] = []
    verdict = Verdict(duplicated=group.strays)
    tally = _Tally(plan)
    for client in group.clients:
        data = bytes(client.view[: client.pos])
        if data != reference:
            reference, stream = data, read_stream(data, known)
        streams.append(stream)
        key = (id(stream), client.base)
        if key not in verdicts:
            verdicts[key] = verify(stream.offsets, client.base, plan.messages)
        verdict = verdict + verdicts[key]
        tally.add(stream, client)
    arrivals = tally.arrivals(len(group.clients), verdict)
    arrivals.closed = group.closed
    arrivals.close_codes = sorted({stream.close_code for stream in streams if stream.close_code is not None})
    return arrivals, streams


class _Tally:
    """Sums up the latencies of a round over its clients."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._last = [0] * plan.messages
        self._reached = [0] * plan.messages
        self._latencies: list[float] = []
        self._bytes = self._frames = self._reads = 0

    def add(self, stream: Stream, client: Client) -> None:
        """One client's stream."""
        plan, last, reached = self._plan, self._last, self._reached
        self._reads += len(client.chunk_ends)
        self._bytes += stream.alert_bytes
        self._frames += len(stream.ends)
        times = arrival_times(stream.ends, client.chunk_ends, client.chunk_times)
        for number, at in zip(stream.numbers, times, strict=True):
            index = number - plan.first
            if 0 <= index < plan.messages:
                # Microseconds are enough, and a third of the digits to hand over.
                self._latencies.append(round((at - plan.due_ns(index)) / NS_PER_MS, 3))
                reached[index] += 1
                last[index] = max(last[index], at)

    def arrivals(self, clients: int, verdict: Verdict) -> Arrivals:
        """The sums."""
        plan = self._plan
        return Arrivals(
            clients=clients,
            verdict=verdict,
            frame_bytes=self._bytes / max(1, self._frames),
            last_client_ms=[
                (at - plan.due_ns(index)) / NS_PER_MS
                for index, at in enumerate(self._last)
                if self._reached[index] >= clients
            ],
            delivery_ms=self._latencies,
            deliveries=self._frames,
            elapsed_ns=max(0, max(self._last) - plan.start_ns),
            reads=self._reads,
        )


def pooled(parts: Sequence[Arrivals]) -> Arrivals:
    """Several rounds of the same clients as one: values and counts together, frame size and CPU share as means."""
    on_way_ns = sum(part.on_way_ns for part in parts)
    return Arrivals(
        clients=parts[0].clients,
        verdict=sum((part.verdict for part in parts), Verdict()),
        closed=max(part.closed for part in parts),
        close_codes=sorted({code for part in parts for code in part.close_codes}),
        frame_bytes=sum(part.frame_bytes for part in parts) / len(parts),
        last_client_ms=[ms for part in parts for ms in part.last_client_ms],
        delivery_ms=[ms for part in parts for ms in part.delivery_ms],
        deliveries=sum(part.deliveries for part in parts),
        elapsed_ns=sum(part.elapsed_ns for part in parts),
        on_way_ns=on_way_ns,
        cpu_percent=sum(part.cpu_percent * part.on_way_ns for part in parts) / max(1, on_way_ns),
        reads=sum(part.reads for part in parts),
    )


def on_their_way_ns(arrivals: Arrivals, plan: Plan) -> int:
    """The time in which at least one message was between its intended send time and its last client.

    In a round with losses (which fails anyway) messages that did not reach all are left out.
    """
    begins = (plan.due_ns(index) for index in range(plan.messages))
    return covered([(at, at + int(ms * NS_PER_MS)) for at, ms in zip(begins, arrivals.last_client_ms, strict=False)])
