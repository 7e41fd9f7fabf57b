"""How nodes on one store hear of each other at once (`[bus]`): over `[redis]` if there is one, else over the store."""

from __future__ import annotations

from typing import Annotated

from engine.configuration.fields import Section, limit

MIB = 1 << 20


class BusSection(Section, frozen=True, kw_only=True):
    """What is lost of it is read from the store, so it need not keep much."""

    queue_bytes: Annotated[
        int, limit(64 * 1024, 1 << 30, "What waits to be sent; more is dropped: a second of 50,000 events.")
    ] = 32 * MIB
    keep_s: Annotated[
        float, limit(5, 600, "How long a node may be deaf before it asks the store; Redis holds as much in memory.")
    ] = 30.0
