"""Which addresses may be connected to: every special one of the registries is refused, in every notation."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.addresses import Networks, is_public, plain

NOT_PUBLIC = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.1.2.3"),
    *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1"),
    *("198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
    *("::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "2001::1"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2002:7f00:1::", "2002:808:808::", "3fff::1", "5f00::1"),
    *("fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0", "fec0::1", "ff02::1"),
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "192.0.1.1", "198.17.255.255", "223.255.255.255"]
PUBLIC += ["2606:4700:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_what_is_not_public_is_not_connected_to(text: str) -> None:
    assert not Networks().allow(text)


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_public_is_connected_to(text: str) -> None:
    assert Networks().allow(text)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "2130706433", "0x7f000001", "1.2.3.4.5", "1.2.3.4 "])
def test_what_is_no_address_is_not_connected_to(text: str) -> None:
    assert not Networks().allow(text)
    assert not Networks(["0.0.0.0/0", "::/0"]).allow(text)


def test_a_network_that_the_operator_lists_is_allowed_in_every_notation_and_no_other() -> None:
    networks = Networks(["127.0.0.1/32", "fd00::/8"])
    assert [networks.allow(text) for text in ("127.0.0.1", "::ffff:127.0.0.1", "fd00::7")] == [True] * 3
    assert [networks.allow(text) for text in ("127.0.0.2", "10.0.0.1", "fe80::1", "::1")] == [False] * 4


def test_a_network_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/33"):
        Networks(["10.0.0.0/33"])


@given(st.ip_addresses(v=4))
def test_an_address_is_judged_alike_in_each_of_its_notations(address: IPv4Address) -> None:
    mapped, nat64 = IPv6Address(f"::ffff:{address}"), IPv6Address(f"64:ff9b::{address}")
    assert plain(mapped) == plain(nat64) == address
    assert Networks().allow(str(mapped)) is Networks().allow(str(nat64)) is is_public(address)


@given(st.ip_addresses())
def test_what_the_standard_library_knows_to_be_private_is_never_public(address: IPv4Address | IPv6Address) -> None:
    if ip_address(address).is_private or address.is_multicast or address.is_loopback or address.is_link_local:
        assert not (is_public(plain(address)) and plain(address) == address)
