"""Addresses of the web are taken apart strictly: what two readers could read differently is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.targets import Target, TargetInvalid, parse_target

REFUSED = {
    "ftp://example.com/": "use https: or http:",
    "file:///etc/passwd": "use https: or http:",
    "gopher://example.com/_x": "use https: or http:",
    "javascript:alert(1)": "https://host/path",
    "//example.com/": "https://host/path",
    "example.com/hook": "https://host/path",
    "": "https://host/path",
    "https://": "host is a name",
    "https:///path": "host is a name",
    "https://user@example.com/": "a user before the host",
    "https://user:pw@example.com/": "a user before the host",
    "https://example.com@127.0.0.1/": "a user before the host",
    "https://example.com\\@127.0.0.1/": "backslashes",
    "https://example.com/\\evil": "backslashes",
    "https://example.com/#x": "backslashes and fragments",
    "https://example.com#@evil.com/": "https://host/path",
    "https://example.com/a b": "https://host/path",
    "https://example.com/\r\nHost: evil": "https://host/path",
    "https://example.com/\x00": "https://host/path",
    "https://example.com/é": "https://host/path",
    "https://exämple.com/": "host is a name in ASCII",
    "https://①②⑦.⓪.⓪.①/": "host is a name in ASCII",
    "https://127。0。0。1/": "host is a name in ASCII",
    "https://127.1/": "four decimal numbers",
    "https://127.0.1/": "four decimal numbers",
    "https://2130706433/": "four decimal numbers",
    "https://0x7f000001/": "four decimal numbers",
    "https://0x7f.0.0.1/": "four decimal numbers",
    "https://0177.0.0.1/": "four decimal numbers",
    "https://017700000001/": "four decimal numbers",
    "https://127.0.0.0x1/": "four decimal numbers",
    "https://1.2.3.4.5/": "four decimal numbers",
    "https://127.0.0.1..": "no name",
    "https://256.1.1.1/": "four decimal numbers",
    "https://a.0x/": "four decimal numbers",
    "https://[::1/": "host is a name",
    "https://[fe80::1%25eth0]/": "host is a name",
    "https://[1.2.3.4]/": "no IPv6 address",
    "https://[:::]/": "no IPv6 address",
    "https://-a.example/": "no name",
    "https://a..b/": "no name",
    "https://%31%32%37.0.0.1/": "host is a name",
    f"https://{'a' * 64}.com/": "no name",
    f"https://{'a.' * 130}com/": "no name",
    f"https://example.com/{'a' * 2048}": "characters",
    "https://example.com:/": "host is a name",
    "https://example.com:0/": "nothing is sent to port 0",
    "https://example.com:22/": "nothing is sent to port 22",
    "https://example.com:25/": "nothing is sent to port 25",
    "https://example.com:6379/": "nothing is sent to port 6379",
    "https://example.com:65536/": "nothing is sent to port 65536",
    "https://example.com:8o80/": "host is a name",
}


@pytest.mark.parametrize(("url", "reason"), REFUSED.items())
def test_what_could_be_read_in_two_ways_is_refused_with_a_reason(url: str, reason: str) -> None:
    with pytest.raises(TargetInvalid) as refused:
        parse_target(url)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com", Target("https", "example.com", 443, "/")),
        ("HTTPS://Example.COM./Hook?x=1", Target("https", "example.com", 443, "/Hook?x=1")),
        ("http://example.com:8080?x=1", Target("http", "example.com", 8080, "/?x=1")),
        ("http://127.0.0.1:40000/a", Target("http", "127.0.0.1", 40000, "/a")),
        ("http://[::FFFF:7f00:1]:80/", Target("http", "::ffff:7f00:1", 80, "/")),
        ("https://xn--exmple-cua.com:80/", Target("https", "xn--exmple-cua.com", 80, "/")),
        ("https://my_service:8443/%0d%0a", Target("https", "my_service", 8443, "/%0d%0a")),
    ],
)
def test_an_address_is_taken_apart(url: str, target: Target) -> None:
    assert parse_target(url) == target


@pytest.mark.parametrize(
    ("url", "authority", "masked"),
    [
        ("https://example.com/T00/secret", "example.com", "https://example.com/…"),
        ("https://example.com", "example.com", "https://example.com/"),
        ("http://[2606:4700::1]:8080/?key=secret", "[2606:4700::1]:8080", "http://[2606:4700::1]:8080/…"),
        ("http://192.0.2.1/", "192.0.2.1", "http://192.0.2.1/"),
    ],
)
def test_a_target_is_shown_without_what_may_be_secret(url: str, authority: str, masked: str) -> None:
    target = parse_target(url)
    assert (target.authority, target.masked) == (authority, masked)


@given(st.text(max_size=80).map(lambda text: f"https://{text}") | st.text(max_size=80))
def test_whatever_is_written_is_a_target_or_refused(text: str) -> None:
    try:
        target = parse_target(text)
    except TargetInvalid:
        return
    assert target.host.isascii() and target.path.isascii() and target.path.startswith("/")
    assert parse_target(f"{target.scheme}://{target.authority}{target.path}") == target
