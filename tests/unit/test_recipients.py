"""The notebook of who received what: marks of one subscription continue each other while they wait."""

from collections.abc import Sequence

import pytest
import trio

from engine.keepers.recipients import RecipientLog
from protocol.effects import FROM_SNAPSHOT, RecipientMark
from protocol.errors import StoreUnavailable
from protocol.model import ChannelKey, Severity
from tests.support.actors import start


class FakeStore:
    def __init__(self) -> None:
        self.batches: list[list[tuple[str, int, int, int]]] = []
        self.failures = 0

    async def recipient_marks(self, marks: Sequence[RecipientMark]) -> None:
        await trio.lowlevel.checkpoint()
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the disk is full")
        self.batches.append([(mark.user, mark.after, mark.until, mark.at) for mark in marks])


@pytest.fixture
def store():
    return FakeStore()


@pytest.fixture
def log(store):
    return RecipientLog(store)


def a_mark(user="ann", after=0, until=1, at=0, **more):
    fields = {"is_seen": False, "min_severity": Severity.INFO, "stream": ChannelKey("acme", "web")} | more
    return RecipientMark(user=user, after=after, until=until, at=at, **fields)


async def test_marks_of_a_second_become_one_row(autojump_clock, nursery, store, log):
    await start(nursery, log.run)
    for until in range(1, 6):
        log.mark(a_mark(after=until - 1, until=until, at=until), 0)
    log.mark(a_mark("bob", after=4, until=5, at=9), 4)
    await trio.sleep(2)
    assert store.batches == [[("ann", 0, 5, 5), ("bob", 4, 5, 9)]]


@pytest.mark.parametrize(
    "other", [{"is_seen": True}, {"min_severity": Severity.ERROR}, {"stream": ChannelKey("acme", "db")}]
)
async def test_marks_about_different_things_stay_apart(autojump_clock, nursery, store, log, other):
    await start(nursery, log.run)
    log.mark(a_mark(), 0)
    log.mark(a_mark(after=1, until=2, **other), 0)
    await trio.sleep(2)
    assert store.batches == [[("ann", 0, 1, 0), ("ann", 1, 2, 0)]]


async def test_a_mark_of_a_snapshot_swallows_no_other(autojump_clock, nursery, store, log):
    await start(nursery, log.run)
    log.mark(a_mark(after=FROM_SNAPSHOT, until=5), FROM_SNAPSHOT)
    log.mark(a_mark(after=5, until=6), 5)
    await trio.sleep(2)
    assert store.batches == [[("ann", -1, 5, 0), ("ann", 5, 6, 0)]]


async def test_a_mark_that_could_not_be_written_is_joined_with_what_came_meanwhile(autojump_clock, nursery, store, log):
    await start(nursery, log.run)
    store.failures = 1
    log.mark(a_mark(until=3, at=1), 0)
    await trio.sleep(1.01)
    log.mark(a_mark(after=3, until=7, at=2), 0)
    await trio.sleep(5)
    assert store.batches == [[("ann", 0, 7, 2)]]
    assert log.dropped == 0
