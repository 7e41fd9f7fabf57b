"""The open alerts of a stream for one peer, page after page, at its own pace.

Owns nothing. Waits for the store (a page is one read, so never all alerts are in memory) and for the peer to take each
page before the next one is read. Every page says at which offset of the stream it was true. The caller tells the
events after the first page's offset, so nothing is lost between two pages; what a later page shows already the peer
leaves out. Decided against: one read for all pages, which would keep 100,000 alerts in memory and the store's log from
being folded for as long as a slow peer reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from actors.audience import Audience
from actors.peer import Peer
from actors.session_kit import SessionKit
from protocol import messages as m
from protocol.model import Alert, Severity, StreamKey

# About 50 kB of usual alerts; a read of the store takes about a millisecond.
PAGE_ALERTS = 100
# As large as a client's own messages may be; a single alert may be longer and then has a page of its own.
PAGE_BYTES = 65_536


async def tell_open_alerts(
    connection: Peer, kit: SessionKit, audience: Audience, stream: StreamKey, min_severity: Severity
) -> int:
    """Tells the open alerts that pass the filter; gives the offset of the first page. Raises StoreUnavailable."""
    first = before = None
    page = 0
    while True:
        found = await kit.store.open_alerts(stream, min_severity, before, PAGE_ALERTS)
        first = found.offset if first is None else first
        parts = list(_parts(found.alerts))
        for part in parts:
            connection.say(
                m.Snapshot(
                    channel=audience.name,
                    epoch=audience.epoch,
                    offset=found.offset,
                    alerts=list(part),
                    page=page,
                    last=found.last and part is parts[-1],
                )
            )
            page += 1
            await connection.pace()
        if found.last:
            return first
        before = found.alerts[-1].id


def _parts(alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
    """The alerts in stretches that fit into a page each, at least one."""
    if len(alerts) <= 1 or len(msgspec.json.encode(alerts)) <= PAGE_BYTES:
        yield alerts
    else:
        middle = len(alerts) // 2
        yield from _parts(alerts[:middle])
        yield from _parts(alerts[middle:])
