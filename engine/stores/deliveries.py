"""The part of a store's contract that is about notifications: the ledger of deliveries, and a person's list in the app.

"The ledger", where notifications are spoken of, is this one; what a channel's machine keeps its alerts in
(`engine.core.ledger`) has nothing to do with it, and who has received which message of a stream is marked elsewhere
(`recipient_mark`).

A row is written before its job exists, in the transaction that makes the job, and changed in the one that settles it
(`protocol.jobs.Settlement.deliveries`): so whatever is killed when, a row says what is known. A row that exists is only
ever moved on: what was told is not queued again. `tests/unit/test_store_deliveries.py` is what every adapter must do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from engine.stores.objects import StoredObject
from protocol.jobs import NewJob
from protocol.model import Alert
from protocol.notify import Channel, Delivery, DeliveryState, Recipient

# One digest takes so many; what is left goes with another one, at once.
DIGEST_MAX = 500


class PutAside(NamedTuple):
    """Something waits for a digest of this recipient that is due."""

    workspace: str
    channel: Channel
    recipient: Recipient
    due: int


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery and its number in the ledger, by which lists go on."""

    number: int
    delivery: Delivery


class TrimPlace(NamedTuple):
    """How far a trimming has looked: when the last line that it saw was changed, and the line's number."""

    changed_at: int
    number: int


TRIM_START = TrimPlace(0, 0)


class TrimmedLines(NamedTuple):
    """One step of trimming: how many lines went, and where to go on (None: it has seen all that is old)."""

    gone: int
    after: TrimPlace | None


class Wanted(NamedTuple):
    """What routing asks about some alerts (500 at most) of a workspace, and objects by kind and id.

    Of the deliveries of these alerts those are given that say who has heard what: without those that were suppressed,
    but for what a chain wanted told, what is of these versions, and the last one of each recipient by each channel.
    However often an alert rings, those that say nothing new are not read.
    """

    alert_ids: Collection[str] = ()
    versions: Collection[str] = ()
    objects: Mapping[str, Collection[str]] = {}


class Known(NamedTuple):
    """What there is of it: alerts by id, their deliveries, the oldest first, and objects by kind and id."""

    alerts: Mapping[str, Alert]
    lines: Mapping[str, Sequence[Delivery]]
    objects: Mapping[str, Mapping[str, StoredObject]]


class ToSend(NamedTuple):
    """A delivery, its alert (None: there is none any more), and all of that alert to the same recipient by the same
    channel, the oldest first, itself among them."""

    line: Delivery
    alert: Alert | None
    same: Sequence[Delivery]


class DeliveryStore(Protocol):
    """What the engine needs of a store to know who was told. Everything raises StoreUnavailable."""

    def deliveries_ended(self) -> Mapping[tuple[Channel, DeliveryState], int]:
        """How many lines ended how (came to be anything but queued) by what was stored here since it was opened: each
        once for each time that it was to be told, whoever moved it: routing, sending, or the end of its job."""

    async def deliveries_of(self, workspace: str, alert_ids: Sequence[str]) -> dict[str, list[Delivery]]:
        """All deliveries of these alerts, the oldest first; of at most 500 alerts at a time."""

    async def known_of(self, workspace: str, wanted: Wanted) -> Known:
        """What is asked for, of one moment."""

    async def to_send(self, workspace: str, key: str) -> ToSend | None:
        """What is to be known of the line with this key before it is sent, of one moment; None: there is none."""

    async def deliveries(self, workspace: str, alert_id: str, after: int, limit: int) -> list[LedgerLine]:
        """Those of one alert behind a number, the oldest first."""

    async def delivery(self, workspace: str, key: str) -> Delivery | None:
        """The one with this key."""

    async def keep_deliveries(self, deliveries: Sequence[Delivery], jobs: Sequence[NewJob] = ()) -> None:
        """Writes rows, or moves them on, and enqueues the jobs that carry them out, in one transaction."""

    async def answered(self, workspace: str, user: str, alert_ids: Sequence[str]) -> None:
        """Whoever was told of these alerts has acknowledged them; what is on its way counts as soon as he has it."""

    async def put_aside(self, workspace: str, place: tuple[Channel, str], due: int, limit: int) -> list[Delivery]:
        """What waits for the digest of a recipient that is due at this moment, the oldest first.

        Each digest has its own lines: two that are at work at the same time send nothing twice.
        """

    async def digests_due(self, until: int, limit: int, after: PutAside | None = None) -> list[PutAside]:
        """Recipients for whom something waits that was due before then, the longest due first; those behind `after`."""

    async def in_app(self, workspace: str, user: str, before: int | None, limit: int) -> list[LedgerLine]:
        """What a person was told in the app, newest first."""

    async def unread(self, workspace: str, user: str) -> int:
        """How much of it he has not read."""

    async def read(self, workspace: str, user: str, keys: Sequence[str] | None) -> int:
        """He has read these (None: all); how many of them were unread."""

    async def not_in_app(self, workspace: str, user: str, keys: Sequence[str]) -> list[str]:
        """Those of these keys by which he was told nothing in the app."""

    async def preceding(
        self, workspace: str, framework: str, job: int, until: int, alert_ids: Sequence[str] = ()
    ) -> int | None:
        """The newest older job that routes changes of one of these alerts (none given: of any) of this channel, has not
        ended, and is due until then (microseconds), or waits for another one. None: there is none.

        Of very many older jobs only the newest are looked through: then it may be one that concerns none of them. What
        such a job has settled with is seen by whoever reads the ledger after being told that there is none.
        """

    async def routing_of(self, workspace: str, framework: str, alert_id: str) -> int | None:
        """The newest job that is still to decide who is told of an alert; else the newest that failed or was cancelled.

        None: there is no such job, or none any more.
        """

    async def trim_deliveries(self, before: int, limit: int, after: TrimPlace = TRIM_START) -> TrimmedLines:
        """Looks at so many that have not changed since then, and deletes those that nothing asks for any more: not what
        is still to be told, and nothing of an alert that is open, or was after `before`."""
