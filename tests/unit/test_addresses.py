"""Whose address a peer has, behind proxies that are trusted and others."""

from __future__ import annotations

import pytest

from actors.addresses import FORWARDED_MAX_CHARS, Proxies, address_key, is_loopback

PROXIES = Proxies(("10.0.0.0/8", "fd00::1"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7:51234", "203.0.113.7"),
        ("10.0.0.1", '"203.0.113.7"', "203.0.113.7"),
        ("10.0.0.1", '"[2001:db8::1]:51234", 10.0.0.9:80', "2001:db8::1"),
        ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "203.0.113.7:http", "10.0.0.1"),
        ("10.0.0.1", "[2001:db8::1]garbage", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("fd00::1", "6.6.6.6, 203.0.113.7, 10.9.9.9", "203.0.113.7"),
        ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7, unknown", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7," + " " * FORWARDED_MAX_CHARS, "10.0.0.1"),
        ("198.51.100.1", "203.0.113.7", "198.51.100.1"),
        ("", "203.0.113.7", ""),
    ],
)
def test_only_a_trusted_proxy_tells_for_whom_it_speaks(peer: str, forwarded_for: str | None, client: str) -> None:
    assert PROXIES.client(peer, forwarded_for) == client


def test_what_a_trusted_proxy_writes_and_nobody_can_read_is_counted() -> None:
    proxies = Proxies(("10.0.0.1",))
    for header in ("unknown", "", "203.0.113.7, _hidden", "203.0.113.7", None):
        proxies.client("10.0.0.1", header)
    proxies.client("198.51.100.1", "unknown")
    assert proxies.unreadable == 3


def test_without_proxies_nobody_is_believed() -> None:
    assert Proxies().client("10.0.0.1", "203.0.113.7") == "10.0.0.1"


@pytest.mark.parametrize(
    ("address", "key"),
    [("203.0.113.7", "203.0.113.7"), ("2001:db8::1", "2001:db8::/64"), ("::ffff:1.2.3.4", "1.2.3.4"), ("?", "?")],
)
def test_what_counts_as_one_address(address: str, key: str) -> None:
    assert address_key(address) == key


def test_loopback_is_this_machine() -> None:
    assert [is_loopback(each) for each in ("127.9.9.9", "::1", "10.0.0.1", "")] == [True, True, False, False]
