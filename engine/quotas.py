"""How much a workspace may send over all doors together, and a user over HTTP.

Owns: a bucket for each workspace and each user that sends. What a socket may send is bounded beside it, by
`actors.throttle`; HTTP requests come one by one, so their rates hold for each user. Synchronous and cheap: one look-up
and one subtraction a request. Buckets that were not used for longest are forgotten at a bound, which gives somebody his
burst again and nothing worse.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from actors.bucket import Bucket, Rate
from actors.throttle import RateLimits, too_many
from protocol.limits import Limit
from protocol.model import Principal

# About 200 bytes each. An engine has fewer users at a time than connections.
BUCKETS_MAX = 20_000
Key = tuple[str, ...]


class Quotas:
    """The buckets of workspaces and users. `time`: seconds of any clock that does not go back."""

    def __init__(
        self,
        rates: RateLimits,
        workspace_items_per_s: float,
        count_refusal: Callable[[Limit], None],
        time: Callable[[], float],
    ) -> None:
        self._rates = rates
        # A second's worth at once.
        self._workspace = Rate(workspace_items_per_s, workspace_items_per_s)
        self._count_refusal = count_refusal
        self._time = time
        self._buckets: OrderedDict[Key, Bucket] = OrderedDict()

    def request(self, who: Principal) -> None:
        """One HTTP request of this user. Raises TooManyRequests."""
        rate = self._rates.of(who.role).messages
        self._take(Limit.MESSAGES_PER_S, (who.workspace, who.user), who.role, rate, 1, "requests")

    def items(self, who: Principal, count: int) -> None:
        """So many items of this user over HTTP. Raises TooManyRequests."""
        rate = self._rates.of(who.role).items
        self._take(Limit.ITEMS_PER_S, (who.workspace, who.user), who.role, rate, count, "items")

    def workspace_items(self, workspace: str, count: int) -> None:
        """So many items for this workspace, through whichever door. Raises TooManyRequests."""
        limit = Limit.WORKSPACE_ITEMS_PER_S
        self._take(limit, (workspace,), "", self._workspace, count, "items in this workspace")

    def _take(self, limit: Limit, owner: Key, role: str, rate: Rate, count: int, what: str) -> None:
        now, key = self._time(), (limit.value, role, *owner)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(rate, now)
            if len(self._buckets) > BUCKETS_MAX:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        if wait_s := bucket.take(count, now):
            self._count_refusal(limit)
            raise too_many(limit, what, rate, wait_s)
