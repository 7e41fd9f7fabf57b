"""A channel that another node decides: its commands go there, its followers are told here, and it can move."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.cell_actor import LOOKS_MAX
from actors.remote import FORMER_S
from protocol.effects import Recalled
from protocol.forwarding import Forward
from protocol.model import ChannelKey, Reason
from tests.support.actors import KEY, an_event, envelopes
from tests.support.nodes import Pair, a_pair
from tests.support.stores import a_row

pytestmark = pytest.mark.usefixtures("logs")


async def test_a_command_is_decided_on_the_owner_and_answered_where_it_came_in(autojump_clock: MockClock) -> None:
    async with a_pair() as pair:
        await pair.b.ring("x")
        await wait_all_tasks_blocked()
        assert pair.b.answers.reasons == [Reason.FIRED]
        assert pair.a.machines.decided == [["x"]]
        assert pair.b.machines.built == 0


async def test_commands_of_a_node_stay_in_their_order(autojump_clock: MockClock) -> None:
    async with a_pair() as pair:
        await pair.b.ring(*[f"x{n}" for n in range(300)])
        await wait_all_tasks_blocked()
        assert pair.store.titles() == [f"x{n}" for n in range(300)]
        assert pair.wires.sent(Forward) == 2, "at most 240 go together"


async def test_followers_on_another_node_are_told_what_comes_next_without_a_look_at_the_store(
    autojump_clock: MockClock,
) -> None:
    async with a_pair() as pair:
        receiver = await pair.b.follow()
        pair.store.add([an_event(1), an_event(2)])
        recalls = pair.store.recalls
        pair.b.registry.hear("acme", [an_event(1), an_event(2)])
        assert receiver.heard == [(0, 1), (1, 2)]
        await wait_all_tasks_blocked()
        assert pair.store.recalls == recalls


async def test_what_was_not_heard_of_is_read_from_the_store_first(autojump_clock: MockClock) -> None:
    async with a_pair() as pair:
        receiver = await pair.b.follow()
        pair.store.add([an_event(1), an_event(2), an_event(3)])
        pair.b.registry.hear("acme", [an_event(3)])
        await wait_all_tasks_blocked()
        pair.b.registry.hear("acme", [an_event(2), an_event(3)])
        await wait_all_tasks_blocked()
        assert receiver.heard == [(0, 1), (1, 2), (2, 3)]


async def test_after_a_gap_of_the_bus_every_channel_looks_into_the_store(autojump_clock: MockClock) -> None:
    async with a_pair() as pair:
        receivers = [await pair.a.follow(), await pair.b.follow()]
        pair.store.add([an_event(1), an_event(2)])
        pair.a.registry.look(lambda workspace: True)
        pair.b.registry.look(lambda workspace: True)
        await wait_all_tasks_blocked()
        assert [receiver.heard for receiver in receivers] == 2 * [[(0, 1), (1, 2)]]


async def test_after_a_gap_an_owner_whom_nobody_follows_looks_too_and_recalls_only_if_it_has_missed_anything(
    autojump_clock: MockClock,
) -> None:
    async with a_pair() as pair:
        await pair.a.ring("x")
        await wait_all_tasks_blocked()
        recalls, looks = pair.store.recalls, pair.store.looks
        pair.a.machines.unwritten = [a_row()]
        pair.a.registry.look(lambda workspace: True)
        await wait_all_tasks_blocked()
        assert (pair.store.recalls, pair.store.looks) == (recalls, looks + 1)
        assert len(pair.a.machines.unwritten) == 1, "what it has counted is kept"
        pair.store.add([an_event(2)])
        pair.a.registry.look(lambda workspace: True)
        await wait_all_tasks_blocked()
        assert (pair.store.recalls, pair.store.looks) == (recalls + 1, looks + 2)


async def test_a_gap_costs_those_who_only_follow_their_position_and_a_few_of_them_at_a_time(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_pair() as pair:
        cells = [pair.b.registry.cell(ChannelKey("acme", f"f{number}")) for number in range(3 * LOOKS_MAX)]
        for cell in cells:
            await cell.wait_audience()
        ask, under_way, most = pair.store.position, 0, 0

        async def position(key: ChannelKey) -> Recalled:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await trio.sleep(1)
            under_way -= 1
            return await ask(key)

        monkeypatch.setattr(pair.store, "position", position)
        recalls, looks = pair.store.recalls, pair.store.looks
        for cell in cells:
            pair.store.add([an_event(1)], cell.key)
        pair.b.registry.look(lambda workspace: True)
        await trio.sleep(4)
        assert (pair.store.recalls, pair.store.looks - looks, most) == (recalls, len(cells), LOOKS_MAX)
        assert {cell.audience.told for cell in cells if cell.audience is not None} == {1}


async def test_who_moved_it_on_while_it_looks_makes_it_recall(autojump_clock: MockClock) -> None:
    async with a_pair() as pair:
        await pair.a.ring("x")
        await wait_all_tasks_blocked()
        recalls, look = pair.store.recalls, pair.store.position

        async def and_meanwhile(key: ChannelKey) -> Recalled:
            place = await look(key)
            pair.a.registry.moved(key)
            return place

        pair.store.position = and_meanwhile  # type: ignore[method-assign]
        pair.a.registry.look(lambda workspace: True)
        await wait_all_tasks_blocked()
        assert pair.store.recalls == recalls + 1


async def test_an_event_that_comes_while_the_position_is_read_is_told(autojump_clock: MockClock) -> None:
    async with a_pair() as pair:
        pair.store.add([an_event(1)])
        cell = pair.b.cell
        pair.b.registry.hear("acme", [an_event(1)])
        receiver = await pair.b.follow()
        pair.store.add([an_event(2)])
        pair.b.registry.hear("acme", [an_event(2)])
        await wait_all_tasks_blocked()
        assert receiver.heard == [(1, 2)]
        assert cell.audience is not None
        assert cell.audience.told == 2


async def test_if_the_owner_is_silent_for_too_long_whoever_asked_is_told_busy(
    autojump_clock: MockClock, logs: list
) -> None:
    async with a_pair() as pair:
        pair.wires.loses = lambda to, letter: True
        await pair.b.ring("x", "y")
        await trio.sleep(6.5)
        assert pair.b.answers.reasons == [Reason.BUSY, Reason.BUSY]
        assert len(pair.b.cell.mailbox) == 0
        assert [line["commands"] for line in logs if line["event"] == "owner_silent"] == [2]


async def test_what_a_dead_owner_has_not_answered_is_decided_by_whoever_takes_over(autojump_clock: MockClock) -> None:
    async with a_pair() as pair:
        pair.wires.loses = lambda to, letter: to == "a"
        receiver = await pair.b.follow()
        await pair.b.ring("x")
        await wait_all_tasks_blocked()
        pair.b.believes("b")
        await trio.sleep(0.3)
        assert pair.b.answers.reasons == [Reason.FIRED]
        assert pair.b.machines.decided == [["x"]]
        assert receiver.heard == [(0, 1)]


async def test_a_workspace_that_moves_away_stores_what_it_counted_and_forwards_what_waits(
    autojump_clock: MockClock,
) -> None:
    async with a_pair() as pair:
        receiver = await pair.a.follow()
        await pair.a.ring("x")
        await wait_all_tasks_blocked()
        pair.a.believes("b")
        pair.b.believes("b")
        await pair.a.ring("y")
        await wait_all_tasks_blocked()
        pair.a.registry.hear("acme", pair.store.stream(KEY).events[1:])
        assert pair.b.machines.decided == [["y"]]
        assert pair.a.answers.reasons == [Reason.FIRED, Reason.FIRED]
        assert receiver.heard == [(0, 1), (1, 2)]


@pytest.mark.parametrize("others", [[], ["v", "w"]], ids=["waiting", "among others"])
async def test_what_waits_at_a_former_owner_goes_back_to_who_sent_it_and_is_done_once(
    autojump_clock: MockClock, others: list[str]
) -> None:
    async with a_pair() as pair:
        c = await pair.another("c")
        pair.store.gate = trio.Event()
        await pair.a.ring("own")
        await wait_all_tasks_blocked()
        await pair.b.ring("x", "y")
        await pair.a.ring(*others)
        await wait_all_tasks_blocked()
        for node in (pair.a, pair.b, c):
            node.believes("c")
        # Longer than whoever asked waits for the former owner once it knows another one.
        await trio.sleep(2 * FORMER_S)
        pair.store.gate.set()
        await trio.sleep(2)
        assert sorted(pair.store.titles()) == sorted(["own", "x", "y", *others])
        assert pair.b.answers.reasons == [Reason.FIRED] * 2
        assert pair.a.answers.reasons == [Reason.FIRED] * (1 + len(others))
        assert len(pair.a.cell.mailbox) == len(pair.b.cell.mailbox) == 0


async def test_of_what_a_former_owner_has_done_in_part_the_rest_is_refused_and_nothing_done_twice(
    autojump_clock: MockClock,
) -> None:
    async with a_pair(batch_max=2) as pair:
        c = await pair.another("c")
        pair.store.gate = trio.Event()
        await pair.a.ring("own", "of", "a")
        await pair.b.ring("x", "y")
        await wait_all_tasks_blocked()
        # Now a and x are being decided together, and y waits.
        gate, pair.store.gate = pair.store.gate, trio.Event()
        gate.set()
        await wait_all_tasks_blocked()
        for node in (pair.a, pair.b, c):
            node.believes("c")
        pair.store.gate.set()
        await trio.sleep(1)
        assert pair.store.titles() == ["own", "of", "a", "x"]
        assert pair.b.answers.reasons == [Reason.FIRED, Reason.BUSY]


async def test_who_is_asked_and_is_not_the_owner_says_so_and_the_request_finds_its_way(
    autojump_clock: MockClock,
) -> None:
    async with a_pair() as pair:
        pair.a.believes("b")
        await pair.b.ring("x")
        await trio.sleep(0.5)
        assert pair.a.forwarding.statistics()["not_ours"] > 0
        assert pair.b.answers.all == []
        pair.b.believes("b")
        await trio.sleep(0.5)
        assert pair.b.answers.reasons == [Reason.FIRED]


async def test_an_owner_without_room_says_busy(autojump_clock: MockClock) -> None:
    async with a_pair(mailbox_max=1) as pair:
        pair.store.gate = trio.Event()
        await pair.a.ring("w")
        await pair.b.ring("x")
        await wait_all_tasks_blocked()
        assert pair.b.answers.reasons == [Reason.BUSY]


async def test_two_who_believe_to_be_the_owner_store_nothing_twice(autojump_clock: MockClock) -> None:
    async with a_pair() as pair:
        pair.b.believes("b")
        for name in ("1", "2", "3"):
            await pair.a.ring(f"a{name}")
            await pair.b.ring(f"b{name}")
            await wait_all_tasks_blocked()
        assert sorted(pair.store.titles()) == ["a1", "a2", "a3", "b1", "b2", "b3"]
        assert [event.offset for event in pair.store.stream().events] == [1, 2, 3, 4, 5, 6]


async def test_an_owner_for_which_others_may_have_decided_reads_the_store_before_it_decides(
    autojump_clock: MockClock,
) -> None:
    async with a_pair() as pair:
        await pair.a.ring("x")
        await wait_all_tasks_blocked()
        recalls = pair.store.recalls
        pair.a.registry.doubt()
        await pair.a.ring("y")
        await wait_all_tasks_blocked()
        assert (pair.store.recalls, pair.store.looks) == (recalls, 1)
        pair.store.add([an_event(3)])
        pair.a.registry.doubt()
        await pair.a.ring("z")
        await wait_all_tasks_blocked()
        assert (pair.store.recalls, pair.store.looks) == (recalls + 1, 2)
        assert pair.a.machines.decided[-1] == ["z"]
        assert pair.a.answers.reasons == [Reason.FIRED] * 3


async def test_a_channel_that_is_only_followed_elsewhere_is_retired_when_nobody_needs_it(
    autojump_clock: MockClock,
) -> None:
    async with a_pair() as pair:
        await pair.b.ring("x")
        assert pair.b.registry.elsewhere == 1
        await trio.sleep(200)
        assert pair.b.registry.cells() == []


async def test_a_node_that_ends_has_what_waits_done_first(autojump_clock: MockClock) -> None:
    pair = Pair()
    async with trio.open_nursery() as wires:
        wires.start_soon(pair.wires.run)
        async with trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: pair.a.registry.run(task_status))
            async with trio.open_nursery() as inner:
                await inner.start(lambda task_status: pair.b.registry.run(task_status))
                pair.b.cell.put_all(envelopes(pair.b.answers, "x", "y"))
                inner.cancel_scope.cancel()
            nursery.cancel_scope.cancel()
        wires.cancel_scope.cancel()
    assert pair.b.answers.reasons == [Reason.FIRED, Reason.FIRED]


async def test_a_store_that_is_away_is_said_at_the_door_of_every_node(autojump_clock: MockClock) -> None:
    async with a_pair() as pair:
        pair.store.away = "no route to host"
        cell = pair.b.cell
        await wait_all_tasks_blocked()
        assert cell.away is not None
        pair.store.away = None
        await trio.sleep(10)
        assert cell.away is None
