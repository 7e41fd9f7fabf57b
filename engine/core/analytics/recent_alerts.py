"""Alerts that began lately, by what ties them to others: found by when they began, forgotten when nothing can tie.

Pure. A *key* is what two alerts may have in common; how it is written is its maker's affair.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

# About 10 MB; a workspace with more alerts in two windows has a storm, and one incident more or less is no matter.
RECENT_MAX = 10_000


class Recent(NamedTuple):
    """An alert that others may tie to. `offset`: its event's, in the workspace's stream; `started_at`: microseconds."""

    offset: int
    started_at: int
    alert_id: str
    keys: tuple[str, ...]
    labels: Mapping[str, str]


class RecentAlerts:
    """They, in the order in which they arrived. `forgotten`: how many went early because they were too many."""

    def __init__(self, window_us: int) -> None:
        self._window_us = window_us
        # By key: when alerts began that have it, in order.
        self._index: dict[str, list[tuple[int, str]]] = {}
        self._known: dict[str, Recent] = {}
        self._arrived: deque[Recent] = deque()
        self.forgotten = 0

    def __contains__(self, alert_id: str) -> bool:
        return alert_id in self._known

    def __getitem__(self, alert_id: str) -> Recent:
        return self._known[alert_id]

    @property
    def oldest(self) -> int | None:
        """The offset of the one that arrived first; None: there is none."""
        return self._arrived[0].offset if self._arrived else None

    def near(self, key: str, at: int, most: int) -> Iterator[str]:
        """Alerts with this key that began within a window of `at`: at most so many before it and so many after."""
        known = self._index.get(key, [])
        place = bisect_left(known, (at, ""))
        for began_at, alert_id in (*known[max(place - most, 0) : place], *known[place : place + most]):
            if abs(began_at - at) <= self._window_us:
                yield alert_id

    def remember(self, recent: Recent) -> Iterator[str]:
        """One more; who has to go for it."""
        self._known[recent.alert_id] = recent
        self._arrived.append(recent)
        for key in recent.keys:
            insort(self._index.setdefault(key, []), (recent.started_at, recent.alert_id))
        if len(self._arrived) > RECENT_MAX:
            self.forgotten += 1
            yield self._forget()

    def prune(self, now: int, clock: int) -> Iterator[str]:
        """Forgets whatever nothing that begins now, or a window ago, can tie to, and says what.

        What is ahead of the clock by as much goes too: the clock was set back, and would not be there again for long.
        """
        span = 2 * self._window_us
        while self._arrived and not now - span <= self._arrived[0].started_at <= clock + span:
            yield self._forget()

    def _forget(self) -> str:
        recent = self._arrived.popleft()
        del self._known[recent.alert_id]
        for key in recent.keys:
            known = self._index[key]
            del known[bisect_left(known, (recent.started_at, recent.alert_id))]
            if not known:
                del self._index[key]
        return recent.alert_id
