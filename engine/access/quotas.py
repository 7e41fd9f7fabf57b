"""How much may be asked over HTTP with one token, by one user, in one workspace; and sent to a workspace by any door.

Owns: a bucket for each token, user and workspace that sends. What a socket may send is bounded beside it, by
`actors.throttle`; HTTP requests come one by one, so their rates hold for each token as there for each connection. All
tokens of a user together may do a few times as much, and a workspace has a rate of its own: neither many tokens nor
many users get round it. Who is refused by a wider bucket has paid the narrower ones: he was too fast all the same.
Synchronous and cheap: three look-ups and subtractions a request. Buckets that were not used for longest are forgotten
at a bound, which gives somebody his burst again and nothing worse.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from actors.bucket import Bucket, Rate
from actors.throttle import RateLimits, too_many
from protocol.limits import Limit
from protocol.model import Principal

# About 200 bytes each. An engine has fewer users at a time than connections.
BUCKETS_MAX = 20_000
Key = tuple[str, ...]


@dataclass(frozen=True)
class WiderRates:
    """What a user may do with all his tokens (so many times as much as with one), and a workspace."""

    tokens_per_user: int = 4
    workspace_messages_per_s: float = 5_000.0
    workspace_items_per_s: float = 500_000.0


class Quotas:
    """The buckets of tokens, users and workspaces. `time`: seconds of any clock that does not go back."""

    def __init__(
        self,
        rates: RateLimits,
        wider: WiderRates,
        count_refusal: Callable[[Limit], None],
        time: Callable[[], float],
    ) -> None:
        self._rates = rates
        self._wider = wider
        # A second's worth at once.
        self._workspace = Rate(wider.workspace_items_per_s, wider.workspace_items_per_s)
        self._workspace_requests = Rate(wider.workspace_messages_per_s, wider.workspace_messages_per_s)
        self._count_refusal = count_refusal
        self._time = time
        self._buckets: OrderedDict[Key, Bucket] = OrderedDict()

    def request(self, who: Principal) -> None:
        """One HTTP request with this token. Raises TooManyRequests."""
        rate = self._rates.of(who.role).messages
        self._take(Limit.MESSAGES_PER_S, _token(who), who.role, rate, 1, "requests")
        self._take(Limit.USER_MESSAGES_PER_S, _user(who), who.role, self._of_user(rate), 1, "requests of this user")
        limit = Limit.WORKSPACE_MESSAGES_PER_S
        self._take(limit, (who.workspace,), "", self._workspace_requests, 1, "requests in this workspace")

    def items(self, who: Principal, count: int) -> None:
        """So many items over HTTP with this token. Raises TooManyRequests."""
        rate = self._rates.of(who.role).items
        self._take(Limit.ITEMS_PER_S, _token(who), who.role, rate, count, "items")
        self._take(Limit.USER_ITEMS_PER_S, _user(who), who.role, self._of_user(rate), count, "items of this user")

    def _of_user(self, rate: Rate) -> Rate:
        return Rate(rate.per_s * self._wider.tokens_per_user, rate.burst * self._wider.tokens_per_user)

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


def _user(who: Principal) -> Key:
    return (who.workspace, who.user)


def _token(who: Principal) -> Key:
    """What tells a token from another: its `jti`, else what else is known of it; the same for a ticket made with it."""
    return (who.workspace, who.user, who.token_id or f"{who.issued_at} {who.expires_at} {who.key}")
