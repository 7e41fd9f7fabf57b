"""Whose turn it is among messages to one recipient."""

from __future__ import annotations

from typing import Any

from engine.core.turns import ahead_of, in_line
from protocol.notify import Channel, Delivery, DeliveryState, Recipient
from tests.support.deliveries import a_delivery
from tests.support.stores import NOW


def lines(*changes: dict[str, Any]) -> list[Delivery]:
    return [a_delivery(version=str(number), **each) for number, each in enumerate(changes)]


def test_who_comes_after_others_waits_for_the_last_of_them() -> None:
    first, second, third = lines({}, {}, {"state": DeliveryState.SENT})
    assert ahead_of([first, second, third], NOW) == second
    assert ahead_of([third], NOW) is None
    assert ahead_of([], NOW) is None


def test_a_digest_is_waited_for_when_it_is_due_and_not_before() -> None:
    (aside,) = lines({"due": NOW})
    assert ahead_of([aside], NOW) == aside
    assert ahead_of([aside], NOW - 1) is None


def test_each_recipient_and_channel_is_a_line_of_its_own() -> None:
    first, second = lines({}, {})
    others = [a_delivery(recipient=Recipient(user="bob")), a_delivery(channel=Channel.SLACK)]
    assert in_line([first, *others, second], NOW) == {second.key: first}


def test_what_is_over_or_put_aside_waits_for_nobody() -> None:
    first, told, aside, last = lines({}, {"state": DeliveryState.DELIVERED}, {"due": NOW}, {})
    assert in_line([first, told, aside, last], NOW) == {last.key: aside}
