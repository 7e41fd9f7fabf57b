"""A client whose tokens come from a function: it brings the next one before the one in use ends."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from protocol import messages as m
from protocol.client_session import ClientState
from protocol.errors import Unauthorized
from protocol.times import SECOND_US, rfc3339
from tests.support.client_server import HELLO, Peer, Server
from tocsin import connection as transport
from tocsin.client import Client
from tocsin.freshness import refresh_after_s

URL = "ws://engine:3008"
BASE = 1_800_000_000


def hello(lifetime_s: float) -> m.AuthSuccess:
    """The greeting of a server whose token lives so long from now."""
    ends_at = int((BASE + trio.current_time() + lifetime_s) * SECOND_US)
    return msgspec.structs.replace(HELLO, expires_at=rfc3339(ends_at))


def ending(at_s: float) -> m.AuthSuccess:
    return msgspec.structs.replace(HELLO, expires_at=rfc3339(int(at_s * SECOND_US)))


@pytest.fixture(autouse=True)
def wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.link.now_s", lambda: BASE + trio.current_time())


class Tokens:
    """A token service: `first`, `token 1`, ... or whatever it is told to raise."""

    def __init__(self, *faults: Exception | None) -> None:
        self._faults = list(faults)
        self.asked_at: list[float] = []

    async def __call__(self) -> str:
        await trio.lowlevel.checkpoint()
        self.asked_at.append(trio.current_time())
        fault = self._faults.pop(0) if self._faults else None
        if fault is not None:
            raise fault
        return f"token {len(self.asked_at)}"


class Greeter:
    """A server that gives each token the next of some lifetimes, and remembers what it heard when."""

    def __init__(self, *lifetimes_s: float, answers: bool = True) -> None:
        self._lifetimes = list(lifetimes_s)
        self._answers = answers
        self.heard: list[tuple[float, str, str]] = []

    async def __call__(self, peer: Peer) -> None:
        while True:
            message = await peer.hear()
            kind = type(message).__name__
            self.heard.append((round(trio.current_time()), kind, message.token))
            if kind == "Auth" or self._answers:
                await peer.say(hello(self._lifetimes.pop(0)))


async def for_a_while(
    seconds: float, token: Any, *scripts: Any, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> dict[str, int]:
    """A client's counters after so long."""
    async with trio.open_nursery() as nursery:
        monkeypatch.setattr(transport, "dial", Server(nursery, *scripts).dial)
        async with Client(URL, token, **options) as client:
            await trio.sleep(seconds)
            assert client.state is ClientState.READY
            counters = client.statistics()
        nursery.cancel_scope.cancel()
    return counters


@pytest.mark.parametrize(
    ("left_s", "after_s"), [(3_600, 3_540), (86_400, 86_340), (300, 240), (100, 80), (1, 0.8), (0, None), (-5, None)]
)
def test_the_next_token_is_asked_for_a_minute_or_a_fifth_before_the_end(left_s: float, after_s: float | None) -> None:
    assert refresh_after_s(ending(BASE + left_s), BASE) == pytest.approx(after_s)


def test_a_time_that_we_cannot_read_is_no_reason_to_ask() -> None:
    assert refresh_after_s(msgspec.structs.replace(HELLO, expires_at="tomorrow"), BASE) is None


async def test_a_connection_outlives_its_tokens(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    greeter, states = Greeter(100, 600, 600), []
    counters = await for_a_while(
        700, Tokens(), greeter, monkeypatch=monkeypatch, on_state=lambda state, why: states.append(state)
    )
    assert greeter.heard == [(0, "Auth", "token 1"), (80, "Refresh", "token 2"), (620, "Refresh", "token 3")]
    assert (counters["connects"], counters["reconnects"], counters["refreshes"]) == (1, 0, 2)
    assert states == [ClientState.AUTHENTICATING, ClientState.READY, ClientState.CLOSED], (
        "a newer token is no change of state"
    )


async def test_a_token_that_is_a_text_is_never_sent_again(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    greeter = Greeter(100)
    await for_a_while(99, "t", greeter, monkeypatch=monkeypatch)
    assert len(greeter.heard) == 1


async def test_a_token_service_that_is_away_is_asked_again_while_the_old_token_lasts(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, greeter = Tokens(None, OSError("away"), Unauthorized("not now")), Greeter(100, 600)
    await for_a_while(99, tokens, greeter, monkeypatch=monkeypatch)
    assert tokens.asked_at == pytest.approx([0, 80, 85, 90], abs=0.1)
    assert [kind for _, kind, _ in greeter.heard] == ["Auth", "Refresh"]


async def test_a_server_that_does_not_answer_a_refresh_is_asked_again(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    greeter = Greeter(100, answers=False)
    await for_a_while(88, Tokens(), greeter, monkeypatch=monkeypatch)
    assert [at for at, kind, _ in greeter.heard if kind == "Refresh"] == [80, 85]


async def test_a_clock_that_is_behind_or_ahead_makes_no_flood_of_tokens(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = Tokens()
    await for_a_while(1_000, tokens, Greeter(-1), monkeypatch=monkeypatch)
    assert len(tokens.asked_at) == 1


async def test_after_a_break_the_new_connections_token_is_what_counts(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(peer: Peer) -> None:
        await peer.hear()
        await peer.say(hello(100))
        with trio.move_on_after(50):
            await peer.hear()  # answers what asks whether it lives

    greeter = Greeter(100, 100)
    await for_a_while(145, Tokens(), breaks, greeter, monkeypatch=monkeypatch)
    (first, *_), (second, *_) = greeter.heard
    assert second - first == 80


@pytest.mark.parametrize("start_s", [6.132, 8.943, 11.162, 23.011])
async def test_a_silence_is_noticed_also_where_the_clock_rounds(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, start_s: float
) -> None:
    """At these times (t + 10) - t is less than 10: the client once asked for ever, at the same moment."""

    async def silent(peer: Peer) -> None:
        await peer.hear()
        await peer.say(hello(1_000))
        await trio.sleep(1_000)

    await trio.sleep(start_s)
    async with trio.open_nursery() as nursery:
        server = Server(nursery, silent, silent)
        monkeypatch.setattr(transport, "dial", server.dial)
        async with Client(URL, "t"):
            await trio.sleep(25)
        assert 15 <= round(server.dialled_at[1] - start_s, 6) <= 20
        nursery.cancel_scope.cancel()


async def test_a_token_function_with_a_bug_ends_the_clients_block(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await for_a_while(100, Tokens(None, KeyError("a bug")), Greeter(100), monkeypatch=monkeypatch)
    assert caught.group_contains(KeyError)


async def test_closing_a_client_ends_its_token_task_too(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with trio.open_nursery() as nursery:
        monkeypatch.setattr(transport, "dial", Server(nursery, Greeter(1_000)).dial)
        async with Client(URL, Tokens()):
            await wait_all_tasks_blocked()
        assert trio.current_time() < 10
        nursery.cancel_scope.cancel()
