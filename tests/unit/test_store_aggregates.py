"""Counts of alerts: whatever happens to alerts, wherever counting breaks off, they are what plain counting says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.counted_by_hand import Whose, by_hand, by_store, changed, counted, merged
from engine.core.analytics.calendar import HOUR_US, Width, end_of, start_of
from engine.stores import Retention, Store
from engine.stores.aggregates import AggregateQuery, Counted, Dimension
from engine.stores.tables import aggregate_counts, aggregate_hours, aggregate_sums
from protocol.errors import CommitInvalid
from protocol.model import Alert, AlertState, ChannelKey, QuietedBy, Severity
from protocol.notify import Channel, DeliveryState
from protocol.times import SECOND_US, rfc3339
from tests.support.deliveries import a_delivery
from tests.support.stores import FOREIGN, KEY, NOW, OTHER, StoreFactory, a_commit, a_row, an_alert, committed

RULES = (None, "cpu", "disk", 'odd "rule"')
# Of a Friday, so that its week, month and day are four different things.
AT = NOW + 29 * 24 * HOUR_US + 7 * HOUR_US


class Clock:
    """Time that goes when it is told to."""

    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> int:
        return self.now


class World:
    """Alerts as they are, and the store that has them."""

    def __init__(self, store: Store, seed: int = 7) -> None:
        self.store = store
        self.random = random.Random(seed)
        self.alerts: dict[str, Alert] = {}
        self.keys: dict[str, ChannelKey] = {}
        self.offsets: dict[ChannelKey, int] = {}

    async def commit(self, key: ChannelKey, alerts: list[Alert], at: int) -> None:
        """Stores alerts, new or changed."""
        base = self.offsets.get(key, 0)
        await committed(self.store, a_commit(key, base, [a_row(alert) for alert in alerts], at=at))
        self.offsets[key] = base + len(alerts)
        self.alerts |= {alert.id: alert for alert in alerts}
        self.keys |= {alert.id: key for alert in alerts}

    def fresh(self, key: ChannelKey, at: int) -> Alert:
        """An alert that was triggered then."""
        return an_alert(
            at=at,
            framework_id=key.framework,
            rule_id=self.random.choice(RULES),
            severity=self.random.choice(list(Severity)),
        )

    def of(self, workspace: str) -> list[Alert]:
        """A workspace's."""
        return [alert for alert in self.alerts.values() if self.keys[alert.id].workspace == workspace]


def clocked(factory: StoreFactory, clock: Clock, **options: Any) -> Any:
    return factory.open(clock=clock, **options)


async def count_all(store: Store) -> Counted:
    """Counts whatever waits, due or not."""
    hours = alerts = changes = 0
    while (done := await store.count_alerts(16, ahead_us=10**15)).hours:
        hours, alerts, changes = hours + done.hours, alerts + done.alerts, changes + done.changed
    return Counted(hours=hours, alerts=alerts, changed=changes)


async def check(world: World, workspace: str = "acme", notified: frozenset[str] = frozenset()) -> None:
    """Every width of the workspace's counts is what counting by hand says."""
    alerts = world.of(workspace)
    for width in Width:
        since, until = start_of(width, NOW - 40 * 24 * HOUR_US), end_of(width, AT + 40 * 24 * HOUR_US)
        assert await by_store(world.store, workspace, width, since, until) == by_hand(alerts, width, notified)


async def test_an_alert_counts_in_the_hour_day_week_and_month_that_it_was_triggered_in(factory: StoreFactory) -> None:
    clock = Clock()
    async with clocked(factory, clock) as store:
        world = World(store)
        await world.commit(KEY, [world.fresh(KEY, AT)], AT)
        assert await count_all(store) == Counted(hours=1, alerts=1, changed=1)
        await check(world)
        starts = {
            width: [whose.start for whose in await by_store(store, "acme", width, 0, end_of(width, 2 * AT))]
            for width in Width
        }
        assert {width: list(map(rfc3339, each)) for width, each in starts.items()} == {
            Width.HOUR: ["2026-01-30T07:00:00.000000Z"],
            Width.DAY: ["2026-01-30T00:00:00.000000Z"],
            Width.WEEK: ["2026-01-26T00:00:00.000000Z"],
            Width.MONTH: ["2026-01-01T00:00:00.000000Z"],
        }


async def test_counts_are_what_counting_by_hand_says_whatever_happens_and_whenever_it_is_counted(
    factory: StoreFactory,
) -> None:
    clock, keys = Clock(), (KEY, OTHER, FOREIGN)
    async with clocked(factory, clock) as store:
        world = World(store)
        for step in range(60):
            clock.now += world.random.randrange(1, 200) * SECOND_US
            key = world.random.choice(keys)
            # Some of them late, by up to six weeks.
            late = world.random.choice((0, 0, 0, world.random.randrange(42 * 24 * HOUR_US)))
            news = [world.fresh(key, clock.now - late) for _ in range(world.random.randrange(1, 30))]
            known = [alert for alert in world.alerts.values() if world.keys[alert.id] == key]
            chosen = world.random.sample(known, min(len(known), 15))
            news += [changed(alert, clock.now, world.random) for alert in chosen]
            await world.commit(key, news, clock.now)
            if step % 7 == 0:
                await store.count_alerts(world.random.randrange(1, 9), ahead_us=10**15)
        await count_all(store)
        await check(world)
        await check(world, "umbrella")
        # To count all of it again changes nothing.
        assert await count_all(store) == Counted()


@pytest.fixture(params=["take", "piece", "kept", "write"])
def breaking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Where counting breaks off: at the so many-th call of one of its parts (0: never), counted down in a list."""
    left, name = [0], request.param
    module: Any = {"take": aggregate_hours, "piece": aggregate_counts}.get(name, aggregate_sums)
    whole = getattr(module, name)

    def part(*arguments: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise CommitInvalid("broken off")
        return whole(*arguments, **more)

    monkeypatch.setattr(module, name, part)
    monkeypatch.setattr(aggregate_counts, "PIECE", 20)
    monkeypatch.setattr(aggregate_sums, "GROUPS_AT_ONCE", 3)
    yield left


async def test_a_count_that_was_broken_off_loses_nothing_and_counts_nothing_twice(
    factory: StoreFactory, breaking: list[int]
) -> None:
    clock = Clock()
    async with clocked(factory, clock) as store:
        world = World(store)
        for _ in range(12):
            clock.now += 600 * SECOND_US
            news = [world.fresh(KEY, clock.now - world.random.randrange(3) * HOUR_US) for _ in range(25)]
            chosen = world.random.sample(list(world.alerts.values()), min(len(world.alerts), 10))
            await world.commit(KEY, [*news, *(changed(alert, clock.now, world.random) for alert in chosen)], clock.now)
            breaking[0] = world.random.randrange(1, 5)
            with pytest.raises(CommitInvalid):
                while True:
                    await store.count_alerts(3, ahead_us=10**15)
                    # There may be nothing left before the fault comes.
                    await world.commit(KEY, [world.fresh(KEY, clock.now)], clock.now)
        breaking[0] = 0
        # What was taken and not finished is found again later.
        clock.now += aggregate_hours.LOST_US + 1
        await count_all(store)
        await check(world)
        assert (await store.aggregates_waiting()).hours == 0


async def test_what_changes_while_its_hour_is_counted_is_counted_the_next_time(
    factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    async with clocked(factory, clock) as store:
        world, whole = World(store), store._count
        first, second = world.fresh(KEY, AT), world.fresh(KEY, AT + 1)
        await world.commit(KEY, [first], AT)

        async def meanwhile(hour: Any) -> Any:
            found = await whole(hour)
            if len(world.alerts) == 1:
                await world.commit(KEY, [second], AT + 1)
            return found

        monkeypatch.setattr(store, "_count", meanwhile)
        assert (await store.count_alerts(9, ahead_us=10**15)).alerts == 1
        assert (await store.aggregates_waiting()).hours == 1
        assert (await store.count_alerts(9, ahead_us=10**15)).alerts == 2
        await check(world)


async def test_who_comes_back_after_another_has_counted_his_hour_writes_nothing(
    factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    async with clocked(factory, clock) as store:
        world, whole = World(store), store._count
        await world.commit(KEY, [world.fresh(KEY, AT)], AT)
        is_first = [True]

        async def slowly(hour: Any) -> Any:
            found = await whole(hour)
            if is_first.pop() if is_first else False:
                clock.now += aggregate_hours.LOST_US + 1
                await world.commit(KEY, [world.fresh(KEY, AT)], clock.now)
                await count_all(store)
            return found

        monkeypatch.setattr(store, "_count", slowly)
        await store.count_alerts(9, ahead_us=10**15)
        await check(world)


async def test_an_hour_is_due_a_while_after_its_first_change_and_a_larger_or_older_one_later(
    factory: StoreFactory,
) -> None:
    clock = Clock()
    async with clocked(factory, clock) as store:
        world = World(store)

        async def due_after() -> float:
            before = clock.now
            while not (await store.count_alerts(9)).hours:
                clock.now += SECOND_US
            return (clock.now - before) / SECOND_US

        alerts = [world.fresh(KEY, AT) for _ in range(4_000)]
        await world.commit(KEY, alerts, AT)
        assert await due_after() == 15
        # Half a millisecond for each alert of the last count.
        await world.commit(KEY, alerts[:1], clock.now)
        assert await due_after() == 17
        # As much again for each hour of its age.
        clock.now = start_of(Width.HOUR, AT) + 10 * HOUR_US
        await world.commit(KEY, alerts[:1], clock.now)
        assert await due_after() == 15 + 11 * 2
        await check(world)


async def test_who_was_notified_is_counted_when_it_is_known(factory: StoreFactory) -> None:
    clock = Clock()
    async with clocked(factory, clock) as store:
        world = World(store)
        alerts = [world.fresh(KEY, AT) for _ in range(5)]
        await world.commit(KEY, alerts, AT)
        await count_all(store)
        lines = [
            a_delivery(alert_id=alert.id, state=state)
            for alert, state in zip(
                alerts[:4],
                [DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.QUEUED],
                strict=True,
            )
        ]
        # The second one twice, by two ways.
        await store.keep_deliveries([*lines, a_delivery(alert_id=alerts[1].id, channel=Channel.IN_APP)])
        await count_all(store)
        await check(world, notified=frozenset({alerts[0].id, alerts[1].id}))


async def test_who_was_notified_stays_counted_when_the_ledger_has_forgotten(factory: StoreFactory) -> None:
    clock = Clock()
    async with clocked(factory, clock, retention=Retention(deliveries_s=3_600.0)) as store:
        world = World(store)
        alert = an_alert(at=AT, state=AlertState.RESOLVED, resolved_at=rfc3339(AT), resolved_by="ann")
        await world.commit(KEY, [alert], AT)
        await store.keep_deliveries([a_delivery(alert_id=alert.id, state=DeliveryState.SENT, at=AT, updated_at=AT)])
        await count_all(store)
        clock.now += 48 * HOUR_US
        await store.trim(clock.now)
        assert await store.deliveries_of("acme", [alert.id]) == {}
        await world.commit(KEY, [alert], clock.now)
        await count_all(store)
        await check(world, notified=frozenset({alert.id}))


async def test_questions_are_answered_for_whoever_asks_and_only_with_what_he_may_see(factory: StoreFactory) -> None:
    clock = Clock()
    async with clocked(factory, clock) as store:
        world = World(store)
        for key in (KEY, OTHER, FOREIGN):
            await world.commit(key, [world.fresh(key, AT - n * HOUR_US) for n in range(60)], AT)
        await count_all(store)
        day, until = start_of(Width.DAY, AT - 60 * HOUR_US), end_of(Width.DAY, AT)
        alerts = world.of("acme")

        async def asked(**more: Any) -> dict[Any, int]:
            page = await store.aggregates(
                AggregateQuery(**{"workspace": "acme", "since_us": day, "until_us": until, **more})
            )
            return {
                (row.start, row.framework, row.rule_id, row.severity and row.severity.value): row.counts.alerts
                for row in page.rows
            }

        assert await asked() == {(None, None, None, None): 120}
        # Whole weeks and months are read as such.
        for width in (Width.WEEK, Width.MONTH):
            since = start_of(width, AT - 60 * HOUR_US)
            assert await asked(since_us=since, until_us=end_of(width, AT)) == {(None, None, None, None): 120}
        assert await asked(workspace="nobody") == {}
        assert await asked(framework="checkout") == {(None, None, None, None): 60}
        assert await asked(frameworks=("search",), framework="checkout") == {}
        assert await asked(frameworks=("search", "x"), group=(Dimension.FRAMEWORK,)) == {
            (None, "search", None, None): 60
        }
        loud = sum(alert.severity is Severity.CRITICAL for alert in alerts)
        assert await asked(severities=(Severity.CRITICAL,)) == {(None, None, None, None): loud}
        disks = sum(alert.rule_id == "disk" for alert in alerts)
        assert await asked(rule_id="disk", width=None) == {(None, None, None, None): disks}
        rules = await asked(group=(Dimension.RULE,), by_alerts=True, limit=2)
        assert len(rules) == 2
        assert (
            list(rules.values())
            == sorted((sum((alert.rule_id or "") == (rule or "") for alert in alerts) for rule in RULES), reverse=True)[
                :2
            ]
        )
        by_day = await asked(width=Width.DAY)
        assert sum(by_day.values()) == 120
        assert list(by_day) == sorted(by_day)


async def test_an_answer_says_how_fresh_it_is(factory: StoreFactory) -> None:
    clock = Clock()
    async with clocked(factory, clock) as store:
        world = World(store)
        hour = start_of(Width.HOUR, AT)
        query = AggregateQuery(workspace="acme", since_us=hour, until_us=hour + HOUR_US, width=Width.HOUR)
        await world.commit(KEY, [world.fresh(KEY, AT), world.fresh(KEY, AT - HOUR_US)], AT)
        before = (await store.aggregates(query)).freshness
        assert (before.hours_waiting, before.changed_us, before.counted_us) == (1, AT, None)
        waiting = await store.aggregates_waiting()
        assert (waiting.hours, waiting.changed_us) == (2, AT)
        clock.now += SECOND_US
        await count_all(store)
        after = (await store.aggregates(query)).freshness
        assert (after.hours_waiting, after.changed_us, after.counted_us) == (0, None, clock.now)


@pytest.mark.parametrize(
    ("change", "is_noisy", "is_confirmed", "is_false"),
    [
        ({"acknowledged_at": rfc3339(AT), "state": AlertState.ACKNOWLEDGED}, 0, 1, 0),
        ({"acknowledged_at": rfc3339(AT), "state": AlertState.RESOLVED, "resolved_by": "rule"}, 0, 1, 0),
        ({"state": AlertState.RESOLVED, "resolved_by": "ann"}, 0, 1, 0),
        ({"state": AlertState.RESOLVED, "resolved_by": "rule"}, 1, 0, 1),
        ({"state": AlertState.ACTIVE}, 1, 0, 0),
        ({"acknowledged_at": rfc3339(AT), "state": AlertState.ACKNOWLEDGED, "noise": True}, 1, 0, 1),
    ],
)
async def test_a_quieted_alert_is_noise_unless_somebody_took_it_up(
    factory: StoreFactory, change: dict[str, Any], is_noisy: int, is_confirmed: int, is_false: int
) -> None:
    if change["state"] is AlertState.RESOLVED:
        change = {**change, "resolved_at": rfc3339(AT + 3_600 * SECOND_US)}
    alert = an_alert(at=AT, quieted_by=QuietedBy.SILENCED, **change)
    clock = Clock()
    async with clocked(factory, clock) as store:
        world = World(store)
        await world.commit(KEY, [alert], AT)
        await count_all(store)
        (counts,) = (await by_store(store, "acme", Width.HOUR, 0, 2 * AT)).values()
        await check(world)
    assert tuple(map(counts.of, ("noisy", "confirmed", "false_alarms"))) == (is_noisy, is_confirmed, is_false)


def test_counting_by_hand_is_right_about_an_alert_that_one_can_count_in_ones_head() -> None:
    at = AT
    alert = an_alert(
        at=at,
        state=AlertState.RESOLVED,
        occurrences=4,
        acknowledged_at=rfc3339(at + 3 * SECOND_US),
        resolved_at=rfc3339(at + 61 * SECOND_US),
        resolved_by="rule",
    )
    counts = counted(alert)
    assert {name: counts.of(name) for name in ("alerts", "resolved", "suppressed", "noisy", "confirmed")} == {
        "alerts": 1,
        "resolved": 1,
        "suppressed": 3,
        "noisy": 0,
        "confirmed": 1,
    }
    assert (counts.of("taken_ms"), counts.of("ended_ms")) == (3_000, 61_000)
    whose = Whose(start_of(Width.HOUR, at), "checkout", "", Severity.WARNING)
    assert by_hand([alert, alert], Width.HOUR)[whose] == counts.plus(counts)
    assert merged(by_hand([alert], Width.HOUR), Width.WEEK) == by_hand([alert], Width.WEEK)
