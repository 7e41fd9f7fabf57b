"""Every close code, produced on a real socket: its Close frame comes, nothing after it, and nobody else notices.

One row a code; a code without a row fails the test, so a new one cannot come without its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.bucket import Rate
from actors.frames import Frame
from actors.gateway import GatewayLimits
from actors.roster import RosterLimits
from actors.throttle import RateLimits, RoleRates
from protocol import messages as m
from protocol.errors import CloseCode
from protocol.session import ConversationLimits
from tests.support.actors import some_events
from tests.support.sessions import Rig, a_rig
from tests.support.sockets import Peer, client_frame

Provoke = Callable[[Rig, Peer], Awaitable[None]]
# Of later issues, or never sent by us.
NOT_YET = {
    CloseCode.CLOSED: "reserved for clients' own use",
    CloseCode.PERMISSION_DENIED: "a refusal is an error (103) and no end until channels can be taken away (issue D)",
}
SLOWLY = RateLimits(
    people=RoleRates(Rate(1, 5), Rate(1, 2)), producers=RoleRates(Rate(1, 5), Rate(1, 2)), refusals=Rate(1, 3)
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


async def say_hello_and_leave(rig: Rig, peer: Peer) -> None:
    await peer.send(client_frame(8, (1000).to_bytes(2, "big")))


async def set_a_reserved_bit(rig: Rig, peer: Peer) -> None:
    await peer.send(b"\xf1\x80\0\0\0\0")


async def send_the_other_kind(rig: Rig, peer: Peer) -> None:
    await peer.send(client_frame(2, b"\x80"))


async def send_bad_utf8(rig: Rig, peer: Peer) -> None:
    await peer.send(client_frame(1, b"\xff"))


async def send_too_much(rig: Rig, peer: Peer) -> None:
    await peer.send(client_frame(1, bytes(70_000)))


async def come_while_memory_is_short(rig: Rig, peer: Peer) -> None:
    rig.roster.overloaded("too much memory in use")
    await peer.say({"type": "auth", "token": "ada"})


async def meet_a_shutdown(rig: Rig, peer: Peer) -> None:
    rig.served.scope.cancel()


async def meet_a_bug(rig: Rig, peer: Peer) -> None:
    await peer.say({"type": "auth", "token": "ada"})
    await peer.say({"type": "trigger", "alert": {"framework_id": "checkout", "title": "bug"}})


async def outlive_the_token(rig: Rig, peer: Peer) -> None:
    await peer.say({"type": "auth", "token": "brief 5"})


async def read_nothing(rig: Rig, peer: Peer) -> None:
    (outbox,) = [each.outbox for each in rig.roster.connections() if each.principal is None]
    while not outbox.sealed:
        outbox.push(Frame(b"\x82\x7f" + (1_000_000).to_bytes(8, "big") + bytes(1_000_000)))
        await wait_all_tasks_blocked()


async def ask_for_history_of_a_store_that_is_away(rig: Rig, peer: Peer) -> None:
    rig.store.add(some_events(1, 2))
    await peer.say({"type": "auth", "token": "ada"})
    await peer.hear()
    await rig.ring("three")
    rig.store.history_away = 10
    position = {"epoch": "e1", "offset": 0}
    await peer.say({"type": "subscribe", "channel": "alerts:checkout", "recover": position})


async def fall_silent(rig: Rig, peer: Peer) -> None:
    await peer.say({"type": "auth", "token": "ada"})


async def talk_too_fast(rig: Rig, peer: Peer) -> None:
    for _ in range(9):
        await peer.say({"type": "ping"})


async def guess_tokens(rig: Rig, peer: Peer) -> None:
    for _ in range(ConversationLimits().auth_failures_max):
        await peer.say({"type": "auth", "token": "bad"})


async def talk_rubbish(rig: Rig, peer: Peer) -> None:
    for _ in range(ConversationLimits().bad_messages_max):
        await peer.say({"type": "rubbish"})


async def say_nothing(rig: Rig, peer: Peer) -> None:
    """Waits."""


async def be_thrown_out(rig: Rig, peer: Peer) -> None:
    await peer.say({"type": "auth", "token": "eve"})
    assert isinstance(await peer.hear(), m.AuthSuccess)
    rig.roster.end_where(lambda who: who.user == "eve", CloseCode.FORCED, "disconnected by an administrator")


async def be_one_too_many(rig: Rig, peer: Peer) -> None:
    await peer.say({"type": "auth", "token": "ada"})


async def subscribe_to_everything(rig: Rig, peer: Peer) -> None:
    await peer.say({"type": "auth", "token": "ada"})
    for number in range(3):
        await peer.say({"type": "subscribe", "channel": f"alerts:f{number}"})


ROWS: dict[CloseCode, tuple[Provoke, dict[str, Any]]] = {
    CloseCode.NORMAL: (say_hello_and_leave, {}),
    CloseCode.PROTOCOL_ERROR: (set_a_reserved_bit, {}),
    CloseCode.WRONG_FRAME_KIND: (send_the_other_kind, {}),
    CloseCode.BAD_UTF8: (send_bad_utf8, {}),
    CloseCode.TOO_BIG: (send_too_much, {}),
    CloseCode.TRY_LATER: (come_while_memory_is_short, {}),
    CloseCode.SHUTDOWN: (meet_a_shutdown, {}),
    CloseCode.SERVER_ERROR: (meet_a_bug, {}),
    CloseCode.EXPIRED: (outlive_the_token, {}),
    CloseCode.SLOW: (read_nothing, {"auth_s": 1_000.0, "timeout_s": 1_000.0}),
    CloseCode.INSUFFICIENT_STATE: (ask_for_history_of_a_store_that_is_away, {}),
    CloseCode.NO_PONG: (fall_silent, {}),
    CloseCode.TOO_MANY_REQUESTS: (talk_too_fast, {"rates": SLOWLY}),
    CloseCode.INVALID_TOKEN: (guess_tokens, {}),
    CloseCode.BAD_REQUEST: (talk_rubbish, {}),
    CloseCode.NO_AUTH: (say_nothing, {}),
    CloseCode.FORCED: (be_thrown_out, {}),
    CloseCode.CONNECTION_LIMIT: (be_one_too_many, {"roster": RosterLimits(per_user_max=1)}),
    CloseCode.SUBSCRIPTION_LIMIT: (subscribe_to_everything, {"conversation": ConversationLimits(subscriptions_max=2)}),
}


def test_every_close_code_has_its_row_or_its_reason() -> None:
    assert set(ROWS) | set(NOT_YET) == set(CloseCode)
    assert not set(ROWS) & set(NOT_YET)


@pytest.mark.parametrize("code", ROWS, ids=lambda code: f"{code.value}-{code.name.lower()}")
async def test_a_close_code_comes_with_its_close_frame_and_harms_nobody_else(
    autojump_clock: MockClock, code: CloseCode
) -> None:
    provoke, limits = ROWS[code]
    async with a_rig(GatewayLimits(drain_s=4.0), **limits) as rig:
        canary = await rig.client()
        peer = await rig.served.connect()
        with trio.CancelScope() as chatting:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stay_alive, canary)
                await provoke(rig, peer)
                heard, reason = await peer.hear_close()  # and nothing came after it
                nursery.cancel_scope.cancel()
        assert not chatting.cancelled_caught
        assert heard == code, reason
        assert len(reason.encode()) <= 123
        peer.close()
        if code is not CloseCode.SHUTDOWN:
            await canary.say({"type": "ping", "id": "still here"})
            while not (isinstance(answer := await canary.hear(), m.Pong) and answer.id == "still here"):
                pass
            await wait_all_tasks_blocked()
            assert rig.roster.count == 1


async def stay_alive(canary: Peer) -> None:
    while True:
        await trio.sleep(20)
        await canary.say({"type": "ping"})
