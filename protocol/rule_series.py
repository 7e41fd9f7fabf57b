"""What a rule sees now: one entry for each series that it watches, and how a channel is asked for them."""

from __future__ import annotations

import enum

import msgspec

from protocol.items import ItemResult
from protocol.model import Reason, Status


class SeriesState(enum.Enum):
    """Where a rule stands with a series.

    `pending`: it holds, but not yet for as long as `for_s` says. `keeping`: it holds no more, and goes on ringing for
    `keep_firing_for_s`. `no_data`: nothing was heard for `no_data_s`.
    """

    IDLE = "idle"
    PENDING = "pending"
    FIRING = "firing"
    KEEPING = "keeping"
    NO_DATA = "no_data"


class SeriesSeen(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A rule on one series, now. `value` is what the rule made of its readings, held against `limit`.

    `since` and `last_at` (the newest reading) are times of the readings; of `no_data`, `since` is when the last one
    came. `until` is the engine's time at which `pending` fires, or `keeping` ends, if nothing else is heard. `alert_id`
    is the open alert of the series; `no_data_alert_id` the one that says it is silent. `reached` names what of a
    milestone was told; its alert is that of the highest.
    """

    framework_id: str
    labels: dict[str, str]
    state: SeriesState
    value: float | None
    limit: float | None
    last_at: str | None
    since: str | None = None
    until: str | None = None
    alert_id: str | None = None
    no_data_alert_id: str | None = None
    reached: tuple[str, ...] = ()


class ListSeries(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A question to a channel: the series of a rule, in the order in which they came up. Changes nothing.

    `after`: the number of the last one that was looked at. No `states`: all.
    """

    rule: str
    after: int = 0
    limit: int = 50
    states: tuple[SeriesState, ...] = ()


class SeriesListed(ItemResult, frozen=True, gc=False, kw_only=True):
    """A page of them, and where the next one starts (None: there is none).

    An answer that is recalled after a crash has lost its page: it reads as the fields before that say.
    """

    status: Status = Status.REJECTED
    reason: Reason = Reason.BUSY
    items: tuple[SeriesSeen, ...] = ()
    next_after: int | None = None

    def lost(self) -> ItemResult:
        """What is left of it without its page."""
        return ItemResult(status=self.status, reason=self.reason)
