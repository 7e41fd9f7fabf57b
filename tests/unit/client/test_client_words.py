"""Names, addresses and bytes."""

from __future__ import annotations

import pytest

from protocol.codec import WireForm
from tests.support.client_scripts import Clock, Talk, a_client, follows
from tocsin.client import Client, channel_name
from tocsin.connection import Endpoint


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("web", "alerts:web"),
        ("alerts:web", "alerts:web"),
        ("project:7", "project:7"),
        ("workspace", "workspace"),
        ("alerts:*", "workspace"),
        ("user", "user"),
        ("user:ann", "user:ann"),
    ],
)
def test_channels_have_short_names(given: str, name: str) -> None:
    assert channel_name(given) == name


def test_an_endpoint_is_read_from_its_url() -> None:
    assert Endpoint.of("ws://host:1/x?y=1") == Endpoint("host", 1, "/x?y=1", None)
    assert Endpoint.of("ws://host").authority == "host:80"
    assert Endpoint.of("ws://[::1]:3008").authority == "[::1]:3008"
    assert Endpoint.of("wss://host").port == 443
    assert Endpoint.of("wss://host").tls is not None


@pytest.mark.parametrize("url", ["http://host", "ws://", "ws://user@host", "ws://host/#token", "host:3008"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="use ws://HOST:PORT"):
        Client(url, "t")


@pytest.mark.parametrize(
    "url", ["ws://host/é", "ws://host/a b", "ws://host/?x=é", "ws://" + 64 * "a" + ".com", "ws://a..b/"]
)
def test_a_url_that_cannot_be_said_in_http_is_refused_before_anybody_is_asked(url: str) -> None:
    with pytest.raises(ValueError, match="write %XX for what is not ASCII"):
        Client(url, "t")


def test_a_host_beyond_ascii_is_one() -> None:
    assert Endpoint.of("ws://bücher.example/%C3%A9").path == "/%C3%A9"


def test_a_certificate_without_tls_is_refused() -> None:
    context = Endpoint.of("wss://host").tls
    with pytest.raises(ValueError, match="use wss://"):
        Client("ws://host", "t", ssl_context=context)


async def test_the_wire_form_can_be_chosen(serve: Talk, autojump_clock: Clock) -> None:
    server = serve(follows, subprotocol="tocsin.v1.json")
    async with a_client(form=WireForm.JSON) as client:
        await client.subscribe("web")
    assert server.offered == [("tocsin.v1.json",)]
