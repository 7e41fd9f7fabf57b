"""E-mail against real servers: what becomes of a mail that a server does not take, and at which rate others go."""

from __future__ import annotations

import smtplib
import socket
import threading
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from benchmarks.peers.ports import a_port
from engine.notify.letters import letter_of
from engine.notify.mailer import AWAY_S, WAIT_MAX_S, Mailer
from engine.notify.ports import Refused, Sent, TryLater
from engine.notify.smtp import MailLink, meaning_of
from engine.sections.smtp import Smtp
from protocol.model import Severity
from protocol.notify import Outgoing, Recipient, Rendered
from tests.support.mail_servers import mail_server, scripted
from tests.support.mailing import BOX, MAIL, NOW, mailing, of, own_address
from tests.support.notices import an_alert


def mails(count: int) -> list[Outgoing]:
    """Different ones to the same address."""
    return [replace(MAIL, key=f"{MAIL.key}{number}") for number in range(count)]


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
    ("greeting", "answer_s", "said"),
    [(b"554 go away\r\n", 60.0, "answered 554 go away"), (b"", 0.2, "did not answer in time")],
)
async def test_a_server_that_lets_nobody_in_is_away_for_everybody(greeting: bytes, answer_s: float, said: str):
    async with scripted((), greeting) as server, mailing(of(server.port, answer_s=answer_s)) as mailer:
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
    said = "1 more mail to this address waits for its turn."
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
