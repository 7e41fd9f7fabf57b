"""Why triggers were not told, in the log: one line for each channel and reason, with a count: after 10 s, and while it
goes on after 20, 40, 80 s ... and every five minutes. Whoever reads along knows by then; a machine whose disk is full
would have its log full of that too.

Owned by `engine.telemetry.metrics.Metrics`: the service's `engine.verbs.answers.Tally` counts here whatever it counts
there, workflows the steps of their batches; the ticker writes. Waits for nothing. A count is a step in a dict (there
may be 170,000 duplicates a second), no text is made before it is written. A stop or a crash loses what was counted
since the last lines. Decided against: a line for each trigger (a storm would fill the disk with what was kept from
people), a clock of its own, and a last line at a stop: an engine in somebody's program would print it behind that
program's own last words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from protocol.items import ItemResult
from protocol.model import Status

log = structlog.get_logger()

# Seconds: soon enough for somebody who reads along.
WRITE_EVERY_S = 10.0
# Writings from one line to the next of what goes on, at most: five minutes and twenty seconds.
PAUSE_MAX = 32
# Pairs of channel and reason between two writings: the lines of one writing, and the memory held for them.
PAIRS_MAX = 200
# Looking it up in its class costs more than the count, in Python 3.11.
_SUPPRESSED = Status.SUPPRESSED


class _Going:
    """What goes on: its count that was not written yet, and for how many writings it is left at that."""

    __slots__ = ("count", "left", "pause")

    def __init__(self) -> None:
        self.count = self.left = 0
        self.pause = 1


class SuppressedLog:
    """Counts suppressed items by workspace, channel and reason, until they are written."""

    def __init__(self, pairs_max: int = PAIRS_MAX) -> None:
        self._pairs_max = pairs_max
        self._counts: dict[tuple[str, str, str], int] = {}
        # What was counted in the last writing too, so no more than that may hold.
        self._going: dict[tuple[str, str, str], _Going] = {}
        # Of channels that found no room, by reason.
        self._elsewhere: dict[str, int] = {}

    def count(self, workspace: str, frameworks: Iterable[str], results: Sequence[ItemResult]) -> None:
        """What became of the items of a request; each has its framework."""
        counts = self._counts
        for framework, result in zip(frameworks, results, strict=True):
            if result.status is _SUPPRESSED:
                # The text: an enum member's own hash is a Python call in 3.11.
                reason = result.reason._value_
                pair = (workspace, framework, reason)
                if pair in counts:
                    counts[pair] += 1
                else:
                    self.note(*pair)

    def note(self, workspace: str, channel: str, reason: str) -> None:
        """One more that was not told on this channel."""
        pair = (workspace, channel, reason)
        if pair in self._counts or len(self._counts) < self._pairs_max:
            self._counts[pair] = self._counts.get(pair, 0) + 1
        else:
            self._elsewhere[reason] = self._elsewhere.get(reason, 0) + 1

    def write(self) -> None:
        """Writes what is new, what has ended, and what goes on and was not written for long enough."""
        counts, self._counts = self._counts, {}
        elsewhere, self._elsewhere = self._elsewhere, {}
        for pair, count in counts.items():
            self._going.setdefault(pair, _Going()).count += count
        for pair, going in list(self._going.items()):
            self._write(pair, going, has_ended=pair not in counts)
        for reason, count in elsewhere.items():
            log.info("suppressed_elsewhere", reason=reason, count=count, channels_named_max=self._pairs_max)

    def _write(self, pair: tuple[str, str, str], going: _Going, *, has_ended: bool) -> None:
        if has_ended:
            del self._going[pair]
        elif going.left:
            going.left -= 1
            return
        if going.count:
            workspace, channel, reason = pair
            log.info("suppressed", workspace=workspace, channel=channel, reason=reason, count=going.count)
        going.pause = min(2 * going.pause, PAUSE_MAX)
        going.count, going.left = 0, going.pause - 1
