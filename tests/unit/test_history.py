"""What a stream told before: asked once for all who want it together."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.audience import Audience, channel_offset
from actors.history import CHUNKS_KEPT, FRAMINGS_MAX, History
from actors.ports import HISTORY_CHUNK
from protocol.codec import WireForm
from protocol.errors import StoreUnavailable
from protocol.model import Event, Severity
from tests.support.actors import some_events


class Shelf:
    """A store of 1,000 events that answers when it is told to."""

    def __init__(self) -> None:
        self.reads: list[int] = []
        self.answering = trio.Event()
        self.is_away = False
        self.events = some_events(1, 1_000)

    async def read(self, after: int) -> Sequence[Event]:
        self.reads.append(after)
        await self.answering.wait()
        if self.is_away:
            raise StoreUnavailable("gone")
        return self.events[after : after + HISTORY_CHUNK]


def a_stream(told: int = 1_000) -> Audience:
    return Audience("alerts:acme:checkout", "e1", told, 0, channel_offset)


async def test_a_thousand_equal_questions_are_one_read(autojump_clock: MockClock) -> None:
    history, shelf, stream = History(), Shelf(), a_stream()
    answers = []

    async def ask() -> None:
        answers.append(await history.after(stream, 500, shelf.read))

    async with trio.open_nursery() as nursery:
        for _ in range(1_000):
            nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        shelf.answering.set()
    assert shelf.reads == [500]
    assert len(answers) == 1_000
    assert {id(answer) for answer in answers} == {id(answers[0])}
    assert [event.offset for event in answers[0].events] == list(range(501, 501 + HISTORY_CHUNK))


async def test_who_asks_a_moment_later_needs_no_read_either() -> None:
    history, shelf, stream = History(), Shelf(), a_stream()
    shelf.answering.set()
    first = await history.after(stream, 500, shelf.read)
    assert await history.after(stream, 500, shelf.read) is first
    assert shelf.reads == [500]


async def test_what_ends_before_the_present_is_read_again_and_a_full_stretch_is_not() -> None:
    history, shelf, stream = History(), Shelf(), a_stream()
    shelf.answering.set()
    for after in (0, 990):
        await history.after(stream, after, shelf.read)
    shelf.events = some_events(1, 1_001)
    stream.told = 1_001
    assert len((await history.after(stream, 990, shelf.read)).events) == 11
    await history.after(stream, 0, shelf.read)
    assert shelf.reads == [0, 990, 990]


async def test_if_the_one_who_reads_for_all_is_cancelled_another_reads(autojump_clock: MockClock) -> None:
    history, shelf, stream = History(), Shelf(), a_stream()
    answers = []

    async def ask(scope: trio.CancelScope) -> None:
        with scope:
            answers.append(await history.after(stream, 500, shelf.read))

    scopes = [trio.CancelScope() for _ in range(3)]
    async with trio.open_nursery() as nursery:
        for scope in scopes:
            nursery.start_soon(ask, scope)
            await wait_all_tasks_blocked()
        scopes[0].cancel()
        await wait_all_tasks_blocked()
        shelf.answering.set()
    assert shelf.reads == [500, 500]
    assert len(answers) == 2


async def test_a_store_that_is_away_is_told_to_all_who_wait_and_asked_again_by_the_next(
    autojump_clock: MockClock,
) -> None:
    history, shelf, stream = History(), Shelf(), a_stream()
    shelf.is_away = True
    refused = []

    async def ask() -> None:
        with pytest.raises(StoreUnavailable, match="gone") as fault:
            await history.after(stream, 500, shelf.read)
        refused.append(fault.value)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        shelf.answering.set()
    assert len(set(map(id, refused))) == 3, "each has an error of its own: tracebacks would pile up on a shared one"
    shelf.is_away = False
    assert (await history.after(stream, 500, shelf.read)).events
    assert shelf.reads == [500, 500]


async def test_nothing_is_answered_with_nothing_to_all_who_wait_and_not_kept(autojump_clock: MockClock) -> None:
    history, shelf, stream = History(), Shelf(), a_stream()
    shelf.events = ()
    answers = []

    async def ask() -> None:
        answers.append((await history.after(stream, 5, shelf.read)).events)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        shelf.answering.set()
    assert (answers, shelf.reads) == ([[], []], [5])
    await history.after(stream, 5, shelf.read)
    assert shelf.reads == [5, 5]


async def test_the_ring_is_asked_before_the_store() -> None:
    history, shelf, stream = History(), Shelf(), a_stream(told=990)
    stream.tell(shelf.events[990:])
    assert [event.offset for event in (await history.after(stream, 995, shelf.read)).events] == [
        996,
        997,
        998,
        999,
        1000,
    ]
    assert shelf.reads == []


async def test_only_the_last_few_stretches_are_kept() -> None:
    history, shelf, stream = History(), Shelf(), a_stream()
    shelf.answering.set()
    for after in range(CHUNKS_KEPT + 1):
        await history.after(stream, after, shelf.read)
    await history.after(stream, CHUNKS_KEPT, shelf.read)
    assert len(shelf.reads) == CHUNKS_KEPT + 1
    await history.after(stream, 0, shelf.read)
    assert shelf.reads[-1] == 0, "the oldest had to go"


async def test_streams_and_epochs_do_not_share_their_history() -> None:
    history, shelf = History(), Shelf()
    shelf.answering.set()
    for name, epoch in (("alerts:acme:a", "e1"), ("alerts:acme:b", "e1"), ("alerts:acme:a", "e2")):
        await history.after(Audience(name, epoch, 1_000, 0, channel_offset), 500, shelf.read)
    assert shelf.reads == [500, 500, 500]


async def test_frames_are_built_once_for_all_who_get_the_very_same() -> None:
    history, shelf, stream = History(), Shelf(), a_stream()
    shelf.answering.set()
    chunk = await history.after(stream, 0, shelf.read)
    frames, last = chunk.frames(stream, WireForm.JSON, Severity.INFO, 0)
    assert (len(frames), last) == (HISTORY_CHUNK, HISTORY_CHUNK)
    assert chunk.frames(stream, WireForm.JSON, Severity.INFO, 0)[0] is frames
    binary, _ = chunk.frames(stream, WireForm.MSGPACK, Severity.INFO, 0)
    assert binary[0].data != frames[0].data
    assert chunk.frames(stream, WireForm.JSON, Severity.CRITICAL, 0) == ([], 0)


async def test_frames_for_ever_more_positions_are_built_and_not_kept() -> None:
    history, shelf, stream = History(), Shelf(), a_stream()
    shelf.answering.set()
    chunk = await history.after(stream, 0, shelf.read)
    for prev in range(FRAMINGS_MAX):
        chunk.frames(stream, WireForm.JSON, Severity.INFO, prev)
    one, _ = chunk.frames(stream, WireForm.JSON, Severity.INFO, FRAMINGS_MAX)
    assert chunk.frames(stream, WireForm.JSON, Severity.INFO, FRAMINGS_MAX)[0] is not one
