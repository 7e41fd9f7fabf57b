"""One client's conversation over a real socket: its messages and subscriptions. In virtual time."""

from __future__ import annotations

import json

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from protocol import messages as m
from protocol.codec import WireForm, decode_server, encode
from protocol.errors import BadRequest, CloseCode
from protocol.model import ChannelKey, Reason
from protocol.session import ConversationLimits
from tests.support.actors import KEY, some_events
from tests.support.sessions import CHANNEL, WORKSPACE, a_rig, alerts, close_code, offsets, subscribe
from tests.support.sockets import client_frame

pytestmark = pytest.mark.usefixtures("logs")
BAD_MESSAGES = ConversationLimits().bad_messages_max
SIX = (
    "connected_clients",
    "active_subscriptions",
    "total_subscribers",
    "messages_sent",
    "messages_received",
    "errors",
)


# ---- messages


async def test_a_frame_of_the_wrong_kind_ends_the_conversation(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        text = await rig.served.connect()
        await text.send(client_frame(2, b'{"type":"ping"}'))
        assert await text.hear_close() == (CloseCode.WRONG_FRAME_KIND, "this subprotocol speaks in text frames")
        binary = await rig.served.connect({"Sec-WebSocket-Protocol": "tocsin.v1.msgpack"})
        await binary.send(client_frame(1, b"\x01"))
        assert await binary.hear_close() == (CloseCode.WRONG_FRAME_KIND, "this subprotocol speaks in binary frames")


async def test_the_binary_form_says_the_same(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.served.connect({"Sec-WebSocket-Protocol": "tocsin.v1.msgpack"})
        for message in (m.Auth(token="ada"), m.Subscribe(framework_id="checkout", id="s")):
            await peer.send(client_frame(2, encode(message, WireForm.MSGPACK)))
        heard = [decode_server((await peer.frame())[1], WireForm.MSGPACK) for _ in range(2)]
        assert [type(message) for message in heard] == [m.AuthSuccess, m.Subscribed]
        await rig.ring("a")
        opcode, payload = await peer.frame()
        alert = decode_server(payload, WireForm.MSGPACK)
        assert isinstance(alert, m.AlertMessage)
        assert (opcode, alert.data.title) == (2, "a")


async def test_an_invalid_message_is_answered_with_its_id_and_nothing_else_changes(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        await peer.say({"type": "subscribe", "frameworkId": 5, "id": "x"})
        answer = await peer.hear()
        assert isinstance(answer, m.ErrorMessage)
        assert (answer.code, answer.id) == (107, "x")
        assert "frameworkId" in answer.message
        assert (await subscribe(peer)).channel == CHANNEL


async def test_twenty_bad_messages_are_enough(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        await peer.send(client_frame(1, b"rubbish") * BAD_MESSAGES)
        for _ in range(BAD_MESSAGES):
            assert isinstance(await peer.hear(), m.ErrorMessage)
        assert await close_code(peer) == CloseCode.BAD_REQUEST
        assert rig.counters.errors == BAD_MESSAGES


async def test_twenty_messages_that_only_the_desk_finds_malformed_are_enough_too(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        await peer.send(client_frame(1, b'{"type": "resolve", "alertId": "x"}') * BAD_MESSAGES)
        for _ in range(BAD_MESSAGES):
            answer = await peer.hear()
            assert isinstance(answer, m.ErrorMessage)
            assert answer.code == BadRequest.code
        assert await close_code(peer) == CloseCode.BAD_REQUEST


async def test_a_burst_of_auth_and_subscribe_in_one_packet_is_answered_in_order(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.served.connect()
        burst = [{"type": "auth", "token": "ada"}, {"type": "subscribe", "frameworkId": "checkout"}, {"type": "ping"}]
        await peer.send(b"".join(client_frame(1, json.dumps(message).encode()) for message in burst))
        assert [type(await peer.hear()) for _ in burst] == [m.AuthSuccess, m.Subscribed, m.Pong]


async def test_a_trigger_is_answered_after_its_commit_and_the_session_reads_on_meanwhile(
    autojump_clock: MockClock,
) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        rig.store.gate = trio.Event()
        await peer.say({"type": "trigger", "alert": {"framework_id": "checkout", "title": "a"}, "id": 1})
        await peer.say({"type": "ping", "id": 2})
        assert await peer.hear() == m.Pong(id=2)
        rig.store.gate.set()
        answer = await peer.hear()
        assert isinstance(answer, m.Accepted)
        assert (answer.id, answer.results[0].reason) == (1, Reason.FIRED)


async def test_an_answer_that_comes_after_the_client_has_left_harms_nobody(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        rig.store.gate = trio.Event()
        await peer.say({"type": "trigger", "alert": {"framework_id": "checkout", "title": "a"}})
        await wait_all_tasks_blocked()
        peer.close()
        await wait_all_tasks_blocked()
        rig.store.gate.set()
        await wait_all_tasks_blocked()
        assert (rig.store.titles(), rig.registry.restarts) == (["a"], 0)


async def test_a_request_that_is_refused_is_answered_with_its_number(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        await peer.say({"type": "acknowledge", "alertId": "a1", "id": 1})
        await peer.say({"type": "subscribe", "channel": "alerts:secret", "id": 2})
        await peer.say({"type": "subscribe", "channel": "alerts:umbrella:*", "id": 3})
        heard = [await peer.hear() for _ in range(3)]
        assert [(e.code, e.id) for e in heard if isinstance(e, m.ErrorMessage)] == [(107, 1), (103, 2), (102, 3)]
        rig.store.away = "disk full"
        await peer.say({"type": "subscribe", "frameworkId": "checkout", "id": 4})
        answer = await peer.hear()
        assert isinstance(answer, m.ErrorMessage)
        assert (answer.code, answer.temporary, answer.id) == (120, True, 4)


async def test_a_bug_in_what_a_request_leads_to_ends_that_session_alone(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        victim, canary = await rig.client(), await rig.client("eve")
        await victim.say({"type": "trigger", "alert": {"framework_id": "checkout", "title": "bug"}})
        assert await close_code(victim) == CloseCode.SERVER_ERROR
        await canary.say({"type": "ping"})
        assert await canary.hear() == m.Pong()


# ---- subscriptions


async def test_a_fresh_subscription_gets_what_comes_from_now_on(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 3))
        peer = await rig.client()
        answer = await subscribe(peer, id="s1")
        assert answer == m.Subscribed(channel=CHANNEL, epoch="e1", offset=3, recovered=False, reason="fresh", id="s1")
        await rig.ring("a", "b")
        assert offsets(await alerts(peer, 2)) == [(3, 4), (4, 5)]
        assert rig.presence.notes[1:] == [("subscribed", "c1", CHANNEL)]
        assert rig.counters.subscriptions == 1


async def test_a_minimum_severity_is_kept_to(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        await subscribe(peer, minSeverity="critical")
        await rig.ring("only a warning")
        await peer.say({"type": "ping"})
        assert await peer.hear() == m.Pong()


async def test_unsubscribed_is_unsubscribed_and_once_more_does_no_harm(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        await subscribe(peer)
        for number in (1, 2):
            await peer.say({"type": "unsubscribe", "frameworkId": "checkout", "id": number})
            assert await peer.hear() == m.Unsubscribed(channel=CHANNEL, id=number)
        await rig.ring("unheard")
        await peer.say({"type": "ping"})
        assert await peer.hear() == m.Pong()
        assert rig.counters.subscriptions == 0


async def test_subscribing_again_replaces_the_subscription_and_does_not_double_it(autojump_clock: MockClock) -> None:
    async with a_rig(conversation=ConversationLimits(subscriptions_max=1)) as rig:
        peer = await rig.client()
        await subscribe(peer, minSeverity="critical")
        await subscribe(peer)
        await rig.ring("once")
        await peer.say({"type": "ping"})
        assert offsets(await alerts(peer, 1)) == [(0, 1)]
        assert await peer.hear() == m.Pong()
        assert rig.counters.subscriptions == 1


async def test_one_subscription_too_many_ends_the_conversation(autojump_clock: MockClock) -> None:
    async with a_rig(conversation=ConversationLimits(subscriptions_max=2)) as rig:
        peer = await rig.client()
        await subscribe(peer, "alerts:one")
        await subscribe(peer, "alerts:two")
        await peer.say({"type": "subscribe", "channel": "alerts:three"})
        assert await close_code(peer) == CloseCode.SUBSCRIPTION_LIMIT
        assert rig.counters.subscriptions == 0


async def test_who_leaves_is_attached_to_nothing_any_more(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        await subscribe(peer)
        await subscribe(peer, "workspace")
        audiences = [rig.registry.cell(KEY).audience, *rig.derived.audiences()]
        assert [len(audience or ()) for audience in audiences] == [1, 1]
        peer.close()
        await wait_all_tasks_blocked()
        assert [len(audience or ()) for audience in audiences] == [0, 0]
        assert rig.presence.notes[-1] == ("closed", "c1")
        assert rig.counters.subscriptions == 0
        assert len(rig.ticker) == 0, "its deadlines are forgotten"


async def test_the_gateway_counts_messages_errors_subscriptions_and_the_streams_they_follow(
    autojump_clock: MockClock,
) -> None:
    async with a_rig() as rig:
        first, second = await rig.client(), await rig.client("eve")
        await subscribe(first)
        await subscribe(first, "workspace")
        await subscribe(second)
        await second.say({"type": "nonsense"})
        await second.hear()
        statistics = rig.served.roster.statistics()
        assert {name: statistics[name] for name in SIX} == {
            "connected_clients": 2,
            "active_subscriptions": 2,
            "total_subscribers": 3,
            "messages_sent": 8,
            "messages_received": 6,
            "errors": 1,
        }
        first.close()
        await wait_all_tasks_blocked()
        statistics = rig.served.roster.statistics()
        assert (statistics["active_subscriptions"], statistics["total_subscribers"]) == (1, 1)


async def test_the_whole_workspace_can_be_followed(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 2))
        peer = await rig.client()
        answer = await subscribe(peer, "alerts:*")
        assert (answer.channel, answer.offset) == (WORKSPACE, 2)
        rig.store.add(some_events(1, 1), ChannelKey("acme", "search"))
        heard = await alerts(peer, 1)
        assert (heard[0].channel, offsets(heard)) == (WORKSPACE, [(2, 3)])
        await peer.say({"type": "unsubscribe", "channel": "workspace"})
        assert await peer.hear() == m.Unsubscribed(channel=WORKSPACE)
        assert rig.presence.notes == [("opened", "c1", "ada")]
