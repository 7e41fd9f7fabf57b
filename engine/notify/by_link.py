"""What a link from a mail does: shows its alert, and acknowledges it when its person says so.

Owns nothing but counts. A link is looked at twice, when its page is opened and when the button is pressed, each time
against what is true then: that its person is still known, may still respond and was not revoked since, and that the
alert is there. What fails there is answered as a link that never was. Pressed again it changes nothing: acknowledging
is idempotent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from engine.notify.action_links import ActionLinks, Asked, LinkExpired, LinkInvalid
from engine.notify.persons import BY_LINK, Persons
from engine.verbs.people import Deed
from protocol.errors import UnknownChannel
from protocol.items import ItemResult
from protocol.model import Alert, Principal, Reason, Status

# How the record says where it came from.
BY_MAIL = "by e-mail link"
# What pressing again a moment later may mend; any other refusal is the alert's present state, such as resolved.
TRANSIENT = frozenset({Reason.BUSY, Reason.FAILED})


class Alerts(Protocol):
    """The verbs of alerts that links need."""

    def admit(self, who: Principal) -> None:
        """One request of this user. Raises TooManyRequests."""

    async def alert(self, who: Principal, alert_id: str) -> Alert:
        """One alert. Raises UnknownChannel."""

    async def act(self, who: Principal, alert_ids: Sequence[str], deed: Deed) -> list[ItemResult]:
        """Does this about alerts."""


class Opened(NamedTuple):
    """What a link leads to."""

    asked: Asked
    who: Principal
    alert: Alert


class LinkVerbs:
    """Opens links, and does what they ask. Everything raises LinkInvalid, LinkExpired, and what the verbs raise."""

    def __init__(self, links: ActionLinks, persons: Persons, alerts: Alerts) -> None:
        self._links = links
        self._persons = persons
        self._alerts = alerts
        self._figures = dict.fromkeys(("opened", "done", "refused", "expired"), 0)

    def statistics(self) -> Mapping[str, int]:
        """Links opened, done (again, too; not what was refused about the alert), refused, and come too late."""
        return dict(self._figures)

    async def look(self, link: str) -> Opened:
        """The alert that a link is about. Changes nothing."""
        opened = await self._counted(lambda: self._open(link))
        self._figures["opened"] += 1
        return opened

    async def act(self, link: str, address: str) -> tuple[Opened, ItemResult]:
        """Does what a link asks for; `address`: from where, for the record. The alert is as it is afterwards."""
        opened = await self._counted(lambda: self._open(link))
        deed = Deed(action=opened.asked.action, address=f"{address} {BY_MAIL}".strip())
        (result,) = await self._alerts.act(opened.who, [opened.asked.alert_id], deed)
        self._figures["done"] += result.status is not Status.REJECTED
        return opened._replace(alert=await self._alerts.alert(opened.who, opened.asked.alert_id)), result

    async def _counted(self, open_it: Callable[[], Awaitable[Opened]]) -> Opened:
        try:
            return await open_it()
        except LinkInvalid:
            self._figures["refused"] += 1
            raise
        except LinkExpired:
            self._figures["expired"] += 1
            raise

    async def _open(self, link: str) -> Opened:
        asked = self._links.read(link)
        who = await self._persons.responder(asked.workspace, asked.user, BY_LINK, asked.issued_at)
        if who is None:
            raise LinkInvalid("its person may not, or not any more")
        self._alerts.admit(who)
        try:
            return Opened(asked, who, await self._alerts.alert(who, asked.alert_id))
        except UnknownChannel as fault:
            raise LinkInvalid("its alert is not there") from fault
