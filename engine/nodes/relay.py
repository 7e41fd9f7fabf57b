"""What was committed here goes to the other nodes, and what they committed is told to those who follow it here.

Owns nothing but its figures. The store's feed hands us each commit on the loop, in commit order; we publish it to the
topic of its workspace. From there it enters where our own commits do: the derived streams, and the channels' followers,
which both read from the store what is missing before it. After a gap of the bus both look into the store. A channel
that we own and another node has moved on (a workflow's batch, a former owner) recalls before it decides anything.
"""

from __future__ import annotations

from actors.derived import DerivedStreams
from actors.forwarding import LetterTooLarge
from actors.registry import Registry
from engine.bus import Gap
from engine.bus.topics import EVENT_TOPICS, events_of
from engine.nodes.post import Post
from engine.stores import CommittedEvents
from protocol.forwarding import Told
from protocol.model import ChannelKey


class Relay:
    """Between the store's feed, the bus, and whoever follows streams here."""

    def __init__(self, post: Post, registry: Registry, derived: DerivedStreams) -> None:
        self._post = post
        self._registry = registry
        self._derived = derived
        self.published = self.heard = self.gaps = 0
        post.on(Told, self._told)
        for topic in EVENT_TOPICS:
            post.follow(topic, self._missed)

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
        )
        marks = {one.workspace: one.events[-1].workspace_offset} if one.events else {}
        try:
            self._post.publish(events_of(one.workspace), letter, marks)
        except LetterTooLarge:
            # Where it is, everybody finds it: in the store.
            frameworks = dict.fromkeys(event.alert.framework_id for event in one.events)
            hint = Told(origin=letter.origin, workspace=one.workspace, events=(), moved=tuple(frameworks))
            self._post.publish(events_of(one.workspace), hint, marks)
        self.published += len(one.events)

    def _told(self, letter: Told) -> None:
        self.heard += len(letter.events)
        if letter.events:
            self._derived.post(letter.workspace, letter.events)
            self._registry.hear(letter.workspace, letter.events)
        else:
            self._derived.look_all(lambda workspace: workspace == letter.workspace)
        for framework in letter.moved:
            self._registry.moved(ChannelKey(letter.workspace, framework))

    def _missed(self, gap: Gap) -> None:
        self.gaps += 1

        def is_meant(workspace: str) -> bool:
            return events_of(workspace) == gap.topic

        self._registry.look(is_meant)
        self._derived.look_all(is_meant)
