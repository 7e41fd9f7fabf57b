"""The doctor knocks at the mail server, and says what to do if it does not open."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from engine.configuration.config import Config
from engine.configuration.fields import Secret
from engine.doctor.findings import Finding, Level
from engine.doctor.mail import server
from engine.sections.notify import Notify
from engine.sections.smtp import Smtp
from tests.support.certificates import Authority
from tests.support.mail_servers import PASSWORD, SENDER, USER, mail_server


def found(smtp: Smtp, public_url: str = "https://alerts.example.com") -> list[Finding]:
    return list(server(Config(notify=Notify(smtp=smtp, public_url=public_url))))


def test_without_a_mail_server_there_is_nothing_to_look_at():
    assert found(Smtp()) == [
        Finding("mail", Level.OK, "no mail server is configured: nobody is told by e-mail"),
    ]


@pytest.mark.parametrize(("password", "level"), [(PASSWORD, Level.OK), ("wrong one", Level.WARNING)])
def test_a_server_is_asked_whether_it_lets_us_in(tmp_path: Path, password: str, level: Level):
    files = Authority(tmp_path).issue()
    with mail_server(starttls=files, auth=True) as mail:
        more: dict[str, Any] = {"ca": str(files.ca), "user": USER, "password": Secret(password)}
        (finding,) = found(mail.config(security="starttls", **more))
        assert mail.inbox.taken == []
    assert finding.level is level
    assert password not in finding.text
    assert ("encrypted (starttls)" if level is Level.OK else "refused our password") in finding.text


def test_nobody_there_is_a_warning_with_advice():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    (finding,) = found(Smtp(host="127.0.0.1", port=port, security="none", sender=SENDER))
    assert (finding.level, "cannot be reached" in finding.text) == (Level.WARNING, True)
    assert "[notify.smtp]" in finding.advice


def test_mails_without_links_are_told():
    with mail_server() as mail:
        first, second = found(mail.config(), public_url="")
    assert (first.level, second.level) == (Level.OK, Level.WARNING)
    assert first.text.endswith("lets us in, without encryption")
    assert "notify.public_url" in second.advice
