"""Every row of the protocol's tables on a real engine, in JSON over a real socket, as a stranger's client would speak.

Each test's name carries the `type` of the rows that it is about; the last test holds the names against the messages.
`gap` needs a reader that is slow: `tests/faults/test_slow_readers.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
import trio

from engine.app import Engine
from engine.sections.doors import Gateway
from protocol import messages as m
from protocol.errors import CloseCode
from protocol.items import TriggerInput
from protocol.rules import ThresholdRule
from tests.support.engines import an_engine
from tests.support.sockets import Peer

PATIENCE_S = 170.0
RULE = ThresholdRule(id="hot", framework="web", metric="cpu", threshold=90.0)


class Talk:
    """One conversation with an engine."""

    def __init__(self, engine: Engine, peer: Peer) -> None:
        self._engine = engine
        self.peer = peer

    async def say(self, kind: str, **fields: Any) -> None:
        await self.peer.say({"type": kind, **fields})

    async def ask(self, kind: str, **fields: Any) -> Any:
        """Says it, and gives what comes next that is no proof of silence."""
        await self.say(kind, **fields)
        return await self.hear()

    async def hear(self) -> Any:
        """The next message that is no proof of silence."""
        while isinstance(message := await self.peer.hear(), m.PositionMessage):
            pass
        return message

    async def ring(self, **alert: Any) -> None:
        """Somebody else rings, and it is committed."""
        who = self._engine.principal("a producer")
        await self._engine.service.trigger(who, [TriggerInput(**{"framework_id": "web"} | alert)])


@asynccontextmanager
async def talking(engine: Engine, user: str = "ann", **token: Any) -> AsyncIterator[Talk]:
    """A conversation that has authenticated as this user."""
    async with connected(engine) as talk:
        answer = await talk.ask("auth", token=engine.issue_token("main", user, **token))
        assert isinstance(answer, m.AuthSuccess), answer
        yield talk


@asynccontextmanager
async def connected(engine: Engine) -> AsyncIterator[Talk]:
    host, _, port = engine.ws_url.removeprefix("ws://").partition(":")
    sock = trio.socket.socket()
    await sock.connect((host, int(port)))
    peer = Peer(sock)
    try:
        assert "101" in await peer.upgrade()
        yield Talk(engine, peer)
    finally:
        peer.close()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    gateway = Gateway(drain_s=1.0, close_s=0.5, position_s=1.0)
    with trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path, rules=(RULE,), gateway=gateway) as engine:
            yield engine


async def test_auth_is_answered_by_auth_success_with_who_one_is(engine: Engine) -> None:
    async with connected(engine) as talk:
        answer = await talk.ask("auth", token=engine.issue_token("main", "ann"), id="first")
        assert (answer.workspace_id, answer.user_id, answer.id) == ("main", "ann", "first")


async def test_a_bad_token_is_answered_by_auth_failed_and_may_be_followed_by_a_good_one(engine: Engine) -> None:
    async with connected(engine) as talk:
        refused = await talk.ask("auth", token="rubbish", id=1)
        assert isinstance(refused, m.AuthFailed)
        assert (refused.code, refused.id) == (101, 1)
        assert isinstance(await talk.ask("auth", token=engine.issue_token("main", "ann")), m.AuthSuccess)


async def test_refresh_extends_the_session_and_the_subscriptions_stay(engine: Engine) -> None:
    async with talking(engine, ttl_s=60) as talk:
        await talk.ask("subscribe", channel="alerts:web")
        answer = await talk.ask("refresh", token=engine.issue_token("main", "ann", ttl_s=3_600), id=2)
        assert isinstance(answer, m.AuthSuccess)
        await talk.ring(title="after")
        assert (await talk.hear()).data.title == "after"
        refused = await talk.ask("refresh", token=engine.issue_token("main", "bob"))
        assert isinstance(refused, m.AuthFailed), "another user's"


@pytest.mark.parametrize(
    ("request_", "channel"),
    [
        ({"frameworkId": "web"}, "alerts:main:web"),
        ({"channel": "alerts:web"}, "alerts:main:web"),
        ({"channel": "alerts:main:web"}, "alerts:main:web"),
        ({"channel": "project:web"}, "alerts:main:web"),
        ({"channel": "workspace"}, "alerts:main:*"),
        ({"channel": "alerts:*"}, "alerts:main:*"),
        ({"channel": "user"}, "user:main:ann"),
        ({"channel": "user:ann"}, "user:main:ann"),
    ],
)
async def test_subscribe_is_answered_by_subscribed_and_alert_messages_follow(
    engine: Engine, request_: Mapping[str, str], channel: str
) -> None:
    async with talking(engine) as talk:
        await talk.ring(title="before", assigned_to="ann")
        answer = await talk.ask("subscribe", id=3, **request_)
        assert isinstance(answer, m.Subscribed)
        assert (answer.channel, answer.offset, answer.recovered, answer.reason) == (channel, 1, False, "fresh")
        await talk.ring(title="now", assigned_to="ann")
        told = await talk.hear()
        assert isinstance(told, m.AlertMessage)
        assert (told.channel, told.epoch, told.prev, told.offset) == (channel, answer.epoch, 1, 2)
        assert (told.event.value, told.data.title) == ("fired", "now")


@pytest.mark.parametrize("channel", ["alerts:web", "workspace", "user"])
async def test_subscribe_with_recover_brings_every_missed_alert_in_order(engine: Engine, channel: str) -> None:
    async with talking(engine) as talk:
        epoch = (await talk.ask("subscribe", channel=channel)).epoch
        await talk.ask("unsubscribe", channel=channel)
        for number in range(1, 7):
            await talk.ring(title=f"alert {number}", assigned_to="ann")
        answer = await talk.ask("subscribe", channel=channel, recover={"epoch": epoch, "offset": 2})
        assert (answer.recovered, answer.reason, answer.offset) == (True, "ok", 6)
        heard = [await talk.hear() for _ in range(4)]
        assert [(message.prev, message.offset, message.data.title) for message in heard] == [
            (offset - 1, offset, f"alert {offset}") for offset in range(3, 7)
        ]


@pytest.mark.parametrize("channel", ["alerts:web", "workspace", "user"])
async def test_subscribe_with_min_severity_leaves_out_alerts_and_prev_names_the_last_one_told(
    engine: Engine, channel: str
) -> None:
    async with talking(engine) as talk:
        epoch = (await talk.ask("subscribe", channel=channel, minSeverity="error")).epoch
        for number, severity in enumerate(["critical", "info", "warning", "error"], 1):
            await talk.ring(title=f"alert {number}", severity=severity, assigned_to="ann")
        live = [await talk.hear() for _ in range(2)]
        assert [(message.prev, message.offset) for message in live] == [(0, 1), (1, 4)]
        again = {"channel": channel, "minSeverity": "error", "recover": {"epoch": epoch, "offset": 1}}
        assert (await talk.ask("subscribe", **again)).recovered
        told = await talk.hear()
        assert (told.prev, told.offset) == (1, 4)


@pytest.mark.parametrize("channel", ["alerts:web", "workspace", "user"])
async def test_position_proves_silence_also_to_who_filters(engine: Engine, channel: str) -> None:
    async with talking(engine) as talk:
        answer = await talk.ask("subscribe", channel=channel, minSeverity="critical")
        await talk.ring(severity="info", assigned_to="ann")
        while (proof := await talk.peer.hear()).offset == 0:  # type: ignore[union-attr]
            assert isinstance(proof, m.PositionMessage)
        assert isinstance(proof, m.PositionMessage)
        assert (proof.channel, proof.epoch, proof.offset) == (answer.channel, answer.epoch, 1)


@pytest.mark.parametrize("channel", ["alerts:web", "workspace", "user"])
async def test_snapshot_shows_the_open_alerts_and_what_happens_then_follows(engine: Engine, channel: str) -> None:
    async with talking(engine) as talk:
        for number in range(150):
            await talk.ring(title=f"alert {number}", assigned_to="ann")
        who = engine.principal("ann")
        (over,) = await engine.service.trigger(who, [TriggerInput(framework_id="web", title="over")])
        await engine.service.resolve(who, [over.alert_id or ""], None)
        answer = await talk.ask("subscribe", channel=channel, snapshot=True)
        assert not answer.recovered
        pages: list[m.Snapshot] = [await talk.hear()]
        while not pages[-1].last:
            pages.append(await talk.hear())
        assert len(pages) >= 2
        assert [page.page for page in pages] == list(range(len(pages)))
        assert [alert.title for page in pages for alert in page.alerts] == [f"alert {n}" for n in range(149, -1, -1)]
        assert all((page.channel, page.offset) == (answer.channel, answer.offset) for page in pages)
        await talk.ring(title="then", assigned_to="ann")
        told = await talk.hear()
        assert (told.prev, told.offset) == (answer.offset, answer.offset + 1)


async def test_unsubscribe_is_answered_by_unsubscribed_and_nothing_comes_any_more(engine: Engine) -> None:
    async with talking(engine) as talk:
        await talk.ask("subscribe", channel="user")
        answer = await talk.ask("unsubscribe", channel="user:ann", id=4)
        assert answer == m.Unsubscribed(channel="user:main:ann", id=4)
        await talk.ring(assigned_to="ann")
        assert isinstance(await talk.ask("ping"), m.Pong)


async def test_trigger_is_answered_by_accepted_with_a_result_for_each(engine: Engine) -> None:
    async with talking(engine) as talk:
        one = await talk.ask("trigger", id=5, alert={"framework_id": "web", "title": "x"})
        assert isinstance(one, m.Accepted)
        assert (one.id, one.results[0].status.value, one.results[0].offset) == (5, "fired", 1)
        many = await talk.ask("trigger", alerts=[{"framework_id": "web", "title": title} for title in ("x", "y")], id=6)
        assert [(r.status.value, r.reason.value) for r in many.results] == [
            ("suppressed", "duplicate"),
            ("fired", "fired"),
        ]


async def test_reading_is_held_against_the_rules(engine: Engine) -> None:
    async with talking(engine) as talk:
        readings = [
            {"framework_id": "web", "metric": metric, "value": value}
            for metric, value in (("cpu", 91.0), ("cpu", 89.0), ("cpu", 1.0), ("memory", 99.0))
        ]
        answer = await talk.ask("reading", readings=readings)
        assert [(r.status.value, r.reason.value) for r in answer.results] == [
            ("fired", "fired"),
            ("resolved", "resolved"),
            ("below_threshold", "below_threshold"),
            ("below_threshold", "no_rule"),
        ]


@pytest.mark.parametrize(("verb", "status"), [("acknowledge", "acknowledged"), ("resolve", "resolved")])
async def test_acknowledge_and_resolve_change_one_alert_or_many(engine: Engine, verb: str, status: str) -> None:
    async with talking(engine) as talk:
        fired = await talk.ask("trigger", alerts=[{"framework_id": "web", "title": title} for title in "abc"])
        first, *others = [result.alert_id for result in fired.results]
        await talk.ask("subscribe", channel="alerts:web")
        await talk.say(verb, alertId=first, notes="on it", id=7)
        heard = {type(message): message for message in [await talk.hear(), await talk.hear()]}
        assert [result.status.value for result in heard[m.Accepted].results] == [status]
        told = heard[m.AlertMessage]
        assert (told.event.value, told.data.notes, told.by) == (status, "on it", "ann")
        await talk.say(verb, alertIds=others)
        heard = {type(message): message for message in [await talk.hear(), await talk.hear()]}
        assert [result.status.value for result in heard[m.Accepted].results] == [status] * 2
        told = heard[m.AlertMessage]
        assert (told.data, told.alert_ids, told.change.state.value) == (None, others, status)


async def test_received_and_seen_are_kept_and_listed_by_alert(engine: Engine) -> None:
    async with talking(engine) as talk:
        await talk.ask("subscribe", channel="alerts:web")
        await talk.ring()
        told = await talk.hear()
        await talk.say("received", channel="alerts:web", offset=told.offset)
        await talk.say("seen", channel="alerts:main:web", offset=told.offset)
        refused = await talk.ask("seen", channel="alerts:web", offset=99, id=8)
        assert (refused.code, refused.id) == (107, 8)
        url = f"{engine.http_url}/api/v1/alerts/{told.data.id}/recipients"
        headers = {"Authorization": f"Bearer {engine.issue_token('main', 'bob', 'viewer')}"}
        async with httpx.AsyncClient(headers=headers, timeout=170) as http:
            # Marks are written within a second or so: what comes next of the socket is our clock.
            while not (items := (await http.get(url)).raise_for_status().json()["items"]):
                await talk.peer.hear()
        assert [item["user"] for item in items] == ["ann"]
        assert items[0]["received_at"] <= items[0]["seen_at"]


async def test_read_is_answered_by_marked_read_with_what_is_left(engine: Engine) -> None:
    await engine.shelves.users.create(engine.principal("boss"), {"id": "ann"})
    async with talking(engine) as talk:
        await talk.ask("subscribe", channel="user")
        await talk.ring(assigned_to="ann")
        while not isinstance(told := await talk.hear(), m.Notification):
            pass
        marked = await talk.ask("read", keys=[told.key], id=11)
        assert marked == m.MarkedRead(read=1, unread=0, id=11)
        assert await talk.ask("read", id=12) == m.MarkedRead(read=0, unread=0, id=12)


async def test_ping_is_answered_by_pong_also_before_auth(engine: Engine) -> None:
    async with connected(engine) as talk:
        assert await talk.ask("ping", id=9) == m.Pong(id=9)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"type": "subscribe", "channel": "user:bob"}, 102),
        ({"type": "subscribe", "channel": "alerts:umbrella:web"}, 102),
        ({"type": "received", "channel": "alerts:web", "offset": 1}, 102),
        ({"type": "subscribe"}, 107),
        ({"type": "trigger"}, 107),
        ({"type": "hack"}, 107),
    ],
)
async def test_error_says_why_a_request_was_refused(engine: Engine, request_: dict[str, Any], code: int) -> None:
    async with talking(engine) as talk:
        await talk.peer.say({**request_, "id": 10})
        answer = await talk.hear()
        assert isinstance(answer, m.ErrorMessage)
        assert (answer.code, answer.id, answer.temporary) == (code, 10, False)


async def test_bye_comes_before_the_close_of_an_engine_that_stops(tmp_path: Path) -> None:
    heard: list[Any] = []

    async def listen(engine: Engine, task_status: trio.TaskStatus[None]) -> None:
        async with talking(engine) as talk:
            task_status.started()
            heard.extend([await talk.hear(), await talk.peer.hear_close()])

    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery, an_engine(tmp_path) as engine:
            await nursery.start(listen, engine)
    bye, (code, _) = heard
    assert isinstance(bye, m.Bye)
    assert (bye.code, code) == (CloseCode.SHUTDOWN, CloseCode.SHUTDOWN)
    assert bye.reconnect_after_ms > 0


async def test_a_person_of_the_same_name_in_another_workspace_hears_and_learns_nothing(engine: Engine) -> None:
    async with talking(engine) as ours, connected(engine) as theirs:
        await theirs.ask("auth", token=engine.issue_token("umbrella", "ann"))
        for channel, name in (("user", "user:umbrella:ann"), ("workspace", "alerts:umbrella:*")):
            assert (await theirs.ask("subscribe", channel=channel, snapshot=True)).channel == name
            assert (await theirs.hear()).alerts == []
        assert (await theirs.ask("subscribe", channel="user:main:ann")).code == 102
        await ours.ask("subscribe", channel="user")
        await ours.ring(assigned_to="ann")
        told = await ours.hear()
        assert isinstance(await theirs.ask("ping"), m.Pong), "and not the alert"
        url = f"{engine.http_url}/api/v1/alerts/{told.data.id}/recipients"
        headers = {"Authorization": f"Bearer {engine.issue_token('umbrella', 'ann')}"}
        async with httpx.AsyncClient(headers=headers, timeout=170) as http:
            assert (await http.get(url)).status_code == 404


# What needs more than a talk with an engine, and where it is tried.
ELSEWHERE = {
    "gap": "tests/faults/test_slow_readers.py",
    "broadcast": "tests/integration/test_client_broadcasts.py",
    "workflow_updated": "tests/integration/test_workflows.py",
    "alerts_refresh": "tests/integration/test_workflows.py",
    "new_alert": "tests/integration/test_workflows.py",
    "notification": "tests/integration/test_notifications_in_app.py",
    "pattern_found": "tests/integration/test_patterns.py",
    "incident": "tests/integration/test_incidents.py",
}


def test_each_message_has_its_test() -> None:
    names = " ".join(name for name in globals() if name.startswith("test_"))
    for kind in get_args(m.ClientMessage) + get_args(m.ServerMessage):
        tag = str(kind.__struct_config__.tag)
        if tag in ELSEWHERE:
            assert tag in Path(ELSEWHERE[tag]).read_text()
        else:
            assert f"_{tag}_" in names
