"""Who answers questions: what the store sees of it. `sqlite/readers.py` and `postgres/readers.py` are the two."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from engine.stores.tables.connection import Connection

T = TypeVar("T")


class Readers(ABC):
    """A question is a function of a connection, and sees one moment, however many statements it is made of."""

    @abstractmethod
    async def read(self, question: Callable[[Connection], T], workspace: str | None = None) -> T:
        """Asks. Raises StoreUnavailable, and whatever the question raises that is not the database's.

        `workspace`: nothing of another one is seen, where the database can see to that; None: all.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Closes the connections."""
