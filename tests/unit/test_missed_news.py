"""What was found while somebody was away: the newest of his stream, asked once for all who come back together."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing
from msgspec.structs import replace
from trio.testing import wait_all_tasks_blocked

from actors.ports import Found
from engine.analytics.missed_news import LEFT_ALONE_S, RUNS_LATE_US, TOLD_MAX, WAITED_MAX_S, MissedNews
from engine.stores import Store, open_store
from engine.stores.findings import FindingPage, FindingQuery
from protocol.errors import StoreUnavailable
from protocol.hints import PatternFound
from protocol.model import ChannelKey, DerivedKey
from protocol.patterns import PatternState
from protocol.times import SECOND_US, rfc3339
from tests.support.patterns import a_pattern, findings_of
from tests.support.stores import NOW

EVERYTHING = DerivedKey("acme")
WEB = ChannelKey("acme", "web")


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_store("memory:", clock=lambda: NOW) as store:
        yield store


class Slow:
    """A store that answers when it is let; `asked`: of which framework."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.let = trio.Event()
        self.is_away = False

    async def findings(self, query: FindingQuery) -> FindingPage:
        self.asked.append(query.framework)
        await self.let.wait()
        if self.is_away:
            raise StoreUnavailable("away")
        return FindingPage(items=findings_of([a_pattern()]))


async def test_the_newest_that_nobody_has_spoken_of_come_in_order(store: Store) -> None:
    many = [a_pattern(f"p{number}", since=rfc3339(NOW + number * SECOND_US)) for number in range(TOLD_MAX + 2)]
    said = [
        replace(many[-1], state=PatternState.DISMISSED),
        replace(many[-2], state=PatternState.CONFIRMED),
        replace(many[-3], framework=None),
    ]
    await store.put_findings(findings_of([*many[:-3], *said]))
    news = MissedNews(store)
    assert [each.hint.data.id for each in await news.of(EVERYTHING)] == [f"p{number}" for number in range(TOLD_MAX)]
    last = (await news.of(WEB))[-1]
    at = NOW + (TOLD_MAX - 2) * SECOND_US + RUNS_LATE_US
    pattern = a_pattern(f"p{TOLD_MAX - 2}", since=rfc3339(at - RUNS_LATE_US), version=1)
    assert last == Found(at, PatternFound(channel="alerts:acme:web", data=pattern))


async def test_another_workspace_and_a_persons_stream_have_nothing(store: Store) -> None:
    await store.put_findings(findings_of([a_pattern()]))
    for key in (DerivedKey("umbrella"), DerivedKey("acme", "ann"), ChannelKey("acme", "db")):
        assert list(await MissedNews(store).of(key)) == []


async def test_all_who_come_before_it_is_asked_share_a_question_and_later_ones_the_next() -> None:
    slow = Slow()
    news, told = MissedNews(slow), []  # type: ignore[arg-type]

    async def come_back(key: ChannelKey | DerivedKey) -> None:
        told.append([each.hint.data.id for each in await news.of(key)])

    async with trio.open_nursery() as nursery:
        for keys in ([EVERYTHING], [EVERYTHING] * 50 + [WEB] * 50):
            for key in keys:
                nursery.start_soon(come_back, key)
            await wait_all_tasks_blocked()
        slow.let.set()
    assert (len(told), {name for names in told for name in names}) == (101, {"p1"})
    assert sorted(slow.asked, key=str) == [None, None, "web"]


async def test_who_asks_for_all_and_leaves_is_followed_by_another() -> None:
    slow = Slow()
    news, told = MissedNews(slow), []  # type: ignore[arg-type]

    async def come_back() -> None:
        told.append(len(await news.of(WEB)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come_back)
        await wait_all_tasks_blocked()
        with trio.CancelScope() as leaving:
            async with trio.open_nursery() as inner:
                inner.start_soon(news.of, WEB)
                await wait_all_tasks_blocked()
                nursery.start_soon(come_back)
                await wait_all_tasks_blocked()
                leaving.cancel()
        await wait_all_tasks_blocked()
        slow.let.set()
    assert told == [1, 1]


async def test_while_the_store_is_away_nobody_is_told_anything() -> None:
    slow = Slow()
    slow.is_away = True
    slow.let.set()
    assert list(await MissedNews(slow).of(WEB)) == []  # type: ignore[arg-type]


async def test_nobody_waits_behind_many_for_a_store_that_does_not_answer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    slow = Slow()
    news, told = MissedNews(slow), []  # type: ignore[arg-type]

    async def come_back(number: int) -> None:
        told.append(await news.of(ChannelKey(f"w{number}", "web")))

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(come_back, number)
    assert (told, len(slow.asked), trio.current_time() - began) == ([()] * 50, 1, WAITED_MAX_S)
    slow.let.set()
    # He, too, does not wait; a little later it is asked again.
    assert await news.of(WEB) == ()
    await trio.sleep(LEFT_ALONE_S)
    assert len(await news.of(WEB)) == 1
