"""E-mail against real servers: what a mail program reads, and what becomes of a mail that a server does not take."""

from __future__ import annotations

import re
import smtplib
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from trio.testing import MockClock

from benchmarks.peers.ports import a_port
from engine.configuration.fields import Secret
from engine.core.notices.as_html import html
from engine.core.notices.as_text import text
from engine.core.notices.notice import Links, notice_of
from engine.notify.addresses import Mailbox
from engine.notify.letters import letter_of
from engine.notify.mailer import AWAY_S, WAIT_MAX_S, Mailer
from engine.notify.ports import Refused, Sent, TryLater
from engine.notify.smtp import MailLink, meaning_of
from engine.sections.smtp import Smtp
from protocol.model import Severity
from protocol.notify import Change, Outgoing, Recipient, Rendered
from tests.support.certificates import Authority
from tests.support.mail_servers import PASSWORD, SENDER, USER, mail_server, scripted
from tests.support.notices import ALERT, HOSTILE, a_message, an_alert

NOW = a_message().at
BOX = Mailbox("alerts@tocsin.example", "Tocsin")


def rendered(message: Outgoing) -> Outgoing:
    notice = notice_of(message, Links("https://alerts.example.com", "https://alerts.example.com/act/x.y"))
    return replace(message, rendered=Rendered(subject=notice.subject, text=text(notice), html=html(notice)))


MAIL = rendered(a_message())


def mails(count: int) -> list[Outgoing]:
    """Different ones to the same address."""
    return [replace(MAIL, key=f"{MAIL.key}{number}") for number in range(count)]


async def own_address(message: Outgoing) -> str | None:
    return message.address


@asynccontextmanager
async def mailing(config: Smtp, **more: Any) -> AsyncIterator[Mailer]:
    more.setdefault("address_of", own_address)
    mailer = Mailer(config, lambda: NOW, site="https://alerts.example.com", **more)
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: mailer.run(task_status))
        yield mailer
        nursery.cancel_scope.cancel()


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


def of(port: int, **more: Any) -> Smtp:
    return Smtp(host="127.0.0.1", port=port, security="none", sender=SENDER, **more)


async def test_a_refused_recipient_is_refused_for_good_and_the_connection_stays():
    with mail_server() as server:
        server.inbox.refuse["ada@example.com"] = "550 5.1.1 no such user"
        async with mailing(server.config()) as mailer:
            assert await mailer.send(MAIL) == Refused("the mail server refused the recipient: 550 5.1.1 no such user")
            assert await mailer.send(replace(MAIL, address="bob@example.com")) == Sent()
            assert mailer.statistics()["refused"] == 1
    assert server.inbox.connections == 1


async def test_a_full_mailbox_is_tried_again():
    with mail_server() as server:
        server.inbox.refuse["ada@example.com"] = "452 4.2.2 mailbox full"
        async with mailing(server.config()) as mailer:
            assert await mailer.send(MAIL) == TryLater(
                None, "the mail server refused the recipient: 452 4.2.2 mailbox full"
            )
            assert mailer.statistics()["failed"] == 1


@pytest.mark.parametrize(("answer", "kind"), [("554 5.7.1 spam", Refused), ("451 4.3.0 later", TryLater)])
async def test_what_the_server_says_to_the_message_counts(answer: str, kind: type):
    with mail_server() as server:
        server.inbox.answer = lambda number: answer
        async with mailing(server.config()) as mailer:
            outcome = await mailer.send(MAIL)
    assert isinstance(outcome, kind)
    assert outcome.cause == f"the mail server refused the message: {answer}"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (((b"MAIL", b"530 5.7.0 log in first\r\n"),), "refused our sender address: 530 5.7.0 log in first"),
        (((b"DATA", b"421 shutting down\r\n"),), "refused the message: 421 shutting down"),
        (((b".", None),), "ended the connection"),
        (((b"RCPT", b"nonsense\r\n"),), "refused the recipient: -1 "),
    ],
)
async def test_a_failure_of_one_mail_uses_up_an_attempt_and_stops_nobody_else(script: Any, said: str):
    async with scripted(script) as server, mailing(of(server.port)) as mailer:
        for _ in range(2):
            outcome = await mailer.send(MAIL)
            assert isinstance(outcome, TryLater)
            assert outcome.after_s is None
            assert said in outcome.cause
    assert [line for line in server.heard if line.startswith(b"MAIL")] != []


@pytest.mark.parametrize(
    ("greeting", "said"), [(b"554 go away\r\n", "answered 554 go away"), (b"", "did not answer in time")]
)
async def test_a_server_that_lets_nobody_in_is_away_for_everybody(greeting: bytes, said: str):
    async with scripted((), greeting) as server, mailing(of(server.port, answer_s=0.2)) as mailer:
        outcomes = [await mailer.send(MAIL) for _ in range(3)]
        assert len(server.connections) == 1
    for outcome in outcomes:
        assert isinstance(outcome, TryLater)
        assert said in outcome.cause
        assert outcome.after_s is not None
    assert mailer.statistics()["put_off"] == 3


async def test_nobody_listening_is_away_too():
    async with mailing(of(a_port())) as mailer:
        outcome = await mailer.send(MAIL)
    assert "cannot be reached" in outcome.cause


@pytest.mark.parametrize("drip", [b"2", b"220-still here\r\n"])
async def test_a_server_that_drips_holds_no_thread_beyond_the_time_of_a_mail(drip: bytes):
    before = threading.active_count()
    async with scripted((), b"") as server, trio.open_nursery() as nursery:

        async def dripping() -> None:
            while True:
                await trio.lowlevel.checkpoint()
                for stream in server.connections:
                    try:
                        await stream.send_all(drip)
                    except trio.BrokenResourceError:
                        return
                await trio.testing.wait_all_tasks_blocked(0.02)

        nursery.start_soon(dripping)
        async with mailing(of(server.port, total_s=1.0, answer_s=30.0)) as mailer:
            outcome = await mailer.send(MAIL)
            assert "did not let us in in time" in outcome.cause
            assert 0 < outcome.after_s <= AWAY_S
            await until_ended(mailer)
        nursery.cancel_scope.cancel()
    assert threading.active_count() <= before + 2


async def until_ended(mailer: Mailer) -> None:
    """The thread that was left behind is done: it has given its place back."""
    while mailer._threads.borrowed_tokens:
        await trio.testing.wait_all_tasks_blocked(0.01)


async def test_who_waits_too_long_for_a_connection_is_told_so(autojump_clock: MockClock):
    mailer = Mailer(of(1, connections_max=1), lambda: NOW, own_address)
    mailer._room.acquire_on_behalf_of_nowait("somebody else")
    outcome = await mailer.send(MAIL)
    assert outcome == TryLater(None, "not done within 40 s (notify.smtp.total_s)")


async def test_without_a_server_or_an_address_nothing_is_tried():
    assert "notify.smtp.host" in (await Mailer(Smtp(), lambda: NOW, own_address).send(MAIL)).cause
    for address in ("", "ada", "ada@example.com\r\nBcc: eve@example.com"):
        outcome = await Mailer(of(1), lambda: NOW, own_address).send(replace(MAIL, address=address))
        assert isinstance(outcome, Refused)
        assert "is no mail address" in outcome.cause
        assert "\n" not in outcome.cause


async def test_an_address_may_be_the_endpoints_own():
    async def address_of(message: Outgoing) -> str | Refused | None:
        return "ops@example.com"

    with mail_server() as server:
        async with mailing(server.config(), address_of=address_of) as mailer:
            await mailer.send(replace(MAIL, recipient=Recipient(endpoint="e1"), address=""))
    assert server.inbox.mails[0]["To"] == "ops@example.com"


@pytest.mark.parametrize("utf8", [True, False])
async def test_an_address_in_another_script_goes_where_the_server_takes_it(utf8: bool):
    with mail_server(utf8=utf8) as server:
        async with mailing(server.config()) as mailer:
            outcome = await mailer.send(replace(MAIL, address="jürgen@example.com"))
    if utf8:
        assert outcome == Sent()
        assert server.inbox.taken[0][1] == "jürgen@example.com"
    else:
        assert outcome == Refused("the mail server takes only addresses in ASCII")


async def test_an_address_that_was_sent_many_waits_and_others_do_not():
    with mail_server() as server:
        async with mailing(server.config(per_recipient_burst=2, per_recipient_s=60)) as mailer:
            outcomes = [await mailer.send(mail) for mail in mails(4)]
            assert await mailer.send(replace(MAIL, address="bob@example.com")) == Sent()
            assert mailer.statistics()["slowed"] == 2
    assert outcomes[:2] == [Sent(), Sent()]
    assert 59 < outcomes[2].after_s <= 60 < outcomes[3].after_s <= 120


async def test_a_critical_mail_waits_behind_none_that_is_less(mock_clock: MockClock):
    """Fifty of less were three minutes, six hundred an hour."""
    less = [replace(mail, alerts=(an_alert(severity=Severity.INFO),)) for mail in mails(600)]
    with mail_server() as server:
        async with mailing(server.config()) as mailer:
            waits = [outcome.after_s for mail in less if isinstance(outcome := await mailer.send(mail), TryLater)]
            assert len(waits) == 580 and waits[-1] > 3_400
            mock_clock.jump(1)
            assert (await mailer.send(replace(MAIL, key="critical"))).after_s == 5.0
            mock_clock.jump(5)
            assert await mailer.send(replace(MAIL, key="critical")) == Sent()
            # In whose place it went hears when he comes.
            assert (await mailer.send(less[20])).after_s == 6.0


async def test_the_next_mail_to_an_address_says_how_many_wait_behind_it(mock_clock: MockClock):
    mail = replace(MAIL, rendered=Rendered(subject="s", text="text", html="<html><body><p>text</p></body></html>"))
    with mail_server() as server:
        async with mailing(server.config(per_recipient_burst=1, per_recipient_s=60)) as mailer:
            for number in range(3):
                await mailer.send(replace(mail, key=str(number)))
            mock_clock.jump(60)
            await mailer.send(replace(mail, key="1"))
    said = "1 more mails to this address wait for their turn."
    assert [[part.get_content().split() for part in each.iter_parts()] for each in server.inbox.mails] == [
        [["text"], ["<html><body><p>text</p></body></html>"]],
        [["text", *said.split()], f"<html><body><p>text</p><p>{said}</p></body></html>".split()],
    ]


async def test_nobody_is_told_to_come_later_than_in_an_hour(mock_clock: MockClock):
    with mail_server() as server:
        async with mailing(server.config(per_recipient_burst=1, per_recipient_s=3_000)) as mailer:
            outcomes = [await mailer.send(mail) for mail in mails(4)]
    assert [outcome.after_s for outcome in outcomes[1:]] == [3_000.0, WAIT_MAX_S, WAIT_MAX_S]


async def test_a_rate_of_zero_slows_nobody():
    with mail_server() as server:
        async with mailing(server.config(per_recipient_burst=1, per_recipient_s=0)) as mailer:
            assert [await mailer.send(mail) for mail in mails(3)] == [Sent()] * 3


async def test_the_address_that_was_silent_for_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("engine.notify.mailer.ADDRESSES_MAX", 2)
    with mail_server() as server:
        async with mailing(server.config(per_recipient_burst=1, per_recipient_s=60)) as mailer:
            outcomes = [
                await mailer.send(replace(mail, address=f"{name}@example.com"))
                for mail, name in zip(mails(5), "abcBa", strict=True)
            ]
    assert [outcome == Sent() for outcome in outcomes] == [True, True, True, False, True]


def test_a_line_that_was_ended_before_it_was_opened_is_not_opened():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        line = MailLink(of(listening.getsockname()[1]))
        line.abort()
        made = letter_of(MAIL, MAIL.rendered, BOX, BOX, NOW, "")
        with pytest.raises(OSError, match="ended while it was opened"):
            line.deliver(made)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (smtplib.SMTPHeloError(500, b"\xff what\r\n?"), "answered 500 \ufffd what ?"),
        (ConnectionRefusedError(111, "Connection refused"), "cannot be reached: [Errno 111] Connection refused"),
    ],
)
def test_other_failures_are_told_in_one_line(fault: Exception, said: str):
    assert said in meaning_of(fault).cause
