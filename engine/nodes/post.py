"""Letters between this node and the others: closed, put on the bus; taken from it, opened, handed to whom they are for.

Owns: the figures, and who is called for which kind of letter. Called on the loop by the bus and by whoever has
something to say; waits for nothing. What does not open, or makes no sense, is counted and dropped, and logged once in a
while. A handler must not wait; what it raises, but ForeignLetter, is a bug, and ends the bus, which its supervisor
starts again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import structlog
import trio

from actors.forwarding import LetterTooLarge
from engine.bus import NO_MARKS, Bus, Entries, Gap, Told
from engine.bus.topics import NEWS, inbox_of
from protocol.forwarding import ForeignLetter, Letter

log = structlog.get_logger()

# Half of what fits into one frame of the bus: nothing else need be in the way.
LETTER_MAX_BYTES = 4 * 1024 * 1024
# Somebody may write nonsense to the bus for hours.
LOG_EVERY_S = 10.0

L = TypeVar("L", bound=Letter)
OnGap = Callable[[Gap], None]
OnMarks = Callable[[Mapping[str, int]], None]


class AnySeals(Protocol):
    """What makes and opens letters."""

    def close(self, letter: Letter, topic: str) -> bytes:
        """The bytes to send on a topic."""

    def open(self, sent: bytes, topic: str) -> Letter:
        """The letter that was sent on a topic. Raises ForeignLetter."""


class Post:
    """One node's letters."""

    def __init__(self, node: str, bus: Bus, seals: AnySeals) -> None:
        self.node = node
        self._bus = bus
        self._seals = seals
        self._handlers: dict[type, Callable[[Any], None]] = {}
        self._logged_at = -LOG_EVERY_S
        self.sent = self.received = self.foreign = self.too_large = 0

    def statistics(self) -> Mapping[str, int]:
        """Letters by what became of them."""
        return {
            "sent": self.sent,
            "received": self.received,
            "foreign": self.foreign,
            "too_large": self.too_large,
        }

    def on(self, kind: type[L], handler: Callable[[L], None]) -> None:
        """Whom to call with letters of this kind."""
        self._handlers[kind] = handler

    def follow(self, topic: str, on_gap: OnGap, on_marks: OnMarks = lambda marks: None) -> None:
        """Opens what comes on a topic; `on_gap` is called when something may be missing, and once at the start."""

        def told(what: Told) -> None:
            if isinstance(what, Entries):
                for body in what.bodies:
                    self._receive(body, topic)
            elif isinstance(what, Gap):
                on_gap(what)
            else:
                on_marks(what.marks)

        self._bus.follow(topic, told)

    def send(self, to: str, letter: Letter) -> None:
        """To one node. Raises LetterTooLarge."""
        self.publish(inbox_of(to), letter)

    def news(self, letter: Letter) -> None:
        """To all other nodes. Raises LetterTooLarge."""
        self.publish(NEWS, letter)

    def publish(self, topic: str, letter: Letter, marks: Mapping[str, int] = NO_MARKS) -> None:
        """To whoever follows a topic. Raises LetterTooLarge."""
        data = self._seals.close(letter, topic)
        if len(data) > LETTER_MAX_BYTES:
            self.too_large += 1
            raise LetterTooLarge(f"{len(data)} bytes, limit {LETTER_MAX_BYTES}")
        self.sent += 1
        self._bus.publish(topic, [data], marks)

    def begin(self, topic: str) -> None:
        """Has heartbeats on a topic from now on: if we die over the first letter there, the others notice that, too."""
        self._bus.publish(topic, ())

    def _receive(self, data: bytes, topic: str) -> None:
        try:
            letter = self._seals.open(data, topic)
            handler = self._handlers.get(type(letter))
            if handler is not None:
                handler(letter)
        except ForeignLetter as fault:
            self.foreign += 1
            self._complain(str(fault))
        else:
            self.received += 1

    def _complain(self, cause: str) -> None:
        now = trio.current_time()
        if now - self._logged_at >= LOG_EVERY_S:
            self._logged_at = now
            log.warning("foreign_letter", cause=cause, so_far=self.foreign)
