"""Standing orders: what holds for a channel and is not the channel's to decide: its rules, and what is quieted.

They come with each batch, so that a decision depends on nothing but the store, the batch and what was decided before.
Whoever makes them gives the same object as long as nothing has changed: a machine compares by identity.
"""

from __future__ import annotations

import msgspec

from protocol.quieting import Quieting
from protocol.rules import Rule


class Orders(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What holds for one channel."""

    rules: tuple[Rule, ...] = ()
    quieting: Quieting = Quieting()
    # Whether anybody in the workspace can be notified: else nobody pays for it.
    notifies: bool = False


# Of channels that nobody has given any.
NO_ORDERS = Orders()
