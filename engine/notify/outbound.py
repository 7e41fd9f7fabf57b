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

# Four tests each of eight workspaces, or as many that are kept open behind one.
TRIALS_MAX = 32
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
        sends, trials = (way.statistics() for way in self.outside.ways)
        both = {name: count + trials[name] for name, count in sends.items()}
        return {**both, **self.book.statistics(), **self.targets.statistics()}

    async def run(self, status: Started) -> None:
        """Until it is cancelled; then the connections end."""
        status.started()
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                for way in self.outside.ways:
                    await way.aclose()


def build_outbound(config: Config, clock: Clock, sends: Connector) -> Outbound:
    """Nothing of it is connected yet. `sends`: the way out for alerts.

    Raises ConfigError for a key file or certificates that cannot be used.
    """
    targets = Targets(clock)
    trials = Connector(config.notify, connections_max=TRIALS_MAX)
    outside = Outside(sends, trials, Sealer.of(config), targets, config.notify.apprise_schemes)
    book = KeptEndpoints()
    book.follow(targets.forget)
    return Outbound(outside, book, targets)
