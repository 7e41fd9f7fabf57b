"""How a store's context learns that its writer died: the scope round the context's body is cancelled."""

from __future__ import annotations

import trio


class Fate:
    """Of one store."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.death: BaseException | None = None

    def die(self, death: BaseException) -> None:
        """Takes the first cause and ends the body."""
        self.death = self.death or death
        self.scope.cancel()
