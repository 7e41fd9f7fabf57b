"""Rules as a file: written out whole, and taken in all or nothing.

A file is what `[[rules]]` of tocsin.toml is, so rules move between a configuration, an engine and a repository as they
are. Taking one in makes what is not there, changes what is different, and leaves the rest and its state alone; a rule
that cannot be taken in keeps all of them out, and is named by its place. Nothing is ever deleted by it.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec
import trio

from engine.configuration.settings import toml_value
from engine.foreign_forms.yaml_text import to_yaml
from engine.pages import PAGE_MAX
from engine.shelf.edits import Edit
from engine.shelf.kinds import ShelfQuery
from engine.shelf.objects import Shelf
from engine.stores.objects import ObjectChange
from protocol.errors import BadRequest, Conflict, TocsinError
from protocol.model import Principal
from protocol.rules import Rule

# About 5 ms of checking; then others have their turn.
CHECKED_AT_ONCE = 100


class ImportAction(enum.Enum):
    """What became, or would become, of one rule of a file."""

    CREATE = "create"
    CHANGE = "change"
    UNCHANGED = "unchanged"


class ImportResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one rule, in the order of the file."""

    id: str
    action: ImportAction


async def stored_rules(shelf: Shelf[Rule], who: Principal) -> list[Rule]:
    """The workspace's rules that somebody made, in the order of their ids; without those that were put away."""
    found: list[Rule] = []
    cursor: str | None = None
    while True:
        page = await shelf.page(who, ShelfQuery(cursor=cursor, limit=PAGE_MAX))
        found += [held.value for held in page.items if held.stored is not None]
        if (cursor := page.next_cursor) is None:
            return found


def as_toml(rules: Sequence[Rule]) -> str:
    """Rules as `[[rules]]` of tocsin.toml."""
    tables = (msgspec.to_builtins(rule) for rule in rules)
    lines = (["[[rules]]", *(f"{name} = {toml_value(value)}" for name, value in table.items()), ""] for table in tables)
    return "\n".join(line for each in lines for line in each)


def as_yaml(rules: Sequence[Rule]) -> str:
    """Rules as YAML: `rules:`, and of each what tocsin.toml says."""
    return to_yaml({"rules": [msgspec.to_builtins(rule) for rule in rules]})


async def import_rules(
    shelf: Shelf[Rule], who: Principal, rules: Sequence[Rule], is_dry: bool, address: str = ""
) -> list[ImportResult]:
    """Takes rules in, all or none; `is_dry`: only says what would become of them.

    Raises BadRequest, Conflict, LimitReached: a dry one as the real one would.
    """
    shelf.kind.may_change(who, None, None)
    held = await shelf.several(who, [rule.id for rule in rules])
    results: list[ImportResult] = []
    changes: dict[int, ObjectChange] = {}
    seen: set[str] = set()
    for place, given in enumerate(rules):
        if place % CHECKED_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
        if given.id in seen:
            raise BadRequest(f"rules[{place}].id: {given.id!r} is there twice; ids are unique")
        seen.add(given.id)
        before = held.get(given.id)
        try:
            rule = shelf.kind.prepare(who, given)
            shelf.permit(who, None if before is None else before.value, rule)
            if before is not None and before.stored is None:
                shelf.require_may_change(who, before, rule)
            action = ImportAction.CREATE if before is None else ImportAction.CHANGE
            if before is not None and before.value == rule:
                action = ImportAction.UNCHANGED
            else:
                edit = Edit(who, "import", address, before.version if before else 0)
                changes[place] = shelf.as_change(edit, rule, before is not None and before.is_archived)
        except TocsinError as fault:
            raise type(fault)(f"rules[{place}]: {fault.message}") from fault
        results.append(ImportResult(id=given.id, action=action))
    if changes:
        await _store(shelf, changes, is_dry)
    return results


async def _store(shelf: Shelf[Rule], changes: dict[int, ObjectChange], is_dry: bool) -> None:
    faults = await shelf.make(list(changes.values()), all_or_nothing=True, is_dry=is_dry)
    refused = [(place, fault) for place, fault in zip(changes, faults, strict=True) if fault is not None]
    for place, fault in refused:
        if type(fault) is not Conflict:
            raise type(fault)(f"rules[{place}]: {fault.message}; nothing was taken in")
    if refused:
        place, fault = refused[0]
        raise Conflict(f"rules[{place}]: {fault.message}; nothing was taken in")
