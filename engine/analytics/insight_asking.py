"""What is asked of the process of insights about a workspace: its frameworks and its rules, as they hold now.

From the shelves, which have them at hand; what is much (alerts, readings) the process reads by itself. Owns nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar

import msgspec
import trio

from engine.analytics.insight_reading import reader_of
from engine.analytics.insight_tasks import HeldRule, LookAt, Mapped
from engine.shelf.kinds import Held, ShelfQuery
from engine.shelf.objects import Shelf
from engine.shelf.shelves import Shelves
from protocol.escalation import Escalation
from protocol.model import Principal, Severity
from protocol.rules import Rule

T = TypeVar("T")


async def ask_for_look(shelves: Shelves, workspace: str, until: int) -> LookAt:
    """A look at the workspace up to then (microseconds). Raises StoreUnavailable."""
    who = reader_of(workspace)
    frameworks = [
        Mapped(held.id, held.value.metrics, held.value.owner) async for held in _all(shelves.frameworks, who, False)
    ]
    archived = [held.id async for held in _all(shelves.frameworks, who, True)]
    return LookAt(workspace, until, tuple(frameworks), tuple(archived), tuple(await _rules(shelves, who)))


class _Escalated:
    """For whose loud alerts a chain of escalation begins. Asked of each rule: a workspace may have 10,000 rules and a
    thousand chains, and to hold each beside each would stop the loop for seconds."""

    def __init__(self) -> None:
        self._all = False
        self._rules: set[str] = set()
        self._frameworks: set[str] = set()

    def add(self, chain: Escalation) -> None:
        """One of the chains."""
        if chain.enabled and chain.steps and chain.min_severity.rank <= Severity.ERROR.rank:
            self._all |= not chain.rules and not chain.frameworks
            self._rules.update(chain.rules)
            self._frameworks.update(chain.frameworks)

    def holds(self, rule: Rule) -> bool:
        """Whether one begins for a rule."""
        return self._all or rule.id in self._rules or rule.framework in self._frameworks


async def _rules(shelves: Shelves, who: Principal) -> list[bytes]:
    """Pages of the rules that hold, packed one by one: all at once would hold up the loop."""
    escalated = _Escalated()
    async for held in _all(shelves.escalations, who, False):
        escalated.add(held.value)
    pages = list[bytes]()
    async with aclosing(_pages(shelves.rules, who, False)) as all_rules:
        async for rules in all_rules:
            held_rules = [HeldRule(each.value, each.version, escalated.holds(each.value)) for each in rules]
            pages.append(msgspec.msgpack.encode(held_rules))
            await trio.lowlevel.checkpoint()
    return pages


async def _pages(shelf: Shelf[T], who: Principal, archived: bool) -> AsyncGenerator[Sequence[Held[T]], None]:
    query = ShelfQuery(archived=archived)
    while True:
        page = await shelf.page(who, query)
        yield page.items
        if page.next_cursor is None:
            return
        query = replace(query, cursor=page.next_cursor)


async def _all(shelf: Shelf[T], who: Principal, archived: bool) -> AsyncIterator[Held[T]]:
    async for page in _pages(shelf, who, archived):
        for held in page:
            yield held
