"""Which users, teams and endpoints there are, by name alone: what names one that is not there says so when it is shown.

One entry in memory for each, told of every change at its commit. Names may dangle, because people are written down in
any order and leave; whoever mistypes one reads it in the answer (`unknown`), and not in the ledger of an alert that
reached nobody. Decided against: refusing them; then no chain could be written before its people.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import msgspec

from engine.notify.endpoints import ENDPOINT
from engine.shelf.directory import TEAM, USER
from engine.shelf.kinds import Kind
from engine.stores.objects import ObjectNews, StoredObject
from protocol.directory import Framework
from protocol.escalation import Escalation
from protocol.preferences import Preference
from protocol.rules import Rule

T = TypeVar("T")
FOLLOWED = (USER, TEAM, ENDPOINT)


class Naming(NamedTuple):
    """A field names somebody or something of a kind."""

    field: str
    kind: str
    name: str


class _Called(msgspec.Struct):
    """What an object is called besides its id."""

    name: str = ""


_called = msgspec.json.Decoder(_Called).decode


class KnownNames:
    """Of all workspaces."""

    def __init__(self) -> None:
        self._known: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._of: dict[tuple[str, str, str], tuple[str, ...]] = {}

    def told(self, news: Sequence[ObjectNews]) -> None:
        """Keeps them as the store has them."""
        for each in news:
            place, known = (each.workspace, each.kind, each.id), self._known[each.workspace, each.kind]
            for name in self._of.pop(place, ()):
                known[name] -= 1
                if not known[name]:
                    del known[name]
            if each.now is not None and each.now.archived_at is None:
                self._of[place] = names = _names_of(each.now)
                known.update(names)
            if not known:
                del self._known[each.workspace, each.kind]

    def is_there(self, workspace: str, kind: str, name: str) -> bool:
        """Whether there is one of this name, and not put away."""
        return name in self._known.get((workspace, kind), ())

    def marking(self, kind: Kind[T], named: Callable[[T], Iterable[Naming]]) -> Kind[T]:
        """The kind, its objects shown with `unknown`: what they name and is not there; left out if there is nothing."""

        def unknown(value: T, stored: StoredObject | None) -> list[str] | msgspec.UnsetType:
            workspace = "" if stored is None else stored.workspace
            missing = [each for each in named(value) if not self.is_there(workspace, each.kind, each.name)]
            return [f"{each.field}: there is no {each.kind} {each.name!r}" for each in missing] or msgspec.UNSET

        return replace(kind, reckoned={**kind.reckoned, "unknown": (list[str] | msgspec.UnsetType, unknown)})


def _names_of(stored: StoredObject) -> tuple[str, ...]:
    """An endpoint may be called by its name as well."""
    if stored.kind != ENDPOINT:
        return (stored.id,)
    try:
        name = _called(stored.body).name
    except msgspec.DecodeError:
        # Another version's: it is said where endpoints are read.
        return ()
    return tuple({stored.id, *([name] if name else [])})


def named_by_rule(rule: Rule) -> Iterator[Naming]:
    """Endpoints."""
    return (Naming("notify", ENDPOINT, name) for name in rule.notify)


def named_by_framework(framework: Framework) -> Iterator[Naming]:
    """The team that owns it."""
    return (Naming("owner", TEAM, name) for name in (framework.owner,) if name is not None)


def named_by_preference(preference: Preference) -> Iterator[Naming]:
    """Whose it is."""
    return iter((Naming("id", USER, preference.id),))


def named_by_chain(chain: Escalation) -> Iterator[Naming]:
    """Whoever its steps tell."""
    for place, step in enumerate(chain.steps):
        for field, kind, names in (
            ("users", USER, step.users),
            ("teams", TEAM, step.teams),
            ("endpoints", ENDPOINT, step.endpoints),
        ):
            yield from (Naming(f"steps[{place}].{field}", kind, name) for name in names)
