"""What people ask about notifications: what became of those of an alert, and what they were told in the app themselves.

Keeps nothing. The workspace, and whose list it is, come from the principal alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from actors.ports import Clock
from engine.access.roles import check
from engine.core.telling import explained_silence
from engine.core.turns import in_line
from engine.notify.book import NotifyBook
from engine.notify.facts import Facts
from engine.notify.ports import Alerts
from engine.pages import PAGE_MAX, Count, Cursors
from engine.stores import Store
from engine.stores.deliveries import LedgerLine
from protocol.model import Alert, Principal
from protocol.notify import Delivery, DeliveryState

# Of a page: the number of its last line.
DELIVERY_CURSORS = Cursors("deliveries", tuple[Count])
LIST_CURSORS = Cursors("notifications", tuple[Count])


class DeliveryPage(NamedTuple):
    """Lines of the ledger, the oldest first; `explanation`: why there is none, if there is none.

    `ahead`: for which message those wait that wait for another one, by their keys.
    """

    lines: list[LedgerLine]
    ahead: Mapping[str, Delivery]
    next_cursor: str | None
    explanation: str | None


class InAppPage(NamedTuple):
    """What somebody was told in the app, newest first, with the alerts as they are now (None: gone)."""

    lines: list[LedgerLine]
    alerts: dict[str, Alert]
    unread: int
    next_cursor: str | None


class NotifyVerbs:
    """All raise PermissionDenied, StoreUnavailable."""

    def __init__(self, store: Store, book: NotifyBook, alerts: Alerts, clock: Clock) -> None:
        self._store = store
        self._book = book
        self._alerts = alerts
        self._clock = clock
        self._facts = Facts(store)

    async def deliveries(self, who: Principal, alert_id: str, cursor: str | None, limit: int) -> DeliveryPage:
        """Who was told of an alert, and who was not. Raises UnknownChannel, BadRequest."""
        alert = await self._alerts.alert(who, alert_id)
        (after,) = (0,) if cursor is None else DELIVERY_CURSORS.place(cursor)
        limit = min(limit, PAGE_MAX)
        found = await self._store.deliveries(who.workspace, alert_id, after, limit + 1)
        why = await self._silence(who.workspace, alert) if not found and cursor is None else None
        following = DELIVERY_CURSORS.following(found, limit, lambda line: (line.number,))
        return DeliveryPage(found[:limit], await self._ahead(who.workspace, alert_id, found), following, why)

    async def _ahead(self, workspace: str, alert_id: str, shown: Sequence[LedgerLine]) -> Mapping[str, Delivery]:
        """The one that is waited for may be on another page."""
        if not any(line.delivery.state is DeliveryState.QUEUED for line in shown):
            return {}
        lines = (await self._store.deliveries_of(workspace, [alert_id])).get(alert_id, [])
        return in_line(lines, self._clock())

    async def _silence(self, workspace: str, alert: Alert) -> str:
        number = await self._store.routing_of(workspace, alert.framework_id, alert.id)
        routing = None if number is None else await self._store.job(workspace, number)
        is_paused = routing is not None and (await self._store.queue_counts())[routing.queue].is_paused
        return explained_silence(alert, self._book.is_anybody_there(workspace), routing, is_paused)

    async def in_app(self, who: Principal, cursor: str | None, limit: int) -> InAppPage:
        """What `who` was told in the app. Raises BadRequest."""
        check(who, "read")
        (before,) = (None,) if cursor is None else LIST_CURSORS.place(cursor)
        limit = min(limit, PAGE_MAX)
        found = await self._store.in_app(who.workspace, who.user, before, limit + 1)
        shown = found[:limit]
        alerts = await self._facts.alerts(who.workspace, dict.fromkeys(line.delivery.alert_id for line in shown))
        if who.channels is not None:
            # Whose token is limited sees of others that there was something, and not what.
            alerts = {name: alert for name, alert in alerts.items() if alert.framework_id in who.channels}
        unread = await self._store.unread(who.workspace, who.user)
        return InAppPage(shown, alerts, unread, LIST_CURSORS.following(found, limit, lambda line: (line.number,)))

    async def read(self, who: Principal, keys: Sequence[str] | None) -> tuple[int, int]:
        """`who` has read these (None: all of them): how many of them he had not, and how many are unread yet."""
        return await self._alerts.mark_read(who, keys)

    async def unknown(self, who: Principal, keys: Sequence[str] | None) -> list[str]:
        """Those of these keys that nothing in the list of `who` has."""
        return await self._store.not_in_app(who.workspace, who.user, list(dict.fromkeys(keys))) if keys else []
