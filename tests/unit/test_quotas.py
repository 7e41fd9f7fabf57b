"""What a workspace may send over all doors, and a user over HTTP."""

from __future__ import annotations

import msgspec
import pytest

from actors.bucket import Rate
from actors.throttle import RateLimits, RoleRates
from engine.access import quotas
from engine.access.quotas import Quotas, WiderRates
from protocol.errors import TooManyRequests
from protocol.limits import Limit
from protocol.model import Principal

RATES = RateLimits(people=RoleRates(Rate(1, 3), Rate(10, 20)), producers=RoleRates(Rate(100, 100), Rate(1_000, 1_000)))

WIDER = WiderRates(tokens_per_user=2, workspace_messages_per_s=8, workspace_items_per_s=50)


def who(user: str = "ann", workspace: str = "acme", role: str = "viewer", token: str = "") -> Principal:
    return Principal(workspace=workspace, user=user, role=role, expires_at=2**40, token_id=token)


class Desk:
    def __init__(self) -> None:
        self.now = 0.0
        self.counted: list[Limit] = []
        self.quotas = Quotas(RATES, WIDER, self.counted.append, lambda: self.now)


def test_a_token_has_its_roles_rate_of_requests_and_others_have_theirs() -> None:
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


def test_all_tokens_of_a_user_share_a_wider_rate() -> None:
    desk = Desk()
    for token in ("phone", "laptop"):
        for _ in range(3):
            desk.quotas.request(who(token=token))
    with pytest.raises(TooManyRequests, match="user_messages_per_s: 2 a second, 6 at once"):
        desk.quotas.request(who(token="script"))
    desk.quotas.items(who(token="phone"), 20)
    desk.quotas.items(who(token="laptop"), 20)
    with pytest.raises(TooManyRequests, match="user_items_per_s: 20 a second, 40 at once"):
        desk.quotas.items(who(token="script"), 1)
    assert desk.counted == [Limit.USER_MESSAGES_PER_S, Limit.USER_ITEMS_PER_S]


def test_a_token_without_an_id_is_known_by_when_it_was_issued_and_ends() -> None:
    desk = Desk()
    for _ in range(3):
        desk.quotas.request(who())
    with pytest.raises(TooManyRequests, match=r"\(messages_per_s"):
        desk.quotas.request(who())
    desk.quotas.request(msgspec.structs.replace(who(), issued_at=5))


def test_many_users_do_not_get_round_their_workspaces_rate_of_requests() -> None:
    desk = Desk()
    for user in range(8):
        desk.quotas.request(who(f"u{user}"))
    with pytest.raises(TooManyRequests, match="workspace_messages_per_s: 8 a second, 8 at once") as caught:
        desk.quotas.request(who("one more"))
    assert caught.value.retry_after_s == 0.125
    desk.quotas.request(who(workspace="rival"))


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
    # Three of whoever comes first, two more of each other user of the workspace.
    monkeypatch.setattr(quotas, "BUCKETS_MAX", 5)
    desk = Desk()
    for _ in range(3):
        desk.quotas.request(who("busy"))
    desk.quotas.request(who("a"))
    with pytest.raises(TooManyRequests):
        desk.quotas.request(who("busy"))
    desk.quotas.request(who("b"))
    with pytest.raises(TooManyRequests):
        desk.quotas.request(who("busy"))
