"""What is asked is answered, and the answer is for whoever asked."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from protocol import errors
from protocol import messages as m
from protocol.client_session import ClientState
from protocol.codec import MSGPACK_SUBPROTOCOL
from protocol.items import ItemResult, ReadingInput, TriggerInput
from protocol.model import Reason, Severity, Status
from tests.support.client_scripts import FIRED, Clock, Talk, a_client, follows, idle
from tests.support.client_server import CHANNEL, HELLO, Peer, an_alert
from tocsin import connection as transport
from tocsin.client import Client, ClientLimits
from tocsin.errors import ConnectionLost, NoAnswer


async def test_the_token_is_said_first_and_entering_waits_until_it_is_accepted(
    serve: Talk, autojump_clock: Clock
) -> None:
    heard = []

    async def script(peer: Peer) -> None:
        heard.append((await peer.greet()).token)
        await peer.closed()

    server = serve(script)
    async with a_client("secret") as client:
        assert client.state is ClientState.READY
        assert client.session == HELLO
    assert heard == ["secret"]
    assert server.offered == [(MSGPACK_SUBPROTOCOL,)]
    assert client.state is ClientState.CLOSED


async def test_a_followed_channel_brings_its_alerts_in_order(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        ask = await peer.subscribed()
        assert (ask.channel, ask.min_severity, ask.recover) == ("alerts:web", Severity.ERROR, None)
        await peer.say(an_alert(1), an_alert(2))
        await peer.closed()

    serve(script)
    async with a_client() as client:
        answer = await client.subscribe("web", "error")
        assert answer is not None
        assert answer.channel == CHANNEL
        alerts = client.alerts()
        assert [(await anext(alerts)).offset for _ in range(2)] == [1, 2]


async def test_a_server_without_our_subprotocol_is_spoken_to_in_json(serve: Talk, autojump_clock: Clock) -> None:
    serve(follows, subprotocol=None)
    async with a_client() as client:
        await client.subscribe("web")


async def test_answers_find_their_requests_in_any_order(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        asks = [await peer.hear() for _ in range(2)]
        for ask in reversed(asks):
            title = ask.alerts[0].title
            await peer.say(m.Accepted(id=ask.id, results=[ItemResult(status=Status.FIRED, reason=Reason.FIRED, alert_id=title)]))  # fmt: skip  # noqa: E501
        await peer.closed()

    serve(script)
    found = {}
    async with a_client() as client, trio.open_nursery() as nursery:

        async def ring(title: str) -> None:
            found[title] = (await client.trigger("web", title=title, severity=Severity.ERROR)).alert_id

        nursery.start_soon(ring, "one")
        nursery.start_soon(ring, "two")
    assert found == {"one": "one", "two": "two"}


async def test_every_verb_sends_its_message(serve: Talk, autojump_clock: Clock) -> None:
    heard: list[Any] = []

    async def script(peer: Peer) -> None:
        await peer.greet()
        while True:
            heard.append(ask := await peer.hear())
            await peer.say(m.Pong(id=ask.id) if isinstance(ask, m.Ping) else m.Accepted(id=ask.id, results=[FIRED]))

    serve(script)
    async with a_client() as client:
        assert await client.trigger("web", title="x", current_value=3.0) == FIRED
        await client.reading("web", "cpu", 0.5, labels={"host": "a"})
        await client.acknowledge("a1", notes="mine")
        await client.resolve("a1")
        assert await client.ping() >= 0
        assert await client.trigger_many([]) == []
    assert [type(message) for message in heard] == [m.Trigger, m.Reading, m.Acknowledge, m.Resolve, m.Ping]
    assert heard[0].alerts == [TriggerInput(framework_id="web", title="x", current_value=3.0)]
    assert heard[1].readings == [ReadingInput(framework_id="web", metric="cpu", value=0.5, labels={"host": "a"})]
    assert (heard[2].alert_id, heard[2].notes, heard[3].alert_id) == ("a1", "mine", "a1")


async def test_a_refused_request_raises_the_servers_error(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        for code in (103, 999):
            ask = await peer.hear()
            await peer.say(m.ErrorMessage(code=code, message="no", temporary=code == 999, id=ask.id))
        await peer.closed()

    serve(script)
    async with a_client() as client:
        with pytest.raises(errors.PermissionDenied, match="no"):
            await client.resolve("a1")
        with pytest.raises(errors.TocsinError) as unknown:
            await client.resolve("a1")
    assert (unknown.value.code, unknown.value.temporary) == (999, True)


async def test_an_answer_that_does_not_fit_is_an_error_of_the_engine(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        for answer in (lambda i: m.Accepted(id=i, results=[]), lambda i: m.Pong(id=i)):
            await peer.say(answer((await peer.hear()).id))
        await peer.closed()

    serve(script)
    async with a_client() as client:
        for _ in range(2):
            with pytest.raises(errors.InternalError, match=r"instead of 1 result\b"):
                await client.resolve("a1")


async def test_a_request_without_an_answer_ends_after_its_time(serve: Talk, autojump_clock: Clock) -> None:
    serve(idle)
    async with a_client(limits=ClientLimits(request_s=3.0)) as client:
        began = trio.current_time()
        with pytest.raises(NoAnswer, match="may have been stored"):
            await client.trigger("web")
        assert trio.current_time() - began == pytest.approx(3.0)
        assert client.statistics()["requests"] == 1


async def test_many_triggers_are_split_into_messages_that_the_server_takes(serve: Talk, autojump_clock: Clock) -> None:
    sizes: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.greet()
        while True:
            ask = await peer.hear()
            sizes.append(len(ask.alerts))
            await peer.say(m.Accepted(id=ask.id, results=[FIRED] * len(ask.alerts)))

    serve(script)
    async with a_client() as client:
        small = [TriggerInput(framework_id="web", title=str(n)) for n in range(2_000)]
        assert len(await client.trigger_many(small)) == 2_000
        assert max(sizes) <= 1_000
        sizes.clear()
        large = [TriggerInput(framework_id="web", message="x" * 8_000) for _ in range(10)]
        assert len(await client.trigger_many(large)) == 10
        assert sizes == [5, 5]
        with pytest.raises(errors.BadRequest, match="limit 65536"):
            await client.trigger("web", labels={str(n): "x" * 1_024 for n in range(64)}, message="x" * 8_000)


async def test_a_cancelled_request_leaves_the_connection_whole(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        late = await peer.hear()
        ask = await peer.hear()
        await peer.say(m.Accepted(id=late.id, results=[FIRED]), m.Accepted(id=ask.id, results=[FIRED]))
        await peer.closed()

    serve(script)
    async with a_client() as client:
        with trio.move_on_after(1):
            await client.trigger("web")
        assert await client.trigger("web") == FIRED
        assert client.statistics()["connects"] == 1


def held_up(client: Client) -> trio.Event:
    """Nothing of this client goes out until the event, as with a peer that does not read."""
    gate = trio.Event()
    stream: Any = client._link._connection._stream  # type: ignore[union-attr]
    stream.send_stream.send_all_hook = gate.wait
    return gate


async def test_requests_wait_for_the_writer_and_learn_that_it_is_gone(
    serve: Talk, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "OUTGOING_MAX", 1)
    told: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.greet()
        await trio.sleep(1)

    serve(script)
    async with a_client() as client, trio.open_nursery() as nursery:

        async def ring() -> None:
            with pytest.raises(ConnectionLost):
                await client.trigger("web", message="x" * 8_000)
            told.append("lost")

        gate = held_up(client)
        for _ in range(3):
            nursery.start_soon(ring)
        await trio.sleep(0.5)
        gate.set()
        await trio.sleep(1)
    assert told == ["lost"] * 3


async def test_a_send_on_a_connection_that_is_over_says_so(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()

    serve(script)
    async with a_client() as client:
        connection = client._link._connection
        assert connection is not None
        await trio.sleep(0.1)
        with pytest.raises(ConnectionLost):
            await connection.send(b"")


async def test_a_peer_that_takes_nothing_is_left(serve: Talk, autojump_clock: Clock) -> None:
    states: list[tuple[str, str]] = []
    serve(idle, idle)
    async with a_client(on_state=lambda state, why: states.append((state.value, why))) as client:
        held_up(client)
        with pytest.raises((ConnectionLost, NoAnswer)):
            await client.ping()
        while client.statistics()["connects"] < 2:
            await trio.sleep(1)
    assert ("connecting", "nothing heard for 15 s") in states
