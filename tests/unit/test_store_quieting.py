"""What stores keep for quieting: marks, coming and going, budgets and storms. For every store."""

from __future__ import annotations

from msgspec.structs import replace

from engine.stores import AlertQuery
from protocol.effects import Decision, StormState
from protocol.model import AlertState, QuietedBy
from protocol.rows import Flaps, SuppressionWindow
from protocol.times import SECOND_US
from tests.support.stores import FOREIGN, KEY, NOW, OTHER, StoreFactory, a_commit, a_row, an_alert, committed

STORM = StormState(full_at=NOW + 1, since=NOW, held=3, rang=1)


async def test_alerts_are_listed_by_what_keeps_them_quiet(factory: StoreFactory) -> None:
    silenced = an_alert(quieted_by=QuietedBy.SILENCED, quieted_ref="s1", quieted_until="2026-01-02T00:00:00Z")
    storm = an_alert(quieted_by=QuietedBy.STORM, assigned_to="ann")
    async with factory.open() as store:
        await committed(store, a_commit(rows=[a_row(an_alert()), a_row(silenced), a_row(storm)]))

        async def listed(**more: object) -> list[str]:
            return [alert.id for alert in (await store.alerts(AlertQuery(workspace="acme", **more))).items]  # type: ignore[arg-type]

        assert await listed(quieted=(QuietedBy.SILENCED,)) == [silenced.id]
        assert await listed(quieted=tuple(QuietedBy)) == [storm.id, silenced.id]
        assert await listed(quieted=tuple(QuietedBy), assigned_to="ann") == [storm.id]
        assert await listed(quieted=(QuietedBy.FLAPPING,)) == []
        rang = replace(silenced, quieted_by=None, quieted_ref=None, quieted_until=None)
        await committed(store, a_commit(base=3, rows=[a_row(rang)]))
        assert await listed(quieted=(QuietedBy.SILENCED,)) == []


async def test_a_channel_with_a_quiet_alert_is_unsettled_until_it_is_over(factory: StoreFactory) -> None:
    alert = an_alert(quieted_by=QuietedBy.SILENCED)
    async with factory.open() as store:
        await committed(store, a_commit(rows=[a_row(alert)]))
        assert await store.unsettled() == [KEY]
        await committed(store, a_commit(base=1, rows=[a_row(replace(alert, state=AlertState.RESOLVED))]))
        assert await store.unsettled() == []


async def test_a_closed_alert_is_recalled_as_long_as_its_coming_and_going_matters(factory: StoreFactory) -> None:
    closed = an_alert(state=AlertState.RESOLVED)
    flaps = Flaps(changes=3, at=NOW, is_bad=False, until=NOW + SECOND_US)
    row = replace(a_row(closed), window=SuppressionWindow(until=NOW - 1), flaps=flaps)
    async with factory.open() as store:
        await committed(store, a_commit(rows=[row, replace(a_row(an_alert(state=closed.state)), window=row.window)]))
        assert (await store.recall(KEY)).rows == (row,)


async def test_a_budget_and_a_storm_are_kept_with_the_commit(keeping: StoreFactory) -> None:
    async with keeping.open() as store:
        commit = a_commit()
        assert (await store.recall(KEY)).storm == StormState()
        await committed(store, replace(commit, decision=replace(commit.decision, storm=STORM)))
        await committed(store, a_commit(OTHER))
        await committed(store, a_commit(FOREIGN))
    async with keeping.open() as store:
        assert (await store.recall(KEY)).storm == STORM
        assert await store.storms("acme") == [(KEY.framework, STORM)]
        assert await store.storms("umbrella") == await store.storms("nobody") == []
        over = Decision(results=(), offset=1, storm=StormState(full_at=STORM.full_at))
        await committed(store, replace(a_commit(base=1, rows=0), decision=over))
        assert await store.storms("acme") == []
        assert (await store.recall(KEY)).storm == StormState(full_at=STORM.full_at)


async def test_the_frameworks_with_open_alerts_are_known(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await committed(store, a_commit())
        await committed(store, a_commit(OTHER, rows=[a_row(an_alert(state=AlertState.EXPIRED))]))
        await committed(store, a_commit(FOREIGN))
        assert await store.open_frameworks("acme") == [KEY.framework]
        assert await store.open_frameworks("nobody") == []


def test_a_decision_that_changes_only_the_budget_is_stored() -> None:
    assert Decision(results=(), offset=0, storm=STORM).is_durable
    assert not Decision(results=(), offset=0).is_durable
