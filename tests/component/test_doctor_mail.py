"""The doctor knocks at the mail server, and says what to do if it does not open."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.app import Engine
from engine.configuration.config import Config
from engine.configuration.fields import Secret
from engine.doctor.findings import Finding, Level
from engine.doctor.mail import server
from engine.sections.notify import Notify
from engine.sections.smtp import Smtp
from tests.support.certificates import Authority
from tests.support.engines import a_config
from tests.support.mail_servers import PASSWORD, SENDER, USER, mail_server

NOBODY = Finding("mail", Level.OK, "no mail server is configured: nobody is told by e-mail")


def found(smtp: Smtp, public_url: str = "https://alerts.example.com") -> list[Finding]:
    return list(server(Config(notify=Notify(smtp=smtp, public_url=public_url))))


def test_without_a_mail_server_there_is_nothing_to_look_at(tmp_path: Path):
    assert list(server(Config(data=tmp_path / "not there yet"))) == [NOBODY]
    assert list(server(Config(data=tmp_path, store=":memory:"))) == [NOBODY]
    (tmp_path / "tocsin.db").write_text("no database at all, of which another check speaks")
    assert list(server(Config(data=tmp_path))) == [NOBODY]


async def test_who_has_an_address_and_no_mail_server_is_told(tmp_path: Path):
    config = a_config(tmp_path)
    async with Engine(config) as engine:
        headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ada', 'admin')}"}
        async with httpx.AsyncClient(base_url=engine.http_url + "/api/v1", headers=headers) as client:
            await client.post("/users", json={"id": "cleo"})
            await client.post("/endpoints", json={"id": "app", "channel": "apprise", "url": "discord://1/2"})
            assert list(server(config)) == [NOBODY]
            await client.post("/users", json={"id": "ben", "email": "ben@example.com"})
            await client.post("/endpoints", json={"id": "ops", "channel": "email", "address": "ops@example.com"})
            (finding,) = server(config)
    assert (finding.level, "endpoints that mail is expected for: 1, users: 1" in finding.text) == (Level.WARNING, True)
    assert "notify.smtp.host" in finding.advice


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


def test_a_server_that_never_encrypts_is_a_warning_that_names_the_setting():
    with mail_server() as mail:
        (finding,) = found(mail.config(security="starttls"))
    assert (finding.level, "STARTTLS extension not supported" in finding.text) == (Level.WARNING, True)
    assert 'notify.smtp.security = "none"' in finding.advice


def test_mails_without_links_are_told():
    with mail_server() as mail:
        first, second = found(mail.config(), public_url="")
    assert (first.level, second.level) == (Level.OK, Level.WARNING)
    assert first.text.endswith("lets us in, without encryption")
    assert "notify.public_url" in second.advice
