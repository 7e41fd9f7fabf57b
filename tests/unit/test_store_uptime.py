"""When the engine was up, marked and read on every store; and what becomes of predictions for days when it was not."""

from __future__ import annotations

from typing import Any

import msgspec
import trio

from engine.analytics.daily_alerts import AlertDays
from engine.analytics.prediction_reading import read_counts
from engine.analytics.prediction_scoring import PredictionScorer
from engine.analytics.uptime import UPTIME, DayUp, Uptime, days_unwatched
from engine.core.analytics.uptime import SLOT_US, SLOTS
from engine.stores import Retention, Store
from engine.stores.findings import Finding, FindingQuery
from engine.verbs.predictions import PredictionVerbs
from protocol.errors import StoreUnavailable
from protocol.predictions import Count, PredictionState
from tests.support.stores import KEY, NOW, StoreFactory
from tests.unit.test_store_predictions import ANN, DAY_US, DAYS, HOUR_US, START, kept, predictor, rang

FIRST = NOW // DAY_US
WHOLE = (1 << SLOTS) - 1


class Hands:
    """A clock that is set by hand."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


async def up(store: Store, days: range, slots: int = WHOLE) -> None:
    """These days (0: that of NOW) are marked like that."""
    marks = [
        Finding(
            workspace="system", kind=UPTIME, key=str(FIRST + day), state="kept", at=(FIRST + day) * DAY_US,
            updated_at=NOW, body=msgspec.json.encode(DayUp(f"{slots:x}")).decode(),
        )
        for day in days
    ]  # fmt: skip
    await store.put_findings(marks)


async def marks_of(store: Store) -> dict[int, int]:
    page = await store.findings(FindingQuery(workspace="system", kind=UPTIME))
    return {int(each.key) - FIRST: int(msgspec.json.decode(each.body, type=DayUp).slots, 16) for each in page.items}


async def test_each_five_minutes_are_marked_once_and_a_restart_goes_on(factory: StoreFactory) -> None:
    clock = Hands(NOW)
    async with factory.open() as store:
        for _ in range(2):
            uptime = Uptime(store, clock, lambda: True)
            for _ in range(4):
                await uptime.turn()
                clock.now += SLOT_US // 2
        assert await marks_of(store) == {0: 0b1111}
        clock.now = NOW + DAY_US + 3 * SLOT_US
        await Uptime(store, clock, lambda: True).turn()
        assert await marks_of(store) == {0: 0b1111, 1: 0b1000}


async def test_a_slot_that_was_marked_is_not_read_again(factory: StoreFactory) -> None:
    async with factory.open() as store:
        asked: list[str] = []
        read = store.finding

        async def counting(workspace: str, kind: str, key: str) -> Finding | None:
            asked.append(key)
            return await read(workspace, kind, key)

        store.finding = counting  # type: ignore[method-assign]
        uptime = Uptime(store, lambda: NOW, lambda: True)
        for _ in range(3):
            await uptime.turn()
        assert asked == [str(FIRST)]


async def test_only_who_serves_the_installation_marks(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await Uptime(store, lambda: NOW, lambda: False).turn()
        assert await marks_of(store) == {}


class Away:
    """A store that is away for a while, and one that somebody else writes to."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.is_away, self.is_beaten = True, False

    async def finding(self, workspace: str, kind: str, key: str) -> Finding | None:
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise StoreUnavailable("away")
        return await self.store.finding(workspace, kind, key)

    async def settle_finding(self, finding: Finding) -> bool:
        return not self.is_beaten and await self.store.settle_finding(finding)


async def test_what_could_not_be_marked_is_tried_again_within_its_slot(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await up(store, range(1), slots=0b10)
        away: Any = Away(store)
        uptime = Uptime(away, lambda: NOW, lambda: True)
        await uptime.turn()
        away.is_away, away.is_beaten = False, True
        await uptime.turn()
        assert await marks_of(store) == {0: 0b10}
        away.is_beaten = False
        await uptime.turn()
        assert await marks_of(store) == {0: 0b11}


async def test_marks_outlive_retention_while_their_days_are_learnt_from(factory: StoreFactory) -> None:
    async with factory.open(retention=Retention(findings_s=86_400)) as store:
        await Uptime(store, lambda: NOW, lambda: True).turn()
        await store.trim(NOW + 57 * DAY_US)
        assert await marks_of(store) == {0: 1}
        await store.trim(NOW + 62 * DAY_US)
        assert await marks_of(store) == {}


async def test_days_without_marks_were_not_watched_but_for_those_before_all_marks(factory: StoreFactory) -> None:
    async with factory.open() as store:
        assert await days_unwatched(store, FIRST, FIRST + 5) == {}
        await up(store, range(1, 3))
        await up(store, range(4, 5), slots=WHOLE >> SLOTS // 2)
        assert await days_unwatched(store, FIRST, FIRST + 5) == {FIRST + 3: 0.0, FIRST + 4: 0.5}
        assert await days_unwatched(store, FIRST + 3, FIRST + 4) == {FIRST + 3: 0.0}
        assert await days_unwatched(store, FIRST + 8, FIRST + 10) == {FIRST + 8: 0.0, FIRST + 9: 0.0}


async def test_a_day_on_which_the_engine_was_down_is_not_scored_and_says_why(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await rang(store, [*range(DAYS + 1), DAYS + 2])
        await up(store, range(DAYS + 1))
        await up(store, range(DAYS + 2, DAYS + 3))
        for day in range(2):
            await predictor(store, START + day * DAY_US, rules=()).predict()
        later = START + 4 * DAY_US
        done = await PredictionScorer(store, AlertDays(store), lambda: later).score()
        assert (done.scored, done.unscored) == (3, 3)
        reasons = {each.reason for each in await kept(store, states=(PredictionState.UNSCORED.value,))}
        assert reasons == {"the engine, or its store, was down: it was up for 0.0 of the day's 24 hours"}
        report = await PredictionVerbs(store, lambda: later).accuracy(ANN)
        (counts,) = report.kinds
        assert (counts.scored, report.unscored) == (3, 3)


async def test_a_day_on_which_the_engine_was_down_is_not_learnt_as_a_quiet_one(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await rang(store, [day for day in range(DAYS) if day not in (15, 18)])
        await up(store, range(15))
        await up(store, range(16, 18))
        await up(store, range(19, DAYS))
        task = await read_counts(store, KEY.workspace, START)
        (whole,) = [each.counts for each in task.counts if each.framework is None]
        assert whole == [None if day in (15, 18) else 3 for day in range(DAYS)]
        down = await forecast(store)
        assert down.days == DAYS - 2
        assert down.probability > 0.999
        assert 2.9 < down.expected < 3.1


async def forecast(store: Store) -> Count:
    """Of everything, made now."""
    await predictor(store, START + HOUR_US, rules=()).predict()
    (found,) = [each.forecast for each in await kept(store, states=("open",)) if each.framework_id is None]
    assert isinstance(found, Count)
    return found
