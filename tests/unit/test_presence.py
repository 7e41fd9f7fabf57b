"""The record of connections: written in batches, kept while the store is away, bounded."""

from collections.abc import Sequence

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from engine.keepers import notebook
from engine.keepers.presence import PresenceLog
from engine.stores.connections import ConnectionChange, ConnectionEvent
from protocol.errors import StoreUnavailable
from protocol.model import ChannelKey, Principal
from tests.support.actors import start

WHO = Principal(workspace="acme", user="ann", role="viewer", expires_at=0)
KEY = ChannelKey("acme", "checkout")


class FakeStore:
    """Keeps batches of changes; away for the next `failures` of them, and holds them up at the `gate`."""

    def __init__(self) -> None:
        self.batches: list[list[ConnectionChange]] = []
        self.failures = 0
        self.gate = trio.Event()
        self.gate.set()

    async def connection_changes(self, changes: Sequence[ConnectionChange]) -> None:
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the disk is full")
        self.batches.append(list(changes))

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(change.client_id, change.kind.value) for batch in self.batches for change in batch]


@pytest.fixture
def store():
    return FakeStore()


@pytest.fixture
def log(store):
    return PresenceLog(store, lambda: 7)


async def test_changes_of_a_second_are_written_in_one_batch(autojump_clock, nursery, store, log):
    await start(nursery, log.run)
    log.opened("c1", WHO)
    log.subscribed("c1", KEY)
    await trio.sleep(0.5)
    log.opened("c2", WHO)
    log.closed("c1")
    await trio.sleep(1)
    (batch,) = store.batches
    assert batch == [
        ConnectionChange(kind=ConnectionEvent.OPENED, client_id="c1", at=7, user="ann", workspace="acme"),
        ConnectionChange(kind=ConnectionEvent.SUBSCRIBED, client_id="c1", at=7, framework="checkout"),
        ConnectionChange(kind=ConnectionEvent.OPENED, client_id="c2", at=7, user="ann", workspace="acme"),
        ConnectionChange(kind=ConnectionEvent.CLOSED, client_id="c1", at=7),
    ]
    await trio.sleep(10)
    assert len(store.batches) == 1, "without changes nothing is written"


async def test_among_several_nodes_a_connection_is_opened_with_the_name_of_its_own(autojump_clock, nursery, store):
    log = PresenceLog(store, lambda: 7, "node-1")
    await start(nursery, log.run)
    log.opened("c1", WHO)
    log.active("c1")
    await trio.sleep(2)
    assert [change.node for change in store.batches[0]] == ["node-1", None]


async def test_the_next_change_starts_the_next_batch(autojump_clock, nursery, store, log):
    await start(nursery, log.run)
    for client in ("c1", "c2"):
        log.opened(client, WHO)
        await trio.sleep(2)
    assert [len(batch) for batch in store.batches] == [1, 1]


async def test_while_the_store_is_away_changes_wait_in_order(autojump_clock, nursery, store, log):
    store.failures = 5
    await start(nursery, log.run)
    log.opened("c1", WHO)
    await trio.sleep(3)
    assert store.batches == []
    log.closed("c1")
    await trio.sleep(20)
    assert store.told == [("c1", "opened"), ("c1", "closed")]


async def test_a_later_change_of_the_same_kind_replaces_the_earlier(autojump_clock, nursery, store, log):
    await start(nursery, log.run)
    log.subscribed("c1", ChannelKey("acme", "first"))
    log.subscribed("c1", ChannelKey("acme", "last"))
    await trio.sleep(2)
    assert [change.framework for change in store.batches[0]] == ["last"]


async def test_signs_of_life_are_written_once_a_batch_in_the_order_of_time(autojump_clock, nursery, store):
    log = PresenceLog(store, lambda: round(trio.current_time()))
    store.failures = 1
    await start(nursery, log.run)
    log.active("c1")
    log.active("c2")
    await trio.sleep(1.5)
    log.subscribed("c1", KEY)
    log.active("c1")
    await trio.sleep(5)
    (batch,) = store.batches
    assert [(change.client_id, change.kind, change.at) for change in batch] == [
        ("c2", ConnectionEvent.ACTIVE, 0),
        ("c1", ConnectionEvent.SUBSCRIBED, 2),
        ("c1", ConnectionEvent.ACTIVE, 2),
    ]


async def test_who_shows_life_twice_while_notes_wait_is_noted_where_it_was_last(autojump_clock, nursery, store, log):
    for client in ("c1", "c2", "c1"):
        log.active(client)
    await start(nursery, log.run)
    await trio.sleep(2)
    assert store.told == [("c2", "active"), ("c1", "active")]


async def test_what_is_noted_last_is_written_at_the_end(autojump_clock, store, log):
    async with trio.open_nursery() as nursery:
        await start(nursery, log.run)
        log.closed("c1")
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert store.told == [("c1", "closed")]


async def test_an_end_without_changes_writes_nothing(autojump_clock, store, log):
    async with trio.open_nursery() as nursery:
        await start(nursery, log.run)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert store.batches == []


@pytest.mark.parametrize("fault", ["away", "hanging"])
async def test_a_store_that_does_not_take_it_delays_the_end_by_a_second_at_most(autojump_clock, store, log, fault):
    store.failures = fault == "away"
    store.gate = trio.Event() if fault == "hanging" else store.gate
    async with trio.open_nursery() as nursery:
        await start(nursery, log.run)
        log.closed("c1")
        await wait_all_tasks_blocked()
        began = trio.current_time()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - began <= notebook.WRITE_EVERY_S
    assert store.batches == []


async def test_a_cancelled_write_is_tried_once_more_at_the_end(autojump_clock, store, log):
    async with trio.open_nursery() as nursery:
        await start(nursery, log.run)
        log.opened("c1", WHO)
        store.gate = trio.Event()
        await trio.sleep(1.5)
        nursery.cancel_scope.cancel()
        store.gate.set()
    assert ("c1", "opened") in store.told


async def test_changes_that_wait_are_bounded_and_the_oldest_go_first(autojump_clock, nursery, store, log, monkeypatch):
    monkeypatch.setattr(notebook, "NOTES_MAX", 3)
    for client in range(5):
        log.opened(f"c{client}", WHO)
    log.opened("c4", WHO)
    assert log.dropped == 2
    await start(nursery, log.run)
    await trio.sleep(2)
    assert [client for client, _ in store.told] == ["c2", "c3", "c4"]


async def test_the_bound_holds_also_for_what_came_while_a_write_failed(
    autojump_clock, nursery, store, log, monkeypatch
):
    monkeypatch.setattr(notebook, "NOTES_MAX", 3)
    await start(nursery, log.run)
    store.failures, store.gate = 1, trio.Event()
    for client in range(3):
        log.opened(f"old{client}", WHO)
    await trio.sleep(1.5)
    for client in range(2):
        log.opened(f"new{client}", WHO)
    store.gate.set()
    await trio.sleep(10)
    assert [client for client, _ in store.told] == ["old2", "new0", "new1"]
    assert log.dropped == 2
