"""How sure a pattern must be to be told: what people said of others raises and lowers it.

From `BAR`; each dismissed pattern of the same kind about one of the same sources raises it by `NEAR`, each other one of
the kind by `FAR`, and confirmed ones lower it by as much. All others of the kind together move it by `FAR_MAX`, so that
no fit of tidying silences a kind everywhere; and it stays between `LEAST` and `MOST`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from protocol.patterns import PatternKind, PatternState, Source

# More often than not, and of that we are sure.
BAR = 0.5
NEAR = 0.15
FAR = 0.02
FAR_MAX = 0.1
LEAST = 0.3
MOST = 0.95
_UP = {PatternState.DISMISSED: 1.0, PatternState.CONFIRMED: -1.0, PatternState.NEW: 0.0}


class Opinion(NamedTuple):
    """What people said of a pattern."""

    kind: PatternKind
    sources: tuple[Source, ...]
    state: PatternState


def bar_of(kind: PatternKind, sources: Iterable[Source], opinions: Sequence[Opinion]) -> float:
    """How sure a pattern of this kind about these sources must be."""
    about = {place_of(source) for source in sources}
    near = far = 0.0
    for each in opinions:
        if each.kind is kind:
            is_near = not about.isdisjoint(place_of(source) for source in each.sources)
            near += NEAR * _UP[each.state] if is_near else 0.0
            far += FAR * _UP[each.state] if not is_near else 0.0
    return min(MOST, max(LEAST, BAR + near + min(FAR_MAX, max(-FAR_MAX, far))))


def place_of(source: Source) -> tuple[str, str, str]:
    """What makes two sources the same: a rule may be told by other names later."""
    return (source.framework, source.rule_id, "") if source.rule_id else (source.framework, "", source.name)
