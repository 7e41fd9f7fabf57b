"""A connection to Postgres as the stores' functions see it, and how they run on an asyncio loop.

Those functions are synchronous: they ask and read the answer. Here, in the foreign thread, they run in a greenlet; each
`execute` switches to the coroutine that started it, which awaits the server and switches back. So the SQL and all that
is around it is the same for both stores, and a transaction is still one coroutine. Statements are prepared once for
each connection and kept, the least recently used ones going first.

Decided against: the functions in a thread each, with a queue to the loop (two wake-ups a statement); asyncpg's own
cache of statements (it does not say how many rows a statement changed).
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import asyncpg
import greenlet

from engine.stores.postgres.dialect import by_columns, conflict_columns, joined, translated
from engine.stores.tables.connection import ByColumns, ManyRows, RowFault

T = TypeVar("T")

# More than the stores have texts, but for lists with rare combinations of filters. About 10 kB each, here and there.
STATEMENTS_KEPT = 500
# To plan all of them takes some 50 ms of the server's: often while tables may be new, and seldom then.
PLANS_FIRST_S = 10.0
PLANS_MAX_S = 600.0
# Constraint violated, bad data, a row twice in one statement, a limit of the program: the values are to blame.
_ROW_CLASSES = ("22", "23", "21", "54")


class Rows:
    """What a statement gave."""

    __slots__ = ("_left", "_rows", "rowcount")

    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self.rowcount = rowcount
        self._rows = rows
        self._left = iter(rows)

    def fetchone(self) -> Any:
        """The next row; None: there is none."""
        return next(self._left, None)

    def fetchall(self) -> list[Any]:
        """All rows."""
        return self._rows

    def __iter__(self) -> Iterator[Any]:
        return self._left


class PlansAge:
    """When a session's plans are to be made anew: tables have grown, and the server learns that when it analyses them.

    It makes plans for what is there when a statement is asked for the sixth time: in the first minutes of an
    installation that is next to nothing, and what is quick then may read all there is of a workspace later.
    """

    def __init__(self, now: float) -> None:
        self._kept_s = PLANS_FIRST_S
        self._until = now + PLANS_FIRST_S

    def are_old(self, now: float) -> bool:
        """Whether they are to be made anew now; the next time is twice as far away, `PLANS_MAX_S` at most."""
        if now < self._until:
            return False
        self._kept_s = min(2 * self._kept_s, PLANS_MAX_S)
        self._until = now + self._kept_s
        return True


class PostgresConnection(ByColumns):
    """One session with the server. Only inside `run_on`."""

    def __init__(self, session: asyncpg.Connection) -> None:
        self.session = session
        self.plans = PlansAge(time.monotonic())
        self._prepared: OrderedDict[str, Any] = OrderedDict()
        self._numbers = itertools.count()
        # What is to be written with one statement, while that is wanted.
        self._gathered: list[tuple[str, Sequence[Any]]] | None = None

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Rows:
        """Has a statement done that is said as SQLite understands it."""
        return self.ask(translated(sql), parameters)

    def ask(self, text: str, values: Sequence[Any]) -> Rows:
        """Has a statement done that is said as Postgres understands it. Raises RowFault if a value is to blame."""
        try:
            rows, status = _await(self._ask(text, values))
        except asyncpg.PostgresError as fault:
            if (fault.sqlstate or "")[:2] in _ROW_CLASSES:
                # Without its detail, which quotes the whole row: this is logged, and shown to operators.
                raise RowFault(str(fault.args[0])) from fault
            raise
        except (asyncpg.DataError, OverflowError, ValueError) as fault:  # of the driver, which encodes them
            raise RowFault(str(fault)) from fault
        return Rows([tuple(row) for row in rows], _count(status))

    def write_columns(self, rows: ManyRows, values: Sequence[Any]) -> list[Any]:
        """Writes many rows with one statement, or a few if some of them mean the same row of the table."""
        width, found = len(rows.types), list[Any]()
        for part in _apart(values, width, conflict_columns(rows)) if values else ():
            columns = [part[place::width] for place in range(width)]
            text = by_columns(rows.head, rows.types, rows.tail)
            if self._gathered is None or part is not values:
                found += self.ask(text, columns).fetchall()
            else:
                self._gathered.append((text, columns))
        return found

    @contextmanager
    def together(self) -> Iterator[None]:
        """Writes of columns inside are done at its end, with one statement."""
        self._gathered = []
        try:
            yield
            gathered = self._gathered
        finally:
            self._gathered = None
        if gathered:
            self.ask(joined(tuple(text for text, _ in gathered)), [each for _, columns in gathered for each in columns])

    async def _ask(self, text: str, values: Sequence[Any]) -> tuple[list[Any], str]:
        statement = self._prepared.get(text)
        if statement is None:
            # By name: without one (and without its own cache) the driver has the server parse and plan it each time.
            name = f"tocsin_{next(self._numbers)}"
            statement = self._prepared[text] = await self.session.prepare(text, name=name)
            if len(self._prepared) > STATEMENTS_KEPT:
                self._prepared.popitem(last=False)
        else:
            self._prepared.move_to_end(text)
        return await statement.fetch(*values), statement.get_statusmsg()


async def run_on(connection: PostgresConnection, job: Callable[[PostgresConnection], T]) -> T:
    """Runs a function of a connection here, on the loop, awaiting what it asks."""
    worker = greenlet.greenlet(job)
    asked = worker.switch(connection)
    while not worker.dead:
        try:
            answer = await asked
        except (Exception, asyncio.CancelledError) as fault:
            asked = worker.throw(fault)
        else:
            asked = worker.switch(answer)
    result: T = asked
    return result


def _await(asked: Awaitable[T]) -> T:
    """In the function: lets the coroutine below it await this."""
    below = greenlet.getcurrent().parent
    if below is None:
        raise RuntimeError("a connection to Postgres is used outside of run_on")
    answer: T = below.switch(asked)
    return answer


def _count(status: str) -> int:
    """`UPDATE 3` → 3; of what has no number, -1, as SQLite says."""
    number = status.rpartition(" ")[2] if status else ""
    return int(number) if number.isdigit() else -1


def _apart(values: Sequence[Any], width: int, key: Sequence[int]) -> list[Sequence[Any]]:
    """The rows in as many parts as it takes that no part has a key twice, each key's in their order."""
    if not key:
        return [values]
    seen: defaultdict[tuple[Any, ...], int] = defaultdict(int)
    parts: list[list[Any]] = []
    for start in range(0, len(values), width):
        row = values[start : start + width]
        turn = seen[tuple(row[place] for place in key)]
        seen[tuple(row[place] for place in key)] = turn + 1
        if turn == len(parts):
            parts.append([])
        parts[turn] += row
    # Most have none twice: then the list as it came, which may be written together with other tables'.
    return [values] if len(parts) == 1 else list(parts)
