"""What one client may take up: messages, items, connections, memory; over real sockets, in virtual time."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Iterator

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.bucket import Rate
from actors.roster import RosterLimits
from actors.throttle import RateLimits, RoleRates
from protocol import messages as m
from protocol.errors import CloseCode
from protocol.limits import Limit
from tests.support.sessions import a_rig, subscribe
from tests.support.sockets import client_frame


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


SLOWLY = RateLimits(
    people=RoleRates(Rate(1, 5), Rate(1, 2)), producers=RoleRates(Rate(1, 5), Rate(1, 2)), refusals=Rate(1, 3)
)


async def test_more_messages_than_the_rate_are_refused_with_their_id_and_then_cut(autojump_clock: MockClock) -> None:
    async with a_rig(rates=SLOWLY) as rig:
        peer = await rig.client()
        for number in range(9):
            await peer.say({"type": "ping", "id": number})
        answers = [await peer.hear() for _ in range(8)]
        assert [type(answer) for answer in answers] == [m.Pong] * 5 + [m.ErrorMessage] * 3
        error = answers[5]
        assert isinstance(error, m.ErrorMessage)
        assert (error.code, error.temporary, error.id) == (111, True, 5)
        assert "messages_per_s: 1 a second, 5 at once" in error.message
        assert (await peer.hear_close())[0] == CloseCode.TOO_MANY_REQUESTS
        assert rig.observer.refusals == [Limit.MESSAGES_PER_S] * 4 + [Limit.REFUSALS]


async def test_nothing_is_done_of_a_request_with_too_many_items(autojump_clock: MockClock) -> None:
    async with a_rig(rates=SLOWLY) as rig:
        peer = await rig.client()
        for number in range(3):
            await peer.say({"type": "trigger", "alert": {"framework_id": "checkout", "title": "one"}, "id": number})
        answers = [await peer.hear() for _ in range(3)]
        refusals = [answer for answer in answers if isinstance(answer, m.ErrorMessage)]
        assert [(error.code, error.id) for error in refusals] == [(111, 2)]
        assert len(rig.store.titles()) == 2


@pytest.mark.parametrize("opcode", [9, 10])
async def test_a_flood_of_websockets_own_frames_is_answered_as_far_as_the_rate_goes_and_then_cut(
    autojump_clock: MockClock, opcode: int
) -> None:
    async with a_rig(rates=SLOWLY) as rig:
        peer = await rig.client()
        await peer.send(client_frame(opcode, b"x") * 1_000)
        heard = []
        while (frame := await peer.frame())[0] != 8:
            heard.append(frame[0])
        assert heard.count(10) == (5 if opcode == 9 else 0)
        assert heard.count(1) == 3, "and a word for each that was not taken"
        assert int.from_bytes(frame[1][:2], "big") == CloseCode.TOO_MANY_REQUESTS


async def test_who_has_not_said_who_he_is_has_the_rate_of_people(autojump_clock: MockClock) -> None:
    async with a_rig(rates=SLOWLY) as rig:
        peer = await rig.served.connect()
        for _ in range(9):
            await peer.say({"type": "ping"})
        assert (await peer.hear_close())[0] == CloseCode.TOO_MANY_REQUESTS


@pytest.mark.parametrize(
    ("limits", "limit", "text"),
    [
        (RosterLimits(per_user_max=2), Limit.CONNECTIONS_PER_USER, "2 connections of this user, limit 2"),
        (
            RosterLimits(per_workspace_max=2),
            Limit.CONNECTIONS_PER_WORKSPACE,
            "2 connections of this workspace, limit 2",
        ),
    ],
)
async def test_one_connection_too_many_of_a_user_or_a_workspace_is_3504_until_another_goes(
    autojump_clock: MockClock, limits: RosterLimits, limit: Limit, text: str
) -> None:
    async with a_rig(roster=limits) as rig:
        first, _ = await rig.client(), await rig.client()
        third = await rig.served.connect()
        await third.say({"type": "auth", "token": "ada"})
        assert await third.hear_close() == (CloseCode.CONNECTION_LIMIT, text)
        assert rig.observer.refusals == [limit]
        assert [note[0] for note in rig.presence.notes] == ["opened", "opened"], "nobody who never came is said to go"
        await rig.client("ada@other")
        first.close()
        await wait_all_tasks_blocked()
        again = await rig.client()
        await again.say({"type": "auth", "token": "ada"})
        assert isinstance(await again.hear(), m.AuthSuccess), "saying auth again takes no second place"


async def test_while_memory_is_short_who_is_in_stays_and_who_has_not_said_who_he_is_comes_later(
    autojump_clock: MockClock,
) -> None:
    async with a_rig() as rig:
        canary, silent = await rig.client(), await rig.served.connect()
        rig.roster.overloaded("2 GB of memory in use, soft limit 1 GB")
        assert await silent.hear_close() == (CloseCode.TRY_LATER, "2 GB of memory in use, soft limit 1 GB")
        await canary.say({"type": "ping"})
        assert isinstance(await canary.hear(), m.Pong)
        assert rig.observer.refusals == [Limit.MEMORY]


async def test_an_operator_sees_how_much_a_connection_was_told(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        await rig.client("eve")
        connection = rig.roster.connections()[0]
        assert (connection.messages_out, connection.subscriptions) == (1, 0)
        await subscribe(peer)
        await rig.ring("a", "b", "c")
        assert (connection.messages_out, connection.subscriptions) == (5, 1)
        await peer.say({"type": "unsubscribe", "channel": "alerts:checkout"})
        await wait_all_tasks_blocked()
        await rig.ring("d")
        assert (connection.messages_out, connection.subscriptions) == (6, 0)
        position = {"epoch": "e1", "offset": 0}
        await peer.say({"type": "subscribe", "channel": "alerts:checkout", "recover": position})
        await wait_all_tasks_blocked()
        assert (connection.messages_out, connection.subscriptions) == (11, 1)


async def test_a_session_that_is_over_is_let_go_without_the_garbage_collector(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        await rig.client()
        gone = weakref.ref(rig.roster.connections()[0])
        gc.collect()
        gc.disable()
        try:
            rig.served.peers[0].close()
            await trio.sleep(5)
            assert rig.roster.count == 0
            assert gone() is None
        finally:
            gc.enable()


async def test_an_administrator_can_end_the_connections_of_a_user(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        ada, eve = await rig.client("ada"), await rig.client("eve")
        silent = await rig.served.connect()
        count = rig.roster.end_where(lambda who: who.user == "ada", CloseCode.FORCED, "by an administrator")
        assert count == 1
        assert await ada.hear_close() == (CloseCode.FORCED, "by an administrator")
        for peer in (eve, silent):
            await peer.say({"type": "ping"})
            assert isinstance(await peer.hear(), m.Pong)


FAST = RateLimits(people=RoleRates(Rate(1e6, 1e6), Rate(1e6, 1e6)), producers=RoleRates(Rate(1e6, 1e6), Rate(1e6, 1e6)))


@pytest.mark.parametrize(
    "message",
    [
        {"type": "ping", "id": "x" * 60},
        {"type": "trigger", "alert": {"framework_id": "checkout", "title": "again"}, "id": "x" * 60},
    ],
)
async def test_who_floods_and_does_not_read_the_answers_is_not_read_from_any_more(
    autojump_clock: MockClock, message: dict[str, object]
) -> None:
    async with a_rig(rates=FAST) as rig:
        canary, peer = await rig.client("eve"), await rig.client()
        frame = client_frame(1, json.dumps(message).encode())
        sent = 0
        with trio.move_on_after(5):  # virtual seconds: until neither side moves any more
            while True:
                await peer.send(frame * 100)
                sent += 100
        assert sent * len(frame) > 1_000_000, "the kernel's buffers are full"
        worst = max(connection.outbox.waiting_bytes for connection in rig.roster.connections())
        assert 0 < worst < 400_000
        await canary.say({"type": "ping"})
        assert isinstance(await canary.hear(), m.Pong)
