"""An alert becomes a mail, and the link in the mail acknowledges it: the whole way, with a real mail server."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from engine.access.keys import KeyRing, secret_key
from engine.app import Engine
from engine.configuration.fields import Secret
from engine.ids import now_us as real_now_us
from engine.notify.action_links import ActionLinks
from engine.sections.notify import Notify
from protocol.changes import Action
from tests.support.engines import SECRET, an_engine
from tests.support.mail_servers import MailServer, mail_server

SITE = "https://alerts.example.com/tocsin"
KEYS = KeyRing([secret_key(SECRET.encode())])
ROTA = {"starts_on": "2026-01-05", "order": ["ada"]}


class Told:
    """An engine, who uses it, and the mail server that it tells."""

    def __init__(self, engine: Engine, admin: httpx.AsyncClient, stranger: httpx.AsyncClient, mail: MailServer) -> None:
        self.engine = engine
        self.admin = admin
        # Somebody with a mail program and no token.
        self.stranger = stranger
        self.mail = mail

    async def ring(self, severity: str = "critical") -> str:
        alert = {"framework_id": "web", "title": "Disk full", "severity": severity}
        answer = await self.admin.post("/api/v1/triggers", json={"alert": alert})
        alert_id: str = answer.json()["results"][0]["alertId"]
        return alert_id

    async def alert(self, alert_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.admin.get(f"/api/v1/alerts/{alert_id}")).json()
        return found

    async def acts(self, alert_id: str) -> list[dict[str, Any]]:
        """What people did about it."""
        story = (await self.admin.get(f"/api/v1/alerts/{alert_id}/audit")).json()["items"]
        return [line for line in story if line["verb"] != "fired"]

    def path(self, alert_id: str, user: str = "ada", workspace: str = "main", now_us: int | None = None) -> str:
        """Where a link of the engine's leads that was made then."""
        links = ActionLinks(lambda: KEYS, lambda: now_us or real_now_us(), SITE, 3_600.0)
        return links.link(workspace, user, alert_id, Action.ACKNOWLEDGE).removeprefix(SITE)


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    with mail_server() as mail:
        async with telling(tmp_path, mail) as told:
            yield told


@asynccontextmanager
async def telling(folder: Path, mail: MailServer) -> AsyncIterator[Told]:
    notify = Notify(public_url=SITE, smtp=mail.config())
    async with an_engine(folder, notify=notify, secret=Secret(SECRET)) as engine:
        bearer = {"Authorization": f"Bearer {engine.issue_token('main', 'boss', 'admin')}"}
        async with (
            httpx.AsyncClient(base_url=engine.http_url, headers=bearer, timeout=170) as admin,
            httpx.AsyncClient(base_url=engine.http_url, timeout=170) as stranger,
        ):
            for name, body in (
                ("users", {"id": "ada", "email": "ada@example.com", "role": "responder"}),
                ("users", {"id": "eve", "email": "eve@example.com", "role": "viewer"}),
                ("teams", {"id": "ops", "members": ["ada"], "rota": ROTA}),
                ("frameworks", {"id": "web", "owner": "ops"}),
            ):
                assert (await admin.post(f"/api/v1/{name}", json=body)).status_code == 201
            yield Told(engine, admin, stranger, mail)


async def until_mailed(told: Told, count: int = 1) -> None:
    while len(told.mail.inbox.taken) < count:
        await trio.testing.wait_all_tasks_blocked(0.02)


async def test_who_is_on_call_gets_a_mail_and_acknowledges_by_its_link(told: Told):
    alert_id = await told.ring()
    await until_mailed(told)
    (mail,) = told.mail.inbox.mails
    assert (mail["To"], mail["Subject"]) == ("ada@example.com", "[CRITICAL] Disk full")
    said = mail.get_body(("plain",)).get_content()
    (link,) = re.findall(r"Acknowledge: (\S+)", said)
    assert f"{SITE}/alerts/{alert_id}" in said
    assert link in mail.get_body(("html",)).get_content()

    page = await told.stranger.get(link.removeprefix(SITE))
    assert (page.status_code, "Acknowledge as ada" in page.text) == (200, True)
    assert (await told.alert(alert_id))["state"] == "active", "a scanner that opens links acknowledges nothing"

    done = await told.stranger.post(link.removeprefix(SITE))
    assert (done.status_code, "You have acknowledged this alert." in done.text) == (200, True)
    alert = await told.alert(alert_id)
    assert (alert["state"], alert["acknowledged_by"]) == ("acknowledged", "ada")
    story = await told.acts(alert_id)
    assert [(line["by"], line["verb"], line["address"]) for line in story] == [
        ("ada", "acknowledge", "127.0.0.1 by e-mail link")
    ]


async def test_a_link_used_again_changes_nothing(told: Told):
    alert_id = await told.ring()
    path = told.path(alert_id)
    for _ in range(3):
        assert (await told.stranger.post(path)).status_code == 200
    again = await told.stranger.get(path)
    assert "You have acknowledged this alert." in again.text
    assert "<form" not in again.text
    assert len(await told.acts(alert_id)) == 1


async def test_who_comes_second_is_told_who_was_first(told: Told):
    alert_id = await told.ring()
    await told.admin.post("/api/v1/alerts/acknowledge", json={"alertIds": [alert_id]})
    assert "boss has acknowledged this alert." in (await told.stranger.post(told.path(alert_id))).text


async def test_a_resolved_alert_is_shown_as_such(told: Told):
    alert_id = await told.ring()
    await told.admin.post("/api/v1/alerts/resolve", json={"alertIds": [alert_id]})
    for answer in (await told.stranger.get(told.path(alert_id)), await told.stranger.post(told.path(alert_id))):
        assert (answer.status_code, "This alert is resolved." in answer.text) == (200, True)
        assert "press" not in answer.text and "<form" not in answer.text
    assert "tocsin_mail_links_done_total 0.0" in (await told.stranger.get("/metrics")).text
    assert (await told.alert(alert_id))["state"] == "resolved"


async def test_pages_run_and_load_nothing_and_tell_nobody_their_address(told: Told):
    page = await told.stranger.get(told.path(await told.ring()))
    assert "<script" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == ("no-referrer", "no-store")


async def test_markup_in_a_title_is_shown_as_text(told: Told):
    ring = {"alert": {"framework_id": "web", "title": "<script>alert(1)</script>"}}
    alert_id = (await told.admin.post("/api/v1/triggers", json=ring)).json()["results"][0]["alertId"]
    page = await told.stranger.get(told.path(alert_id))
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_every_link_that_is_not_good_is_one_answer(told: Told, method: str):
    alert_id = await told.ring()
    good = told.path(alert_id)
    forged = [
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        good.replace(".", ""),
        good + "=",
        "/act/" + "x" * 2_000,
        "/act/" + "é.é",
        told.path("018f0000-0000-7000-8000-00000000dead"),
        told.path(alert_id, workspace="rival"),
        told.path(alert_id, user="nobody"),
        told.path(alert_id, user="eve"),
    ]
    answers = [await told.stranger.request(method, path) for path in forged]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert (await told.alert(alert_id))["state"] == "active"


async def test_a_token_is_no_link(told: Told):
    token = told.engine.issue_token("main", "ada", "responder")
    assert (await told.stranger.post(f"/act/{token}")).status_code == 404


async def test_a_link_that_came_too_late_says_so(told: Told):
    alert_id = await told.ring()
    answer = await told.stranger.post(told.path(alert_id, now_us=1_700_000_000_000_000))
    assert (answer.status_code, "This link has ended" in answer.text) == (410, True)
    assert (await told.alert(alert_id))["state"] == "active"


@pytest.mark.parametrize("how", ["delete", "demote", "revoke"])
async def test_who_may_no_more_has_no_good_link(told: Told, how: str):
    alert_id = await told.ring()
    path = told.path(alert_id)
    assert (await told.stranger.get(path)).status_code == 200
    current = {"If-Match": "*"}
    if how == "delete":
        await told.admin.delete("/api/v1/users/ada", headers=current)
    elif how == "demote":
        await told.admin.patch("/api/v1/users/ada", json={"role": "viewer"}, headers=current)
    else:
        await told.admin.post("/api/v1/revocations", json={"user": "ada"})
    assert (await told.stranger.post(path)).status_code == 404
    assert (await told.alert(alert_id))["state"] == "active"


async def test_who_may_only_read_gets_a_mail_without_a_link(told: Told):
    alert_id = await told.ring()
    await until_mailed(told)
    await told.admin.post("/api/v1/alerts/assign", json={"alertIds": [alert_id], "assigned_to": "eve"})
    await until_mailed(told, 2)
    (mail,) = [mail for mail in told.mail.inbox.mails if mail["To"] == "eve@example.com"]
    assert "Acknowledge:" not in mail.get_body(("plain",)).get_content()


async def test_the_ledger_says_that_the_mail_went_out_and_metrics_count_it(told: Told):
    alert_id = await told.ring()
    await until_mailed(told)
    while not (lines := await mailed(told, alert_id)):
        await trio.testing.wait_all_tasks_blocked(0.02)
    assert [line["state"] for line in lines] == ["sent"]
    metrics = (await told.stranger.get("/metrics")).text
    assert "tocsin_mail_sent_total 1.0" in metrics
    assert "tocsin_mail_connections_total 1.0" in metrics


async def mailed(told: Told, alert_id: str) -> list[dict[str, Any]]:
    answer = await told.admin.get(f"/api/v1/alerts/{alert_id}/deliveries")
    return [line for line in answer.json()["items"] if line["channel"] == "email" and line["state"] != "queued"]


async def test_how_a_mailbox_is_doing_can_be_seen(told: Told):
    fields = {"id": "ops", "channel": "email", "address": "Ops <o@example.com>"}
    assert (await told.admin.post("/api/v1/endpoints", json=fields)).status_code == 201

    async def health() -> tuple[int, int, int, str, str]:
        shown = (await told.admin.get("/api/v1/endpoints/ops")).json()["health"]
        return (
            *(shown["sent"], shown["failed"], shown["failures_in_a_row"]),
            *(shown["circuit"], shown["last_cause"]),
        )

    assert (await told.admin.post("/api/v1/endpoints/ops/test")).json()["outcome"] == "sent"
    assert await health() == (1, 0, 0, "closed", "")
    told.mail.inbox.refuse["o@example.com"] = "452 4.2.2 mailbox full"
    for _ in range(6):
        await told.admin.post("/api/v1/endpoints/ops/test")
    cause = "the mail server refused the recipient: 452 4.2.2 mailbox full"
    # There is one server for all mail; a mailbox has no circuit of its own.
    assert await health() == (1, 6, 6, "closed", cause)
    # What only waits for its turn is in the line, and neither sent nor failed.
    while (answer := (await told.admin.post("/api/v1/endpoints/ops/test")).json())["after_s"] is None:
        pass
    assert "this address was sent many mails" in answer["cause"]
    shown = (await told.admin.get("/api/v1/endpoints/ops")).json()["health"]
    assert (shown["waiting"], shown["last_cause"]) == (1, cause)


async def test_a_mailbox_that_is_switched_off_gets_nothing_not_even_a_test(told: Told):
    fields = {"id": "ops", "channel": "email", "address": "o@example.com"}
    assert (await told.admin.post("/api/v1/endpoints", json=fields)).status_code == 201
    off = await told.admin.patch("/api/v1/endpoints/ops", json={"enabled": False}, headers={"If-Match": "*"})
    assert off.status_code == 200, off.text
    answer = (await told.admin.post("/api/v1/endpoints/ops/test")).json()
    assert (answer["outcome"], answer["cause"]) == ("refused", "the endpoint is switched off")
    assert told.mail.inbox.taken == []
