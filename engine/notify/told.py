"""What the ledger says of one alert, kept up while a job decides about it.

Each line is looked at once, however many changes of the alert the job has: one that rings all day has thousands of
lines, and a job has dozens of its changes. Decided against: asking the lines anew for each change, which is short to
write; with 6,000 lines and 40 changes it held up the loop for a fifth of a second.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.core.escalating import is_of_chain
from engine.core.routing import Heard, Place, hear
from protocol.notify import Delivery


class Told:
    """Who has heard what (`known`), which lines there are (`keys`), and whose: of anybody, and of people alone."""

    def __init__(self, lines: Iterable[Delivery] = ()) -> None:
        self.known: dict[Place, Heard] = {}
        self.keys: set[str] = set()
        self.names: set[str] = set()
        # In the order in which they were told, each once.
        self.users: dict[str, None] = {}
        self.by_chains: list[Delivery] = []
        for line in lines:
            self.add(line)

    def add(self, line: Delivery) -> None:
        """One more line, newer than those before."""
        hear(self.known, line)
        self.keys.add(line.key)
        self.names.add(line.recipient.name)
        if line.recipient.user is not None:
            self.users[line.recipient.user] = None
        if is_of_chain(line):
            self.by_chains.append(line)
