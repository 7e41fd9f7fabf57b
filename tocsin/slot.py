"""Where a caller waits for its answer. Filled by the client's dialogue, once; nothing here knows what was asked."""

from __future__ import annotations

import trio

from protocol import messages as m
from protocol.errors import TocsinError


class Slot:
    """Where a caller waits for its answer."""

    def __init__(self) -> None:
        self._done = trio.Event()
        self._answers: list[m.ServerMessage | TocsinError] = []

    def answer(self, answer: m.ServerMessage | TocsinError) -> None:
        """Wakes the caller with an answer, or an error that it will raise. The first one counts."""
        self._answers.append(answer)
        self._done.set()

    async def wait(self) -> m.ServerMessage:
        """The answer. Raises the TocsinError that came instead of one."""
        await self._done.wait()
        answer = self._answers[0]
        if isinstance(answer, TocsinError):
            raise answer
        return answer
