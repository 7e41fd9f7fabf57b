"""What one connection may send: by role, answered with the limit's name, and cut when it does not listen."""

from __future__ import annotations

import pytest

from actors.bucket import Rate
from actors.throttle import PEOPLE, PRODUCERS, RateLimits, RoleRates, Throttle, items_of
from protocol import messages as m
from protocol.errors import CloseCode, ConversationEnded, TooManyRequests
from protocol.items import ReadingInput, TriggerInput
from protocol.limits import Limit

SLOW = RateLimits(
    people=RoleRates(Rate(1, 3), Rate(10, 20)), producers=RoleRates(Rate(100, 100), Rate(1_000, 1_000)),
    refusals=Rate(1, 2),
)  # fmt: skip


def a_throttle(limits: RateLimits = SLOW) -> tuple[Throttle, list[Limit]]:
    counted: list[Limit] = []
    return Throttle(limits, counted.append, now=0.0), counted


def flood(throttle: Throttle, count: int, now: float = 0.0) -> int:
    """How many of so many messages were let through before the first refusal."""
    for done in range(count):
        try:
            throttle.message(now)
        except TooManyRequests:
            return done
    return count


@pytest.mark.parametrize("role", ["viewer", "responder", "editor", "anything"])
def test_people_have_fifty_messages_a_second_and_two_hundred_at_once(role: str) -> None:
    assert RateLimits().of(role) is PEOPLE
    assert PEOPLE.messages == (50, 200)


@pytest.mark.parametrize("role", ["producer", "admin"])
def test_programs_have_two_thousand_messages_and_fifty_thousand_items_a_second(role: str) -> None:
    assert RateLimits().of(role) is PRODUCERS
    assert (PRODUCERS.messages.per_s, PRODUCERS.items.per_s) == (2_000, 50_000)


def test_a_refusal_names_the_limit_its_rate_and_when_to_come_again() -> None:
    throttle, counted = a_throttle()
    assert flood(throttle, 3) == 3
    with pytest.raises(TooManyRequests) as caught:
        throttle.message(0.5)
    assert caught.value.message == (
        "too many messages (messages_per_s: 1 a second, 3 at once; 1 beyond that); nothing was done, again in 0.5 s"
    )
    assert (caught.value.code, caught.value.temporary, caught.value.retry_after_s) == (111, True, 0.5)
    assert counted == [Limit.MESSAGES_PER_S]


def test_items_are_taken_all_or_none() -> None:
    throttle, counted = a_throttle()
    throttle.items(15, 0.0)
    with pytest.raises(TooManyRequests, match="items_per_s: 10 a second, 20 at once"):
        throttle.items(6, 0.0)
    throttle.items(5, 0.0)
    assert counted == [Limit.ITEMS_PER_S]


def test_who_is_refused_too_often_is_cut_with_3013() -> None:
    throttle, counted = a_throttle()
    flood(throttle, 4)
    with pytest.raises(TooManyRequests):
        throttle.message(0.0)
    with pytest.raises(ConversationEnded) as caught:
        throttle.message(0.0)
    assert (caught.value.code, caught.value.limit) == (CloseCode.TOO_MANY_REQUESTS, Limit.REFUSALS)
    assert caught.value.reason == "2 refusals of too many messages (messages_per_s: 1 a second, 3 at once)"
    assert len(caught.value.reason.encode()) <= 123
    assert counted == [Limit.MESSAGES_PER_S] * 3


def test_refusals_with_pauses_between_them_are_forgiven() -> None:
    throttle, _ = a_throttle()
    flood(throttle, 3)
    for second in range(1, 21):
        throttle.message(float(second))
        with pytest.raises(TooManyRequests):
            throttle.message(float(second))


def test_a_known_role_has_its_own_rate_and_saying_auth_again_fills_nothing() -> None:
    throttle, _ = a_throttle()
    flood(throttle, 3)
    throttle.authenticated("producer", 0.0)
    assert flood(throttle, 200) == 100
    throttle.authenticated("admin", 0.0)
    assert flood(throttle, 1) == 0


@pytest.mark.parametrize(
    ("message", "items"),
    [
        (m.Trigger(alert=TriggerInput(framework_id="a")), 1),
        (m.Trigger(alerts=[TriggerInput(framework_id="a")] * 7), 7),
        (m.Reading(readings=[ReadingInput(framework_id="a", metric="b", value=1.0)] * 3), 3),
        (m.Acknowledge(alert_id="a"), 1),
        (m.Acknowledge(alert_ids=["a", "b"]), 2),
        (m.Resolve(alert_ids=["a", "b", "c"]), 3),
        (m.Ping(), 1),
    ],
)
def test_items_are_what_a_request_is_about(message: m.ClientMessage, items: int) -> None:
    assert items_of(message) == items
