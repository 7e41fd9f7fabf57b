"""Why triggers were not told, in the log: one line for each channel and reason, with a count, at most one in 10 s.

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

# Seconds: soon enough for somebody who reads along, and no more than six lines a minute for a channel that storms.
WRITE_EVERY_S = 10.0
# Pairs of channel and reason between two writings: the lines of one writing, and the memory held for them.
PAIRS_MAX = 200
# Looking it up in its class costs more than the count, in Python 3.11.
_SUPPRESSED = Status.SUPPRESSED


class SuppressedLog:
    """Counts suppressed items by workspace, channel and reason, until they are written."""

    def __init__(self, pairs_max: int = PAIRS_MAX) -> None:
        self._pairs_max = pairs_max
        self._counts: dict[tuple[str, str, str], int] = {}
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
        """Writes what was counted since the last time."""
        counts, self._counts = self._counts, {}
        elsewhere, self._elsewhere = self._elsewhere, {}
        for (workspace, channel, reason), count in counts.items():
            log.info("suppressed", workspace=workspace, channel=channel, reason=reason, count=count)
        for reason, count in elsewhere.items():
            log.info("suppressed_elsewhere", reason=reason, count=count, channels_named_max=self._pairs_max)
