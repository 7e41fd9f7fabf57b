"""Rounds of one sender to many subscribers, senders in turn, so that a drift of the machine hits all of them.

A `Line` is one sender with its subscribers: it knows what the next message's number is and how large its frames are,
and adds every delivery to the verdict, warm-ups included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from benchmarks.arrivals import Arrivals, pooled
from benchmarks.control import BenchmarkError
from benchmarks.harness import FIRST_FRAME_BYTES, Broadcaster, Receivers
from benchmarks.measure import Verdict, percentiles
from benchmarks.report import RECEIVER_CPU_MAX_PERCENT, Figures
from benchmarks.rig import Producers, Rig, plan_round

# A producer later than this did not keep its rate, and the latencies include its own delay.
LATE_MAX_MS = 5.0


# The receiver's share of less time than this is the cost of beginning and ending a round.
CPU_SHARE_MIN_NS = 50_000_000
# Of one block; see `alternate`.
BLOCK_MESSAGES = 40
# Enough for a median, and half a second at the usual rate.
COMMITS_PER_BLOCK = 10


class Line(Protocol):
    """One sender and its subscribers."""

    name: str

    def round(self, messages: int, rate: float) -> Arrivals:
        """Sends numbered messages at a rate (0: back to back) and tells what arrived. Raises BenchmarkError."""


class EngineLine:
    """The full path: a producer's triggers through the engine to the subscribers of one framework."""

    def __init__(
        self, framework: str, receivers: Receivers, producers: Producers, figures: Figures, identities: int = 0
    ) -> None:
        """`identities`: alerts are told again and again, of so many; 0: each is a new one."""
        # Subscribers, producer and framework are all known by one name.
        self.name = framework
        self.frame_bytes: float = FIRST_FRAME_BYTES
        self._receivers, self._producers, self._figures = receivers, producers, figures
        self._identities = identities
        self._sent = 0

    def round(self, messages: int, rate: float) -> Arrivals:
        """See Line."""
        self._receivers.arm(self.name, messages, self.frame_bytes)
        first, self._sent = self._sent + 1, self._sent + messages
        plan = plan_round(messages, first, rate)
        acked = self._producers.paced(self.name, self.name, plan, self._identities)
        if rate and acked.late_ms > LATE_MAX_MS:
            text = f"the producer was up to {acked.late_ms:.0f} ms late; latencies include that"
            self._figures.warn("producer", acked.late_ms, text)
        arrivals = judged(self._receivers.collect(plan), self._figures, self.name)
        self.frame_bytes = arrivals.frame_bytes
        return arrivals

    def close(self) -> None:
        """Lets subscribers and producer go."""
        self._receivers.close(self.name)
        self._producers.close(self.name)


class BroadcastLine:
    """A sender without an engine: the floor, our gateway alone, or a peer. Its frames are as large as it is told."""

    def __init__(self, broadcaster: Broadcaster, receivers: Receivers, figures: Figures, clients: int) -> None:
        self.name = broadcaster.name
        self.frame_bytes: float = FIRST_FRAME_BYTES
        self._broadcaster, self._receivers, self._figures = broadcaster, receivers, figures
        self._sent = 0
        broadcaster.attach(receivers, clients)

    def round(self, messages: int, rate: float) -> Arrivals:
        """See Line."""
        first, self._sent = self._sent + 1, self._sent + messages
        arrivals = self._broadcaster.round(self._receivers, plan_round(messages, first, rate), round(self.frame_bytes))
        return judged(arrivals, self._figures, self.name)


class CommitLine:
    """No sender at all: durable commits at the rate of the alerts, whose cost the full path is allowed once."""

    name = "commit"

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def round(self, messages: int, rate: float) -> Arrivals:
        """Commits a few rows; `last_client_ms` are their times."""
        times = self._rig.commits(min(messages, COMMITS_PER_BLOCK), rate)
        return Arrivals(clients=0, verdict=Verdict(), last_client_ms=times)


def judged(arrivals: Arrivals, figures: Figures, name: str) -> Arrivals:
    """Adds a round to the verdict; a round in which connections were lost is no round. Raises BenchmarkError."""
    if arrivals.closed:
        raise BenchmarkError(
            f"{name} closed {arrivals.closed} of {arrivals.clients} connections, close codes {arrivals.close_codes}"
        )
    figures.verdict = figures.verdict + arrivals.verdict
    if arrivals.cpu_percent > RECEIVER_CPU_MAX_PERCENT and arrivals.on_way_ns >= CPU_SHARE_MIN_NS:
        share = f"the receiver was at {arrivals.cpu_percent:.0f} % CPU in a round of {name}"
        figures.warn(name, arrivals.cpu_percent, f"{share}: it may be what was measured there")
    return arrivals


def alternate(lines: Sequence[Line], messages: int, rate: float) -> list[Arrivals]:
    """One run: every line sends so many messages, in short blocks, turn and turn about; a pool for each line.

    Measured on shared machines, whole runs one after another met different machines; blocks of two seconds do not.
    """
    parts: list[list[Arrivals]] = [[] for _ in lines]
    left, forward = messages, True
    while left:
        block = min(left, BLOCK_MESSAGES)
        for index in range(len(lines)) if forward else reversed(range(len(lines))):
            parts[index].append(lines[index].round(block, rate))
        left, forward = left - block, not forward
    return [pooled(part) for part in parts]


def last_client(arrivals: Arrivals) -> tuple[float, float, float]:
    """p50, p95 and p99 (ms) of the time until the last client. Raises BenchmarkError if no message reached all."""
    if not arrivals.last_client_ms:
        raise BenchmarkError(f"no message of the round reached all {arrivals.clients} clients: {arrivals.verdict}")
    p50, p95, p99 = percentiles(arrivals.last_client_ms, (50, 95, 99))
    return p50, p95, p99


def single_deliveries(arrivals: Arrivals) -> tuple[float, float]:
    """p95 and p99 (ms) of one delivery. Raises BenchmarkError if there was none."""
    if not arrivals.delivery_ms:
        raise BenchmarkError(f"nothing of the round arrived: {arrivals.verdict}")
    p95, p99 = percentiles(arrivals.delivery_ms, (95, 99))
    return p95, p99
