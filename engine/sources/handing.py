"""Hands a source's readings in, and counts them: what is busy or away loses a round, as the next one says the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from protocol.errors import TocsinError
from protocol.items import ReadingInput

Submit = Callable[[Sequence[ReadingInput]], Awaitable[None]]


class Handing:
    """Where readings go. Counts those that were submitted, and those that were dropped."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit
        self.submitted = self.dropped = 0

    async def tell(self, readings: Sequence[ReadingInput]) -> None:
        """Submits a round. Raises whatever `submit` raises that trying again would not help."""
        try:
            await self._submit(readings)
        except TocsinError as refusal:
            if not refusal.temporary:
                raise
            self.dropped += len(readings)
        else:
            self.submitted += len(readings)
