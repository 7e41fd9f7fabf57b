"""How long the oldest byte that a peer has not taken has been waiting. Pure: times and counts are passed in.

Bytes leave in the order in which they came, so it is enough to know, for some moments, how many had come by then. The
moments are those at which the connection's flusher wakes: nothing is noted per message or for a peer that keeps up.
"""

from __future__ import annotations

# Past so many moments every second one is forgotten: the answer stays right to a sixteenth or so.
MARKS_MAX = 32


class Lag:
    """Counts from the moment at which the peer stopped taking everything at once."""

    __slots__ = ("_marks", "_sent")

    def __init__(self, now: float) -> None:
        # Up to `came` bytes had come at `at`; the oldest unsent one came after the first mark.
        self._marks: list[tuple[int, float]] = [(0, now)]
        self._sent = 0

    def note(self, sent: int, waiting: int, now: float) -> None:
        """So many bytes more were taken, and so many wait."""
        self._sent += sent
        marks = self._marks
        marks.append((self._sent + waiting, now))
        if len(marks) > MARKS_MAX:
            del marks[1::2]
        while len(marks) > 1 and marks[1][0] <= self._sent:
            marks.pop(0)

    def seconds(self, now: float) -> float:
        """How long the oldest unsent byte waits; rather a little too much than too little."""
        return now - self._marks[0][1]
