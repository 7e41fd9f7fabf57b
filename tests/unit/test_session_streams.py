"""A person's own stream, snapshots, and who received what, in a conversation. In virtual time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from trio.testing import MockClock

from actors import snapshots
from actors.frames import Frame
from actors.gateway import GatewayLimits
from actors.outbox import OutboxLimits
from protocol import messages as m
from protocol.effects import FROM_SNAPSHOT
from protocol.errors import CloseCode
from protocol.model import Severity
from tests.support.actors import an_event, some_events
from tests.support.sessions import CHANNEL, Rig, a_rig, alerts, close_code, offsets, subscribe
from tests.support.sockets import Peer


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.mark.parametrize("channel", ["user", "user:ada", "user:acme:ada"])
async def test_a_person_follows_what_is_assigned_to_them(autojump_clock: MockClock, channel: str) -> None:
    async with a_rig() as rig:
        peer = await rig.client("ada")
        answer = await subscribe(peer, channel)
        assert (answer.channel, answer.offset) == ("user:acme:ada", 0)
        rig.store.add([an_event(1, user="ada"), an_event(2), an_event(3, user="ada")])
        heard = await alerts(peer, 2)
        assert offsets(heard) == [(0, 1), (1, 2)]
        assert [message.data.title for message in heard] == ["e1", "e3"]


async def test_what_was_assigned_meanwhile_is_recovered_in_its_own_offsets(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 300, user="ada"))
        rig.store.add(some_events(301, 310))
        rig.store.add(some_events(311, 312, user="ada"))
        peer = await rig.client("ada")
        answer = await subscribe(peer, "user", recover={"epoch": "e1", "offset": 2})
        assert (answer.recovered, answer.offset) == (True, 302)
        assert [message.offset for message in await alerts(peer, 300)] == list(range(3, 303))


@pytest.mark.parametrize("channel", ["user:bob", "user:acme:bob", "user:nobody"])
async def test_another_persons_stream_is_unknown(autojump_clock: MockClock, channel: str) -> None:
    async with a_rig() as rig:
        peer = await rig.client("ada")
        await peer.say({"type": "subscribe", "channel": channel})
        refused = await peer.hear()
        assert isinstance(refused, m.ErrorMessage)
        assert refused.code == 102


@pytest.mark.parametrize("channel", ["user", "workspace"])
async def test_a_token_that_is_limited_to_channels_follows_no_derived_stream(
    autojump_clock: MockClock, channel: str
) -> None:
    async with a_rig() as rig:
        peer = await rig.client("ada@acme#checkout")
        await peer.say({"type": "subscribe", "channel": channel})
        refused = await peer.hear()
        assert isinstance(refused, m.ErrorMessage)
        assert refused.code == 103


# Snapshots


async def pages(peer: Peer) -> list[m.Snapshot]:
    """The pages of a snapshot, to the last."""
    heard: list[m.Snapshot] = []
    while not heard or not heard[-1].last:
        message = await peer.hear()
        assert isinstance(message, m.Snapshot), message
        heard.append(message)
    return heard


def shown(heard: list[m.Snapshot]) -> list[str]:
    return [alert.id for page in heard for alert in page.alerts]


@pytest.mark.parametrize(("channel", "name"), [("alerts:checkout", CHANNEL), ("workspace", "alerts:acme:*")])
async def test_the_open_alerts_come_in_pages_before_anything_live(
    autojump_clock: MockClock, channel: str, name: str
) -> None:
    async with a_rig() as rig:
        count = 2 * snapshots.PAGE_ALERTS + 5
        rig.store.add(some_events(1, count))
        peer = await rig.client()
        answer = await subscribe(peer, channel, snapshot=True)
        assert (answer.recovered, answer.reason) == (False, "fresh")
        heard = await pages(peer)
        assert shown(heard) == [f"a{offset}" for offset in range(count, 0, -1)]
        assert [(page.channel, page.epoch, page.offset, page.page) for page in heard] == [
            (name, "e1", count, number) for number in range(3)
        ]
        await rig.ring("live")
        assert offsets(await alerts(peer, 1)) == [(count, count + 1)]


async def test_a_person_gets_the_open_alerts_that_are_assigned_to_them(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add([an_event(1, user="ada"), an_event(2), an_event(3, user="bob")])
        peer = await rig.client("ada")
        await subscribe(peer, "user", snapshot=True)
        assert shown(await pages(peer)) == ["a1"]


async def test_of_nothing_there_is_one_empty_last_page(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        await subscribe(peer, snapshot=True)
        (page,) = await pages(peer)
        assert (page.alerts, page.page, page.last, page.offset) == ([], 0, True, 0)


async def test_a_snapshot_has_the_subscriptions_filter(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add([an_event(1), an_event(2, severity=Severity.ERROR), an_event(3, severity=Severity.INFO)])
        peer = await rig.client()
        await subscribe(peer, snapshot=True, minSeverity="error")
        assert shown(await pages(peer)) == ["a2"]


async def test_what_happens_between_two_pages_follows_the_snapshot_without_a_gap(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        count = 2 * snapshots.PAGE_ALERTS
        rig.store.add(some_events(1, count))
        peer = await rig.client()
        reads = 0

        def busy() -> None:
            nonlocal reads
            reads += 1
            if reads > 1:
                return
            rig.ring_now("between")

        rig.store.turning = busy
        await subscribe(peer, snapshot=True)
        heard = await pages(peer)
        live = await alerts(peer, 1)
        assert live[0].data.title == "between"
        assert live[0].prev <= heard[0].offset < live[0].offset
        await rig.ring("after")
        assert offsets(await alerts(peer, 1)) == [(count + 1, count + 2)]


async def test_long_alerts_make_more_and_shorter_pages(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "PAGE_BYTES", 2_000)
    async with a_rig() as rig:
        rig.store.add([an_event(n, title="x" * 700) for n in range(1, 6)])
        rig.store.add([an_event(6, title="x" * 5_000)])
        peer = await rig.client()
        await subscribe(peer, snapshot=True)
        heard = await pages(peer)
        assert shown(heard) == ["a6", "a5", "a4", "a3", "a2", "a1"]
        assert [page.page for page in heard] == list(range(len(heard)))
        assert all(len(page.alerts) <= 2 for page in heard)


async def test_who_can_be_recovered_gets_no_snapshot(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 3))
        peer = await rig.client()
        answer = await subscribe(peer, snapshot=True, recover={"epoch": "e1", "offset": 1})
        assert answer.recovered
        assert offsets(await alerts(peer, 2)) == [(1, 2), (2, 3)]


async def test_who_cannot_be_recovered_gets_the_snapshot_that_it_asked_for(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 3))
        peer = await rig.client()
        answer = await subscribe(peer, snapshot=True, recover={"epoch": "old", "offset": 1})
        assert answer.reason == "epoch_changed"
        assert shown(await pages(peer)) == ["a3", "a2", "a1"]


async def test_a_store_that_goes_away_in_the_middle_ends_the_connection(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 2 * snapshots.PAGE_ALERTS))
        peer = await rig.client()

        def away() -> None:
            rig.store.away = "gone"

        rig.store.turning = away
        await subscribe(peer, snapshot=True)
        assert isinstance(await peer.hear(), m.Snapshot)
        assert await close_code(peer) == CloseCode.INSUFFICIENT_STATE


async def test_a_snapshot_waits_for_its_reader_and_never_fills_the_outbox(autojump_clock: MockClock) -> None:
    async with a_rig(backlog_bytes=2_000) as rig:
        rig.store.add(some_events(1, 30 * snapshots.PAGE_ALERTS))
        peer = await rig.client()
        read = 0

        def count() -> None:
            nonlocal read
            read += 1

        rig.store.turning = count
        await subscribe(peer, snapshot=True)
        await peer.hear()
        in_flight = read
        heard = await pages(peer)
        assert in_flight < len(heard)


# Who received and saw what

# Far more than a socket takes at once.
A_LONG_FRAME = Frame(b"\x82\x7f" + (10_000_000).to_bytes(8, "big") + bytes(10_000_000))


async def marked(rig: Rig, peer: Peer, *messages: dict[str, object]) -> list[tuple[str, str, bool, int, int]]:
    """The marks after these messages; there was no answer to any of them."""
    for message in messages:
        await peer.say(message)
    await peer.say({"type": "ping"})
    assert isinstance(await peer.hear(), m.Pong)
    return rig.recipients.marks


async def test_what_a_client_received_and_saw_is_noted_from_where_it_began(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 3))
        peer = await rig.client("ada")
        await subscribe(peer, minSeverity="warning")
        await rig.ring("a", "b")
        await alerts(peer, 2)
        found = await marked(
            rig,
            peer,
            {"type": "received", "channel": "alerts:checkout", "offset": 4},
            {"type": "received", "channel": CHANNEL, "offset": 5},
            {"type": "seen", "channel": "project:checkout", "offset": 5},
        )
        assert found == [(CHANNEL, "ada", False, 3, 4), (CHANNEL, "ada", False, 4, 5), (CHANNEL, "ada", True, 3, 5)]
        assert rig.recipients.severities == [Severity.WARNING] * 3


async def test_what_says_nothing_new_is_not_noted(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client("ada")
        await subscribe(peer)
        await rig.ring("a", "b")
        await alerts(peer, 2)
        says = [{"type": "seen", "channel": "alerts:checkout", "offset": offset} for offset in (0, 2, 2, 1)]
        assert await marked(rig, peer, *says) == [(CHANNEL, "ada", True, 0, 2)]


async def test_who_recovers_marks_from_its_position_on(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 5, user="ada"))
        peer = await rig.client("ada")
        await subscribe(peer, "user", recover={"epoch": "e1", "offset": 2})
        await alerts(peer, 3)
        found = await marked(rig, peer, {"type": "received", "channel": "user", "offset": 5})
        assert found == [("user:acme:ada", "ada", False, 2, 5)]


async def test_after_a_snapshot_what_was_open_then_is_marked_as_such_and_once(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 3))
        peer = await rig.client("ada")
        await subscribe(peer, "workspace", snapshot=True)
        await pages(peer)
        await rig.ring("live")
        await alerts(peer, 1)
        says = [{"type": "seen", "channel": "workspace", "offset": offset} for offset in (2, 3, 4)]
        name = "alerts:acme:*"
        assert await marked(rig, peer, *says) == [(name, "ada", True, FROM_SNAPSHOT, 3), (name, "ada", True, 3, 4)]


async def test_a_mark_beyond_a_gap_counts_up_to_the_gap_until_the_channel_is_subscribed_again(
    autojump_clock: MockClock,
) -> None:
    async with a_rig(GatewayLimits(outbox=OutboxLimits(soft_bytes=1_000))) as rig:
        peer = await rig.client("ada")
        await subscribe(peer)
        await rig.ring("a")
        await alerts(peer, 1)
        rig.roster.connections()[0].outbox.push(A_LONG_FRAME)
        await rig.ring("b", "c")
        assert (await peer.frame())[0] == 2
        gap = await peer.hear()
        assert isinstance(gap, m.GapMessage)
        assert (gap.prev, gap.to) == (1, 3)
        await rig.ring("d")
        await alerts(peer, 1)
        says = {"type": "received", "channel": "alerts:checkout", "offset": 4}
        assert await marked(rig, peer, says) == [(CHANNEL, "ada", False, 0, 1)]
        await subscribe(peer, recover={"epoch": "e1", "offset": 1})
        await alerts(peer, 3)
        assert (await marked(rig, peer, says))[1:] == [(CHANNEL, "ada", False, 1, 4)]


async def test_who_follows_what_was_trimmed_untold_is_told_to_come_back(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client("ada")
        await subscribe(peer)
        rig.store.add(some_events(1, 3))
        rig.store.stream().floor = 2
        await rig.ring("ours")
        assert await peer.hear_close() == (CloseCode.INSUFFICIENT_STATE, "history was trimmed; come back and recover")
        again = await rig.client("ada")
        assert (await subscribe(again, recover={"epoch": "e1", "offset": 0})).reason == "trimmed"


@pytest.mark.parametrize("kind", ["received", "seen"])
async def test_a_mark_of_a_channel_that_is_not_followed_is_refused(autojump_clock: MockClock, kind: str) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        await peer.say({"type": kind, "channel": "alerts:checkout", "offset": 1, "id": 7})
        refused = await peer.hear()
        assert isinstance(refused, m.ErrorMessage)
        assert (refused.code, refused.id) == (102, 7)
        assert CHANNEL in refused.message


async def test_a_mark_beyond_what_was_told_is_refused_with_both_numbers(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        peer = await rig.client()
        await subscribe(peer)
        await rig.ring("a")
        await alerts(peer, 1)
        await peer.say({"type": "seen", "channel": "alerts:checkout", "offset": 9})
        refused = await peer.hear()
        assert isinstance(refused, m.ErrorMessage)
        assert refused.code == 107
        assert refused.message == f"offset 9 of {CHANNEL} was not told yet, the last one is 1"
        assert rig.recipients.marks == []
