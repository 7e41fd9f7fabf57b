"""The delivery ledger: who received, and who saw, which part of which stream.

Owns: nothing but a notebook. Sessions mark what their clients say with `received` and `seen`; the marks of one
subscription are collapsed while they wait, and the store keeps one row for each that is written. So a mark's time is
at most a second late (longer while the store is away, when nothing new is told anyway).
"""

from __future__ import annotations

from msgspec.structs import replace

from actors.supervisor import Started
from engine.keepers.notebook import Notebook
from engine.stores import Store
from protocol.effects import RecipientMark
from protocol.model import StreamKey

# Whose, of what, and from where the subscription was complete: marks that continue each other.
_Key = tuple[str, StreamKey, bool, int, int]


class RecipientLog:
    """Notes marks and writes them in batches."""

    def __init__(self, store: Store) -> None:
        self._book: Notebook[_Key, RecipientMark] = Notebook("recipients", store.recipient_marks, _joined)

    @property
    def dropped(self) -> int:
        """Marks that were never written, because too many waited for the store."""
        return self._book.dropped

    def mark(self, mark: RecipientMark, origin: int) -> None:
        """Takes note; `origin` is where the subscription began, so marks of the same origin continue each other."""
        key = (mark.user, mark.stream, mark.is_seen, mark.min_severity.rank, origin)
        self._book.note(key, mark)

    async def run(self, status: Started) -> None:
        """Writes what is noted, for ever."""
        await self._book.run(status)


def _joined(older: RecipientMark, newer: RecipientMark) -> RecipientMark:
    """One mark over what both cover."""
    return replace(newer, after=min(older.after, newer.after), until=max(older.until, newer.until))
