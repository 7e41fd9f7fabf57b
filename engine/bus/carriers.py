"""What carries the bus from node to node: the port, and how it says that it cannot.

A carrier moves parcels and knows nothing of what is in them. It may lose, repeat and delay: numbers in the frames make
that harmless (`engine.bus.hearing`). It must not reorder one node's parcels of one topic.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from engine.bus.frames import Parcel


class CarrierDown(Exception):
    """The carrier does not answer, or refuses. The text says which one and why, without passwords."""


class Reading(NamedTuple):
    """What a carrier brought, in order; and on which topics it may have lost something just before."""

    parcels: Sequence[Parcel]
    lost: Sequence[str] = ()


class Carrier(Protocol):
    """One way from node to node. `send` and `read` are called by one task each, and may be cancelled at any time."""

    @property
    def name(self) -> str:
        """What operators call it."""

    async def send(self, parcels: Sequence[Parcel]) -> None:
        """Hands them over, all of them, in about a second at most. Raises CarrierDown: some may have got through."""

    async def probe(self) -> None:
        """Returns if a `send` would work now. Raises CarrierDown."""

    async def read(self, topics: Collection[str]) -> Reading:
        """What has come on these topics since the last call, this node's own too; waits a second at most.

        With a new topic it does not wait: that one begins a little in the past (`CATCH_UP_S`), and nothing of it is
        missed from then on. Raises CarrierDown.
        """

    async def close(self) -> None:
        """Gives back what is open; it may be used again. Never raises."""
