"""Letters that other nodes confirm: who is waited for, for how long, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.bus.topics import inbox_of
from engine.nodes import news as news_of_nodes
from engine.nodes.post import Post
from engine.nodes.receipts import CONFIRM_S, Receipts
from protocol.forwarding import Confirmed, ObjectsChanged
from tests.component.test_letters_of_nodes import SEALS, FakeBus
from tests.support.actors import Ids
from tests.support.clusters import a_cluster


class Desk:
    """Receipts of a node `a`, among nodes that a test has confirm."""

    def __init__(self, *others: str) -> None:
        self.bus = FakeBus()
        self.others: Sequence[str] = others
        post = Post("a", self.bus, SEALS)
        post.follow(inbox_of("a"), lambda gap: None)
        self.receipts = Receipts(post, lambda: self.others, Ids())

    def confirm(self, node: str, *ids: str) -> None:
        self.bus.hear(inbox_of("a"), Confirmed(origin=node, ids=ids))

    async def wait(self, name: str, done: list[str]) -> None:
        await self.receipts.caught_up()
        done.append(name)


async def test_where_nobody_else_is_nothing_is_waited_for() -> None:
    desk = Desk()
    assert desk.receipts.expect() == ""
    await desk.receipts.caught_up()
    assert desk.receipts.statistics() == {"unconfirmed": 0}


async def test_all_have_to_confirm_what_was_told_before_somebody_waits_and_nothing_later() -> None:
    desk, done = Desk("b", "c"), list[str]()
    async with trio.open_nursery() as nursery:
        first = desk.receipts.expect()
        nursery.start_soon(desk.wait, "first", done)
        await wait_all_tasks_blocked()
        second = desk.receipts.expect()
        nursery.start_soon(desk.wait, "second", done)
        desk.confirm("b", first, second)
        desk.confirm("b", first)
        desk.confirm("d", first)
        await wait_all_tasks_blocked()
        assert done == []
        desk.confirm("c", first)
        await wait_all_tasks_blocked()
        assert done == ["first"]
        desk.confirm("c", second, "nobody's")
    assert done == ["first", "second"]
    assert desk.receipts.statistics() == {"unconfirmed": 0}


async def test_who_does_not_confirm_in_time_is_counted_and_named_once(autojump_clock: MockClock) -> None:
    desk = Desk("b", "c")
    with capture_logs() as logs:
        numbers = [desk.receipts.expect() for _ in range(2)]
        desk.confirm("b", *numbers)
        await desk.receipts.caught_up()
        assert trio.current_time() >= CONFIRM_S
        desk.confirm("c", *numbers)
        await desk.receipts.caught_up()
    assert desk.receipts.statistics() == {"unconfirmed": 2}
    assert logs == [
        {"event": "change_unconfirmed", "nodes": ["c"], "after_s": CONFIRM_S, "log_level": "warning"},
    ]


async def test_letters_that_nobody_waits_for_are_given_up_with_the_next(autojump_clock: MockClock) -> None:
    desk = Desk("b")
    desk.receipts.expect()
    await trio.sleep(CONFIRM_S / 2)
    younger = desk.receipts.expect()
    await trio.sleep(CONFIRM_S / 2)
    youngest = desk.receipts.expect()
    assert desk.receipts.statistics() == {"unconfirmed": 1}
    desk.confirm("b", younger, youngest)
    await desk.receipts.caught_up()
    assert desk.receipts.statistics() == {"unconfirmed": 1}


async def test_what_a_node_confirms_is_bounded_and_letters_without_an_id_are_not_confirmed(
    mock_clock: MockClock,
) -> None:
    async with a_cluster("a") as cluster:
        nodes = cluster.nodes_of("a")
        sent = nodes.post.sent
        for number in range(news_of_nodes.CONFIRMED_MAX + 5):
            nodes.news._heard_of_objects(ObjectsChanged(origin="b", objects=(), id=str(number)))
        assert len(nodes.news._to_confirm["b"]) == news_of_nodes.CONFIRMED_MAX
        await wait_all_tasks_blocked()
        assert (nodes.post.sent, nodes.news._to_confirm) == (sent + 1, {})
        nodes.news._heard_of_objects(ObjectsChanged(origin="of an older version", objects=()))
        await wait_all_tasks_blocked()
        assert nodes.post.sent == sent + 1
