"""When the client gives up for good, and how it says so."""

from __future__ import annotations

import math

import pytest
import trio

from protocol import errors
from protocol import messages as m
from protocol.client_session import ClientState
from tests.support.client_scripts import Clock, Talk, a_client, idle
from tests.support.client_server import Peer, an_alert
from tocsin.client import ClientLimits
from tocsin.errors import ClientStopped, NotRunning


@pytest.mark.parametrize("code", [3500, 3503, 3999])
async def test_a_server_that_says_do_not_come_back_ends_the_client(
    serve: Talk, autojump_clock: Clock, code: int
) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(an_alert(1))
        await trio.sleep(1)
        await peer.websocket.aclose(code, "go away")

    server = serve(script, idle)
    async with a_client() as client:
        await client.subscribe("web")
        taken = []
        with pytest.raises(ClientStopped, match="go away") as stopped:
            async for message in client.alerts():
                taken.append(message.offset)
        with pytest.raises(ClientStopped):
            await client.trigger("web")
        assert client.state is ClientState.CLOSED
    assert taken == [1]
    assert stopped.value.close_code == code
    assert not stopped.value.temporary
    assert len(server.dialled_at) == 1


async def test_who_waits_for_a_subscription_is_told_that_the_client_ended(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.hear()
        await peer.websocket.aclose(3503, "forced")

    serve(script)
    async with a_client() as client:
        with pytest.raises(ClientStopped):
            await client.subscribe("web")


async def refuse_token(peer: Peer) -> None:
    assert isinstance(await peer.hear(), m.Auth)
    await peer.say(m.AuthFailed(code=101, message="invalid token"))
    await peer.closed()


async def test_a_refused_token_ends_the_client(serve: Talk, autojump_clock: Clock) -> None:
    serve(refuse_token)
    with pytest.raises(ClientStopped, match="the token was refused: invalid token") as stopped:
        async with a_client():
            pass
    assert stopped.value.close_code == 3500


async def test_fresh_tokens_are_asked_for_and_three_refused_ones_are_enough(serve: Talk, autojump_clock: Clock) -> None:
    asked: list[int] = []

    async def token() -> str:
        asked.append(1)
        return f"t{len(asked)}"

    server = serve(refuse_token, refuse_token, refuse_token, idle)
    with pytest.raises(ClientStopped):
        async with a_client(token):
            pass
    assert len(asked) == len(server.dialled_at) == 3


async def test_a_token_that_has_ended_is_followed_by_a_fresh_one(serve: Talk, autojump_clock: Clock) -> None:
    tokens = iter(["old", "new"])
    heard: list[str] = []

    async def token() -> str:
        return next(tokens)

    async def expires(peer: Peer) -> None:
        heard.append((await peer.greet()).token)
        await peer.websocket.aclose(3005, "token expired")

    async def second(peer: Peer) -> None:
        heard.append((await peer.greet()).token)
        await peer.closed()

    serve(expires, second)
    async with a_client(token) as client:
        while client.statistics()["connects"] < 2:
            await trio.sleep(0.1)
    assert heard == ["old", "new"]


@pytest.mark.parametrize("trouble", [OSError("token service is down"), errors.Busy("wait"), None])
async def test_a_token_that_cannot_be_had_now_is_asked_for_again(
    serve: Talk, autojump_clock: Clock, trouble: Exception | None
) -> None:
    tries: list[float] = []

    async def token() -> str:
        tries.append(trio.current_time())
        if len(tries) > 1:
            return "t"
        if trouble is not None:
            raise trouble
        await trio.sleep_forever()
        return ""

    serve(idle)
    async with a_client(token, limits=ClientLimits(connect_s=math.inf)) as client:
        assert client.statistics()["failed_connects"] == 1
    assert len(tries) == 2


@pytest.mark.parametrize("was_ready", [True, False])
async def test_a_client_whose_own_engine_has_ended_ends_too(
    serve: Talk, autojump_clock: Clock, was_ready: bool
) -> None:
    tries: list[float] = []

    async def token() -> str:
        tries.append(trio.current_time())
        if was_ready and len(tries) == 1:
            return "t"
        raise NotRunning("this engine has ended")

    async def shuts_down(peer: Peer) -> None:
        await peer.greet()
        await peer.websocket.aclose(3001, "shutting down")

    serve(shuts_down)
    with pytest.raises(ClientStopped, match="this engine has ended"):
        async with a_client(token) as client:
            await anext(aiter(client.alerts()))
    assert len(tries) == 1 + was_ready


async def test_a_token_function_that_is_broken_ends_the_block_with_its_exception(
    serve: Talk, autojump_clock: Clock
) -> None:
    async def token() -> str:
        raise KeyError("no such secret")

    serve(idle)
    with pytest.RaisesGroup(KeyError):
        async with a_client(token):
            pass
