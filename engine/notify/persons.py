"""People as the workspace has written them down, for acts that come without a token: from a mail's link, from Slack.

A person acts with the role that is written down for him (`User.role`), because that is what whoever issues tokens goes
by; a viewer gets no link, and his button does nothing. Who was deleted, put away or revoked acts no more.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.access.roles import Verb, may
from engine.shelf.objects import Shelf
from engine.shelf.slack_ids import SlackIds
from protocol.directory import User
from protocol.model import NEVER_EXPIRES, Principal

# The record says by which way somebody came.
BY_LINK, BY_SLACK, BY_REPORT = "link", "slack", "report"


class Persons:
    """Says who somebody is, and that he may respond to alerts. `is_over`: whether he was revoked."""

    def __init__(self, users: Shelf[User], slack_ids: SlackIds, is_over: Callable[[Principal], bool]) -> None:
        self._users = users
        self._slack_ids = slack_ids
        self._is_over = is_over

    def slack_users(self, workspace: str, slack_id: str) -> list[str]:
        """Whose Slack id this is: one person's, nobody's, or (a mistake) several's."""
        return self._slack_ids.users(workspace, slack_id)

    async def responder(self, workspace: str, user: str, way: str, issued_at: int | None = None) -> Principal | None:
        """Who this is, if he may respond to alerts now; None: he is not known, or may not."""
        return await self._who(workspace, user, "respond", way, issued_at)

    async def reader(self, workspace: str, user: str, way: str) -> Principal | None:
        """Who this is, if he may see alerts now; None: he is not known, or may not."""
        return await self._who(workspace, user, "read", way)

    async def _who(
        self, workspace: str, user: str, verb: Verb, way: str, issued_at: int | None = None
    ) -> Principal | None:
        who = Principal(workspace=workspace, user=user, role="viewer", expires_at=NEVER_EXPIRES)
        held = (await self._users.several(who, [user])).get(user)
        if held is None or held.is_archived:
            return None
        found = Principal(
            workspace=workspace,
            user=user,
            role=held.value.role.value,
            expires_at=NEVER_EXPIRES,
            token_id=f"{way}:{user}",
            issued_at=issued_at,
        )
        return found if may(found, verb) and not self._is_over(found) else None
