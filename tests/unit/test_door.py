"""Who may come in: limits per address and in all, proxies, unfinished handshakes, memory."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from actors.addresses import address_key
from actors.door import Door, DoorLimits, Visit
from actors.roster import Roster
from actors.upgrade import HandshakeRefused, Upgrade
from protocol.limits import Limit
from tests.support.actors import Recorder

OUTSIDE = "203.0.113.7"


def a_door(**limits: Any) -> tuple[Door, Roster]:
    roster = Roster(Recorder())
    return Door(roster, frozenset(), DoorLimits(**limits)), roster


def upgrade(forwarded_for: str | None = None, path: str = "/ws") -> Upgrade:
    return Upgrade(path, None, (), forwarded_for)


def refusal(visit: Visit) -> tuple[int, Limit | None]:
    assert visit.refusal is not None
    return visit.refusal.status, visit.refusal.limit


def refused(door: Door, visit: Visit, forwarded_for: str | None = None) -> tuple[int, Limit | None]:
    with pytest.raises(HandshakeRefused) as caught:
        door.admit(visit, upgrade(forwarded_for))
    return caught.value.status, caught.value.limit


def test_an_address_has_so_many_connections_and_one_more_is_429_until_one_goes() -> None:
    door, _ = a_door(per_address_max=2)
    first, second = door.knock(OUTSIDE), door.knock(OUTSIDE)
    door.admit(first, upgrade())
    third = door.knock(OUTSIDE)
    assert refusal(third) == (429, Limit.CONNECTIONS_PER_ADDRESS)
    assert str(third.refusal) == "429 2 connections from this address, limit 2; close some first"
    assert door.knock("203.0.113.8").refusal is None, "others are not held responsible"
    door.leave(third)
    door.leave(first)
    assert door.knock(OUTSIDE).refusal is None
    door.leave(second)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_programs_of_this_machine_are_not_counted_by_address(address: str) -> None:
    door, _ = a_door(per_address_max=1)
    assert [door.knock(address).refusal for _ in range(5)] == [None] * 5


def test_the_clients_of_a_trusted_proxy_are_counted_by_the_address_that_it_names() -> None:
    door, _ = a_door(per_address_max=1, trusted_proxies=("10.0.0.0/8",))
    first = door.knock("10.1.2.3")
    door.admit(first, upgrade(OUTSIDE))
    assert first.address == OUTSIDE
    assert refused(door, door.knock("10.1.2.3"), OUTSIDE) == (429, Limit.CONNECTIONS_PER_ADDRESS)
    door.admit(door.knock("10.1.2.3"), upgrade("203.0.113.8"))
    door.leave(first)
    door.admit(door.knock("10.1.2.3"), upgrade(OUTSIDE))


def test_what_a_client_writes_into_the_header_itself_changes_nothing() -> None:
    door, _ = a_door(per_address_max=1, trusted_proxies=("10.0.0.1",))
    visit = door.knock("10.0.0.1")
    door.admit(visit, upgrade(f"1.2.3.4, {OUTSIDE}, 10.0.0.1"))
    assert visit.address == OUTSIDE, "the nearest that is no proxy of ours"
    stranger = door.knock(OUTSIDE)
    assert refusal(stranger) == (429, Limit.CONNECTIONS_PER_ADDRESS), "with or without a proxy it is one address"
    liar = door.knock("203.0.113.9")
    door.admit(liar, upgrade("8.8.8.8"))
    assert liar.address == "203.0.113.9", "who is no proxy is not believed"


@pytest.mark.parametrize("header", ["unknown", "", "10.0.0.1", "a, b, c", "1.2.3.4, ", "x" * 10_000])
def test_a_header_that_names_nobody_leaves_the_proxys_own_address(header: str) -> None:
    door, _ = a_door(per_address_max=1, trusted_proxies=("10.0.0.1",))
    visit = door.knock("10.0.0.1")
    door.admit(visit, upgrade(header))
    assert visit.address == "10.0.0.1"


def test_a_proxy_that_names_nobody_is_counted_each_time_and_logged_once() -> None:
    door, roster = a_door(per_address_max=1, trusted_proxies=("10.0.0.1",))
    with capture_logs() as logs:
        for header in ("unknown", "nobody", OUTSIDE):
            door.admit(door.knock("10.0.0.1"), upgrade(header))
    assert roster.statistics()["forwarded_unreadable"] == 2
    assert [(line["event"], line["header"]) for line in logs] == [("forwarded_address_unreadable", "unknown")]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.8", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("a socket in memory", "another", False),
    ],
)
def test_an_ipv6_subscriber_is_one_address(one: str, other: str, same: bool) -> None:
    assert (address_key(one) == address_key(other)) is same


def test_whoever_is_at_the_door_counts_towards_all() -> None:
    door, _ = a_door(connections_max=2)
    first, _ = door.knock(OUTSIDE), door.knock(OUTSIDE)
    third = door.knock(OUTSIDE)
    assert refusal(third) == (503, Limit.CONNECTIONS)
    assert str(third.refusal) == "503 2 connections, limit 2; try again later"
    door.leave(third)
    door.leave(first)
    assert door.knock(OUTSIDE).refusal is None


def test_a_refused_one_takes_up_nobodys_place() -> None:
    door, _ = a_door(connections_max=1)
    lost = door.knock(OUTSIDE)
    with pytest.raises(HandshakeRefused):
        door.admit(lost, upgrade(path="/nowhere"))
    assert door.knock(OUTSIDE).refusal is None
    door.leave(lost)


async def test_with_too_many_unfinished_handshakes_the_oldest_gives_way() -> None:
    door, _ = a_door(handshakes_max=2)
    visits = [door.knock(OUTSIDE) for _ in range(3)]
    assert [visit.scope.cancel_called for visit in visits] == [True, False, False]
    told = door.eviction(visits[0])
    assert (told.status, told.limit) == (503, Limit.HANDSHAKES)
    assert told.reason == "2 unfinished handshakes, limit 2; try again"
    door.leave(visits[0])
    door.admit(visits[1], upgrade())
    assert not door.knock(OUTSIDE).scope.cancel_called
    assert not visits[2].scope.cancel_called, "who is inside takes up no place at the door"


async def test_who_gave_way_as_the_request_arrived_is_told_so_and_takes_up_no_place() -> None:
    door, _ = a_door(handshakes_max=1, connections_max=1)
    early = door.knock(OUTSIDE)
    late = door.knock(OUTSIDE)
    assert refused(door, early) == (503, Limit.HANDSHAKES)
    door.leave(early)
    door.admit(late, upgrade())
    assert door.knock(OUTSIDE).refusal is None, "nobody who has left takes up a place"


def test_who_was_refused_already_hears_that_when_he_gives_way() -> None:
    door, _ = a_door(handshakes_max=1, per_address_max=1)
    door.admit(door.knock(OUTSIDE), upgrade())
    lingering = door.knock(OUTSIDE)
    door.knock("203.0.113.8")
    assert door.eviction(lingering) is lingering.refusal
    assert refusal(lingering) == (429, Limit.CONNECTIONS_PER_ADDRESS)


def test_nobody_new_comes_in_while_memory_is_short() -> None:
    door, roster = a_door()
    early = door.knock(OUTSIDE)
    roster.overloaded("2 GB of memory in use, soft limit 1 GB")
    assert refused(door, early) == (503, Limit.MEMORY)
    late = door.knock(OUTSIDE)
    assert refusal(late) == (503, Limit.MEMORY)
    assert str(late.refusal) == "503 2 GB of memory in use, soft limit 1 GB; try again later"
    roster.overloaded("")
    assert door.knock(OUTSIDE).refusal is None


def test_a_closed_door_stays_closed() -> None:
    door, _ = a_door()
    door.close()
    assert refusal(door.knock(OUTSIDE)) == (503, None)
