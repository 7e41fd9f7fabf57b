"""One client's conversation over a real socket: who it is, until when, and its deadlines. In virtual time."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.ticker import TICK_S
from protocol import messages as m
from protocol.errors import CloseCode
from protocol.model import ChannelKey
from tests.support.actors import clock, some_events
from tests.support.sessions import CHANNEL, WORKSPACE, a_rig, close_code, subscribe
from tests.support.sockets import client_frame

pytestmark = pytest.mark.usefixtures("logs")


async def test_auth_says_who_one_is_until_when_and_how_often_there_is_a_ping(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.served.connect()
        await peer.say({"type": "auth", "token": "ada 60", "id": 7})
        assert await peer.hear() == m.AuthSuccess(
            client_id="c1",
            workspace_id="acme",
            user_id="ada",
            expires_at="2026-01-01T00:01:00.000000Z",
            ping=30.0,
            id=7,
        )
        assert rig.presence.notes == [("opened", "c1", "ada")]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "subscribe", "frameworkId": "checkout"},
        {"type": "unsubscribe", "frameworkId": "checkout"},
        {"type": "refresh", "token": "ada"},
        {"type": "trigger", "alert": {"framework_id": "checkout"}},
        {"type": "acknowledge", "alertId": "a1"},
    ],
)
async def test_auth_comes_first(autojump_clock: MockClock, message: dict[str, Any]) -> None:
    async with a_rig() as rig:
        peer = await rig.served.connect()
        await peer.say({**message, "id": "early"})
        answer = await peer.hear()
        assert isinstance(answer, m.ErrorMessage)
        assert (answer.code, answer.id, answer.temporary) == (101, "early", False)
        assert (rig.registry.cells(), rig.presence.notes) == ([], [])


async def test_ping_is_answered_at_once_also_before_auth(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.served.connect()
        await peer.say({"type": "ping", "id": 1})
        assert await peer.hear() == m.Pong(id=1)


async def test_three_bad_tokens_are_enough(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.served.connect()
        answers = []
        for number, token in enumerate(("bad", "late", "bad")):
            await peer.say({"type": "auth", "token": token, "id": number})
            answers.append(await peer.hear())
        assert [(answer.code, answer.id) for answer in answers if isinstance(answer, m.AuthFailed)] == [
            (101, 0),
            (109, 1),
            (101, 2),
        ]
        assert await close_code(peer) == CloseCode.INVALID_TOKEN
        assert rig.presence.notes == []


async def test_after_two_bad_tokens_a_good_one_is_good(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.served.connect()
        for token in ("bad", "bad"):
            await peer.say({"type": "auth", "token": token})
            assert isinstance(await peer.hear(), m.AuthFailed)
        await peer.say({"type": "auth", "token": "ada"})
        assert isinstance(await peer.hear(), m.AuthSuccess)
        await trio.sleep(50)
        assert rig.served.roster.statistics()["connected_clients"] == 1


async def test_who_does_not_authenticate_in_ten_seconds_has_to_go(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.served.connect()
        await trio.sleep(8)
        await peer.say({"type": "ping"})
        await peer.hear()
        assert await peer.hear_close() == (CloseCode.NO_AUTH, "no auth within 10 s")
        assert trio.current_time() == pytest.approx(10, abs=1)


async def test_a_ticket_opens_the_session_once_and_no_more(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.desk.tickets["once"] = "ada"
        for kind in (m.AuthSuccess, m.AuthFailed):
            peer = await rig.served.connect()
            await peer.say({"type": "auth", "ticket": "once"})
            assert isinstance(await peer.hear(), kind)


@pytest.mark.parametrize("credentials", [{}, {"token": "ada", "ticket": "once"}, {"token": None, "ticket": None}])
async def test_auth_says_either_a_token_or_a_ticket(autojump_clock: MockClock, credentials: dict[str, str]) -> None:
    async with a_rig() as rig:
        rig.desk.tickets["once"] = "ada"
        peer = await rig.served.connect()
        await peer.say({"type": "auth", **credentials})
        assert await peer.hear() == m.ErrorMessage(code=107, message="say either token or ticket", temporary=False)
        assert rig.desk.tickets == {"once": "ada"}, "it was not used up"


async def test_a_ticket_extends_no_session(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client("ada")
        await peer.say({"type": "refresh", "ticket": "once"})
        answer = await peer.hear()
        assert isinstance(answer, m.ErrorMessage)
        assert answer.code == 107


@pytest.mark.parametrize("lifetime_s", [2, 7, 33])
async def test_an_expired_token_ends_the_session_at_the_second(autojump_clock: MockClock, lifetime_s: int) -> None:
    async with a_rig() as rig:
        peer = await rig.client(f"ada {lifetime_s}")
        expires_at = clock() + lifetime_s * 1_000_000
        assert await close_code(peer) == CloseCode.EXPIRED
        assert 0 <= clock() - expires_at <= 1_100_000
        assert rig.presence.notes[-1] == ("closed", "c1")


async def test_a_refreshed_token_extends_the_session(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client("ada 10")
        await trio.sleep(8)
        await peer.say({"type": "refresh", "token": "ada 30", "id": 2})
        answer = await peer.hear()
        assert isinstance(answer, m.AuthSuccess)
        assert answer.id == 2
        assert await close_code(peer) == CloseCode.EXPIRED
        assert trio.current_time() == pytest.approx(38, abs=1.5)
        assert [note[0] for note in rig.presence.notes] == ["opened", "closed"], "it is the same connection"


async def test_a_refresh_to_a_token_that_expires_sooner_ends_the_session_at_that_second(
    autojump_clock: MockClock,
) -> None:
    async with a_rig() as rig:
        peer = await rig.client("ada 600")
        await trio.sleep(15)
        for lifetime_s in (20, 6, 3):
            await peer.say({"type": "refresh", "token": f"ada {lifetime_s}"})
            assert isinstance(await peer.hear(), m.AuthSuccess)
        assert len(rig.ticker) == 1, "one moment is watched, the nearest"
        assert await close_code(peer) == CloseCode.EXPIRED
        assert 18 <= trio.current_time() <= 19.1


async def test_a_refresh_to_a_narrower_token_ends_the_subscriptions_that_it_does_not_allow(
    autojump_clock: MockClock,
) -> None:
    async with a_rig() as rig:
        peer = await rig.client("ada")
        for channel in ("alerts:checkout", "alerts:search", "workspace"):
            await subscribe(peer, channel)
        await peer.say({"type": "refresh", "token": "ada@acme#search", "id": 1})
        answer, *farewells = [await peer.hear() for _ in range(3)]
        assert isinstance(answer, m.AuthSuccess)
        assert farewells == [m.Unsubscribed(channel=CHANNEL, code=103), m.Unsubscribed(channel=WORKSPACE, code=103)]
        await rig.ring("not for this token")
        rig.store.add(some_events(1, 1), ChannelKey("acme", "search"))
        await peer.say({"type": "ping"})
        assert await peer.hear() == m.Pong()
        assert rig.counters.subscriptions == 1


@pytest.mark.parametrize("token", ["eve", "ada@umbrella"])
async def test_a_connection_does_not_become_somebody_elses(autojump_clock: MockClock, token: str) -> None:
    async with a_rig() as rig:
        peer = await rig.client("ada")
        await peer.say({"type": "auth", "token": token})
        answer = await peer.hear()
        assert isinstance(answer, m.AuthFailed)
        assert "another user or workspace" in answer.message


async def test_silence_ends_the_session_and_any_byte_is_life(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        for _ in range(3):
            await trio.sleep(50)
            await peer.send(client_frame(10))
        began = trio.current_time()
        assert await peer.hear_close() == (CloseCode.NO_PONG, "nothing heard for 60 s")
        assert trio.current_time() - began == pytest.approx(60, abs=1.1)


async def test_a_message_must_be_complete_in_ten_seconds(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        await peer.send(client_frame(1, b'{"type":', final=False))
        for _ in range(3):
            await trio.sleep(3)
            await peer.send(client_frame(0, b" ", final=False))
        assert await peer.hear_close() == (CloseCode.SLOW, "message not complete within 10 s")
        assert trio.current_time() == pytest.approx(10, abs=1.1)


@pytest.mark.parametrize("idle_s", [0, 5, 40])
async def test_short_deadlines_are_kept_to_within_a_tick(autojump_clock: MockClock, idle_s: int) -> None:
    async with a_rig(message_s=2.0, timeout_s=100.0) as rig:
        peer = await rig.client()
        await trio.sleep(idle_s)
        began = trio.current_time()
        await peer.send(client_frame(1, b'{"type":', final=False))
        assert await peer.hear_close() == (CloseCode.SLOW, "message not complete within 2 s")
        assert 2 <= trio.current_time() - began <= 2 + TICK_S


async def test_a_short_silence_is_noticed_within_a_tick(autojump_clock: MockClock) -> None:
    async with a_rig(timeout_s=3.0) as rig:
        peer = await rig.client()
        for _ in range(4):
            await trio.sleep(2.5)
            await peer.send(client_frame(10))
        began = trio.current_time()
        assert await peer.hear_close() == (CloseCode.NO_PONG, "nothing heard for 3 s")
        assert 3 <= trio.current_time() - began <= 3 + TICK_S


async def test_a_message_in_parts_that_is_completed_before_auth_leaves_the_time_for_auth_as_it_was(
    autojump_clock: MockClock,
) -> None:
    async with a_rig(message_s=2.0) as rig:
        peer = await rig.served.connect()
        await peer.send(client_frame(1, b'{"type":', final=False))
        await trio.sleep(1)
        await peer.send(client_frame(0, b'"ping"}'))
        assert await peer.hear() == m.Pong()
        assert await close_code(peer) == CloseCode.NO_AUTH
        assert 10 <= trio.current_time() <= 10 + TICK_S


async def test_messages_in_parts_that_are_completed_in_time_need_no_deadline_of_their_own(
    autojump_clock: MockClock,
) -> None:
    async with a_rig(message_s=2.0) as rig:
        peer = await rig.client()
        for _ in range(20):
            await peer.send(client_frame(1, b'{"type":', final=False))
            await trio.sleep(1)
            await peer.send(client_frame(0, b'"ping"}'))
            assert await peer.hear() == m.Pong()
            assert len(rig.ticker) == 1


async def test_signs_of_life_are_noted_once_in_a_silence_timeout_however_many_there_are(
    autojump_clock: MockClock,
) -> None:
    async with a_rig(message_s=2.0) as rig:
        peer = await rig.client()
        for _ in range(100):
            await trio.sleep(2)
            await peer.send(client_frame(1, b'{"type":', final=False) + client_frame(0, b'"ping"}'))
            await peer.hear()
        assert rig.presence.notes[1:] == [("active", "c1")] * 3


async def test_who_was_not_heard_again_is_not_noted_as_active(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        assert await close_code(peer) == CloseCode.NO_PONG
        assert [note[0] for note in rig.presence.notes] == ["opened", "closed"]
