"""What is asked of the process of insights about a workspace: its frameworks and its rules, as they hold now.

From the shelves, which have them at hand; what is much (alerts, readings) the process reads by itself. Owns nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
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


async def _rules(shelves: Shelves, who: Principal) -> list[bytes]:
    """Pages of the rules that hold, packed one by one: all at once would hold up the loop."""
    chains = [held.value async for held in _all(shelves.escalations, who, False)]
    pages = list[bytes]()
    async for rules in _pages(shelves.rules, who, False):
        pages.append(msgspec.msgpack.encode([_held_rule(each, chains) for each in rules]))
        await trio.lowlevel.checkpoint()
    return pages


def _held_rule(held: Held[Rule], chains: Sequence[Escalation]) -> HeldRule:
    return HeldRule(held.value, held.version, any(_is_for(chain, held.value) for chain in chains))


def _is_for(chain: Escalation, rule: Rule) -> bool:
    """Whether a chain begins for the loud alerts of a rule."""
    means_all = not chain.rules and not chain.frameworks
    is_meant = means_all or rule.id in chain.rules or rule.framework in chain.frameworks
    return chain.enabled and bool(chain.steps) and is_meant and chain.min_severity.rank <= Severity.ERROR.rank


async def _pages(shelf: Shelf[T], who: Principal, archived: bool) -> AsyncIterator[Sequence[Held[T]]]:
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
