"""What notifications that leave the engine are sent with: the way out, the seal, the endpoints and how each is doing.

Made before the shelves, which check endpoints with it, and handed to the senders. The connector's connections end with
it: `run` is a process of its own in the tree, which does nothing but that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import trio

from actors.ports import Clock
from actors.supervisor import Started
from engine.configuration.config import Config
from engine.notify.connector import Connector
from engine.notify.endpoints import Outside
from engine.notify.health import Targets
from engine.notify.kept_endpoints import KeptEndpoints
from engine.notify.sealing import Sealer

# Nobody is told goodbye: a closed socket is all that a server needs.
CLOSE_S = 1.0


@dataclass(frozen=True)
class Outbound:
    """What goes out, goes out with these."""

    outside: Outside
    book: KeptEndpoints
    targets: Targets

    def statistics(self) -> Mapping[str, int]:
        """Counts of the way out, of endpoints, and of how they are doing."""
        return {**self.outside.connector.statistics(), **self.book.statistics(), **self.targets.statistics()}

    async def run(self, status: Started) -> None:
        """Until it is cancelled; then the connections end."""
        status.started()
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await self.outside.connector.aclose()


def build_outbound(config: Config, clock: Clock) -> Outbound:
    """Nothing of it is connected yet. Raises ConfigError for a key file or certificates that cannot be used."""
    targets = Targets(clock)
    outside = Outside(Connector(config.notify), Sealer.of(config), targets, config.notify.apprise_schemes)
    book = KeptEndpoints()
    book.follow(targets.forget)
    return Outbound(outside, book, targets)
