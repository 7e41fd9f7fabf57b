"""Tells of what analytics found: a hint on the workspace's stream, and on the framework's if it is about one.

Without an offset, as all hints: who was away is told when he resumes (`engine.analytics.missed_news`), or asks for the
list, which begins with the newest. Decided against an alert of its own, which recovery would bring: a finding rings
nobody, wants no acknowledgement, and would be found in turn.
"""

from __future__ import annotations

from actors.derived import DerivedStreams
from actors.registry import Registry
from engine.others import Others
from protocol.hints import PatternFound
from protocol.model import ChannelKey, DerivedKey
from protocol.patterns import Pattern


class FindingNews:
    """Says it to those who follow, here or on another node."""

    def __init__(self, registry: Registry, derived: DerivedStreams, others: Others) -> None:
        self._registry = registry
        self._derived = derived
        self._others = others

    def tell(self, workspace: str, pattern: Pattern) -> None:
        """There is a new pattern."""
        whole = DerivedKey(workspace)
        if (everybody := self._derived.find(whole)) is not None:
            everybody.hint([PatternFound(channel=whole.name, data=pattern)])
        self._others.hint(whole, [PatternFound(channel=whole.name, data=pattern)])
        if pattern.framework is not None:
            key = ChannelKey(workspace, pattern.framework)
            if (audience := self._registry.audience(key)) is not None:
                audience.hint([PatternFound(channel=key.name, data=pattern)])
            self._others.hint(key, [PatternFound(channel=key.name, data=pattern)])
