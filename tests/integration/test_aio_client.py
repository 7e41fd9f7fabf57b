"""The client for asyncio programs: that of trio, seen from another loop. Nothing is lost on the way between the two."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

import tocsin.aio
from benchmarks.peers.ports import a_port
from protocol.client_session import ClientState
from protocol.errors import TocsinError
from protocol.items import ReadingInput, TriggerInput
from protocol.messages import GapMessage
from protocol.model import Reason, Status
from tests.support.asyncio_programs import run
from tests.support.engines import a_config
from tocsin import CannotConnect, ClientLimits, ClientStopped
from tocsin.aio import client as clients

BELL = TriggerInput(framework_id="web", title="Checkout is slow")


@asynccontextmanager
async def an_engine(folder: Path) -> AsyncIterator[tocsin.aio.Engine]:
    """An engine in this process."""
    async with tocsin.aio.Engine(a_config(folder)) as engine:
        yield engine


def bells(number: int) -> list[TriggerInput]:
    """So many different ones."""
    return [TriggerInput(framework_id="web", title=f"bell {n}") for n in range(number)]


def test_the_verbs_of_the_client(tmp_path: Path) -> None:
    async def program() -> None:
        async with an_engine(tmp_path) as engine:
            async with tocsin.aio.Client(engine.ws_url, await engine.issue_token("main", "ann")) as client:
                assert await client.subscribe("web") is not None
                rung = await client.trigger("web", title="Checkout is slow")
                assert rung.status is Status.FIRED
                assert [result.reason for result in await client.trigger_many(bells(2))] == [Reason.FIRED] * 2
                assert (await client.reading("web", "ms", 1.0)).status is not Status.FIRED
                one = ReadingInput(framework_id="web", metric="ms", value=1.0)
                assert len(await client.readings([one, one])) == 2
                assert (await client.acknowledge(str(rung.alert_id), "mine")).reason is Reason.ACKNOWLEDGED
                assert (await client.resolve(str(rung.alert_id))).reason is Reason.RESOLVED
                assert 0 < await client.ping() < 10
                alerts = client.alerts()
                told = [(message.event.value, message.data.title) async for message, _ in limited(alerts, 5)]
                assert told[0] == ("fired", "Checkout is slow")
                assert told[3:] == [("acknowledged", "Checkout is slow"), ("resolved", "Checkout is slow")]
                gap = GapMessage(channel="alerts:main:web", epoch="?", prev=0, from_=1, to=2, count=2, reason="slow")
                assert not await client.recover(gap), "of another store"
                await client.unsubscribe("web")
                assert (client.state, client.statistics()["alerts_received"]) == (ClientState.READY, 5)
            assert client.state is ClientState.CLOSED
            assert [message async for message in alerts] == []
            with pytest.raises(ClientStopped, match="closed"):
                await client.ping()
            with pytest.raises(RuntimeError, match="used once"):
                await client.__aenter__()

    run(program)


async def limited(alerts: clients.Alerts, number: int) -> AsyncIterator[tuple[clients.AlertMessage, int]]:
    """The first so many."""
    for place in range(number):
        yield await anext(alerts), place


def test_nothing_is_lost_when_the_taker_is_cancelled_at_any_moment(tmp_path: Path) -> None:
    async def program() -> None:
        taken: list[str] = []

        async def take(client: tocsin.aio.Client) -> None:
            async for message in client.alerts():
                taken.append(message.data.title)

        async with an_engine(tmp_path) as engine, engine.client(engine.principal("ann")) as client:
            await client.subscribe("web")
            for part in range(40):
                taker = asyncio.create_task(take(client))
                await engine.service.trigger(
                    engine.principal("ann"), [TriggerInput(framework_id="web", title=f"bell {part}")]
                )
                # Each time at another point of the hop there and back.
                for _ in range(part % 7):
                    await asyncio.sleep(0)
                taker.cancel()
                await asyncio.wait([taker])
            while len(taken) < 40:
                taken.append((await anext(client.alerts())).data.title)
        assert taken == [f"bell {part}" for part in range(40)]

    run(program)


def test_many_alerts_come_over_in_few_hops(tmp_path: Path) -> None:
    async def program() -> None:
        async with an_engine(tmp_path) as engine, engine.client(engine.principal("ann")) as client:
            await client.subscribe("web")
            await client.trigger_many(bells(500))
            await client.ping()
            before = client._bridge.statistics()["calls"]
            for number in range(500):
                assert (await anext(client.alerts())).data.title == f"bell {number}"
            assert client._bridge.statistics()["calls"] - before <= 10

    run(program)


def test_a_client_comes_back_and_recovers_what_it_missed(tmp_path: Path) -> None:
    states: list[ClientState] = []
    tokens: list[str] = []

    async def program() -> None:
        config = a_config(tmp_path, ws=f"127.0.0.1:{a_port()}")
        async with tocsin.aio.Engine(config) as engine:
            url, token = engine.ws_url, await engine.issue_token("main", "ann")

            async def fresh_token() -> str:
                tokens.append(threading.current_thread().name)
                return token

            client = tocsin.aio.Client(url, fresh_token, on_state=lambda state, why: states.append(state))
            await client.__aenter__()
            await client.subscribe("web")
        try:
            # The same address and data, one bell before the client is back.
            async with tocsin.aio.Engine(config) as engine:
                await engine.service.trigger(engine.principal("ann"), [BELL])
                assert (await anext(client.alerts())).data.title == BELL.title
        finally:
            await client.__aexit__(None, None, None)

    run(program)
    assert states.count(ClientState.READY) == 2
    # Both callbacks run in the program's own thread.
    assert set(tokens) == {"MainThread"}


def test_a_client_that_cannot_connect_says_why() -> None:
    async def program() -> None:
        with pytest.raises(CannotConnect, match="is the engine running"):
            async with tocsin.aio.Client("ws://127.0.0.1:9", "token", limits=ClientLimits(connect_s=0)):
                raise AssertionError("entered")
        with pytest.raises(ValueError, match="not allowed"):
            tocsin.aio.Client("http://127.0.0.1:9", "token")
        with pytest.raises(RuntimeError, match="not entered"):
            await tocsin.aio.Client("ws://127.0.0.1:9", "token").__aexit__(None, None, None)

    run(program)


def test_a_token_that_is_refused_ends_the_client_for_good(tmp_path: Path) -> None:
    async def program() -> None:
        async with an_engine(tmp_path) as engine:
            with pytest.raises(ClientStopped, match="the token was refused"):
                async with tocsin.aio.Client(engine.ws_url, "nonsense"):
                    raise AssertionError("entered")

    run(program)


def test_a_token_function_that_breaks_ends_the_block_with_its_error(tmp_path: Path) -> None:
    async def program() -> None:
        async with an_engine(tmp_path) as engine:

            async def broken() -> str:
                raise ZeroDivisionError("no token")

            with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
                async with tocsin.aio.Client(engine.ws_url, broken):
                    raise AssertionError("entered")

    run(program)


def test_the_wait_for_an_answer_can_be_bounded_by_the_program(tmp_path: Path) -> None:
    async def program() -> None:
        async with an_engine(tmp_path) as engine, engine.client(engine.principal("ann")) as client:
            await client.subscribe("web")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await anext(client.alerts())
            assert (await client.trigger("web", title="still here")).status is Status.FIRED

    run(program)


def test_a_client_hears_it_when_its_engine_ends(tmp_path: Path) -> None:
    async def program() -> None:
        limits = ClientLimits(request_s=0.2)
        async with AsyncExitStack() as stack:
            async with an_engine(tmp_path) as engine:
                client = await stack.enter_async_context(engine.client(engine.principal("ann"), limits))
            told = ""
            # What was sent in the very moment when it ended may have been heard, or not: it is asked again.
            while "no connection" not in told and "this engine has ended" not in told:
                with pytest.raises(TocsinError) as fault:
                    await client.ping()
                # The second, if it has tried to come back already, and asked the engine for a token.
                told = str(fault.value)

    run(program)
