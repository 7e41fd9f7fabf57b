"""`notifications_sent_total`: how many deliveries ended how, as the ledger was written. Read when somebody scrapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, Metric

from protocol.notify import Channel, DeliveryState


def families(ended: Mapping[tuple[Channel, DeliveryState], int]) -> Iterator[Metric]:
    """For Prometheus; the name and the labels are the reference's. `ended`: as the store has counted."""
    sent = CounterMetricFamily(
        "notifications_sent", "Notifications that ended, one way or another.", labels=("channel", "status")
    )
    for (channel, state), count in ended.items():
        sent.add_metric((channel.value, state.value), count)
    yield sent
