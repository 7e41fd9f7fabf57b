"""Open alerts that no reading can close any more, because their rule was changed, deleted or disabled.

Owned by the watcher, which says what changed; closed with the next decisions, as there is room, by "rule". Two kinds of
change leave orphans though the rule goes on. It looks elsewhere (`reach_of`): nothing that it hears is about its open
alerts. It begins anew, or does not ask about silence: that a series had been silent is forgotten, so its return would
not be noticed. The window of such an alert ends with it: what still holds rings anew, where the cooldown of an alert
that we closed ourselves would hide it.

What a source reports goes on: the source says when it ends. A rule that is only held to another threshold leaves its
alerts to the next reading, which says whether they are over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Set
from typing import NamedTuple

from engine.core.ledger import Ledger
from engine.core.lifecycle import TABLE
from engine.core.rules.series import evaluation_of, reach_of
from engine.core.suppression import Standing
from engine.core.turn import Turn
from protocol.changes import Action
from protocol.rules import NoData, Rule

# The label, and its value, of an alert that says that a series has fallen silent.
NO_DATA = {"no_data": "true"}


class Changed(NamedTuple):
    """The ids of rules that look elsewhere now, and of those that evaluate something else."""

    moved: Set[str] = frozenset()
    anew: Set[str] = frozenset()


class Orphans:
    """The orphans of one channel that are still open."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        # Each with whether its window ends with it.
        self._waiting: deque[tuple[Standing, bool]] = deque()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._waiting)

    def find(self, rules: Mapping[str, Rule], changed: Changed) -> None:
        """Looks through what is open, after rules have changed."""
        for standing in self._ledger.standings.values():
            rule_id = standing.rule_id
            if rule_id is None or not standing.is_open or standing.sources:
                continue
            rule = rules.get(rule_id)
            if rule is None or not rule.enabled:
                self._waiting.append((standing, False))
            elif rule_id in changed.moved or (_is_silence(standing) and _is_deaf(rule, changed)):
                self._waiting.append((standing, True))

    def close(self, turn: Turn) -> None:
        """Closes them, as far as there is room."""
        while self._waiting and self._ledger.room(turn) > 0:
            standing, ends_window = self._waiting.popleft()
            # It may have been closed, or replaced, meanwhile.
            if standing.is_open and self._ledger.by_id.get(standing.alert_id) is standing:
                if ends_window:
                    standing.until = min(standing.until, turn.now)
                self._ledger.step(turn, standing, TABLE[standing.current().state, Action.RESOLVE], "rule")


def changed_between(before: Mapping[str, Rule], after: Mapping[str, Rule]) -> Changed:
    """What became of rules that go on."""
    pairs = [(old, new) for id_, new in after.items() if (old := before.get(id_)) is not None and old is not new]
    return Changed(
        {new.id for old, new in pairs if reach_of(old) != reach_of(new)},
        {new.id for old, new in pairs if evaluation_of(old) != evaluation_of(new)},
    )


def _is_silence(standing: Standing) -> bool:
    return NO_DATA.items() <= standing.current().labels.items()


def _is_deaf(rule: Rule, changed: Changed) -> bool:
    """Whether it would not notice that readings come again."""
    return rule.no_data is not NoData.ALERT or rule.id in changed.anew
