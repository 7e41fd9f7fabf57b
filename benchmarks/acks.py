"""What the acks of a producer say, counted: a benchmark of refusals would be fast."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from itertools import zip_longest

import msgspec

from benchmarks.measure import NS_PER_MS, percentiles
from protocol import messages as m
from protocol.items import ItemResult


class Acked(msgspec.Struct):
    """What the acks said. `reasons` counts items by reason; `errors` are refusals of whole requests."""

    sent: int
    reasons: dict[str, int]
    errors: list[str]
    # Distinct alerts among the results, and results whose offset did not follow on the connection's last one.
    alerts: int
    reordered: int
    elapsed_ns: int
    ack_p50_ms: float
    ack_p99_ms: float
    # How much later than intended the latest frame left (open loop only).
    late_ms: float = 0.0
    cpu_percent: float = 0.0
    # Of items that were sent before: answers that name no alert of their message. One that names another item's alert
    # is `reordered`.
    strangers: int = 0


class Ledger:
    """Counts acks, their latencies, whether each connection's offsets grow, and whose alert is named.

    `own`, by connection whose items are sent again and again: each item's alert, as its first answer named it; an empty
    list is filled by that answer.
    """

    def __init__(self, own: Mapping[int, list[str | None]] | None = None) -> None:
        self._own = own or {}
        self.strangers = 0
        self.reasons: Counter[str] = Counter()
        self.errors: list[str] = []
        self.alerts: set[str] = set()
        self.latencies: list[float] = []
        self.reordered = 0
        # By connection, which triggers for one channel only.
        self._newest: dict[int, int] = {}
        self.cpu_ns = time.process_time_ns()

    def note(self, connection: int, message: m.ServerMessage, since_ns: int, now_ns: int) -> bool:
        """Takes one message of a connection; whether it answered a request (sent, or due, at `since_ns`)."""
        match message:
            case m.Accepted():
                for result in message.results:
                    self._item(connection, result)
                self._hold(connection, message.results)
            case m.ErrorMessage():
                self.errors.append(f"{message.code}: {message.message}")
            case _:
                return False
        self.latencies.append((now_ns - since_ns) / NS_PER_MS)
        return True

    def _item(self, connection: int, result: ItemResult) -> None:
        self.reasons[result.reason.value] += 1
        if result.alert_id:
            self.alerts.add(result.alert_id)
        if result.offset is not None:
            newest = self._newest.get(connection, 0)
            self.reordered += result.offset <= newest
            self._newest[connection] = max(newest, result.offset)

    def _hold(self, connection: int, results: list[ItemResult]) -> None:
        own = self._own.get(connection)
        named = [result.alert_id for result in results]
        if own is None or named == own:
            return
        if not own:
            own.extend(named)
            return
        for its, said in zip_longest(own, named):
            if its != said:
                is_anothers = said in own
                self.reordered += is_anothers
                self.strangers += not is_anothers

    def acked(self, sent: int, begin_ns: int, late_ms: float = 0.0) -> Acked:
        """The sums, as of now."""
        elapsed = max(1, time.monotonic_ns() - begin_ns)
        cpu_ns = time.process_time_ns() - self.cpu_ns
        p50, p99 = percentiles(self.latencies, (50, 99)) if self.latencies else [0.0] * 2
        return Acked(
            sent=sent,
            reasons=dict(self.reasons),
            # A few tell the story; a thousand equal ones would only fill the pipe.
            errors=self.errors[:10],
            alerts=len(self.alerts),
            reordered=self.reordered,
            elapsed_ns=elapsed,
            ack_p50_ms=p50,
            ack_p99_ms=p99,
            late_ms=late_ms,
            cpu_percent=min(100.0, 100.0 * cpu_ns / elapsed),
            strangers=self.strangers,
        )
