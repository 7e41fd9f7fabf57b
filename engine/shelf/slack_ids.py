"""Whose Slack id is whose: one entry in memory for each person who has one, told of every change at its commit.

Asked when a user is made or changed, who may not take another one's id, and when somebody presses a button. Two changes
at the very same time, or a user who is taken back from the archive, can still make two of one: then it is nobody's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from engine.shelf.kinds import Kind
from engine.shelf.live import Listener, ObjectFigures, readable
from engine.stores.objects import ObjectNews
from protocol.directory import User
from protocol.errors import BadRequest


class SlackIds:
    """Of all workspaces."""

    def __init__(self) -> None:
        self._known: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def follow(self, kind: Kind[User], figures: ObjectFigures) -> Listener:
        """Keeps them as the store has them."""
        read = partial(readable, kind, figures=figures)

        def told(news: Sequence[ObjectNews]) -> None:
            for each in news:
                stored = each.now
                user = read(stored) if stored is not None and stored.archived_at is None else None
                self._put(each.workspace, each.id, "" if user is None else user.slack_id)

        return told

    def _put(self, workspace: str, user: str, slack_id: str) -> None:
        known = self._known[workspace]
        known.pop(user, None)
        if slack_id:
            known[user] = slack_id
        if not known:
            del self._known[workspace]

    def users(self, workspace: str, slack_id: str) -> list[str]:
        """Whose it is: one person's, nobody's, or (a mistake) several's."""
        return [user for user, known in self._known.get(workspace, {}).items() if known == slack_id]

    def check(self, workspace: str, user: User) -> None:
        """Raises BadRequest if this is another one's: a button that is pressed would be credited to the wrong one."""
        others = [name for name in self.users(workspace, user.slack_id) if name != user.id] if user.slack_id else []
        if others:
            raise BadRequest(
                f"slack_id: {user.slack_id!r} is that of {others[0]!r} already, and who presses a button in Slack is "
                "known by it; take it from him first, or leave it out here"
            )
