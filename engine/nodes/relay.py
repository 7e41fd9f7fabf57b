"""What was committed here goes to the other nodes, and what they committed is told to those who follow it here.

Owns its figures, and up to where each workspace was heard of. The store's feed hands us each commit on the loop, in
commit order; we publish it to the topic of its workspace. From there it enters where our own commits do: the derived
streams, and the channels' followers, which both read from the store what is missing before it. After a gap of the bus,
or behind a mark, both look into the store. A channel that we own and another node has moved on (a workflow's batch, a
former owner) recalls before it decides anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from actors.derived import DerivedStreams
from actors.forwarding import LetterTooLarge
from actors.registry import Registry
from engine.bus import Gap
from engine.bus.topics import EVENT_TOPICS, events_of
from engine.nodes.post import Post
from engine.stores import CommittedEvents
from protocol.forwarding import Told
from protocol.model import ChannelKey

# Workspaces of which it is remembered up to where they were heard of; one that is forgotten costs a look.
KNOWN_MAX = 10_000


class Ear(Protocol):
    """Who forgets what others may have changed."""

    def told(self, committed: Sequence[CommittedEvents]) -> None:
        """Others have committed this."""

    def clear(self) -> None:
        """Some of what they committed may have been missed."""


class Relay:
    """Between the store's feed, the bus, and whoever follows streams here."""

    def __init__(self, post: Post, registry: Registry, derived: DerivedStreams, cache: Ear) -> None:
        self._post = post
        self._registry = registry
        self._derived = derived
        self._known: dict[str, int] = {}
        # Marks for which we have looked: they are said three times, by anybody who can write to the bus, so nothing is
        # known by them.
        self._looked: dict[tuple[str, int], None] = {}
        # Told first: what is made of an answer that is forgotten now is made of what was committed.
        self._cache = cache
        self.published = self.heard = self.gaps = 0
        post.on(Told, self._told)
        for topic in EVENT_TOPICS:
            post.follow(topic, self._missed, self._marked)
            post.begin(topic)

    def statistics(self) -> dict[str, int]:
        """Events published and heard, and how often something may have been missed."""
        return {"published": self.published, "heard": self.heard, "gaps": self.gaps}

    def committed(self, one: CommittedEvents) -> None:
        """One commit of ours; called by the store's feed, must not raise."""
        letter = Told(
            origin=self._post.node,
            workspace=one.workspace,
            events=tuple(one.events),
            moved=tuple(key.framework for key in one.moved),
            trace=self._registry.trace_of(one.workspace, one.events),
        )
        marks = {one.workspace: one.events[-1].workspace_offset} if one.events else {}
        for workspace, offset in marks.items():
            self._know(workspace, offset)
        try:
            self._post.publish(events_of(one.workspace), letter, marks)
        except LetterTooLarge:
            # Where it is, everybody finds it: in the store.
            frameworks = dict.fromkeys([*letter.moved, *(event.alert.framework_id for event in one.events)])
            hint = Told(origin=letter.origin, workspace=one.workspace, events=(), moved=tuple(frameworks))
            self._post.publish(events_of(one.workspace), hint, marks)
        self.published += len(one.events)

    def look_everywhere(self) -> None:
        """Something may have been committed anywhere of which nobody will tell."""
        self._look(lambda workspace: True)

    def _told(self, letter: Told) -> None:
        self.heard += len(letter.events)
        moved = tuple([ChannelKey(letter.workspace, framework) for framework in letter.moved])
        self._cache.told([CommittedEvents(letter.workspace, letter.events, moved)])
        if letter.events:
            self._know(letter.workspace, letter.events[-1].workspace_offset)
            self._derived.post(letter.workspace, letter.events)
            self._registry.hear(letter.workspace, letter.events, letter.trace)
        else:
            self._derived.look_all(lambda workspace: workspace == letter.workspace)
        for key in moved:
            self._registry.moved(key)

    def _missed(self, gap: Gap) -> None:
        self._look(lambda workspace: events_of(workspace) == gap.topic)

    def _marked(self, marks: Mapping[str, int]) -> None:
        """Up to where others have published: what we have not heard of up to there was lost."""
        beyond = [mark for mark in marks.items() if mark[1] > self._known.get(mark[0], 0)]
        behind = {mark[0] for mark in beyond if mark not in self._looked}
        if behind:
            self._looked |= dict.fromkeys(beyond)
            for mark in list(self._looked)[:-KNOWN_MAX]:
                del self._looked[mark]
            self._look(behind.__contains__)

    def _know(self, workspace: str, offset: int) -> None:
        known = self._known.pop(workspace, 0)
        self._known[workspace] = max(known, offset)
        if len(self._known) > KNOWN_MAX:
            del self._known[next(iter(self._known))]

    def _look(self, is_meant: Callable[[str], bool]) -> None:
        self.gaps += 1
        self._cache.clear()
        self._registry.look(is_meant)
        self._derived.look_all(is_meant)
