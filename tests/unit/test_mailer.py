"""E-mail against real servers: what a mail program reads, how a connection begins, and how long it is kept."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.configuration.fields import Secret
from engine.notify.addresses import Mailbox
from engine.notify.letters import letter_of
from engine.notify.mailer import AWAY_S
from engine.notify.ports import Sent, TryLater
from engine.sections.smtp import Smtp
from protocol.notify import Change, Outgoing, Recipient, Rendered
from tests.support.certificates import Authority
from tests.support.mail_servers import PASSWORD, SENDER, USER, mail_server, scripted
from tests.support.mailing import BOX, MAIL, NOW, mailing, of, rendered
from tests.support.notices import ALERT, HOSTILE, a_message, an_alert


async def test_a_mail_program_reads_both_parts_and_all_headers():
    with mail_server() as server:
        async with mailing(server.config()) as mailer:
            assert await mailer.send(MAIL) == Sent()
    (mail,) = server.inbox.mails
    assert server.inbox.taken[0][:2] == ("alerts@tocsin.example", "ada@example.com")
    assert mail.get_content_type() == "multipart/alternative"
    plain, rich = mail.iter_parts()
    assert (plain.get_content_type(), rich.get_content_type()) == ("text/plain", "text/html")
    assert plain.get_content().replace("\r\n", "\n") == MAIL.rendered.text
    assert rich.get_content().replace("\r\n", "\n") == MAIL.rendered.html
    assert mail["Subject"] == "[CRITICAL] Disk full on h1"
    assert (mail["From"], mail["To"]) == (SENDER, "ada@example.com")
    assert mail["Message-ID"] == f"<{MAIL.key}@tocsin.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime.timestamp() == NOW // 1_000_000
    assert mail["X-Tocsin-Preferences"] == "https://alerts.example.com/api/v1/preferences"
    assert (mail["X-Tocsin-Severity"], mail["X-Tocsin-Change"]) == ("critical", "fired")


def letter(message: Outgoing, to: str = "ada@example.com") -> Any:
    made = letter_of(message, message.rendered, BOX, Mailbox(to), NOW, "")
    assert all(len(line) <= 998 for line in made.content.split(b"\r\n"))
    assert re.search(rb"(?<!\r)\n", made.content) is None
    return message_from_bytes(made.content, policy=default)


def test_a_link_for_mail_programs_is_one_line_as_it_is_however_long():
    link = f"<https://alerts.example.com/act/leave/{'aB1_-' * 150}>"
    headers = (("List-Unsubscribe", link), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"), ("X-Of", "us"))
    made = letter_of(replace(MAIL, headers=headers), MAIL.rendered, BOX, Mailbox("ada@example.com"), NOW, "")
    assert (
        f"\r\nList-Unsubscribe: {link}\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode()
        in made.content
    )
    assert message_from_bytes(made.content, policy=default)["X-Of"] == "us"


@pytest.mark.parametrize("value", ["<https://ü.example>", "<x>\r\nBcc: eve@example.com", f"<{'x' * 999}>"])
def test_what_is_no_line_of_ascii_is_no_link_for_mail_programs(value: str):
    assert letter(replace(MAIL, headers=(("List-Unsubscribe", value),)))["List-Unsubscribe"] is None


def test_all_mails_about_an_alert_are_one_thread_and_each_is_itself():
    fired = letter(MAIL)
    resolved = letter(rendered(a_message(Change.RESOLVED, key="msg_other")))
    other = letter(rendered(a_message(Change.FIRED, an_alert(id="other"))))
    assert fired["References"] == resolved["References"] == resolved["In-Reply-To"] != other["References"]
    assert fired["Message-ID"] != resolved["Message-ID"]


def test_a_digest_is_a_thread_of_its_own_and_so_is_a_test():
    assert letter(rendered(a_message(Change.DIGEST, ALERT, ALERT)))["References"] is None
    assert letter(rendered(replace(a_message(Change.TEST), alerts=())))["References"] is None


def test_an_endpoint_is_pointed_to_no_preferences():
    made = letter_of(MAIL, MAIL.rendered, BOX, BOX, NOW, "https://a.example")
    assert b"X-Tocsin-Preferences" in made.content
    endpoint = replace(MAIL, recipient=Recipient(endpoint="e1"))
    assert b"X-Tocsin-Preferences" not in letter_of(endpoint, MAIL.rendered, BOX, BOX, NOW, "https://a.example").content


def test_a_text_alone_is_a_plain_mail():
    assert letter(replace(MAIL, rendered=Rendered(subject="s", text="t")))["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("field", ["title", "message", "framework_id"])
def test_no_text_of_a_producer_makes_a_header_or_a_recipient(field: str):
    mail = letter(replace(rendered(a_message(Change.FIRED, an_alert(**{field: HOSTILE}))), workspace="a b"))
    assert mail["Bcc"] is None
    assert mail["To"] == "ada@example.com"
    assert mail.get_body(("plain",)) is not None


@given(st.text(max_size=300))
def test_every_title_arrives_as_it_was_tidied(title: str):
    message = rendered(a_message(Change.FIRED, an_alert(title=title)))
    assert letter(message)["Subject"] == message.rendered.subject


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_mail_goes_encrypted_and_with_a_password(security: str, tmp_path: Path):
    files = Authority(tmp_path).issue()
    with mail_server(**{security: files}, auth=True) as server:
        config = server.config(security=security, ca=str(files.ca), user=USER, password=Secret(PASSWORD))
        async with mailing(config) as mailer:
            assert await mailer.send(MAIL) == Sent()
    assert server.inbox.is_encrypted == [True]


async def test_a_wrong_password_is_told_and_the_server_left_alone_for_a_while(tmp_path: Path):
    files = Authority(tmp_path).issue()
    with mail_server(tls=files, auth=True) as server:
        config = server.config(security="tls", ca=str(files.ca), user=USER, password=Secret("wrong"))
        async with mailing(config) as mailer:
            first, second = await mailer.send(MAIL), await mailer.send(MAIL)
    assert isinstance(first, TryLater) and "refused our password: 535" in first.cause
    assert isinstance(second, TryLater) and second.cause == first.cause
    assert 0 < first.after_s <= AWAY_S
    assert server.inbox.connections == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_that_nobody_vouches_for_is_not_spoken_to(security: str, tmp_path: Path):
    with mail_server(**{security: Authority(tmp_path).issue()}) as server:
        async with mailing(server.config(security=security)) as mailer:
            outcome = await mailer.send(MAIL)
    assert "no encrypted connection to the mail server" in outcome.cause
    assert server.inbox.taken == []


async def test_a_server_that_offers_no_encryption_gets_no_mail():
    with mail_server() as server:
        async with mailing(server.config(security="starttls")) as mailer:
            outcome = await mailer.send(MAIL)
    assert "cannot do what is configured: STARTTLS" in outcome.cause
    assert server.inbox.taken == []


async def test_many_mails_go_over_one_connection():
    with mail_server() as server:
        async with mailing(server.config()) as mailer:
            for _ in range(5):
                assert await mailer.send(MAIL) == Sent()
            assert mailer.statistics()["connections_kept"] == 1
    assert (len(server.inbox.taken), server.inbox.connections) == (5, 1)


async def test_a_connection_is_changed_after_so_many_mails():
    with mail_server() as server:
        async with mailing(server.config(per_connection_max=2)) as mailer:
            for _ in range(5):
                await mailer.send(MAIL)
            assert (mailer.statistics()["sent"], mailer.statistics()["connections"]) == (5, 3)


async def test_there_are_never_more_connections_than_allowed():
    with mail_server() as server:
        async with mailing(server.config(connections_max=2)) as mailer, trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(mailer.send, MAIL)
    assert len(server.inbox.taken) == 10
    assert server.inbox.connections <= 2


async def test_a_connection_that_nobody_uses_is_ended_politely():
    async with (
        scripted(()) as server,
        mailing(Smtp(host="127.0.0.1", port=server.port, security="none", sender=SENDER, keep_s=0)) as mailer,
    ):
        assert await mailer.send(MAIL) == Sent()
        while b"QUIT" not in server.heard:
            await trio.testing.wait_all_tasks_blocked(0.01)
        assert mailer.statistics()["connections_kept"] == 0


async def test_a_kept_connection_that_the_server_has_ended_is_opened_again():
    async with scripted(((b"NOOP", None),)) as server, mailing(of(server.port)) as mailer:
        assert [await mailer.send(MAIL), await mailer.send(MAIL)] == [Sent(), Sent()]
        assert len(server.connections) == 2
