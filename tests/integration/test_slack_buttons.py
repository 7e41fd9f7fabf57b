"""Buttons in Slack acknowledge and resolve: what is posted is signed, who pressed is known, the message follows."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest
from slack_sdk.models.blocks import Block
from slack_sdk.signature import SignatureVerifier

from engine.configuration.fields import Secret
from engine.ids import now_us
from engine.notify.slack_actions import AGE_MAX_S, USED_MAX, SlackActions, is_signed
from engine.notify.slack_replies import last_of
from engine.sections.identity import Integration
from engine.sections.notify import Notify
from protocol.model import AlertState
from protocol.notify import Change
from tests.support.engines import an_engine
from tests.support.http_sink import Got, Sink, a_sink, answer
from tests.support.notices import an_alert

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
OTHER = "another app's secret, for a rival"
APPS = (
    Integration(name="slack", slack_secret=Secret(SECRET)),
    Integration(name="rivals", slack_secret=Secret(OTHER), workspace="rival"),
)
ADA, EVE, TWIN = "U0ADA", "U0EVE", "U0TWIN"


def signed(body: bytes, secret: str = SECRET, at: int | None = None) -> dict[str, str]:
    """As Slack does it."""
    timestamp = str(now_us() // 1_000_000 if at is None else at)
    mark = hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": f"v0={mark}",
        "Content-Type": "application/x-www-form-urlencoded",
    }


def pressed(alert_id: str, action: str = "acknowledge", user: str = ADA, url: str = "") -> bytes:
    payload = {
        "type": "block_actions",
        "user": {"id": user, "username": "whoever"},
        "team": {"id": "T1"},
        "actions": [{"type": "button", "action_id": action, "value": alert_id}],
        "response_url": url,
    }
    return urlencode({"payload": msgspec.json.encode(payload).decode()}).encode()


class Scene:
    def __init__(self, admin: httpx.AsyncClient, slack: httpx.AsyncClient, sink: Sink) -> None:
        self.admin = admin
        self.slack = slack
        self.sink = sink

    async def ring(self) -> str:
        ring = {"alert": {"framework_id": "web", "title": "Disk full", "severity": "critical"}}
        alert_id: str = (await self.admin.post("/api/v1/triggers", json=ring)).json()["results"][0]["alertId"]
        return alert_id

    async def alert(self, alert_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.admin.get(f"/api/v1/alerts/{alert_id}")).json()
        return found

    async def press(self, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.slack.post("/api/v1/slack/actions", content=body, headers=headers or signed(body))

    async def reply(self, count: int = 1) -> Got:
        return (await self.sink.wait_for(count))[-1]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    notify = Notify(allow_private=("127.0.0.1/32",))
    async with a_sink() as sink, an_engine(tmp_path, integrations=APPS, notify=notify) as engine:
        bearer = {"Authorization": f"Bearer {engine.issue_token('main', 'boss', 'admin')}"}
        async with (
            httpx.AsyncClient(base_url=engine.http_url, headers=bearer, timeout=170) as admin,
            httpx.AsyncClient(base_url=engine.http_url, timeout=170) as slack,
        ):
            for body in (
                {"id": "ada", "slack_id": ADA, "role": "responder"},
                {"id": "eve", "slack_id": EVE, "role": "viewer"},
                {"id": "tim", "slack_id": TWIN, "role": "responder"},
            ):
                assert (await admin.post("/api/v1/users", json=body)).status_code == 201
            # Tim's is free while he is put away; nobody notices when he is taken back.
            await admin.post("/api/v1/users/tim/archive")
            twin = {"id": "tom", "slack_id": TWIN, "role": "responder"}
            assert (await admin.post("/api/v1/users", json=twin)).status_code == 201
            assert (await admin.post("/api/v1/users/tim/restore")).status_code == 200
            yield Scene(admin, slack, sink)


@pytest.mark.parametrize(("action", "state"), [("acknowledge", "acknowledged"), ("resolve", "resolved")])
async def test_a_button_acts_as_its_person_and_the_message_follows(scene: Scene, action: str, state: str):
    alert_id = await scene.ring()
    said = await scene.press(pressed(alert_id, action, url=scene.sink.url("/actions/T1/secret")))
    assert said.status_code == 200
    alert = await scene.alert(alert_id)
    assert (alert["state"], alert[f"{state}_by"]) == (state, "ada")
    reply = await scene.reply()
    assert (reply.path, reply.json["replace_original"]) == ("/actions/T1/secret", True)
    assert reply.json["text"] == f"[CRITICAL] {state.capitalize()}: Disk full"
    for block in reply.json["blocks"]:
        parsed = Block.parse(block)
        assert parsed is not None
        parsed.validate_json()
    buttons = [one["action_id"] for b in reply.json["blocks"] if b["type"] == "actions" for one in b["elements"]]
    assert buttons == (["resolve"] if state == "acknowledged" else [])
    story = (await scene.admin.get(f"/api/v1/alerts/{alert_id}/audit")).json()["items"]
    assert (story[0]["by"], story[0]["verb"], story[0]["address"]) == ("ada", action, f"Slack user {ADA}")


@pytest.mark.parametrize(
    ("act", "says"),
    [
        ("resolve", "[CRITICAL] Resolved: Disk full|Resolved: critical alert in web, by boss."),
        ("acknowledge", "[CRITICAL] Acknowledged: Disk full|Acknowledged: critical alert in web, by boss."),
    ],
)
async def test_a_button_of_a_message_that_is_out_of_date_says_what_was_done_and_by_whom(
    scene: Scene, act: str, says: str
):
    alert_id = await scene.ring()
    assert (await scene.admin.post(f"/api/v1/alerts/{alert_id}/{act}", json={})).is_success
    await scene.press(pressed(alert_id, url=scene.sink.url()))
    shown = (await scene.reply()).json
    assert f"{shown['text']}|{shown['blocks'][1]['text']['text']}" == says


@pytest.mark.parametrize(
    ("alert", "last"),
    [
        ({"state": AlertState.EXPIRED, "acknowledged_by": "ann"}, (Change.EXPIRED, None)),
        ({"state": AlertState.RESOLVED, "acknowledged_by": "ann"}, (Change.RESOLVED, None)),
        ({"state": AlertState.ACTIVE}, (Change.REOPENED, None)),
    ],
)
def test_what_happened_last_is_not_what_somebody_did_before_that(alert: dict[str, Any], last: tuple[Change, None]):
    assert last_of(an_alert(**alert)) == last


async def test_what_slack_posted_once_does_nothing_when_it_is_posted_again(scene: Scene):
    alert_id = await scene.ring()
    body = pressed(alert_id)
    headers = signed(body)
    assert (await scene.press(body, headers)).status_code == 200
    assert (await scene.admin.post(f"/api/v1/alerts/{alert_id}/unacknowledge", json={})).status_code == 200
    assert (await scene.press(body, headers)).status_code == 200
    assert (await scene.alert(alert_id))["state"] == "active"
    assert "tocsin_slack_buttons_replayed_total 1.0" in (await scene.slack.get("/metrics")).text
    await scene.press(body, signed(body, at=now_us() // 1_000_000 - 60))
    assert (await scene.alert(alert_id))["state"] == "acknowledged", "another press is another signature"


async def test_which_signatures_were_used_is_kept_no_longer_than_they_would_be_good():
    now = 1_000 * AGE_MAX_S
    slack = SlackActions([], None, None, None, lambda: now * 1_000_000)  # type: ignore[arg-type]
    for number in range(USED_MAX + 5):
        slack._use(f"v0={number}", now)
    assert len(slack._used) == USED_MAX
    assert "v0=0" not in slack._used
    now += AGE_MAX_S + 1
    slack._use("v0=new", now)
    assert list(slack._used) == ["v0=new"]


async def test_a_button_pressed_twice_acts_once(scene: Scene):
    alert_id = await scene.ring()
    body = pressed(alert_id)
    headers = signed(body)
    assert [(await scene.press(body, headers)).status_code for _ in range(2)] == [200, 200]
    story = (await scene.admin.get(f"/api/v1/alerts/{alert_id}/audit")).json()["items"]
    assert len([line for line in story if line["verb"] == "acknowledge"]) == 1


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("U0NOBODY", "your Slack id U0NOBODY is that of nobody here"),
        (TWIN, "is that of several people here"),
        ("", "is that of nobody here"),
        (EVE, "eve may not acknowledge alerts"),
    ],
)
async def test_who_may_not_is_told_so_where_nobody_else_sees_it(scene: Scene, user: str, said: str):
    alert_id = await scene.ring()
    await scene.press(pressed(alert_id, user=user, url=scene.sink.url()))
    reply = (await scene.reply()).json
    assert (reply["response_type"], reply["replace_original"]) == ("ephemeral", False)
    assert said in reply["text"]
    assert (await scene.alert(alert_id))["state"] == "active"


async def test_the_alert_of_another_workspace_is_not_there(scene: Scene):
    alert_id = await scene.ring()
    body = pressed(alert_id, url=scene.sink.url())
    await scene.press(body, signed(body, OTHER))
    assert "is that of nobody here" in (await scene.reply()).json["text"], "ada is nobody in the rival's workspace"
    body = pressed("018f0000-0000-7000-8000-00000000dead", url=scene.sink.url())
    await scene.press(body)
    assert "there is no such alert any more" in (await scene.reply(2)).json["text"]
    assert (await scene.alert(alert_id))["state"] == "active"


@pytest.mark.parametrize(
    "headers",
    [
        lambda body: {},
        lambda body: signed(body, "not the secret of any app here"),
        lambda body: signed(body + b"x"),
        lambda body: signed(body, at=now_us() // 1_000_000 - 301),
        lambda body: signed(body, at=now_us() // 1_000_000 + 310),
        lambda body: signed(body) | {"X-Slack-Signature": "v0=é"},
        lambda body: signed(body) | {"X-Slack-Signature": "v1=" + "0" * 64},
        lambda body: signed(body) | {"X-Slack-Request-Timestamp": "٣"},
        lambda body: signed(body) | {"X-Slack-Request-Timestamp": "9" * 40},
    ],
)
async def test_what_slack_has_not_signed_just_now_does_nothing(scene: Scene, headers: Any):
    alert_id = await scene.ring()
    body = pressed(alert_id)
    given = [(name.encode(), value.encode()) for name, value in headers(body).items()]
    said = await scene.slack.post("/api/v1/slack/actions", content=body, headers=given)
    assert (said.status_code, said.json()["code"]) == (401, 101)
    assert (await scene.alert(alert_id))["state"] == "active"
    assert "tocsin_slack_buttons_unsigned_total 1.0" in (await scene.slack.get("/metrics")).text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"payload=",
        b"payload=[]",
        b"payload={%22type%22:5}",
        b"payload=" + b"[" * 100_000,
        b"a=1&payload={}&payload={}",
        b"&".join(b"a=1" for _ in range(50)),
    ],
)
async def test_a_signed_body_that_is_no_interaction_is_refused_with_the_reason(scene: Scene, body: bytes):
    said = await scene.press(body)
    assert (said.status_code, "no interaction of Slack's" in said.json()["detail"]) == (400, True)


async def test_a_body_beyond_reason_is_not_even_looked_at(scene: Scene):
    assert (await scene.press(b"payload=" + b"x" * 300_000)).status_code == 401


@pytest.mark.parametrize("payload", [{"type": "view_submission"}, {"type": "block_actions", "actions": []}])
async def test_other_interactions_are_taken_and_do_nothing(scene: Scene, payload: dict[str, Any]):
    body = urlencode({"payload": msgspec.json.encode(payload).decode()}).encode()
    assert (await scene.press(body)).status_code == 200


async def test_the_link_button_does_nothing_here(scene: Scene):
    alert_id = await scene.ring()
    assert (await scene.press(pressed(alert_id, "open", url=scene.sink.url()))).status_code == 200
    assert (await scene.alert(alert_id))["state"] == "active"
    assert scene.sink.got == []


async def test_the_address_of_a_reply_is_readable_nowhere(scene: Scene):
    await scene.press(pressed(await scene.ring(), url=scene.sink.url("/actions/T1/secret")))
    await scene.reply()
    operator = await scene.admin.get("/api/v1/jobs")
    job = next(job for job in operator.json()["items"] if job["kind"] == "slack_reply")
    whole = await scene.admin.get(f"/api/v1/jobs/{job['id']}")
    assert whole.status_code == 200
    assert "/actions/T1" not in whole.text


async def test_a_reply_is_tried_again_and_one_to_a_forbidden_address_is_not_sent(scene: Scene):
    scene.sink.behave.append(answer(500))
    alert_id = await scene.ring()
    await scene.press(pressed(alert_id, url=scene.sink.url()))
    await scene.press(pressed(alert_id, url="http://169.254.169.254/latest"))
    await scene.press(pressed(alert_id, url="https://x/" + "y" * 3_000))
    assert (await scene.reply(2)).json["replace_original"] is True


async def test_whose_slack_id_changed_acts_by_the_new_one(scene: Scene):
    alert_id = await scene.ring()
    await scene.admin.patch("/api/v1/users/ada", json={"slack_id": "U0NEW"}, headers={"If-Match": "*"})
    await scene.press(pressed(alert_id, user=ADA))
    assert (await scene.alert(alert_id))["state"] == "active"
    await scene.press(pressed(alert_id, user="U0NEW"))
    assert (await scene.alert(alert_id))["acknowledged_by"] == "ada"
    await scene.admin.delete("/api/v1/users/ada", headers={"If-Match": "*"})
    await scene.press(pressed(alert_id, "resolve", user="U0NEW"))
    assert (await scene.alert(alert_id))["state"] == "acknowledged"


def test_slacks_own_library_signs_the_same():
    body, now = pressed("a"), 1_700_000_000
    mark = SignatureVerifier(SECRET).generate_signature(timestamp=str(now), body=body)
    assert mark is not None
    assert is_signed(SECRET.encode(), body, mark, str(now), now * 1_000_000)
    assert not is_signed(SECRET.encode(), body, mark, str(now), (now + 301) * 1_000_000)


async def test_a_slack_id_is_one_persons_and_the_second_one_is_told_whose(scene: Scene):
    said = await scene.admin.post("/api/v1/users", json={"id": "mallory", "slack_id": ADA})
    assert said.status_code == 400
    assert "slack_id: 'U0ADA' is that of 'ada' already" in said.json()["detail"]
    changed = await scene.admin.patch("/api/v1/users/eve", json={"slack_id": ADA}, headers={"If-Match": "*"})
    assert changed.status_code == 400
    assert (await scene.admin.patch("/api/v1/users/ada", json={"slack_id": ""}, headers={"If-Match": "*"})).is_success
    assert (await scene.admin.post("/api/v1/users", json={"id": "mallory", "slack_id": ADA})).status_code == 201
