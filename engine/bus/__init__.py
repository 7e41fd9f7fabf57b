"""The bus: how the nodes of one installation tell each other at once what the store would tell them later.

The store is the truth, the bus only makes it fast: whatever is lost here is noticed and looked up there. So to publish
never waits and never fails, and who listens is told either what came or that something may be missing (a `Gap`).

What is promised, per topic and publishing node: entries come in the order in which they were published, each once, and
never one after a missing one without a `Gap` in between. A lost tail is noticed within `SILENT_S`, because each topic
that a node publishes to carries its heartbeats, with numbers and high-water marks; a node that dies is noticed by its
silence. Not promised: an order between nodes, nor that nothing comes twice across a restart (events have offsets and
commands have ids; both ends look). A node never hears itself.

Topics are words (`engine.bus.topics`). One process with SQLite has no bus at all. Nothing here knows what is in an
entry. Who listens is called on the loop, must not wait, and must not raise: it would end everybody's listening.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

from actors.supervisor import Started


class Cause(Enum):
    """Why something may have been missed."""

    # Listening begins; what was before is the store's. Told once, when nothing can be missed from then on.
    STARTED = "started"
    # Numbers are missing: a publisher's queue was full, or the carrier lost something.
    HOLE = "hole"
    # A node that published is silent: it is dead, or nobody can hear it; what it committed last may not have been told.
    SILENT = "silent"
    # The carrier was restarted empty, or has trimmed what was not read yet.
    LOST = "lost"
    # Bytes that are nobody's, or of a Tocsin that is too new.
    UNREADABLE = "unreadable"


class Entries(NamedTuple):
    """What another node has published, in its order."""

    topic: str
    node: str
    bodies: Sequence[bytes]


class Marks(NamedTuple):
    """Up to where another node has published, by workspace. Whoever has heard of less has missed something."""

    topic: str
    node: str
    marks: Mapping[str, int]


class Gap(NamedTuple):
    """Something may have been missed on this topic: look into the store. `node`: whose it is, if that is known."""

    topic: str
    cause: Cause
    node: str = ""


Told = Entries | Marks | Gap
Listener = Callable[[Told], None]
NO_MARKS: Mapping[str, int] = {}


class Bus(Protocol):
    """What the engine needs of a bus. All of it is called on the loop and returns at once, but `run`."""

    def publish(self, topic: str, entries: Sequence[bytes], marks: Mapping[str, int] = NO_MARKS) -> None:
        """Tells the other nodes. `marks`: the last offset in each workspace that these entries belong to.

        What does not fit into the queue is dropped and counted, and the others are told of a gap.
        """

    def follow(self, topic: str, listener: Listener) -> Callable[[], None]:
        """Calls `listener` with what others publish there, after `Gap(STARTED)`; what is returned ends it.

        The first call may come before this returns. For what a node follows from its start on: to follow what nobody
        here follows yet costs the connection that waits.
        """

    def statistics(self) -> dict[str, Any]:
        """Counters and present values: see `engine.telemetry.gauges`."""

    async def run(self, status: Started) -> None:
        """Carries until cancelled; then says goodbye, for half a second at most."""
