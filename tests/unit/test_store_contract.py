"""What every store must do. A new adapter is one more entry in `FACTORIES`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from engine.stores import (
    AdministrativeAct,
    AlertQuery,
    CommittedEvents,
    ConnectionChange,
    ConnectionEvent,
    Located,
    Retention,
    Store,
    open_store,
)
from engine.stores.trail import TrailKind, TrailLine, TrailQuery
from protocol.effects import Audit, Behind, Commit, Committed, Recalled
from protocol.errors import BadRequest, CommitInvalid
from protocol.items import ItemResult
from protocol.model import AlertState, Change, ChannelKey, DerivedKey, EventKind, Reason, Severity, Status, Suppressed
from protocol.rule_series import SeriesListed, SeriesSeen, SeriesState
from protocol.times import SECOND_US, rfc3339
from tests.support.stores import (
    FOREIGN,
    KEY,
    NOW,
    OTHER,
    StoreFactory,
    a_commit,
    a_row,
    an_alert,
    committed,
    fill,
    new_id,
)

ANN = DerivedKey("acme", "ann")
DAY_US = 86_400 * SECOND_US
FACTORIES: dict[str, Callable[[Path], StoreFactory]] = {
    "memory": lambda _: StoreFactory("memory", "memory:", keeps=False),
    "sqlite": lambda folder: StoreFactory("sqlite", f"sqlite:///{folder}/store.db", keeps=True),
}


@pytest.fixture(params=list(FACTORIES))
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> StoreFactory:
    return FACTORIES[request.param](tmp_path)


@pytest.fixture(params=[name for name, make in FACTORIES.items() if make(Path()).keeps])
def keeping(request: pytest.FixtureRequest, tmp_path: Path) -> StoreFactory:
    return FACTORIES[request.param](tmp_path)


async def test_an_unknown_channel_is_empty_at_offset_0_and_stores_nothing(factory: StoreFactory) -> None:
    async with factory.open() as store:
        assert await store.recall(KEY) == Recalled(epoch=store.epoch, offset=0)
        assert await store.history(KEY, 0, 10) == []
        assert await store.derived_position(DerivedKey("acme")) == Recalled(epoch=store.epoch, offset=0)
        assert await store.derived_history(DerivedKey("acme"), 0, 10) == []
        assert (await store.alerts(AlertQuery(workspace="acme"))).items == []


async def test_a_commit_answers_its_results_and_its_events_with_workspace_offsets(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await fill(store, OTHER, 1, size=2)
        commit = a_commit(rows=3)
        outcome = await committed(store, commit)
        assert outcome.results == commit.decision.results
        assert [event.offset for event in outcome.events] == [1, 2, 3]
        assert [event.workspace_offset for event in outcome.events] == [3, 4, 5]
        assert await store.history(KEY, 0, 10) == list(outcome.events)


async def test_recall_gives_back_what_was_committed(factory: StoreFactory) -> None:
    events_of = Suppressed(count=3, first_at=rfc3339(NOW), last_at=rfc3339(NOW), worst_value=0.1 + 0.2)
    async with factory.open() as store:
        row = a_row(an_alert(title='ünicode "quoted"\x01', labels={"é": "🔔"}, current_value=0.1 + 0.2), sources=2)
        commit = a_commit(rows=[row])
        (event,) = commit.decision.events
        event = msgspec.structs.replace(event, kind=EventKind.RECEIPT, by="ann", suppressed=events_of)
        commit = msgspec.structs.replace(commit, decision=msgspec.structs.replace(commit.decision, events=(event,)))
        await committed(store, commit)
        recalled = await store.recall(KEY)
        assert recalled == Recalled(
            epoch=store.epoch,
            offset=1,
            rows=(row,),
            last_batch=commit.batch.id,
            last_results=commit.decision.results,
        )
        assert await store.history(KEY, 0, 1) == [msgspec.structs.replace(event, workspace_offset=1)]


async def test_everything_is_there_after_a_restart_and_the_epoch_stays(keeping: StoreFactory) -> None:
    async with keeping.open() as store:
        epoch = store.epoch
        await fill(store, KEY, 3, size=2)
        before = await store.recall(KEY), await store.derived_history(DerivedKey("acme"), 0, 10)
    async with keeping.open() as store:
        assert store.epoch == epoch
        assert (await store.recall(KEY), await store.derived_history(DerivedKey("acme"), 0, 10)) == before
        await fill(store, KEY, 1, base=6)
        assert (await store.derived_position(DerivedKey("acme"))).offset == 7


async def test_a_page_that_was_answered_is_recalled_without_what_was_on_it(factory: StoreFactory) -> None:
    shown = SeriesSeen(framework_id="web", labels={}, state=SeriesState.IDLE, value=1.0, limit=2.0, last_at=None)
    commit = a_commit(rows=[a_row(an_alert())])
    decision = msgspec.structs.replace(commit.decision, results=(SeriesListed(items=(shown,), next_after=1),))
    async with factory.open() as store:
        await committed(store, msgspec.structs.replace(commit, decision=decision))
        recalled = await store.recall(KEY)
    assert recalled.last_results == (ItemResult(status=Status.REJECTED, reason=Reason.BUSY),)


async def test_recall_leaves_out_what_is_closed_and_settled(factory: StoreFactory) -> None:
    past, future = NOW - 1, NOW + 1
    rows = {
        f"{state.value} until {until} owing {count}": a_row(an_alert(state=state), until=until, count=count)
        for state in (AlertState.ACTIVE, AlertState.ACKNOWLEDGED, AlertState.RESOLVED)
        for until in (past, NOW, future)
        for count in (0, 2)
    }
    async with factory.open() as store:
        await committed(store, a_commit(rows=list(rows.values())))
        kept = {row.alert.id for row in (await store.recall(KEY)).rows}
        left_out = {name for name, row in rows.items() if row.alert.id not in kept}
        assert left_out == {f"resolved until {past} owing 0", f"resolved until {NOW} owing 0"}


async def test_a_large_recall_and_a_long_history_are_complete(factory: StoreFactory) -> None:
    async with factory.open() as store:
        offset = await fill(store, KEY, 5, size=250)
        assert len({row.alert.id for row in (await store.recall(KEY)).rows}) == offset == 1_250
        assert [e.offset for e in await store.history(KEY, 100, 1_100)] == list(range(101, 1_201))
        assert [e.offset for e in await store.history(KEY, 100, 9_999)] == list(range(101, 1_251))
        assert [e.workspace_offset for e in await store.derived_history(DerivedKey("acme"), 3, 1_000)] == list(
            range(4, 1_004)
        )


async def test_a_row_that_comes_again_replaces_the_first(factory: StoreFactory) -> None:
    async with factory.open() as store:
        alert = an_alert()
        await committed(store, a_commit(rows=[a_row(alert, count=1)]))
        later = msgspec.structs.replace(
            alert, state=AlertState.RESOLVED, resolved_at=rfc3339(NOW), severity=Severity.ERROR, occurrences=7
        )
        await committed(store, a_commit(base=1, rows=[a_row(later, until=NOW - 1)]))
        assert (await store.recall(KEY)).rows == ()
        assert await store.alert("acme", alert.id) == (KEY, later)
        resolved = AlertQuery(workspace="acme", states=(AlertState.RESOLVED,), severities=(Severity.ERROR,))
        assert (await store.alerts(resolved)).items == [later]


async def test_a_batch_that_was_committed_is_answered_not_decided_again(factory: StoreFactory) -> None:
    told: list[CommittedEvents] = []
    async with factory.open() as store:
        store.set_feed(told.extend)
        await fill(store, KEY, 2)
        commit = a_commit(base=2, rows=3)
        first = await committed(store, commit)
        again = a_commit(base=2, rows=1, batch_id=commit.batch.id)
        assert await store.commit(again) == first
        assert (await store.recall(KEY)).offset == 5
        assert [c.events for c in told[2:]] == [first.events, first.events]


async def test_a_batch_is_answered_after_a_restart_too(keeping: StoreFactory) -> None:
    commit = a_commit(rows=3)
    async with keeping.open() as store:
        first = await committed(store, commit)
    async with keeping.open() as store:
        assert await store.commit(commit) == first


async def test_a_commit_that_continues_from_elsewhere_is_behind_and_stores_nothing(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await fill(store, KEY, 4)
        assert await store.commit(a_commit(base=3)) == Behind(4)
        assert await store.commit(a_commit(base=9)) == Behind(4)
        assert await store.commit(a_commit(OTHER, base=1)) == Behind(0)
        assert (await store.recall(KEY)).offset == 4
        assert (await store.derived_position(DerivedKey("acme"))).offset == 4
        await fill(store, OTHER, 1)


async def test_a_commit_without_events_moves_no_offset(factory: StoreFactory) -> None:
    told: list[CommittedEvents] = []
    async with factory.open() as store:
        store.set_feed(told.extend)
        outcome = await committed(store, a_commit(rows=[a_row()], events=0))
        assert outcome.events == ()
        assert told == []
        assert len((await store.recall(KEY)).rows) == 1
        assert (await store.recall(KEY)).offset == 0


@pytest.mark.parametrize("offsets", [(2,), (1, 3), (1, 1)])
async def test_a_decision_whose_offsets_do_not_follow_is_refused(factory: StoreFactory, offsets: Sequence[int]) -> None:
    commit = a_commit(rows=len(offsets))
    events = tuple(
        msgspec.structs.replace(event, offset=offset)
        for event, offset in zip(commit.decision.events, offsets, strict=True)
    )
    bad = msgspec.structs.replace(commit, decision=msgspec.structs.replace(commit.decision, events=events))
    async with factory.open() as store:
        with pytest.raises(CommitInvalid, match="has offset"):
            await store.commit(bad)
        longer = msgspec.structs.replace(commit.decision, offset=99)
        with pytest.raises(CommitInvalid, match="ends at offset 99"):
            await store.commit(msgspec.structs.replace(commit, decision=longer))
        await fill(store, KEY, 1)


async def test_a_commit_that_can_never_be_stored_is_refused_alone(factory: StoreFactory) -> None:
    async with factory.open() as store, trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(committed, store, a_commit(ChannelKey("acme", f"f{number}")))
        with pytest.raises(CommitInvalid):
            await store.commit(a_commit(rows=[a_row(an_alert(occurrences=2**70))]))
        with pytest.raises(CommitInvalid):
            await store.commit(a_commit(rows=[a_row(an_alert(title="\ud800"))]))
        assert store.is_available
        await fill(store, KEY, 1)
    async with factory.open() as store:
        assert store.is_available


async def test_the_feed_is_told_in_commit_order_before_the_committer_wakes(factory: StoreFactory) -> None:
    log: list[str] = []
    offsets: list[int] = []

    def feed(groups: Sequence[CommittedEvents]) -> None:
        for group in groups:
            assert group.workspace == "acme"
            log.extend(f"told {event.alert.id}" for event in group.events)
            offsets.extend(event.workspace_offset for event in group.events)

    async def commit_one(store: Store, key: ChannelKey, base: int) -> None:
        commit = a_commit(key, base)
        await committed(store, commit)
        (row,) = commit.decision.rows
        assert f"told {row.alert.id}" in log

    async with factory.open() as store:
        store.set_feed(feed)
        for base in range(5):
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(commit_one, store, ChannelKey("acme", f"f{number}"), base)
    assert offsets == list(range(1, 101))


async def test_offsets_have_no_holes_whoever_is_cancelled(factory: StoreFactory) -> None:
    async with factory.open() as store:
        for _ in range(20):
            base = (await store.recall(KEY)).offset
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(store.commit, a_commit(base=base, rows=2))
                    nursery.start_soon(store.commit, a_commit(OTHER, (await store.recall(OTHER)).offset))
                    await trio.lowlevel.checkpoint()
                    scope.cancel()
            # Whatever the cancelled ones led to, the fence says where we are.
            outcome = await store.commit(a_commit(base=0))
            assert isinstance(outcome, (Behind, Committed))
        events = await store.derived_history(DerivedKey("acme"), 0, 1_000)
        assert [event.workspace_offset for event in events] == list(range(1, len(events) + 1))
        for key in (KEY, OTHER):
            own = [event.offset for event in await store.history(key, 0, 1_000)]
            assert own == list(range(1, len(own) + 1))


async def test_workspaces_do_not_see_each_other(factory: StoreFactory) -> None:
    async with factory.open() as store:
        mine, theirs = a_commit(rows=2), a_commit(FOREIGN, rows=3)
        await committed(store, mine)
        await committed(store, theirs)
        foreign_id = theirs.decision.rows[0].alert.id
        assert (await store.derived_position(DerivedKey("acme"))).offset == 2
        assert (await store.derived_position(DerivedKey("umbrella"))).offset == 3
        assert len((await store.alerts(AlertQuery(workspace="acme"))).items) == 2
        assert await store.alert("acme", foreign_id) is None
        assert await store.locate("acme", [foreign_id]) == {}
        assert await store.open_sources("acme") == []


async def test_two_workspaces_may_have_an_alert_of_the_same_id(factory: StoreFactory) -> None:
    async with factory.open() as store:
        alert = an_alert()
        await committed(store, a_commit(rows=[a_row(alert)]))
        await committed(store, a_commit(FOREIGN, rows=[a_row(msgspec.structs.replace(alert, title="theirs"))]))
        assert await store.alert("acme", alert.id) == (KEY, alert)


async def test_alerts_are_located_in_their_channels(factory: StoreFactory) -> None:
    async with factory.open() as store:
        here, there = a_commit(rows=2), a_commit(OTHER, rows=1)
        await committed(store, here)
        await committed(store, there)
        ids = [row.alert.id for row in (*here.decision.rows, *there.decision.rows)]
        assert await store.locate("acme", [*ids, "nobody", "'; --"]) == {
            each: Located(key=key) for each, key in zip(ids, (KEY, KEY, OTHER), strict=True)
        }
        assert await store.locate("acme", []) == {}


async def test_open_alerts_with_sources_are_listed_and_unsettled(factory: StoreFactory) -> None:
    async with factory.open() as store:
        sourced, owing = a_row(sources=1), a_row(count=2)
        resolved = a_row(an_alert(state=AlertState.RESOLVED), sources=1, until=NOW)
        await committed(store, a_commit(rows=[sourced, resolved, a_row()]))
        await committed(store, a_commit(OTHER, rows=[owing]))
        await committed(store, a_commit(ChannelKey("acme", "quiet")))
        assert await store.open_sources("acme") == [sourced]
        assert await store.open_sources("nowhere") == []
        assert sorted(await store.unsettled()) == [KEY, OTHER]


async def test_duplicates_are_counted_if_there_ever_are_any(factory: StoreFactory) -> None:
    async with factory.open() as store:
        twice, resolved = a_row(), a_row(an_alert(state=AlertState.RESOLVED))
        await committed(store, a_commit(rows=[twice, resolved, a_row()]))
        assert await store.duplicates() == 0
        again = msgspec.structs.replace(twice, alert=an_alert())
        closed = msgspec.structs.replace(resolved, alert=an_alert(state=AlertState.RESOLVED))
        await committed(store, a_commit(OTHER, rows=[msgspec.structs.replace(twice, alert=an_alert())]))
        assert await store.duplicates() == 0, "the same identity on another channel is another alert"
        await committed(store, a_commit(base=3, rows=[again, closed]))
        assert await store.duplicates() == 1


async def a_mixed_store(store: Store) -> list[str]:
    """24 alerts over two channels with all severities and three states; their ids, newest first."""
    states = (AlertState.ACTIVE, AlertState.ACKNOWLEDGED, AlertState.RESOLVED)
    made = []
    for number in range(24):
        key = (KEY, OTHER)[number % 2]
        alert = an_alert(
            at=NOW + number * SECOND_US,
            framework_id=key.framework,
            state=states[number % 3],
            severity=list(Severity)[number % 4],
            rule_id=f"rule-{number % 5}" if number % 5 else None,
            title=str(number),
        )
        await committed(store, a_commit(key, number // 2, [a_row(alert)], at=NOW))
        made.append(alert.id)
    return made[::-1]


async def all_pages(store: Store, query: AlertQuery) -> list[int]:
    """The titles (numbers) of all pages' alerts."""
    found: list[int] = []
    while True:
        page = await store.alerts(query)
        assert len(page.items) <= query.limit
        found += [int(alert.title) for alert in page.items]
        if page.next_cursor is None:
            return found
        assert len(page.items) == query.limit
        query = msgspec.structs.replace(query, cursor=page.next_cursor)


async def test_lists_are_newest_first_in_pages_that_neither_repeat_nor_skip(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await a_mixed_store(store)
        for limit in (1, 5, 8, 24, 500):
            assert await all_pages(store, AlertQuery(workspace="acme", limit=limit)) == list(range(23, -1, -1))


@pytest.mark.parametrize("limit", [2, 100])
async def test_filters_hold_together(factory: StoreFactory, limit: int) -> None:
    every = list(range(23, -1, -1))
    active = AlertState.ACTIVE, AlertState.ACKNOWLEDGED
    many = tuple(f"nobody's {n}" for n in range(90))
    cases: list[tuple[dict[str, object], Callable[[int], bool]]] = [
        ({"framework": "search"}, lambda n: n % 2 == 1),
        ({"frameworks": ("checkout",)}, lambda n: n % 2 == 0),
        ({"frameworks": ("checkout", "search", *many)}, lambda n: True),
        ({"frameworks": ()}, lambda n: False),
        ({"frameworks": ("checkout",), "framework": "search"}, lambda n: False),
        ({"frameworks": ("checkout",), "framework": "checkout"}, lambda n: n % 2 == 0),
        ({"framework": "nowhere"}, lambda n: False),
        ({"states": active}, lambda n: n % 3 != 2),
        ({"states": (AlertState.RESOLVED, AlertState.RESOLVED)}, lambda n: n % 3 == 2),
        ({"severities": (Severity.INFO, Severity.CRITICAL)}, lambda n: n % 4 in (0, 3)),
        ({"states": active, "severities": (Severity.ERROR,)}, lambda n: n % 3 != 2 and n % 4 == 2),
        ({"framework": "search", "states": active, "severities": (Severity.WARNING,)}, lambda n: n in (1, 9, 13, 21)),
        ({"rule_id": "rule-3"}, lambda n: n % 5 == 3),
        ({"since_us": NOW + 5 * SECOND_US}, lambda n: n >= 5),
        ({"until_us": NOW + 5 * SECOND_US}, lambda n: n < 5),
        ({"since_us": NOW + 3 * SECOND_US, "until_us": NOW + 9 * SECOND_US}, lambda n: 3 <= n < 9),
        ({"since_us": -5, "until_us": 2**62}, lambda n: True),
        ({"frameworks": ("search", *many), "states": active, "until_us": NOW + 9}, lambda n: False),
    ]
    async with factory.open() as store:
        await a_mixed_store(store)
        for given, holds in cases:
            query = msgspec.structs.replace(AlertQuery(workspace="acme", limit=limit), **given)
            assert await all_pages(store, query) == [n for n in every if holds(n)], given


async def test_a_long_allow_list_hides_what_is_not_on_it(factory: StoreFactory) -> None:
    async with factory.open() as store:
        keys = [ChannelKey("acme", f"f{number}") for number in range(80)]
        for number, key in enumerate(keys):
            await committed(store, a_commit(key, rows=[a_row(an_alert(title=str(number)))]))
        visible = tuple(key.framework for key in keys[:70])
        for more in ({}, {"states": (AlertState.ACTIVE,)}, {"severities": (Severity.WARNING,), "rule_id": None}):
            query = msgspec.structs.replace(AlertQuery(workspace="acme", frameworks=visible, limit=9), **more)
            assert await all_pages(store, query) == list(range(69, -1, -1))


@pytest.mark.parametrize(
    "given",
    [
        {"limit": 0},
        {"limit": 501},
        {"cursor": "YQ"},
        {"cursor": ""},
    ],
)
async def test_a_bad_page_request_is_refused(factory: StoreFactory, given: dict[str, object]) -> None:
    async with factory.open() as store:
        with pytest.raises(BadRequest):
            await store.alerts(msgspec.structs.replace(AlertQuery(workspace="acme"), **given))
        assert (await store.alerts(AlertQuery(workspace="acme"))).items == []


def an_assigned_commit(users: Sequence[str | None], key: ChannelKey = KEY, base: int = 0, at: int = NOW) -> Commit:
    """New alerts, one for each of these users (None: nobody's)."""
    return a_commit(key, base, [a_row(an_alert(assigned_to=user, at=at)) for user in users], at=at)


async def test_a_person_has_a_stream_of_what_is_assigned_to_them_with_dense_offsets(factory: StoreFactory) -> None:
    async with factory.open() as store:
        outcome = await committed(store, an_assigned_commit(["ann", None, "bob", "ann"]))
        assert [event.user_offsets for event in outcome.events] == [{"ann": 1}, {}, {"bob": 1}, {"ann": 2}]
        await committed(store, an_assigned_commit(["ann"], OTHER))
        await committed(store, an_assigned_commit(["ann"], FOREIGN))
        assert (await store.derived_position(ANN)) == Recalled(epoch=store.epoch, offset=3)
        events = await store.derived_history(ANN, 1, 10)
        assert [(event.user_offsets["ann"], event.workspace_offset) for event in events] == [(2, 4), (3, 5)]
        assert [event.alert.assigned_to for event in events] == ["ann", "ann"]
        assert [event.user_offsets for event in await store.derived_history(ANN, 0, 2)] == [{"ann": 1}, {"ann": 2}]


async def test_nobodys_stream_is_empty_at_offset_0(factory: StoreFactory) -> None:
    async with factory.open() as store:
        assert await store.derived_position(ANN) == Recalled(epoch=store.epoch, offset=0)
        assert await store.derived_history(ANN, 0, 10) == []


async def test_a_batch_that_comes_again_takes_no_more_of_a_persons_offsets(factory: StoreFactory) -> None:
    async with factory.open() as store:
        commit = an_assigned_commit(["ann", "ann"])
        await committed(store, commit)
        await committed(store, commit)
        assert (await store.derived_position(ANN)).offset == 2


async def test_a_persons_offsets_go_on_after_the_store_was_closed(keeping: StoreFactory) -> None:
    async with keeping.open() as store:
        await committed(store, an_assigned_commit(["ann", "ann"]))
    async with keeping.open() as store:
        outcome = await committed(store, an_assigned_commit(["ann"], base=2))
        assert [event.user_offsets for event in outcome.events] == [{"ann": 3}]


async def test_a_persons_stream_loses_the_events_that_are_trimmed(factory: StoreFactory) -> None:
    async with factory.open(retention=Retention(events_s=3_600, events_per_channel=1)) as store:
        await committed(store, an_assigned_commit(["ann", "bob", None, "ann", "ann"]))
        await committed(store, an_assigned_commit([None], base=5))
        assert await store.trim(NOW + 7_200 * SECOND_US) == 5
        place = await store.derived_position(ANN)
        assert (place.floor, place.offset) == (3, 3)
        assert await store.derived_history(ANN, 0, 10) == []
        assert (await store.derived_position(DerivedKey("acme", "bob"))).floor == 1


async def test_old_events_beyond_the_newest_are_trimmed_and_floors_move(factory: StoreFactory) -> None:
    async with factory.open(retention=Retention(events_s=7 * 86_400, events_per_channel=10)) as store:
        offset = await fill(store, KEY, 12, size=60, at=NOW)
        offset = await fill(store, KEY, 5, base=offset, at=NOW + 8 * DAY_US)
        await fill(store, OTHER, 3)
        assert await store.trim(NOW + DAY_US) == 0
        # 720 old, 5 young: of the old ones the newest 5 stay, because ten are kept.
        assert await store.trim(NOW + 8 * DAY_US) == 715
        recalled = await store.recall(KEY)
        assert (recalled.floor, recalled.offset) == (715, 725)
        assert [event.offset for event in await store.history(KEY, recalled.floor, 100)] == list(range(716, 726))
        assert (await store.recall(OTHER)).floor == 0
        position = await store.derived_position(DerivedKey("acme"))
        left = await store.derived_history(DerivedKey("acme"), position.floor, 100)
        assert [event.workspace_offset for event in left] == list(range(position.floor + 1, position.offset + 1))
        assert await store.trim(NOW + 8 * DAY_US) == 0


async def test_young_events_are_kept_however_many(factory: StoreFactory) -> None:
    async with factory.open(retention=Retention(events_s=3_600, events_per_channel=2)) as store:
        await fill(store, KEY, 20)
        await fill(store, OTHER, 20, at=NOW - 2 * 3_600 * SECOND_US)
        assert await store.trim(NOW + 1_800 * SECOND_US) == 18
        assert (await store.recall(KEY)).floor == 0
        assert (await store.recall(OTHER)).floor == 18


async def test_the_last_batch_outlives_any_retention(factory: StoreFactory) -> None:
    async with factory.open(retention=Retention(events_s=0, events_per_channel=0)) as store:
        commit = a_commit(rows=5)
        first = await committed(store, commit)
        assert await store.trim(NOW + DAY_US) == 0
        assert await store.commit(commit) == first
        await fill(store, KEY, 1, base=5)
        assert await store.trim(NOW + DAY_US) == 5


async def test_audit_rows_are_kept_with_a_commit(factory: StoreFactory) -> None:
    async with factory.open() as store:
        row = a_row()
        audit = Audit(at=NOW, by="ann", verb="acknowledge", alert_id=row.alert.id, notes="mine")
        await committed(store, a_commit(rows=[row], audits=[audit]))
        assert store.statistics()["rows"] == 3


async def test_connections_are_taken_in_batches(factory: StoreFactory) -> None:
    def change(kind: ConnectionEvent, client: str, at: int, **more: str) -> ConnectionChange:
        return ConnectionChange(kind=kind, client_id=client, at=at, **more)

    async with factory.open() as store:
        await store.connection_changes([])
        await store.connection_changes(
            [change(ConnectionEvent.OPENED, f"c{n}", NOW, user="ann", workspace="acme") for n in range(1_000)]
        )
        await store.connection_changes([change(ConnectionEvent.CLOSED, "nobody", NOW)])


async def test_statistics_count_groups_batches_and_rows(factory: StoreFactory) -> None:
    seen: list[tuple[float, int]] = []
    async with factory.open(on_commit=lambda seconds, batches: seen.append((seconds, batches))) as store:
        assert store.statistics() == {
            "commits": 0,
            "batches": 0,
            "rows": 0,
            "unavailable": 0,
            "jobs": 0,
            "group_size_last": 0,
            "pending": 0,
            "history_reads": 0,
            "readings": 0,
            "reading_bytes": 0,
            "readings_rolled": 0,
            "reading_rows_trimmed": 0,
        }
        await fill(store, KEY, 2, size=3)
        assert store.statistics()["commits"] == 2
        assert store.statistics()["rows"] == 12
        assert [batches for _, batches in seen] == [1, 1]
        assert all(seconds > 0 for seconds, _ in seen)


async def test_ids_with_odd_characters_are_only_text(factory: StoreFactory) -> None:
    key = ChannelKey("wörk \"space'", "frame'; DROP TABLE alert; --")
    async with factory.open() as store:
        alert = an_alert(framework_id=key.framework)
        await committed(store, a_commit(key, rows=[a_row(alert, count=1)]))
        assert await store.locate(key.workspace, [alert.id]) == {alert.id: Located(key=key)}
        assert await store.unsettled() == [key]
        assert (await store.alerts(AlertQuery(workspace=key.workspace, framework=key.framework))).items == [alert]


async def test_an_unknown_kind_of_store_is_an_error_that_names_what_is_allowed() -> None:
    for url in ("mysql://u:secret@h/db", "sqlite://x", "sqlite:///", "sqlite:x", "postgres:x", ""):
        with pytest.raises(ValueError, match="use sqlite:///") as caught:
            async with open_store(url):
                pass
        assert "secret" not in str(caught.value)


def test_new_ids_grow() -> None:
    assert new_id() < new_id() < new_id(NOW + SECOND_US)


def an_act(target: str, workspace: str = "acme") -> AdministrativeAct:
    return AdministrativeAct(
        workspace=workspace, at=NOW, by="ada", verb="disconnect", target=target, address="203.0.113.7"
    )


def trail_of(workspace: str = "acme", **wanted: Any) -> TrailQuery:
    return TrailQuery(workspace=workspace, **{"limit": 100, **wanted})


def an_audit(alert_id: str = "a", at: int = NOW, **changes: Any) -> Audit:
    audit = Audit(
        at=at,
        by="ann",
        verb="acknowledge",
        alert_id=alert_id,
        notes="mine",
        address="::1",
        before={"state": "active"},
        after={"state": "acknowledged"},
    )
    return msgspec.structs.replace(audit, **changes)


async def test_the_trail_has_people_and_administrators_in_one_order_by_workspace(factory: StoreFactory) -> None:
    async with factory.open() as store:
        for target in ("a", "b"):
            await store.add_act(an_act(target))
            await store.add_act(an_act("secret", "rival"))
        await committed(store, a_commit(audits=[an_audit("x", NOW - 1), an_audit("y", NOW), an_audit("z", NOW + 1)]))
        await committed(store, a_commit(FOREIGN, audits=[an_audit("foreign")]))
        lines = await store.trail(trail_of())
        assert [line.target for line in lines] == ["z", "b", "a", "y", "x"]
        assert (lines[1].by, lines[1].verb, lines[1].address) == ("ada", "disconnect", "203.0.113.7")
        assert (lines[0].by, lines[0].notes, lines[0].address) == ("ann", "mine", "::1")
        assert (lines[0].before, lines[0].after) == ({"state": "active"}, {"state": "acknowledged"})
        assert (lines[1].notes, lines[1].before) == (None, {})
        assert await store.trail(trail_of("nobody")) == []


@pytest.mark.parametrize("size", [1, 2, 3, 5])
async def test_the_trails_pages_go_on_where_the_page_before_ended(factory: StoreFactory, size: int) -> None:
    async with factory.open() as store:
        for target in ("a", "b", "c"):
            await store.add_act(an_act(target))
        audits = [an_audit("x", NOW - 1), an_audit("y", NOW), an_audit("z", NOW), an_audit("w", NOW + 1)]
        await committed(store, a_commit(audits=audits))
        whole = await store.trail(trail_of())
        found: list[TrailLine] = []
        while page := await store.trail(trail_of(limit=size, before=found[-1].place if found else None)):
            found += page
        assert found == whole
        assert len(whole) == 7


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"by": "ann"}, ["w", "x"]),
        ({"by": "ada"}, ["b"]),
        ({"verbs": ("resolve",)}, ["z"]),
        ({"verbs": ("resolve",), "by": "ann"}, []),
        ({"verbs": ("disconnect", "resolve")}, ["z", "b"]),
        ({"target": "x"}, ["x"]),
        ({"target": "b"}, ["b"]),
        ({"target": "x", "by": "bob"}, []),
        ({"since_us": NOW}, ["w", "z", "b"]),
        ({"until_us": NOW}, ["x"]),
        ({"since_us": NOW, "until_us": NOW + 1}, ["b"]),
        ({"kinds": (TrailKind.ALERT,)}, ["w", "z", "x"]),
        ({"kinds": (TrailKind.ADMINISTRATION,)}, ["b"]),
    ],
)
async def test_the_trail_is_filtered_by_all_that_is_given(
    factory: StoreFactory, wanted: dict[str, Any], found: list[str]
) -> None:
    async with factory.open() as store:
        await store.add_act(an_act("b"))
        bobs = an_audit("z", NOW + 1, by="bob", verb="resolve")
        await committed(store, a_commit(audits=[an_audit("x", NOW - 1), bobs, an_audit("w", NOW + 2)]))
        assert [line.target for line in await store.trail(trail_of(**wanted))] == found


async def test_an_act_says_what_was_different_and_which_words_went_with_it(factory: StoreFactory) -> None:
    async with factory.open() as store:
        more: dict[str, Any] = {"notes": "why", "before": {"version": 1}, "after": {"version": 2, "item_id": None}}
        await store.add_act(msgspec.structs.replace(an_act("a"), **more))
        [line] = await store.trail(trail_of())
        assert {"notes": line.notes, "before": line.before, "after": line.after} == more


async def test_acts_of_administrators_outlive_a_restart(keeping: StoreFactory) -> None:
    async with keeping.open() as store:
        await store.add_act(an_act("a"))
    async with keeping.open() as store:
        assert [act.target for act in await store.trail(trail_of())] == ["a"]


async def test_an_event_of_many_alerts_comes_back_as_it_was_and_is_on_everybodys_stream(factory: StoreFactory) -> None:
    change = Change(at=rfc3339(NOW), state=AlertState.RESOLVED, by="ann", severity=Severity.WARNING, assigned_to=None)
    async with factory.open() as store:
        commit = a_commit(rows=[a_row(an_alert(assigned_to="ann"))])
        (event,) = commit.decision.events
        event = msgspec.structs.replace(
            event, kind=EventKind.RESOLVED, alert_ids=("x", "y"), change=change, also=("bob", "ann"), by="ann"
        )
        commit = msgspec.structs.replace(commit, decision=msgspec.structs.replace(commit.decision, events=(event,)))
        (told,) = (await committed(store, commit)).events
        assert told == msgspec.structs.replace(event, workspace_offset=1, user_offsets={"ann": 1, "bob": 1})
        assert await store.history(KEY, 0, 1) == [msgspec.structs.replace(event, workspace_offset=1)]
        for user in ("ann", "bob"):
            (theirs,) = await store.derived_history(DerivedKey("acme", user), 0, 10)
            assert theirs == msgspec.structs.replace(event, workspace_offset=1, user_offsets={user: 1})


async def test_all_ids_that_a_query_means_come_newest_first_up_to_a_bound(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await fill(store, KEY, 3)
        await fill(store, OTHER, 2)
        await fill(store, FOREIGN, 1)
        everything = [alert.id for alert in (await store.alerts(AlertQuery(workspace="acme"))).items]
        assert await store.matching(AlertQuery(workspace="acme", limit=1, cursor="any"), 10) == everything
        assert await store.matching(AlertQuery(workspace="acme"), 2) == everything[:2]
        assert await store.matching(AlertQuery(workspace="acme", framework="search"), 10) == everything[:2]
        assert await store.matching(AlertQuery(workspace="nobody"), 10) == []


async def test_closed_alerts_are_located_with_their_rows_and_open_ones_without(factory: StoreFactory) -> None:
    async with factory.open() as store:
        rows = [
            a_row(an_alert()),
            a_row(an_alert(state=AlertState.RESOLVED)),
            a_row(an_alert(state=AlertState.EXPIRED)),
        ]
        await committed(store, a_commit(rows=rows))
        found = await store.locate("acme", [*(row.alert.id for row in rows), "nobody"])
        assert [found[row.alert.id] for row in rows] == [
            Located(key=KEY),
            Located(key=KEY, closed=rows[1]),
            Located(key=KEY, closed=rows[2]),
        ]
        assert len(found) == 3
        assert await store.locate("umbrella", [rows[0].alert.id]) == {}
