"""The weekly report on a real engine with a real mail server: looked at, asked for, wanted, and bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio.testing

from engine.analytics.counting import AHEAD_US
from engine.app import Engine
from engine.configuration.fields import Secret
from engine.ids import IdSource
from engine.sections.notify import Notify
from engine.world import World
from protocol.changes import Action
from protocol.times import parse_rfc3339
from tests.support.engines import SECRET, a_config, paused
from tests.support.mail_servers import MailServer, mail_server
from tests.support.postgres_server import PostgresDatabase

SITE = "https://alerts.example.com/tocsin"
REPORT = "/api/v1/reports/weekly"
WEEKLY = {"day": "fri", "hour": 17}
NOON = parse_rfc3339("2026-11-18T12:00:00Z")  # a Wednesday


class Reported:
    """An engine, its mail server, and a client of anybody."""

    def __init__(self, engine: Engine, client: httpx.AsyncClient, mail: MailServer | None) -> None:
        self.engine = engine
        self.client = client
        self.mail = mail

    async def ask(self, method: str, path: str, user: str = "boss", role: str = "admin", **more: Any) -> httpx.Response:
        """As somebody; `channels`: the frameworks that his token is limited to."""
        token = self.engine.issue_token("main", user, role, channels=more.pop("channels", None))
        return await self.client.request(method, path, headers={"Authorization": f"Bearer {token}"}, **more)


@asynccontextmanager
async def reporting(
    folder: Path, mail: MailServer | None = None, world: World | None = None, **more: Any
) -> AsyncIterator[Reported]:
    notify = Notify(public_url=SITE) if mail is None else Notify(public_url=SITE, smtp=mail.config())
    # Each quarter of an hour it would be sent to who wants it, beside what a test asks for.
    config = a_config(folder, notify=notify, secret=Secret(SECRET), schedules=paused("weekly-reports"), **more)
    async with (
        Engine(config, world) as engine,
        httpx.AsyncClient(base_url=engine.http_url, timeout=170) as client,
    ):
        reported = Reported(engine, client, mail)
        ada = {"id": "ada", "email": "ada@example.com", "role": "viewer"}
        assert (await reported.ask("POST", "/api/v1/users", json=ada)).status_code == 201
        yield reported


@pytest.fixture
async def reported(tmp_path: Path) -> AsyncIterator[Reported]:
    with mail_server() as mail:
        async with reporting(tmp_path, mail) as reported:
            yield reported


async def mailed(server: MailServer) -> EmailMessage:
    """The one mail that comes."""
    while not server.inbox.mails:
        await trio.testing.wait_all_tasks_blocked(0.02)
    (mail,) = server.inbox.mails
    return mail


async def test_it_is_looked_at_as_html_and_as_text(reported: Reported) -> None:
    page = await reported.ask("GET", REPORT, "ada", "viewer")
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline'; sandbox")
    assert '<p style="margin:0 0 4px">No alerts this week.</p>' in page.text
    plain = await reported.ask("GET", REPORT, "ada", "viewer", params={"format": "text"})
    assert plain.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert plain.text.startswith("Alerts of main, ")
    assert (await reported.ask("GET", REPORT, params={"format": "pdf"})).status_code == 400


async def test_it_is_sent_to_who_asks_and_to_nobody_else(reported: Reported) -> None:
    assert reported.mail is not None
    taken = await reported.ask("POST", REPORT, "ada", "viewer")
    assert taken.status_code == 202
    assert taken.json()["to"] == "ada@example.com"
    mail = await mailed(reported.mail)
    assert mail["To"] == "ada@example.com"
    assert mail["Subject"].startswith("Alerts of main, ")
    assert mail["X-Tocsin-Report"] == "weekly"
    assert mail["List-Unsubscribe"].startswith(f"<{SITE}/act/leave/")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.get_content_type() == "multipart/alternative"
    plain, rich = mail.iter_parts()
    assert (plain.get_content_type(), rich.get_content_type()) == ("text/plain", "text/html")
    assert "No alerts this week." in plain.get_content()
    assert rich.get_content().startswith("<!doctype html>")


async def test_the_button_of_a_mail_program_stops_it_and_opening_its_link_does_not(reported: Reported) -> None:
    assert reported.mail is not None
    body = {"id": "ada", "weekly_report": WEEKLY, "zone": "Europe/Berlin"}
    assert (await reported.ask("POST", "/api/v1/preferences", "ada", "viewer", json=body)).status_code == 201
    assert (await reported.ask("POST", REPORT, "ada", "viewer")).status_code == 202
    link = (await mailed(reported.mail))["List-Unsubscribe"].strip("<>").removeprefix(SITE)

    page = await reported.client.get(link)
    assert (page.status_code, "Stop it for ada" in page.text) == (200, True)
    assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == ("no-referrer", "no-store")
    kept = (await reported.ask("GET", "/api/v1/preferences/ada")).json()
    assert kept["weekly_report"] == WEEKLY | {"frameworks": []}

    for _ in range(2):
        pressed = await reported.client.post(link, data={"List-Unsubscribe": "One-Click"})
        assert (pressed.status_code, "ada gets no weekly report" in pressed.text) == (200, True)
        kept = (await reported.ask("GET", "/api/v1/preferences/ada")).json()
        assert (kept["weekly_report"], kept["zone"], kept["version"]) == (None, "Europe/Berlin", 2)
    lines = (await reported.ask("GET", "/api/v1/audit", params={"verb": "change_preference"})).json()["items"]
    assert [(line["by"], "by e-mail link" in line["address"]) for line in lines] == [("ada", True)]


async def test_who_has_no_preference_is_told_that_he_gets_none(reported: Reported) -> None:
    link = reported.engine._up.mail.leave.link("main", "ada").removeprefix(SITE)
    for method in ("GET", "POST"):
        answer = await reported.client.request(method, link)
        assert (answer.status_code, "ada gets no weekly report" in answer.text) == (200, True)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_link_that_is_not_good_stops_nobodys_report(reported: Reported, method: str) -> None:
    links = reported.engine._up.mail.leave
    good = links.link("main", "ada").removeprefix(SITE)
    acknowledge = reported.engine._up.mail.links.link("main", "ada", "x", Action.ACKNOWLEDGE).removeprefix(SITE)
    forged = [
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        acknowledge.replace("/act/", "/act/leave/"),
        links.link("main", "nobody").removeprefix(SITE),
        links.link("rival", "ada").removeprefix(SITE),
    ]
    answers = [await reported.client.request(method, link) for link in forged]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}


async def test_what_rang_today_is_told_as_such(tmp_path: Path) -> None:
    alerts = [
        {"framework_id": "web", "title": title, "severity": level} for title, level in (("a", "info"), ("b", "error"))
    ]
    async with reporting(tmp_path, world=World(clock=lambda: NOON, new_id=IdSource(lambda: NOON))) as reported:
        assert (await reported.ask("POST", "/api/v1/triggers", json={"alerts": alerts})).is_success
        await reported.engine._up.counting.turn(AHEAD_US)
        shown = await reported.ask("GET", REPORT, "ada", "viewer", params={"format": "text"})
    assert "No alerts this week. 2 alerts have come since, on Wed 18 Nov." in shown.text


async def test_whose_address_nobody_knows_is_told_so(reported: Reported) -> None:
    answer = await reported.ask("POST", REPORT, "eve", "viewer")
    assert answer.status_code == 409
    assert "has no e-mail address" in answer.json()["detail"]


async def test_without_a_mail_server_it_is_only_shown(tmp_path: Path) -> None:
    async with reporting(tmp_path) as reported:
        answer = await reported.ask("POST", REPORT, "ada", "viewer")
        assert answer.status_code == 409
        assert "notify.smtp.host" in answer.json()["detail"]
        assert (await reported.ask("GET", REPORT, "ada", "viewer")).status_code == 200


async def test_who_is_limited_to_frameworks_is_told_of_those(reported: Reported) -> None:
    body = {"id": "ada", "weekly_report": WEEKLY | {"frameworks": ["web"]}}
    made = await reported.ask("POST", "/api/v1/preferences", "ada", "viewer", json=body)
    assert made.json()["weekly_report"] == body["weekly_report"]
    for channels, of in ((["web", "db"], "web"), (["db"], "db"), (None, "web")):
        shown = await reported.ask("GET", REPORT, "ada", "viewer", channels=channels, params={"format": "text"})
        assert f"Only of {of}." in shown.text


async def test_who_is_limited_to_frameworks_cannot_have_others_sent_to_him(reported: Reported) -> None:
    body = {"id": "ada", "weekly_report": WEEKLY}
    answer = await reported.ask("POST", "/api/v1/preferences", "ada", "viewer", json=body, channels=["web"])
    assert answer.status_code == 403
    assert reported.mail is not None
    assert (await reported.ask("POST", REPORT, "ada", "viewer", channels=["web"])).status_code == 202
    plain, _ = (await mailed(reported.mail)).iter_parts()
    assert "Only of web." in plain.get_content()


@pytest.mark.parametrize("wrong", [{"day": "monday"}, {"hour": 24}, {"minute": 3}])
async def test_a_wish_that_cannot_be_met_is_refused(reported: Reported, wrong: dict[str, Any]) -> None:
    body = {"id": "ada", "weekly_report": wrong}
    assert (await reported.ask("POST", "/api/v1/preferences", "ada", "viewer", json=body)).status_code == 400


async def test_on_postgres_too_it_is_sent_once_however_often_somebody_looks(
    tmp_path: Path, postgres_database: PostgresDatabase
) -> None:
    with mail_server() as mail:
        async with reporting(tmp_path, mail, store=postgres_database.url) as reported:
            # A moment of today that has passed, or is this hour's.
            now = datetime.now(UTC)
            wish = {"day": f"{now:%a}".lower(), "hour": now.hour}
            made = await reported.ask("POST", "/api/v1/preferences", json={"id": "ada", "weekly_report": wish})
            assert made.status_code == 201
            root = {"Authorization": f"Bearer {reported.engine.issue_token('system', 'root', 'admin')}"}
            for _ in range(2):
                run = await reported.client.post("/api/v1/schedules/weekly-reports/run", headers=root, json={})
                look = f"/api/v1/jobs/{run.json()['job_id']}"
                while (await reported.client.get(look, headers=root)).json()["state"] != "completed":
                    await trio.testing.wait_all_tasks_blocked(0.02)
                await mailed(mail)
            assert (await reported.ask("POST", REPORT, "ada", "viewer")).status_code == 202
            while len(mail.inbox.mails) < 2:
                await trio.testing.wait_all_tasks_blocked(0.02)
            by_clock, by_hand = mail.inbox.mails
            assert by_clock["Message-ID"] != by_hand["Message-ID"]
            assert (await reported.ask("GET", REPORT, "ada", "viewer")).status_code == 200
