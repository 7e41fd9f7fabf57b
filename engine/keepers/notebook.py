"""A notebook in memory for what may be written a second late: noted at once, written once a second in one transaction.

Owns: what was noted and is not written yet, at most one note per key. Whoever notes goes on at once; a task writes.
While the store is away the notes wait, and a later note of the same key is merged with the one that waits; past the
bound the oldest are dropped and counted. If the task crashes the notes stay for its next run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog
import trio

from actors import patience
from actors.supervisor import Started
from protocol.errors import StoreUnavailable

Key = TypeVar("Key")
Note = TypeVar("Note")
log = structlog.get_logger()

# A wave of a thousand reconnects is a handful of transactions, not a thousand.
WRITE_EVERY_S = 1.0
# Beyond this (an hour of a store away under constant reconnects) the oldest notes are dropped and counted.
NOTES_MAX = 100_000


class Notebook(Generic[Key, Note]):
    """Notes that are written in batches. `merge(older, newer)` makes one note of two with the same key."""

    def __init__(
        self, name: str, write: Callable[[list[Note]], Awaitable[None]], merge: Callable[[Note, Note], Note]
    ) -> None:
        self._name = name
        self._write_notes = write
        self._merge = merge
        self._notes: dict[Key, Note] = {}
        self._noted = trio.Event()
        self.dropped = 0

    def note(self, key: Key, note: Note) -> None:
        """Takes a note; never waits."""
        # Noted anew at the end: a batch is in order of time.
        before = self._notes.pop(key, None)
        self._forget_oldest(NOTES_MAX - 1)
        self._notes[key] = note if before is None else self._merge(before, note)
        self._noted.set()

    async def run(self, status: Started) -> None:
        """Writes what is noted, for ever; at the end writes the rest, if the store takes it at once."""
        status.started()
        attempt = 0
        try:
            while True:
                await self._noted.wait()
                await trio.sleep(WRITE_EVERY_S)
                try:
                    await self._write()
                    attempt = 0
                except StoreUnavailable as fault:
                    attempt += 1
                    self._complain(fault)
                    await patience.pause(attempt)
        finally:
            with trio.move_on_after(WRITE_EVERY_S, shield=True):
                try:
                    await self._write()
                except StoreUnavailable as fault:
                    self._complain(fault)

    def _complain(self, fault: StoreUnavailable) -> None:
        log.warning(f"{self._name}_not_written", cause=str(fault), notes=len(self._notes))

    async def _write(self) -> None:
        notes, self._notes = self._notes, {}
        self._noted = trio.Event()
        if not notes:
            return
        try:
            await self._write_notes(list(notes.values()))
        except BaseException:  # also when cancelled: the last write of a shutdown still has them
            fresh, self._notes = self._notes, {key: note for key, note in notes.items() if key not in self._notes}
            for key, note in fresh.items():
                self._notes[key] = self._merge(notes[key], note) if key in notes else note
            self._forget_oldest(NOTES_MAX)
            self._noted.set()
            raise

    def _forget_oldest(self, keep: int) -> None:
        while len(self._notes) > keep:
            self._notes.pop(next(iter(self._notes)))
            self.dropped += 1
