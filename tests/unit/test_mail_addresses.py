from __future__ import annotations

import pytest

from engine.notify.addresses import Mailbox, address_in


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("ada@example.com", Mailbox("ada@example.com")),
        ("  ada.l+alerts@mail.example.com ", Mailbox("ada.l+alerts@mail.example.com")),
        ("Tocsin <alerts@example.com>", Mailbox("alerts@example.com", "Tocsin")),
        ('"On call" <ops@example.com>', Mailbox("ops@example.com", "On call")),
        ("root@localhost", Mailbox("root@localhost")),
        ("jürgen@bücher.example", Mailbox("jürgen@xn--bcher-kva.example")),
    ],
)
def test_a_mailbox_is_taken_in_the_form_that_mail_servers_take(text: str, mailbox: Mailbox) -> None:
    assert address_in(text) == mailbox
    assert mailbox.domain == mailbox.address.rpartition("@")[2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@@example.com",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com\nRCPT TO:<eve@example.com>",
        "ada@example.com, eve@example.com",
        "ada eve@example.com",
        "Ada <ada@example.com> <eve@example.com>",
        "Ada\r\nBcc: x <ada@example.com>",
        "<ada@example.com\0>",
        ".ada@example.com",
        "ada..l@example.com",
        '"a b"@example.com',
        "ada@[127.0.0.1]",
        "ada@exa_mple.com",
        "ada@-example.com",
        "ada@" + "x" * 64 + ".com",
        "a" * 65 + "@example.com",
        "ada@" + ".".join(["x" * 60] * 5),
    ],
)
def test_what_is_no_single_mailbox_is_none(text: str) -> None:
    assert address_in(text) is None
