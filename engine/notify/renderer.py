"""Puts messages into words: a notice, in the forms that its channel needs, with the links that its recipient may use.

Owns nothing. Asks the store who the recipient is, because only who may respond to alerts gets a link that does.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.core.notices.as_html import html
from engine.core.notices.as_slack import blocks
from engine.core.notices.as_text import text
from engine.core.notices.notice import Links, Style, notice_of
from engine.notify.action_links import ActionLinks
from engine.notify.persons import BY_LINK, Persons
from protocol.changes import Action
from protocol.model import AlertState
from protocol.notify import Change, Channel, Outgoing, Rendered

# The templates of who sends a message; whether somebody listens to buttons in a workspace.
StyleOf = Callable[[Outgoing], Style]
HasButtons = Callable[[str], bool]


class NoticeRenderer:
    """Fulfils `engine.notify.ports.Renderer`. `site`: where links lead (`notify.public_url`)."""

    def __init__(
        self, links: ActionLinks, persons: Persons, site: str, style_of: StyleOf, has_buttons: HasButtons
    ) -> None:
        self._links = links
        self._persons = persons
        self._site = site
        self._style_of = style_of
        self._has_buttons = has_buttons

    async def render(self, message: Outgoing) -> Rendered:
        """All forms of a message that its channel needs."""
        # Of a test there is no alert that a button could find.
        has_buttons = message.change is not Change.TEST and self._has_buttons(message.workspace)
        links = Links(self._site, await self._acknowledge(message), has_buttons)
        notice = notice_of(message, links, self._style_of(message))
        return Rendered(
            subject=notice.subject,
            text=text(notice),
            html=html(notice) if message.channel is Channel.EMAIL else "",
            blocks=blocks(notice) if message.channel is Channel.SLACK else (),
        )

    async def _acknowledge(self, message: Outgoing) -> str:
        """The link by which the recipient acknowledges the alert; empty if there is nothing to, or he may not."""
        user = message.recipient.user
        if message.channel is not Channel.EMAIL or user is None or len(message.alerts) != 1:
            return ""
        alert = message.alerts[0]
        if alert.state is not AlertState.ACTIVE or message.change is Change.DIGEST:
            return ""
        if await self._persons.responder(message.workspace, user, BY_LINK) is None:
            return ""
        return self._links.link(message.workspace, user, alert.id, Action.ACKNOWLEDGE)
