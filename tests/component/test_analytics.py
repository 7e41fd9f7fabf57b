"""Counting by turns, and the verbs that answer from what was counted."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from engine.analytics.counting import Counted, Counting
from engine.app import Engine
from engine.core.analytics.calendar import DAY_US, HOUR_US, Width
from engine.stores import Store
from engine.stores.aggregates import AggregatePage, AggregateQuery, Dimension
from engine.verbs import analytics
from engine.verbs.analytics import LATEST_US, AnalyticsVerbs, Asked
from engine.world import World
from protocol.errors import BadRequest, PermissionDenied, StoreUnavailable
from protocol.model import Alert, AlertState, Principal, Severity
from protocol.times import SECOND_US, TIME_MAX_US, rfc3339
from tests.support.caches import a_node
from tests.support.engines import a_config
from tests.support.stores import FACTORIES, KEY, NOW, OTHER, a_commit, a_row, an_alert, committed

# A Thursday, and the first of the month.
AT = NOW + 31 * DAY_US + 9 * HOUR_US
ANN = Principal(workspace="acme", user="ann", role="viewer", expires_at=2**40)


class Clock:
    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> int:
        return self.now


@asynccontextmanager
async def a_store(clock: Clock) -> AsyncIterator[Store]:
    async with FACTORIES["memory"](Path()).open(clock=clock) as store:
        yield store


def counting(store: Store, clock: Clock, **more: Any) -> Counting:
    return Counting(store, more.get("cache") or a_node().cache, clock, 5.0, more.get("is_ours", lambda: True))


async def keep(store: Store, alerts: list[Alert], *, key: Any = KEY, base: int = 0, at: int = AT) -> None:
    rows = [a_row(replace(alert, framework_id=key.framework)) for alert in alerts]
    await committed(store, a_commit(key, base, rows, at=at))


def ended(n: int, by: str = "ann", **more: Any) -> Alert:
    at = AT - n * HOUR_US
    fields = {"state": AlertState.RESOLVED, "resolved_at": rfc3339(at + 30 * SECOND_US), "resolved_by": by}
    return an_alert(at=at, **(fields | more))


async def test_turns_count_what_is_due_and_say_what_waits(autojump_clock: MockClock) -> None:
    clock = Clock()
    async with a_store(clock) as store, trio.open_nursery() as nursery:
        keeper = counting(store, clock)
        await keep(store, [an_alert(at=AT), an_alert(at=AT - HOUR_US)])
        await nursery.start(lambda task_status: keeper.run(task_status))
        await trio.sleep(6)
        assert keeper.statistics()["hours_waiting"] == 2
        clock.now += 20 * SECOND_US
        assert keeper.statistics()["lag_s"] == 20
        await trio.sleep(5)
        assert keeper.statistics() == {"hours": 2, "alerts": 2, "changed": 2, "hours_waiting": 0, "lag_s": 0}
        nursery.cancel_scope.cancel()


async def test_another_nodes_turns_are_not_taken_and_a_store_that_is_away_is_waited_for(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, is_ours = Clock(), [False]
    async with a_store(clock) as store, trio.open_nursery() as nursery:
        keeper, whole, faults = counting(store, clock, is_ours=lambda: is_ours[0]), store.count_alerts, [True]

        async def away(limit: int, *, ahead_us: int = 0) -> Any:
            if faults:
                faults.pop()
                raise StoreUnavailable("away")
            return await whole(limit, ahead_us=ahead_us)

        monkeypatch.setattr(store, "count_alerts", away)
        await keep(store, [an_alert(at=AT)])
        clock.now += 60 * SECOND_US
        await nursery.start(lambda task_status: keeper.run(task_status))
        await trio.sleep(12)
        assert (keeper.hours, faults) == (0, [True])
        is_ours[0] = True
        await trio.sleep(12)
        assert (keeper.hours, faults) == (1, [])
        nursery.cancel_scope.cancel()


async def test_the_nightly_run_counts_what_is_not_due_yet(autojump_clock: MockClock) -> None:
    clock = Clock()
    async with a_store(clock) as store:
        keeper = counting(store, clock)
        await keep(store, [an_alert(at=AT)])
        assert await keeper.turn() == Counted(0, 0, 0)
        done: Any = await keeper.schedule().kind.run(None, None)  # type: ignore[arg-type]  # it looks at neither
        assert done.result == Counted(hours=1, alerts=1, changed=1)


async def test_answers_are_remembered_until_something_is_counted_anew(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, cache, asked = Clock(), a_node().cache, list[AggregateQuery]()
    async with a_store(clock) as store:
        verbs, keeper, whole = (
            AnalyticsVerbs(store, cache, clock),
            counting(store, clock, cache=cache),
            store.aggregates,
        )

        async def counted(query: AggregateQuery) -> AggregatePage:
            asked.append(query)
            return await whole(query)

        monkeypatch.setattr(store, "aggregates", counted)
        await keep(store, [an_alert(at=AT)])
        for total, questions in ((0, 1), (0, 1), (1, 2), (1, 2)):
            answer = await verbs.counts(ANN, Asked(), Width.DAY)
            assert (answer.totals.alerts, len(asked)) == (total, questions)
            if questions == 1 and total == 0 and clock.now == AT:
                clock.now += SECOND_US
            else:
                clock.now += 60 * SECOND_US
                await keeper.turn()


async def test_counts_come_by_day_with_totals(autojump_clock: MockClock) -> None:
    clock = Clock()
    async with a_store(clock) as store:
        verbs = AnalyticsVerbs(store, a_node().cache, clock)
        await keep(store, [ended(1), ended(2, "rule"), ended(30, severity=Severity.CRITICAL)])
        await counting(store, clock).turn(10**15)
        answer = await verbs.counts(ANN, Asked(), Width.DAY, (Dimension.SEVERITY,))
        found = [(item.since[:10], item.until[:10], item.severity, item.alerts) for item in answer.items]
        assert found == [
            ("2026-01-31", "2026-02-01", Severity.CRITICAL, 1),
            ("2026-02-01", "2026-02-02", Severity.WARNING, 2),
        ]
        assert (answer.totals.alerts, answer.totals.confirmed, answer.totals.false_alarms) == (3, 2, 1)
        assert answer.totals.to_resolve.mean_s == 30
        assert (answer.since, answer.until) == ("2026-01-02T00:00:00.000000Z", "2026-02-02T00:00:00.000000Z")
        assert (answer.fresh.hours_waiting, answer.fresh.counted_at) == (0, rfc3339(AT))
        whole = await verbs.counts(ANN, Asked(), None)
        assert [(item.since, item.until, item.alerts) for item in whole.items] == [(whole.since, whole.until, 3)]


@pytest.mark.parametrize(
    ("asked", "width", "said"),
    [
        (Asked(since_us=AT, until_us=AT), Width.DAY, "since is not before until"),
        (Asked(since_us=0), Width.HOUR, "more than 1,000 hours: ask for a shorter time"),
        (Asked(framework="a\0b"), Width.DAY, "framework_id"),
        (Asked(rule_id="\0"), Width.DAY, "rule_id"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_a_reason(asked: Asked, width: Width, said: str) -> None:
    clock = Clock()
    async with a_store(clock) as store:
        with pytest.raises(BadRequest, match=said):
            await AnalyticsVerbs(store, a_node().cache, clock).counts(ANN, asked, width)


async def test_the_end_of_all_times_can_be_asked_for() -> None:
    clock = Clock()
    async with a_store(clock) as store:
        verbs = AnalyticsVerbs(store, a_node().cache, clock)
        asked = Asked(LATEST_US - 30 * DAY_US, TIME_MAX_US)
        ends = {width: (await verbs.counts(ANN, asked, width)).until[:10] for width in (*Width, None)}
        assert ends == {**dict.fromkeys([*Width, None], "9999-12-01"), Width.WEEK: "9999-12-06"}
        assert (await verbs.rules(ANN, asked, 10)).until.startswith("9999-12-01")
        assert (await verbs.heat_map(ANN, asked, "Pacific/Kiritimati")).until.startswith("9999-12-01")
        with pytest.raises(BadRequest, match="since is not before until"):
            await verbs.counts(ANN, Asked(LATEST_US, TIME_MAX_US), Width.DAY)


async def test_an_answer_that_would_be_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analytics, "ROWS_MAX", 2)
    clock = Clock()
    async with a_store(clock) as store:
        verbs = AnalyticsVerbs(store, a_node().cache, clock)
        await keep(store, [ended(n) for n in range(3)])
        await counting(store, clock).turn(10**15)
        with pytest.raises(BadRequest, match="more than 2 rows"):
            await verbs.counts(ANN, Asked(), Width.HOUR)


async def test_a_token_for_some_frameworks_sees_their_alerts_alone(autojump_clock: MockClock) -> None:
    clock = Clock()
    async with a_store(clock) as store:
        verbs = AnalyticsVerbs(store, a_node().cache, clock)
        await keep(store, [ended(1)])
        await keep(store, [ended(1), ended(2)], key=OTHER)
        await counting(store, clock).turn(10**15)
        limited = replace(ANN, channels=("search",))
        assert (await verbs.counts(limited, Asked(), Width.DAY)).totals.alerts == 2
        assert (await verbs.counts(ANN, Asked(), Width.DAY)).totals.alerts == 3
        assert sum(map(sum, (await verbs.heat_map(limited, Asked(), "UTC")).alerts)) == 2
        assert (await verbs.counts(replace(ANN, workspace="umbrella"), Asked(), Width.DAY)).totals.alerts == 0
        with pytest.raises(PermissionDenied):
            await verbs.counts(limited, Asked(framework="checkout"), Width.DAY)


async def test_a_heat_map_is_of_a_zone_and_of_a_quarter_at_most(autojump_clock: MockClock) -> None:
    clock = Clock()
    async with a_store(clock) as store:
        verbs = AnalyticsVerbs(store, a_node().cache, clock)
        await keep(store, [an_alert(at=AT), an_alert(at=AT), an_alert(at=AT - 7 * DAY_US)])
        await counting(store, clock).turn(10**15)
        found = await verbs.heat_map(ANN, Asked(), "Europe/Berlin")
        assert (found.zone, found.alerts[6][10], sum(map(sum, found.alerts))) == ("Europe/Berlin", 3, 3)
        # The hour that has begun is in it, and so is the one that began 30 days before.
        assert sum(map(sum, found.hours)) == 30 * 24 + 1
        with pytest.raises(BadRequest, match="no time zone"):
            await verbs.heat_map(ANN, Asked(), "Mars/Phobos")
        with pytest.raises(BadRequest, match="more than 92 days"):
            await verbs.heat_map(ANN, Asked(since_us=AT - 93 * DAY_US), "UTC")


async def test_rules_are_judged_and_those_with_the_most_alerts_come_first(autojump_clock: MockClock) -> None:
    clock = Clock()
    async with a_store(clock) as store:
        verbs = AnalyticsVerbs(store, a_node().cache, clock)
        good = [ended(n, rule_id="good") for n in range(12)]
        bad = [ended(n, "rule", rule_id="bad") for n in range(14)]
        await keep(store, [*good, *bad, ended(1, rule_id="new"), ended(1)])
        await counting(store, clock).turn(10**15)
        found = await verbs.rules(ANN, Asked(), 10)
        shown = [(each.rule_id, each.framework_id, each.alerts, each.precision, each.judged) for each in found.items]
        assert shown == [
            ("bad", "checkout", 14, 0.0, 14),
            ("good", "checkout", 12, 1.0, 12),
            ("new", "checkout", 1, None, 1),
        ]
        assert found.items[0].noise_ratio == 1.0
        assert found.items[0].false_alarms_per_week == 14.0, "all of it came in this week, which is the first"
        assert not found.is_cut
        assert [each.rule_id for each in (await verbs.rules(ANN, Asked(), 1)).items] == ["bad"]
        assert (await verbs.rules(ANN, Asked(), 1)).is_cut


async def test_the_routes_answer_and_what_they_export_is_a_table(tmp_path: Path) -> None:
    world = World(clock=Clock())
    async with Engine(a_config(tmp_path), world) as engine:
        headers = {"Authorization": f"Bearer {engine.issue_token('acme', 'boss')}"}
        async with httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=170) as client:
            for framework in ("web", "@sum"):
                alert = {"framework_id": framework, "title": "t", "severity": "critical"}
                assert (await client.post("/api/v1/triggers", json={"alert": alert})).status_code == 200
            await engine._up.counting.turn(10**15)
            answer = (await client.get("/api/v1/analytics?by=month&group=framework,severity")).json()
            found = {(item["framework_id"], item["severity"], item["alerts"]) for item in answer["items"]}
            assert found == {("web", "critical", 1), ("@sum", "critical", 1)}
            table = await client.get("/api/v1/analytics/export?by=total&group=framework&severity=critical")
            assert table.headers["content-type"].startswith("text/csv")
            rows = list(csv.DictReader(io.StringIO(table.text)))
            # What a spreadsheet would take for a formula is a text.
            assert {(row["framework_id"], row["alerts"]) for row in rows} == {("web", "1"), ("'@sum", "1")}
            heat = (await client.get("/api/v1/analytics/heatmap?zone=UTC")).json()
            assert heat["alerts"][6][9] == 2
            assert (await client.get("/api/v1/analytics/rules")).json()["items"] == []
            for query in ("by=year", "group=state", "severity=loud", "since=yesterday", "since=9000-01-01T00:00:00Z"):
                assert (await client.get(f"/api/v1/analytics?{query}")).status_code == 400, query
