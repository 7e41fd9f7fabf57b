"""The client against a scripted server in memory, in virtual time."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from protocol import errors
from protocol import messages as m
from protocol.codec import MSGPACK_SUBPROTOCOL, WireForm
from protocol.model import Reason, Severity, Status
from protocol.session import ClientState
from tests.support.client_server import CHANNEL, HELLO, Peer, Server, an_alert, raw
from tocsin import backoff as backoff_module
from tocsin import connection as transport
from tocsin.client import Client, ClientLimits, channel_name
from tocsin.connection import Endpoint
from tocsin.dialogue import Slot
from tocsin.errors import CannotConnect, ClientStopped, ConnectionLost, Lost, NoAnswer

Clock = trio.testing.MockClock
URL = "ws://engine:3008"
FIRED = m.ItemResult(status=Status.FIRED, reason=Reason.FIRED, alert_id="a1", offset=1)

Talk = Callable[..., Any]


@pytest.fixture
async def serve(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Talk]:
    """Installs a server with these scripts."""
    async with trio.open_nursery() as nursery:

        def install(*scripts: Any, **options: Any) -> Server:
            server = Server(nursery, *scripts, **options)
            monkeypatch.setattr(transport, "dial", server.dial)
            return server

        yield install
        nursery.cancel_scope.cancel()


@pytest.fixture(autouse=True)
def no_luck(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest pause each time."""
    monkeypatch.setattr("tocsin.link.random.random", lambda: 1.0)


async def idle(peer: Peer) -> None:
    """Greets, and is there until the client hangs up."""
    await peer.greet()
    await peer.closed()


async def follows(peer: Peer) -> None:
    """Greets, grants one subscription, and is there until the client hangs up."""
    await peer.greet()
    await peer.subscribed()
    await peer.closed()


@asynccontextmanager
async def a_client(token: Any = "t", **options: Any) -> AsyncIterator[Client]:
    async with Client(URL, token, **options) as client:
        yield client


async def fresh_token() -> str:
    return "fresh"


# Talking


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
            await peer.say(m.Accepted(id=ask.id, results=[m.ItemResult(status=Status.FIRED, reason=Reason.FIRED, alert_id=title)]))  # fmt: skip  # noqa: E501
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
    assert heard[0].alerts == [m.TriggerInput(framework_id="web", title="x", current_value=3.0)]
    assert heard[1].readings == [m.ReadingInput(framework_id="web", metric="cpu", value=0.5, labels={"host": "a"})]
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
            with pytest.raises(errors.InternalError, match="instead of 1 results"):
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
        small = [m.TriggerInput(framework_id="web", title=str(n)) for n in range(2_000)]
        assert len(await client.trigger_many(small)) == 2_000
        assert max(sizes) <= 1_000
        sizes.clear()
        large = [m.TriggerInput(framework_id="web", message="x" * 8_000) for _ in range(10)]
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

        # The writer is held up by a lock on the socket, as it is by a peer that does not read.
        lock = client._link._connection._websocket._stream_lock  # type: ignore[union-attr]
        await lock.acquire()
        for _ in range(3):
            nursery.start_soon(ring)
        await trio.sleep(0.5)
        lock.release()
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
        await client._link._connection._websocket._stream_lock.acquire()  # type: ignore[union-attr]
        with pytest.raises((ConnectionLost, NoAnswer)):
            await client.ping()
        while client.statistics()["connects"] < 2:
            await trio.sleep(1)
    assert ("connecting", "nothing heard for 15 s") in states


# Subscriptions


async def test_following_twice_asks_once_and_another_filter_asks_again(serve: Talk, autojump_clock: Clock) -> None:
    asked: list[Severity] = []

    async def script(peer: Peer) -> None:
        await peer.greet()
        while True:
            asked.append((await peer.subscribed()).min_severity)

    serve(script)
    async with a_client() as client:
        assert await client.subscribe("web") is not None
        assert await client.subscribe("alerts:web") is None
        assert await client.subscribe("web", Severity.CRITICAL) is not None
        with pytest.raises(ValueError, match="loud"):
            await client.subscribe("web", "loud")
    assert asked == [Severity.INFO, Severity.CRITICAL]


async def test_two_who_follow_at_once_share_the_answer(serve: Talk, autojump_clock: Clock) -> None:
    serve(follows)
    answers = []
    async with a_client() as client, trio.open_nursery() as nursery:

        async def follow() -> None:
            answers.append(await client.subscribe("web"))

        nursery.start_soon(follow)
        nursery.start_soon(follow)
    assert answers[0] is answers[1] is not None


async def test_a_refused_subscription_raises_and_is_not_asked_for_again(serve: Talk, autojump_clock: Clock) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.greet()
        ask = await peer.hear()
        await peer.say(m.ErrorMessage(code=103, message="not yours", temporary=False, id=ask.id))
        await trio.sleep(0.1)

    async def again(peer: Peer) -> None:
        await peer.greet()
        assert isinstance(await peer.hear(), m.Resolve)
        await peer.say(m.Accepted(id=2, results=[FIRED]))
        await peer.closed()

    serve(refuse, again)
    async with a_client() as client:
        with pytest.raises(errors.PermissionDenied, match="not yours"):
            await client.subscribe("web")
        await trio.sleep(1)
        await client.resolve("a1")


async def test_an_unanswered_subscription_is_withdrawn(serve: Talk, autojump_clock: Clock) -> None:
    heard: list[Any] = []

    async def script(peer: Peer) -> None:
        await peer.greet()
        while True:
            heard.append(await peer.hear())

    serve(script)
    async with a_client(limits=ClientLimits(request_s=2.0)) as client:
        with pytest.raises(NoAnswer, match="withdrawn"):
            await client.subscribe("web")
        await trio.sleep(0.1)
    assert [type(message) for message in heard] == [m.Subscribe, m.Unsubscribe]


async def test_an_unfollowed_channel_brings_nothing_more(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        assert isinstance(await peer.hear(), m.Unsubscribe)
        await peer.say(an_alert(1), m.Unsubscribed(channel=CHANNEL))
        await peer.closed()

    serve(script)
    async with a_client() as client:
        await client.subscribe("web")
        await client.unsubscribe("web")
        await trio.sleep(1)
        assert client.statistics()["buffered"] == 0


# Breaks


async def test_after_a_break_every_channel_goes_on_where_it_stood_in_one_burst(
    serve: Talk, autojump_clock: Clock
) -> None:
    async def first(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed(offset=5)
        await peer.say(an_alert(6), m.PositionMessage(channel=CHANNEL, epoch="e1", offset=8, at=HELLO.expires_at))
        await trio.sleep(5)

    async def second(peer: Peer) -> None:
        burst = [await peer.hear(), await peer.hear()]
        assert isinstance(burst[0], m.Auth)
        assert burst[1].recover == m.Position("e1", 8)
        await peer.say(HELLO)
        await peer.say(m.Subscribed(id=burst[1].id, channel=CHANNEL, epoch="e1", offset=9, recovered=True, reason="ok"))
        await peer.say(an_alert(9, prev=6), an_alert(9, prev=6), an_alert(10))
        await peer.closed()

    serve(first, second)
    states: list[str] = []
    async with a_client(on_state=lambda state, why: states.append(f"{state.value} {why}".strip())) as client:
        await client.subscribe("web")
        alerts = client.alerts()
        assert [(await anext(alerts)).offset for _ in range(3)] == [6, 9, 10]
        statistics = client.statistics()
    assert (statistics["reconnects"], statistics["duplicates"], statistics["lost"]) == (1, 1, 0)
    assert states == [
        "authenticating", "ready", "connecting the connection broke", "authenticating", "ready",
        "closed closed by this program",
    ]  # fmt: skip


async def test_a_request_in_flight_is_told_that_the_connection_broke(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.hear()

    serve(script)
    async with a_client() as client:
        with pytest.raises(ConnectionLost, match="send the same again") as lost:
            await client.trigger("web")
    assert lost.value.temporary


async def test_a_request_during_an_outage_waits_for_its_end(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()

    async def second(peer: Peer) -> None:
        await peer.greet()
        ask = await peer.hear()
        await peer.say(m.Accepted(id=ask.id, results=[FIRED]))
        await peer.closed()

    serve(script, second)
    async with a_client() as client:
        await trio.sleep(0.1)
        assert client.state is ClientState.CONNECTING
        assert await client.trigger("web") == FIRED


async def test_a_request_for_which_there_is_no_connection_says_that_nothing_was_sent(
    serve: Talk, autojump_clock: Clock
) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()

    serve(script)
    async with a_client(limits=ClientLimits(request_s=2.0)) as client:
        await trio.sleep(0.1)
        with pytest.raises(NoAnswer, match="nothing was sent"):
            await client.trigger("web")


async def test_a_short_outage_is_over_in_less_than_five_seconds(serve: Talk, autojump_clock: Clock) -> None:
    async def lives_long(peer: Peer) -> None:
        await peer.greet()
        with trio.move_on_after(100):
            while True:
                await peer.hear()

    server = serve(lives_long)
    async with a_client() as client:
        while client.statistics()["failed_connects"] < 12:
            await trio.sleep(0.5)
    pauses = [b - a for a, b in zip(server.dialled_at[1:], server.dialled_at[2:], strict=False)]
    assert pauses[:6] == pytest.approx([0.5, 1, 2, 4, 4, 4])
    assert max(pauses) == pytest.approx(4)


async def test_a_server_that_throws_us_out_at_once_is_not_stormed(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()

    server = serve(*[script] * 8)
    async with a_client():
        await trio.sleep(30)
    pauses = [b - a for a, b in zip(server.dialled_at, server.dialled_at[1:], strict=False)]
    assert pauses[:6] == pytest.approx([0.25, 0.5, 1, 2, 4, 4])


async def test_the_pause_that_the_server_asks_for_is_kept(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.say(m.Bye(code=3001, reason="shutting down", reconnect_after_ms=2_500))
        await peer.websocket.aclose(3001, "shutting down")

    states: list[str] = []
    server = serve(script, idle)
    async with a_client(on_state=lambda state, why: states.append(why)) as client:
        while client.statistics()["connects"] < 2:
            await trio.sleep(0.1)
    assert server.dialled_at[1] - server.dialled_at[0] == pytest.approx(2.5)
    assert "the server closed it: 3001 shutting down" in states


async def test_a_silent_server_is_asked_and_then_left(serve: Talk, autojump_clock: Clock) -> None:
    heard: list[Any] = []

    async def mute(peer: Peer) -> None:
        await peer.greet()
        while True:
            heard.append(await peer.websocket.get_message())

    server = serve(mute, idle)
    async with a_client() as client:
        while client.statistics()["connects"] < 2:
            await trio.sleep(0.1)
    assert len(heard) == 1
    assert server.dialled_at[1] - server.dialled_at[0] == pytest.approx(transport.GONE_S + backoff_module.BASE_S)


async def test_a_quiet_server_that_answers_is_kept(serve: Talk, autojump_clock: Clock) -> None:
    serve(lambda peer: _answering(peer))
    async with a_client() as client:
        await trio.sleep(100)
        assert client.statistics()["connects"] == 1


async def _answering(peer: Peer) -> None:
    await peer.greet()
    while True:
        await peer.hear()


async def test_a_heartbeat_counts_as_life(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        while True:
            await trio.sleep(8)
            with trio.fail_after(1):
                await peer.websocket.ping()

    serve(script)
    async with a_client() as client:
        await trio.sleep(60)
        assert client.statistics()["connects"] == 1


async def test_a_channel_wanted_during_an_outage_is_asked_for_at_its_end(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()

    serve(script, follows)
    async with a_client() as client:
        await trio.sleep(0.1)
        assert client.state is ClientState.CONNECTING
        assert await client.subscribe("web") is not None


# Gaps and losses


async def test_a_gap_is_recovered_from_the_last_position(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(an_alert(1), an_alert(4))
        ask = await peer.subscribed(offset=4, reason="ok")
        assert ask.recover == m.Position("e1", 1)
        await peer.say(an_alert(2), an_alert(3), an_alert(4))
        await peer.closed()

    serve(script)
    async with a_client() as client:
        await client.subscribe("web")
        alerts = client.alerts()
        assert [(await anext(alerts)).offset for _ in range(4)] == [1, 2, 3, 4]
        assert client.statistics()["gaps"] == 1


async def test_a_message_that_cannot_be_read_is_said_to_be_lost_and_the_rest_goes_on(
    serve: Talk, autojump_clock: Clock
) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        # Event 1 has a word that this client does not know; recovering brings the same again.
        await peer.websocket.send_message(b"\x81\xa4type\xa5novel")
        await peer.say(an_alert(2))
        await peer.subscribed(offset=2, reason="ok")
        await peer.websocket.send_message(b"\x81\xa4type\xa5novel")
        await peer.say(an_alert(2), an_alert(3))
        await peer.closed()

    serve(script)
    lost: list[Lost] = []
    async with a_client(on_lost=lost.append) as client:
        await client.subscribe("web")
        alerts = client.alerts()
        assert [(await anext(alerts)).offset for _ in range(2)] == [2, 3]
        statistics = client.statistics()
    assert lost == [Lost("alerts:web", "unreadable")]
    assert (statistics["unreadable"], statistics["lost"]) == (2, 1)


async def test_what_cannot_be_recovered_is_said_to_be_lost(serve: Talk, autojump_clock: Clock) -> None:
    async def first(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed(offset=5)
        await trio.sleep(1)

    async def second(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed(offset=0, reason="epoch_changed", epoch="e2")
        await peer.say(an_alert(1, epoch="e2"))
        await peer.closed()

    serve(first, second)
    lost: list[Lost] = []
    async with a_client(on_lost=lost.append) as client:
        await client.subscribe("web")
        assert (await anext(client.alerts())).epoch == "e2"
    assert lost == [Lost("alerts:web", "epoch_changed")]


async def test_a_channel_that_we_had_is_come_back_for_when_its_refusal_is_temporary(
    serve: Talk, autojump_clock: Clock
) -> None:
    async def first(peer: Peer) -> None:
        await peer.greet()
        ask = await peer.subscribed(offset=5)
        # Its history cannot be read just now: the answer was "recovered", and then this.
        await peer.say(m.ErrorMessage(code=120, message="the store is away", temporary=True, id=ask.id))
        await peer.closed()

    states: list[str] = []
    serve(first, follows)
    async with a_client(on_state=lambda state, why: states.append(why)) as client:
        await client.subscribe("web")
        while client.statistics()["connects"] < 2:
            await trio.sleep(0.1)
    assert "alerts:web: the store is away" in states


async def test_a_channel_that_we_may_no_longer_read_is_given_up_and_said_so(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(an_alert(7))
        ask = await peer.hear()
        await peer.say(m.ErrorMessage(code=103, message="not yours any more", temporary=False, id=ask.id))
        assert isinstance(await peer.hear(), m.Unsubscribe)
        # Answers and errors for nobody do no harm.
        await peer.say(
            m.ErrorMessage(code=107, message="?", temporary=False),
            m.ErrorMessage(code=107, message="?", temporary=False, id=77),
            m.Subscribed(id=88, channel=CHANNEL, epoch="e1", offset=0, recovered=False, reason="fresh"),
            m.Subscribed(channel=CHANNEL, epoch="e1", offset=0, recovered=False, reason="fresh"),
            m.Accepted(id=99, results=[]),
        )
        await peer.closed()

    serve(script)
    lost: list[Lost] = []
    async with a_client(on_lost=lost.append) as client:
        await client.subscribe("web")
        while not lost:
            await trio.sleep(0.1)
        await trio.sleep(1)
        assert client.state is ClientState.READY
    assert lost == [Lost("alerts:web", "not yours any more")]


# Back-pressure


async def test_a_client_without_room_does_not_dial_only_to_say_nothing(serve: Talk, autojump_clock: Clock) -> None:
    """A server ends a connection that does not authenticate, and for good: 3502."""
    dialled: list[float] = []

    async def first(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(*[an_alert(offset) for offset in range(1, 5)])

    async def second(peer: Peer) -> None:
        dialled.append(trio.current_time())
        await peer.greet()
        await peer.subscribed(offset=5, reason="ok")
        await peer.say(an_alert(4), an_alert(5))
        await peer.closed()

    serve(first, second)
    async with a_client(limits=ClientLimits(buffer_max=3)) as client:
        await client.subscribe("web")
        await trio.sleep(1)
        with contextlib.suppress(ConnectionLost, NoAnswer):
            await client.ping()  # the writer notices that the connection is gone; the reader waits for room
        await trio.sleep(100)
        assert (dialled, client.statistics()["buffered"]) == ([], 3)
        alerts = client.alerts()
        assert [(await anext(alerts)).offset for _ in range(5)] == list(range(1, 6))
        assert client.statistics()["connects"] == 2


async def test_a_program_that_takes_nothing_stops_the_reading_and_loses_nothing(
    serve: Talk, autojump_clock: Clock
) -> None:
    async def first(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(*[an_alert(offset) for offset in range(1, 5)])
        await trio.sleep(50)

    async def second(peer: Peer) -> None:
        await peer.greet()
        ask = await peer.subscribed(offset=10, reason="ok")
        assert ask.recover == m.Position("e1", 4)
        await peer.say(*[an_alert(offset) for offset in range(5, 11)])
        await peer.closed()

    serve(first, second)
    async with a_client(limits=ClientLimits(buffer_max=3)) as client:
        await client.subscribe("web")
        await trio.sleep(30)
        assert client.statistics()["buffered"] == 3
        await trio.sleep(30)
        alerts = client.alerts()
        assert [(await anext(alerts)).offset for _ in range(10)] == list(range(1, 11))
        assert client.statistics()["connects"] == 2


# Ends


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


async def test_a_token_function_that_is_broken_ends_the_block_with_its_exception(
    serve: Talk, autojump_clock: Clock
) -> None:
    async def token() -> str:
        raise KeyError("no such secret")

    serve(idle)
    with pytest.RaisesGroup(KeyError):
        async with a_client(token):
            pass


# Entering and leaving


async def test_nobody_there_is_said_after_the_time_to_connect(serve: Talk, autojump_clock: Clock) -> None:
    server = serve()
    with pytest.raises(
        CannotConnect, match="cannot connect to ws://engine:3008: connection refused; is the engine run"
    ):
        async with a_client(limits=ClientLimits(connect_s=5.0)):
            pass
    assert 5 <= trio.current_time() - server.dialled_at[0] < 5 + backoff_module.YOUNG_CAP_S


async def test_a_client_can_be_told_to_try_once(serve: Talk, autojump_clock: Clock) -> None:
    server = serve()
    with pytest.raises(CannotConnect):
        async with a_client(limits=ClientLimits(connect_s=0.0)):
            pass
    assert len(server.dialled_at) == 1


async def test_a_server_that_hangs_up_in_the_handshake_is_not_waited_for(serve: Talk, autojump_clock: Clock) -> None:
    async def hang_up(stream: trio.abc.Stream) -> None:
        await stream.receive_some()

    server = serve(raw(hang_up))
    with pytest.raises(CannotConnect, match="hung up during the handshake"):
        async with a_client(limits=ClientLimits(connect_s=0.0)):
            pass
    assert trio.current_time() - server.dialled_at[0] < 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nlater", "HTTP 503 later$"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "HTTP 403; this may be the engine's HTTP port"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP 404; this may be the engine's HTTP port"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no WebSocket server"),
        (
            b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: \xff\r\n\r\n",
            "no WebSocket server",
        ),
    ],
)
async def test_a_server_that_is_none_is_described(serve: Talk, autojump_clock: Clock, answer: bytes, said: str) -> None:
    async def script(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)
        await trio.sleep(1)

    serve(raw(script))
    with pytest.raises(CannotConnect, match=said):
        async with a_client(limits=ClientLimits(connect_s=0.0)):
            pass


async def test_a_server_that_says_nothing_is_left_after_five_seconds(serve: Talk, autojump_clock: Clock) -> None:
    async def script(stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    server = serve(raw(script))
    with pytest.raises(CannotConnect, match="no connection within 5 s"):
        async with a_client(limits=ClientLimits(connect_s=0.0)):
            pass
    assert trio.current_time() - server.dialled_at[0] == pytest.approx(transport.CONNECT_S)


async def test_the_blocks_own_exception_comes_out_as_it_is(serve: Talk, autojump_clock: Clock) -> None:
    serve(idle)
    with pytest.raises(ZeroDivisionError):
        async with a_client():
            raise ZeroDivisionError


async def test_a_cancelled_block_ends_at_once(serve: Talk, autojump_clock: Clock) -> None:
    serve(idle)
    with trio.move_on_after(1) as scope:
        async with a_client():
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_leaving_says_goodbye_and_does_not_wait_for_long(serve: Talk, autojump_clock: Clock) -> None:
    codes: list[int] = []

    async def polite(peer: Peer) -> None:
        await peer.greet()
        await peer.closed()
        codes.append(peer.websocket.closed.code)  # type: ignore[union-attr]

    serve(polite)
    async with a_client():
        pass
    await wait_all_tasks_blocked()
    assert codes == [1000]


async def test_a_server_that_does_not_answer_our_close_is_left(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.websocket._stream_lock.acquire()
        await trio.sleep_forever()

    serve(script)
    began = trio.current_time()
    async with a_client():
        pass
    assert trio.current_time() - began <= transport.CLOSE_S + 0.1


async def test_the_loop_over_alerts_ends_when_the_client_is_closed_elsewhere(
    serve: Talk, autojump_clock: Clock
) -> None:
    serve(follows)
    async with a_client() as client:
        await client.subscribe("web")
        alerts = client.alerts()
    assert [message async for message in alerts] == []
    with pytest.raises(ClientStopped, match="closed"):
        await client.trigger("web")


async def test_leaving_during_an_outage_does_not_wait(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()

    serve(script)
    async with a_client() as client:
        await trio.sleep(1)
        assert client.state is ClientState.CONNECTING
        began = trio.current_time()
    assert trio.current_time() == began


async def test_leaving_while_the_reader_waits_for_room_does_not_wait(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(*[an_alert(offset) for offset in range(1, 11)])
        await peer.closed()

    serve(script)
    async with a_client(limits=ClientLimits(buffer_max=2)) as client:
        await client.subscribe("web")
        await trio.sleep(1)
        began = trio.current_time()
    assert trio.current_time() - began <= transport.CLOSE_S


async def test_a_client_is_used_once(serve: Talk, autojump_clock: Clock) -> None:
    serve(idle)
    client = Client(URL, "t")
    with pytest.raises(RuntimeError, match="not entered"):
        await client.__aexit__(None, None, None)
    async with client:
        with pytest.raises(RuntimeError, match="used once"):
            await client.__aenter__()


async def test_only_the_first_answer_counts() -> None:
    slot = Slot()
    slot.answer(m.Pong(id=1))
    slot.answer(ConnectionLost("late"))
    assert await slot.wait() == m.Pong(id=1)


async def test_the_wire_is_a_whole_stream() -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    wire = transport.Wire(ours)
    await wire.wait_send_all_might_not_block()
    await wire.send_all(b"x")
    assert await theirs.receive_some() == b"x"
    await wire.aclose()


# Words


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("web", "alerts:web"),
        ("alerts:web", "alerts:web"),
        ("project:7", "project:7"),
        ("workspace", "workspace"),
        ("alerts:*", "workspace"),
        ("user", "user"),
        ("user:ann", "user:ann"),
    ],
)
def test_channels_have_short_names(given: str, name: str) -> None:
    assert channel_name(given) == name


def test_an_endpoint_is_read_from_its_url() -> None:
    assert Endpoint.of("ws://host:1/x?y=1") == Endpoint("host", 1, "/x?y=1", None)
    assert Endpoint.of("ws://host").authority == "host:80"
    assert Endpoint.of("ws://[::1]:3008").authority == "[::1]:3008"
    assert Endpoint.of("wss://host").port == 443
    assert Endpoint.of("wss://host").tls is not None


@pytest.mark.parametrize("url", ["http://host", "ws://", "ws://user@host", "ws://host/#token", "host:3008"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="use ws://HOST:PORT"):
        Client(url, "t")


def test_a_certificate_without_tls_is_refused() -> None:
    context = Endpoint.of("wss://host").tls
    with pytest.raises(ValueError, match="use wss://"):
        Client("ws://host", "t", ssl_context=context)


async def test_the_wire_form_can_be_chosen(serve: Talk, autojump_clock: Clock) -> None:
    server = serve(follows, subprotocol="tocsin.v1.json")
    async with a_client(form=WireForm.JSON) as client:
        await client.subscribe("web")
    assert server.offered == [("tocsin.v1.json",)]


async def test_a_stream_that_breaks_later_says_it_as_it_is() -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    wire = transport.Wire(ours)
    await theirs.aclose()
    with pytest.raises(ConnectionLost, match="during the handshake"):
        await wire.send_all(b"x")
    wire.is_open = True
    with pytest.raises(trio.BrokenResourceError):
        await wire.send_all(b"x")
