"""What a workspace may send over all doors, and a user over HTTP."""

from __future__ import annotations

import pytest

from actors.bucket import Rate
from actors.throttle import RateLimits, RoleRates
from engine import quotas
from engine.quotas import Quotas
from protocol.errors import TooManyRequests
from protocol.limits import Limit
from protocol.model import Principal

RATES = RateLimits(people=RoleRates(Rate(1, 3), Rate(10, 20)), producers=RoleRates(Rate(100, 100), Rate(1_000, 1_000)))


def who(user: str = "ann", workspace: str = "acme", role: str = "viewer") -> Principal:
    return Principal(workspace=workspace, user=user, role=role, expires_at=2**40)


class Desk:
    def __init__(self) -> None:
        self.now = 0.0
        self.counted: list[Limit] = []
        self.quotas = Quotas(RATES, 50.0, self.counted.append, lambda: self.now)


def test_a_user_has_his_roles_rate_of_requests_and_others_have_theirs() -> None:
    desk = Desk()
    for _ in range(3):
        desk.quotas.request(who())
    with pytest.raises(TooManyRequests, match="messages_per_s: 1 a second, 3 at once") as caught:
        desk.quotas.request(who())
    assert (caught.value.retry_after_s, desk.counted) == (1.0, [Limit.MESSAGES_PER_S])
    desk.quotas.request(who("eve"))
    desk.quotas.request(who(workspace="rival"))
    desk.now = 1.0
    desk.quotas.request(who())


def test_items_of_a_request_are_taken_all_or_none() -> None:
    desk = Desk()
    desk.quotas.items(who(), 15)
    with pytest.raises(TooManyRequests, match="items_per_s: 10 a second, 20 at once"):
        desk.quotas.items(who(), 6)
    desk.quotas.items(who(), 5)
    desk.quotas.items(who(role="producer"), 1_000)


def test_a_workspace_has_one_rate_for_all_its_users_and_doors() -> None:
    desk = Desk()
    desk.quotas.workspace_items("acme", 50)
    with pytest.raises(TooManyRequests, match="workspace_items_per_s: 50 a second, 50 at once"):
        desk.quotas.workspace_items("acme", 1)
    desk.quotas.workspace_items("rival", 50)
    assert desk.counted == [Limit.WORKSPACE_ITEMS_PER_S]


def test_who_was_not_seen_for_longest_is_forgotten_at_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "BUCKETS_MAX", 2)
    desk = Desk()
    for _ in range(3):
        desk.quotas.request(who("busy"))
    desk.quotas.request(who("a"))
    with pytest.raises(TooManyRequests):
        desk.quotas.request(who("busy"))
    desk.quotas.request(who("b"))
    with pytest.raises(TooManyRequests):
        desk.quotas.request(who("busy"))
