"""Lines of the ledger for tests."""

from __future__ import annotations

from typing import Any

from protocol.notify import Change, Channel, Delivery, DeliveryState, Recipient, delivery_key
from tests.support.stores import NOW

ANN = Recipient(user="ann")


def a_delivery(alert_id: str = "a1", **changes: Any) -> Delivery:
    """A line about `alert_id`; its key is as routing makes it."""
    fields: dict[str, Any] = {
        "workspace": "acme",
        "alert_id": alert_id,
        "channel": Channel.EMAIL,
        "recipient": ANN,
        "version": "1",
        "change": Change.FIRED,
        "state": DeliveryState.QUEUED,
        "at": NOW,
        "updated_at": NOW,
    } | changes
    names = ("workspace", "alert_id", "channel", "recipient", "version")
    return Delivery(key=delivery_key(*(fields[name] for name in names)), **fields)
