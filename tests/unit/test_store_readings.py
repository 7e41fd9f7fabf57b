"""What every store must do with readings: a log that is as durable as its decision, roll-ups, pages, retention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from engine.stores import Retention, Store
from engine.stores.readings import KeptReadings, ReadingQuery, Resolution
from engine.stores.tables import rollup
from engine.stores.tables.readings import ReadingStore
from protocol.effects import Behind, Commit
from protocol.errors import BadRequest
from protocol.items import ItemResult
from protocol.model import ChannelKey, Reason, Status
from protocol.readings import Logged, LoggedSeries, ReadingPoint, RuleState
from protocol.times import SECOND_US, rfc3339
from tests.support.stores import KEY, NOW, StoreFactory, a_commit, committed

MINUTE_US, HOUR_US = 60 * SECOND_US, 3_600 * SECOND_US
CPU_A, CPU_B, MEM = LoggedSeries(1, "cpu", {"host": "a"}), LoggedSeries(2, "cpu", {"host": "b"}), LoggedSeries(3, "mem")
BELOW = ItemResult(status=Status.BELOW_THRESHOLD, reason=Reason.NO_RULE)


def log(
    seq: int,
    *readings: tuple[int, int, float],
    at: int = NOW,
    series: tuple[LoggedSeries, ...] = (),
    states: tuple[RuleState, ...] = (),
    settled: int | None = None,
    key: ChannelKey = KEY,
) -> Commit:
    """A commit of readings: number of the series, time, value."""
    commit = a_commit(key, rows=0, at=at)
    columns = [list(column) for column in zip(*readings, strict=True)] if readings else [[], [], []]
    logged = Logged(seq, at, *columns) if readings else None
    decision = msgspec.structs.replace(
        commit.decision,
        results=(BELOW,) * len(readings),
        readings=logged,
        series=series,
        states=states,
        settled=seq if settled is None else settled,
    )
    return msgspec.structs.replace(commit, decision=decision)


def a_state(rule: str = "r", seq: int = 1, body: bytes = b"x", due: int | None = None) -> RuleState:
    return RuleState(rule=rule, labels={"host": "a", "b": "c"}, essence="e", seq=seq, body=body, due=due)


async def points(store: Store, metric: str = "cpu", **more: Any) -> list[tuple[int, str, int, float]]:
    """All pages of a query: seconds after NOW, host, count, sum."""
    found: list[ReadingPoint] = []
    more = {"since_us": 0, "until_us": NOW + 9 * HOUR_US, **more}
    query = ReadingQuery(workspace=KEY.workspace, framework=KEY.framework, metric=metric, **more)
    while True:
        page = await store.readings(query)
        assert len(page.items) <= query.limit
        found += page.items
        if page.next_cursor is None:
            return [(seconds(p.at), p.labels.get("host", ""), p.count, p.sum) for p in found]
        query = msgspec.structs.replace(query, cursor=page.next_cursor)


def seconds(at: str) -> int:
    from protocol.times import parse_rfc3339

    return (parse_rfc3339(at) - NOW) // SECOND_US


async def test_a_log_is_recalled_after_the_row_that_all_states_have_heard(factory: StoreFactory) -> None:
    async with factory.open() as store:
        first = log(1, (1, NOW - 7, 1.5), (2, NOW, 0.1 + 0.2), series=(CPU_A, CPU_B), settled=0, states=(a_state(),))
        second = log(2, (3, NOW + 5, -1e300), at=NOW + 5, series=(MEM,), settled=1)
        await committed(store, first)
        await committed(store, second)
        recalled = await store.recall(KEY)
        assert recalled.seq == 2
        assert recalled.series == (CPU_A, CPU_B, MEM)
        assert recalled.states == (a_state(),)
        assert recalled.readings == (second.decision.readings,)
        assert recalled.last_results == (BELOW,)


async def test_a_second_owner_of_a_log_is_behind(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await committed(store, log(1, (1, NOW, 1.0), series=(CPU_A,)))
        assert await store.commit(log(1, (1, NOW, 2.0))) == Behind(0)
        assert (await store.recall(KEY)).seq == 1


async def test_the_same_batch_of_readings_is_answered_and_not_logged_twice(factory: StoreFactory) -> None:
    async with factory.open() as store:
        commit = log(1, (1, NOW, 1.0), (1, NOW, 2.0), series=(CPU_A,))
        assert await store.commit(commit) == await store.commit(commit)
        assert len(await points(store)) == 2


async def test_a_state_replaces_the_one_before_and_an_empty_one_forgets_it(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await committed(store, log(0, states=(a_state("r", 1), a_state("s", 1))))
        await committed(store, log(0, states=(a_state("r", 2, b"yy", due=7), a_state("s", body=b""))))
        assert (await store.recall(KEY)).states == (a_state("r", 2, b"yy", due=7),)


async def test_settled_never_goes_back(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await committed(store, log(1, (1, NOW, 1.0), series=(CPU_A,)))
        await committed(store, a_commit())
        assert (await store.recall(KEY)).readings == ()


async def test_channels_that_wait_for_time_or_are_behind_their_log_are_unsettled(factory: StoreFactory) -> None:
    async with factory.open() as store:
        for name, commit in {
            "waits": log(0, states=(a_state(due=1),), key=KEY._replace(framework="waits")),
            "behind": log(1, (1, NOW, 1.0), series=(CPU_A,), settled=0, key=KEY._replace(framework="behind")),
            "level": log(1, (1, NOW, 1.0), series=(CPU_A,), states=(a_state(),), key=KEY._replace(framework="level")),
        }.items():
            assert commit.key.framework == name
            await committed(store, commit)
        assert sorted(key.framework for key in await store.unsettled()) == ["behind", "waits"]


@pytest.mark.parametrize("results", [(), (BELOW,), (BELOW, BELOW), (BELOW, None, BELOW, BELOW, None)])
async def test_equal_answers_in_a_row_are_stored_as_one(factory: StoreFactory, results: tuple[Any, ...]) -> None:
    other = ItemResult(status=Status.REJECTED, reason=Reason.BUSY, message="later")
    given = tuple(result or other for result in results)
    async with factory.open() as store:
        commit = a_commit(rows=1)
        commit = msgspec.structs.replace(commit, decision=msgspec.structs.replace(commit.decision, results=given))
        await committed(store, commit)
        assert (await store.recall(KEY)).last_results == given


async def test_raw_readings_come_in_pages_and_only_those_asked_for(factory: StoreFactory) -> None:
    async with factory.open() as store:
        for n in range(120):
            new = (CPU_A, CPU_B, MEM) if not n else ()
            at = NOW + n * SECOND_US
            await committed(store, log(n + 1, (1, at, 1.0), (2, at, 2.0), (3, at, 3.0), at=at, series=new))
        assert len(await points(store, limit=7)) == 240
        assert {host for _, host, _, _ in await points(store, labels={"host": "b"})} == {"b"}
        window = {"since_us": NOW + 10 * SECOND_US, "until_us": NOW + 12 * SECOND_US}
        assert await points(store, limit=3, **window) == [
            (n, h, 1, s) for n in (10, 11) for h, s in (("a", 1), ("b", 2))
        ]
        assert await points(store, "mem", labels={"host": "a"}) == []
        assert await points(store, "nothing") == []


async def test_roll_ups_by_minute_and_hour_say_count_sum_extremes_and_last(factory: StoreFactory) -> None:
    async with factory.open() as store:
        readings = [(1, NOW + n * 30 * SECOND_US, float(n)) for n in range(4)]
        await committed(store, log(1, *readings, series=(CPU_A,)))
        assert await store.roll_up() == 4
        assert await store.roll_up() == 0
        query = ReadingQuery(
            workspace="acme",
            framework="checkout",
            metric="cpu",
            since_us=NOW,
            until_us=NOW + HOUR_US,
            resolution=Resolution.HOUR,
        )
        (hour,) = (await store.readings(query)).items
        assert hour == ReadingPoint(
            at=rfc3339(NOW), labels={"host": "a"}, value=1.5, count=4, min=0.0, max=3.0, sum=6.0, last=3.0
        )
        assert await points(store, resolution=Resolution.MINUTE) == [(0, "a", 2, 1.0), (60, "a", 2, 5.0)]


async def test_what_is_not_rolled_up_yet_is_told_all_the_same(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await committed(store, log(1, (1, NOW, 1.0), (2, NOW, 5.0), series=(CPU_A, CPU_B)))
        await store.roll_up()
        await committed(store, log(2, (1, NOW + SECOND_US, 2.0), (2, NOW + MINUTE_US, 7.0)))
        minutes = await points(store, resolution=Resolution.MINUTE, limit=1)
        assert minutes == [(0, "a", 2, 3.0), (0, "b", 1, 5.0), (60, "b", 1, 7.0)]
        assert await points(store, resolution=Resolution.HOUR) == [(0, "a", 2, 3.0), (0, "b", 2, 12.0)]


async def test_a_page_looks_into_so_many_series_and_goes_on_with_the_others(
    factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.stores.tables.series.SERIES_A_PAGE", 1)
    async with factory.open() as store:
        await committed(store, log(1, (1, NOW, 1.0), (2, NOW, 2.0), (2, NOW + MINUTE_US, 4.0), series=(CPU_A, CPU_B)))
        await store.roll_up()
        query = ReadingQuery(
            workspace="acme",
            framework="checkout",
            metric="cpu",
            since_us=NOW,
            until_us=NOW + HOUR_US,
            resolution=Resolution.MINUTE,
        )
        page = await store.readings(query)
        assert (len(page.items), page.next_cursor is None) == (1, False)
        assert await points(store, resolution=Resolution.MINUTE) == [
            (0, "a", 1, 1.0),
            (0, "b", 1, 2.0),
            (60, "b", 1, 4.0),
        ]
        nothing = {"since_us": NOW + 2 * MINUTE_US, "resolution": Resolution.MINUTE}
        assert await points(store, **nothing) == []


async def test_a_late_reading_changes_the_bucket_of_its_own_time(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await committed(store, log(1, (1, NOW, 1.0), (1, NOW + MINUTE_US, 1.0), series=(CPU_A,)))
        await store.roll_up()
        await committed(store, log(2, (1, NOW + 1, 10.0), at=NOW + HOUR_US))
        await store.roll_up()
        assert await points(store, resolution=Resolution.MINUTE) == [(0, "a", 2, 11.0), (60, "a", 1, 1.0)]
        assert await points(store, resolution=Resolution.HOUR) == [(0, "a", 3, 12.0)]
        (info,) = (await store.series("acme", "checkout", None, 10)).items
        assert (info.last_at, info.last_value) == (rfc3339(NOW + MINUTE_US), 1.0)


async def test_sums_beyond_what_a_float_holds_stay_at_its_edge(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await committed(store, log(1, (1, NOW, 1.7e308), (1, NOW, 1.7e308), series=(CPU_A,)))
        await store.roll_up()
        await committed(store, log(2, (1, NOW, -1.7e308), (1, NOW, 1e308)))
        await store.roll_up()
        ((_, _, count, total),) = await points(store, resolution=Resolution.MINUTE)
        assert (count, total < 1.8e308) == (4, True)


@pytest.mark.parametrize("fails_at", range(6))
async def test_a_roll_up_that_is_interrupted_anywhere_counts_each_reading_once(
    factory: StoreFactory, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    monkeypatch.setattr(rollup, "BUCKETS_AT_ONCE", 2)
    real, calls = rollup.write, []

    class Killed(Exception):
        pass

    async with factory.open() as store:
        for seq in (1, 2):
            readings = [(1 + n % 3, NOW + n * 17 * SECOND_US, float(n)) for n in range(30)]
            await committed(store, log(seq, *readings, series=(CPU_A, CPU_B, MEM) if seq == 1 else ()))
        work: ReadingStore = store._log  # type: ignore[attr-defined]
        run: Callable[..., Any] = work._writer.run

        async def dying(job: Any) -> Any:
            calls.append(job)
            if len(calls) > fails_at:
                raise Killed
            return await run(job)

        monkeypatch.setattr(work._writer, "run", dying)
        with pytest.raises(Killed):
            await store.roll_up()
        monkeypatch.setattr(work._writer, "run", run)
        during = await points(store, resolution=Resolution.MINUTE)
        # Readings that came meanwhile are of another stretch.
        await committed(store, log(3, (1, NOW, 100.0)))
        await store.roll_up()
        after = await points(store, resolution=Resolution.MINUTE)
        raw = await points(store)
        assert sum(count for _, _, count, _ in after) == len(raw) == 41
        assert sum(total for *_, total in after) == sum(total for *_, total in raw)
        assert sum(count for _, _, count, _ in during) == 40
        assert real is rollup.write


@pytest.mark.parametrize("stopped_at", range(3))
async def test_two_nodes_that_roll_up_the_same_log_count_each_reading_once(
    factory: StoreFactory, monkeypatch: pytest.MonkeyPatch, stopped_at: int
) -> None:
    monkeypatch.setattr(rollup, "BUCKETS_AT_ONCE", 2)
    async with factory.open() as store:
        readings = [(1 + n % 3, NOW + n * 17 * SECOND_US, float(n)) for n in range(30)]
        await committed(store, log(1, *readings, series=(CPU_A, CPU_B, MEM)))
        work: ReadingStore = store._log  # type: ignore[attr-defined]
        run: Callable[..., Any] = work._writer.run
        left = [stopped_at]

        async def stopped(job: Any) -> Any:
            left[0] -= 1
            if left[0] == -1:
                monkeypatch.setattr(work._writer, "run", run)
                await store.roll_up()  # by the node that has taken over meanwhile
            return await run(job)

        monkeypatch.setattr(work._writer, "run", stopped)
        await store.roll_up()
        after, raw = await points(store, resolution=Resolution.MINUTE), await points(store)
        assert sum(count for _, _, count, _ in after) == len(raw) == 20
        assert await store.roll_up() == 0


async def test_a_long_log_is_rolled_up_in_several_stretches(
    factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "STRETCH_READINGS", 30)
    async with factory.open() as store:
        for seq in range(1, 101):
            await committed(store, log(seq, (1, NOW + seq, 1.0), series=(CPU_A,) if seq == 1 else ()))
        assert await store.roll_up() == 100
        assert await points(store, resolution=Resolution.MINUTE) == [(0, "a", 100, 100.0)]


async def test_series_are_listed_with_their_newest_reading_rolled_up_or_not(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await committed(store, log(1, (1, NOW, 1.0), (2, NOW, 2.0), series=(CPU_A, CPU_B)))
        await store.roll_up()
        await committed(store, log(2, (2, NOW + 1, 5.0), (3, NOW + 2, 6.0), series=(MEM,)))
        page = await store.series("acme", "checkout", None, 2)
        assert [(one.metric, one.labels, one.last_value) for one in page.items] == [
            ("cpu", {"host": "a"}, 1.0),
            ("cpu", {"host": "b"}, 5.0),
        ]
        rest = await store.series("acme", "checkout", page.next_cursor, 2)
        assert [(one.metric, one.last_at, rest.next_cursor) for one in rest.items] == [("mem", rfc3339(NOW + 2), None)]
        assert (await store.series("umbrella", "checkout", None, 2)).items == []


async def test_nobody_reads_another_workspaces_readings(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await committed(store, log(1, (1, NOW, 1.0), series=(CPU_A,), key=KEY._replace(workspace="umbrella")))
        assert await points(store) == []


@pytest.mark.parametrize("cursor", ["", "Zm9v"])
async def test_a_cursor_that_is_not_ours_is_refused(factory: StoreFactory, cursor: str) -> None:
    async with factory.open() as store:
        with pytest.raises(BadRequest):
            await points(store, cursor=cursor)
        with pytest.raises(BadRequest):
            await points(store, limit=0)


async def test_old_rows_go_when_they_are_rolled_up_and_no_state_needs_them(factory: StoreFactory) -> None:
    async with factory.open(retention=Retention(readings=KeptReadings(raw_s=3_600))) as store:
        for seq in range(1, 5):
            at = NOW + seq * HOUR_US // 2
            new = (CPU_A,) if seq == 1 else ()
            await committed(store, log(seq, (1, at, 1.0), at=at, series=new, settled=min(seq, 2)))

        async def left() -> list[int]:
            return [at // 1_800 for at, *_ in await points(store)]

        await store.trim(NOW + 9 * HOUR_US)
        assert await left() == [1, 2, 3, 4]  # not rolled up
        await store.roll_up()
        await store.trim(NOW + HOUR_US * 2)
        assert await left() == [2, 3, 4]
        await store.trim(NOW + 9 * HOUR_US)
        assert await left() == [3, 4]  # a restart hears them again
        assert [row.seq for row in (await store.recall(KEY)).readings] == [3, 4]
        assert len(await points(store, resolution=Resolution.MINUTE)) == 4


async def test_roll_ups_go_when_they_are_old(factory: StoreFactory) -> None:
    kept = KeptReadings(minutes_s=60, hours_s=7_200)
    async with factory.open(retention=Retention(readings=kept)) as store:
        readings = [(1, NOW + n * MINUTE_US, 1.0) for n in range(60)]
        await committed(store, log(1, *readings, series=(CPU_A,)))
        await store.roll_up()
        await store.trim(NOW + HOUR_US)
        assert [at for at, *_ in await points(store, resolution=Resolution.MINUTE)] == [58 * 60, 59 * 60]
        assert len(await points(store, resolution=Resolution.HOUR)) == 1
        await store.trim(NOW + 4 * HOUR_US)
        assert await points(store, resolution=Resolution.HOUR) == []
