"""What every store must do when alerts are asked for: lists, their filters and pages, where an alert is."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from engine.stores import (
    AlertQuery,
    Located,
    Store,
)
from protocol.errors import BadRequest
from protocol.model import AlertState, ChannelKey, Severity
from protocol.times import SECOND_US
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
)


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


async def test_open_alerts_are_read_in_pages_with_their_sources(factory: StoreFactory) -> None:
    async with factory.open() as store:
        sourced, plain, elsewhere = a_row(sources=1), a_row(), a_row()
        resolved = a_row(an_alert(state=AlertState.RESOLVED), until=NOW)
        await committed(store, a_commit(rows=[sourced, resolved, plain]))
        await committed(store, a_commit(OTHER, rows=[elsewhere]))
        newest_first = sorted([sourced, plain, elsewhere], key=lambda row: row.alert.id, reverse=True)
        query = AlertQuery(workspace="acme", limit=2)
        first = await store.open_rows(query)
        rest = await store.open_rows(msgspec.structs.replace(query, cursor=first.next_cursor))
        assert (len(first.items), rest.next_cursor) == (2, None)
        assert first.items + rest.items == newest_first
        assert (await store.open_rows(msgspec.structs.replace(query, frameworks=(OTHER.framework,)))).items == [
            elsewhere
        ]
        assert (await store.open_rows(AlertQuery(workspace="nowhere"))).items == []
        with pytest.raises(BadRequest, match="limit 501"):
            await store.open_rows(msgspec.structs.replace(query, limit=501))


async def test_the_frameworks_are_found_where_a_source_reports_an_identity(factory: StoreFactory) -> None:
    async with factory.open() as store:
        here, there, plain = a_row(sources=1), a_row(sources=1), a_row()
        over = a_row(an_alert(state=AlertState.RESOLVED), sources=1, until=NOW)
        await committed(store, a_commit(rows=[here, over, plain]))
        await committed(store, a_commit(OTHER, rows=[there]))
        identities = {KEY.framework: here.identity, OTHER.framework: there.identity}
        assert await store.where_open("acme", identities.__getitem__) == sorted(identities)
        for row in (here, over, plain):
            found = await store.where_open("acme", lambda _, row=row: row.identity)  # type: ignore[misc]
            assert found == ([KEY.framework] if row is here else [])
        assert await store.where_open("nowhere", identities.__getitem__) == []


async def test_channels_of_alerts_with_sources_and_of_receipts_owed_are_unsettled(factory: StoreFactory) -> None:
    async with factory.open() as store:
        sourced, owing = a_row(sources=1), a_row(count=2)
        resolved = a_row(an_alert(state=AlertState.RESOLVED), sources=1, until=NOW)
        await committed(store, a_commit(rows=[sourced, resolved, a_row()]))
        await committed(store, a_commit(OTHER, rows=[owing]))
        await committed(store, a_commit(ChannelKey("acme", "quiet")))
        assert sorted(await store.unsettled()) == [KEY, OTHER]


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
