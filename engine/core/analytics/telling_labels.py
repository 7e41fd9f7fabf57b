"""Which labels of an alert say that it belongs to others. Pure.

A label ties if its name is one of those that the workspace has chosen, its value is not everybody's, and the name is
no serial number. Everybody's is what was there in more than half of the last windows of time in which anything fired
(`env=prod`): counted by windows and not by alerts, because thirty alerts of one host within a minute are exactly what
belongs together. A serial number has a new value nearly each time (`order_id`); the usual names are never taken for
one, since a fleet may have more hosts than alerts. Until there is enough to count, everything that is chosen ties. What
is learnt in a window counts from the next one on: so within one the order of arrival changes nothing.

Time is when alerts fire, and a clock that was set back ends the window as one that goes on does: else nothing would be
learnt until it is there again.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from protocol.incidents import USUAL_LABELS, Correlation
from protocol.times import SECOND_US

# Fewer windows say little: with three, whatever came twice would be everybody's.
WINDOWS_LEAST = 10
EVERYBODYS_SHARE = 0.5
# Then all counts are halved: what was everybody's last month need not be so now.
WINDOWS_REMEMBERED = 400
# Nodes' clocks are not quite the same, and about the end of a window neither of them was set back.
CLOCKS_DIFFER_WINDOWS = 1
# Of a name that many values must have been seen, and so many of them new each time.
NAMED_LEAST = 50
SERIAL_SHARE = 0.9
# Half a megabyte a workspace. What was seen least goes; a value that is everybody's is not among that.
VALUES_MAX = 5_000


class Learnt(msgspec.Struct, kw_only=True):
    """What is counted: windows, in how many of them each `name=value` was; of names how many values, how many new.

    `since`: the workspace offset of the first event in the window that goes on, whose own counts are not stored.
    """

    window: int = 0
    since: int = 0
    windows: int = 0
    values: dict[str, int] = {}
    seen: dict[str, int] = {}
    fresh: dict[str, int] = {}
    # Of the window that goes on.
    now: dict[str, int] = {}


class TellingLabels:
    """What ties in one workspace, and what was learnt of it. Owns `learnt`, which whoever keeps it may encode."""

    def __init__(self, settings: Correlation, learnt: Learnt) -> None:
        self._names = settings.labels
        self._window_us = settings.window_s * SECOND_US
        self.learnt = learnt
        self._has_ended = False

    def of(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Those of an alert's labels that may tie, by name."""
        if not labels:
            return {}
        return {name: labels[name] for name in self._names if labels.get(name) and self._tells(name, labels[name])}

    def stored(self) -> Learnt | None:
        """What is to be stored, if a window has ended since the last time: what goes on is heard again."""
        if not self._has_ended:
            return None
        self._has_ended = False
        return replace(self.learnt, now={})

    def hear(self, labels: Mapping[str, str], at: int, clock: int, offset: int) -> None:
        """An alert fired at this moment (microseconds), and it was said when the clock was there.

        One of a window that is over is not counted any more.
        """
        window = min(at, clock) // self._window_us
        if window > self.learnt.window or clock // self._window_us < self.learnt.window - CLOCKS_DIFFER_WINDOWS:
            self._close(window)
            self.learnt.since = offset
            self._has_ended = True
        if window < self.learnt.window:
            return
        for name in self._names:
            if value := labels.get(name):
                # How often: a serial number may come twice.
                pair = f"{name}={value}"
                self.learnt.now[pair] = self.learnt.now.get(pair, 0) + 1

    def _tells(self, name: str, value: str) -> bool:
        learnt = self.learnt
        is_known = learnt.windows >= WINDOWS_LEAST
        if is_known and learnt.values.get(f"{name}={value}", 0) > learnt.windows * EVERYBODYS_SHARE:
            return False
        seen = learnt.seen.get(name, 0)
        return name in USUAL_LABELS or seen < NAMED_LEAST or learnt.fresh.get(name, 0) <= seen * SERIAL_SHARE

    def _close(self, window: int) -> None:
        """The window is over: what was in it counts from now on."""
        learnt, self.learnt.window = self.learnt, window
        if not learnt.now:
            return
        learnt.windows += 1
        for pair, times in learnt.now.items():
            name = pair.partition("=")[0]
            learnt.seen[name] = learnt.seen.get(name, 0) + times
            learnt.fresh[name] = learnt.fresh.get(name, 0) + (pair not in learnt.values)
            learnt.values[pair] = learnt.values.get(pair, 0) + 1
        learnt.now = {}
        if learnt.windows >= WINDOWS_REMEMBERED or len(learnt.values) > VALUES_MAX:
            self._fade()

    def _fade(self) -> None:
        """Halves what is remembered; what was there once is forgotten."""
        learnt = self.learnt
        learnt.windows //= 2
        learnt.values = {pair: times // 2 for pair, times in learnt.values.items() if times > 1}
        learnt.seen = {name: times // 2 for name, times in learnt.seen.items()}
        learnt.fresh = {name: times // 2 for name, times in learnt.fresh.items()}
