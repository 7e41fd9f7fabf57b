"""What every store must do (`tests.support.stores.FACTORIES`): commits, their answers, what is recalled."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
import trio

from engine.stores import AlertQuery, CommittedEvents, Located, open_store
from engine.stores.connections import ConnectionChange, ConnectionEvent
from engine.stores.nodes import NodeRow
from engine.stores.tables.nodes import LOST_AT_ONCE
from protocol.effects import Behind, Recalled
from protocol.errors import CommitInvalid
from protocol.items import ItemResult
from protocol.model import AlertState, ChannelKey, DerivedKey, EventKind, Reason, Severity, Status, Suppressed
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


async def test_where_a_channel_stands_is_told_without_what_is_in_it(factory: StoreFactory) -> None:
    async with factory.open() as store:
        assert await store.position(KEY) == Recalled(epoch=store.epoch, offset=0)
        await committed(store, commit := a_commit(rows=2))
        await fill(store, OTHER, 3)
        assert await store.position(KEY) == Recalled(epoch=store.epoch, offset=2, last_batch=commit.batch.id)


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


async def test_counters_that_another_owner_has_stored_are_not_overwritten_though_they_moved_no_offset(
    factory: StoreFactory,
) -> None:
    async with factory.open() as store:
        alert = an_alert()
        first = a_commit(rows=[a_row(alert, count=1)])
        await committed(store, first)
        theirs = a_commit(base=1, rows=[a_row(alert, count=5)], events=0)
        ours = a_commit(base=1, rows=[a_row(alert, count=2)], events=0)
        last = first.batch.id
        await committed(store, msgspec.structs.replace(theirs, after=last))
        assert await store.commit(msgspec.structs.replace(ours, after=last)) == Behind(1)
        assert [row.window.count for row in (await store.recall(KEY)).rows] == [5]
        await committed(store, msgspec.structs.replace(ours, after=theirs.batch.id))


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
        assert len((await store.open_rows(AlertQuery(workspace="acme"))).items) == 2


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


async def test_connections_are_taken_in_batches(factory: StoreFactory) -> None:
    def change(kind: ConnectionEvent, client: str, at: int, **more: str) -> ConnectionChange:
        return ConnectionChange(kind=kind, client_id=client, at=at, **more)

    async with factory.open() as store:
        await store.connection_changes([])
        await store.connection_changes(
            [change(ConnectionEvent.OPENED, f"c{n}", NOW, user="ann", workspace="acme") for n in range(1_000)]
        )
        await store.connection_changes([change(ConnectionEvent.CLOSED, "nobody", NOW)])


async def test_connections_of_nodes_that_are_gone_are_over_in_the_record_and_those_of_others_are_not(
    factory: StoreFactory,
) -> None:
    def change(kind: ConnectionEvent, client: str, node: str | None = None) -> ConnectionChange:
        return ConnectionChange(kind=kind, client_id=client, at=NOW, user="ann", workspace="acme", node=node)

    async with factory.open() as store:
        for node in ("here", "there"):
            await store.renew_node(NodeRow(id=node))
        opened = [("a", "here"), ("b", "there"), ("c", "there"), ("d", "there"), ("e", None)]
        await store.connection_changes([change(ConnectionEvent.OPENED, client, node) for client, node in opened])
        await store.connection_changes([change(ConnectionEvent.CLOSED, "d")])
        assert await store.lose_connections(silent_s=3_600.0) == 0
        await store.forget_node("there")
        assert await store.lose_connections(silent_s=3_600.0) == 2
        # It was stopped, not dead, and hears of one of them; the other two it had told of itself.
        await store.connection_changes([change(ConnectionEvent.ACTIVE, "b")])
        assert await store.lose_connections(silent_s=3_600.0) == 1


async def test_more_connections_of_a_gone_node_than_one_transaction_ends_are_all_over(factory: StoreFactory) -> None:
    def opened(client: str) -> ConnectionChange:
        return ConnectionChange(
            kind=ConnectionEvent.OPENED, client_id=client, at=NOW, user="ann", workspace="acme", node="gone"
        )

    async with factory.open() as store:
        await store.connection_changes([opened(f"c{number}") for number in range(LOST_AT_ONCE + 1)])
        assert await store.lose_connections(silent_s=3_600.0) == LOST_AT_ONCE + 1


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
