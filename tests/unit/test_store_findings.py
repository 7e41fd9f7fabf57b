"""What every store must do with what analytics found, and with the history that it looks through."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from engine.stores import Retention, Store
from engine.stores.findings import (
    HISTORY_LABELS_MAX_CHARS,
    Finding,
    FindingQuery,
    HistoryRow,
    decode_history,
)
from protocol.errors import BadRequest
from protocol.model import AlertState, Severity
from protocol.times import SECOND_US, rfc3339
from tests.support.stores import FOREIGN, KEY, NOW, OTHER, StoreFactory, a_commit, a_row, an_alert, committed

HOUR_US = 3_600 * SECOND_US
PATTERNS = FindingQuery(workspace="acme", kind="pattern")


def a_finding(key: str = "k", **changes: Any) -> Finding:
    finding = Finding(
        workspace="acme",
        kind="pattern",
        key=key,
        state="new",
        at=NOW,
        updated_at=NOW,
        body='{"of":"ü \\"quoted\\""}',
        framework="checkout",
        rule_id="r",
        sort="pair",
        score=0.123456789012345,
        due=NOW + 5,
    )
    return replace(finding, **changes)


async def keys(store: Store, **changes: Any) -> list[str]:
    return [each.key for each in (await store.findings(replace(PATTERNS, **changes))).items]


async def test_a_finding_comes_back_as_it_was_written(factory: StoreFactory) -> None:
    async with factory.open() as store:
        bare = a_finding("b", framework=None, rule_id=None, sort="", score=None, due=None)
        written = [a_finding(), bare]
        assert await store.put_findings(written) == {("acme", "pattern", "k"), ("acme", "pattern", "b")}
        assert await store.finding("acme", "pattern", "k") == replace(written[0], version=1)
        assert await store.findings_named("acme", "pattern", ["b", "c"]) == {"b": replace(bare, version=1)}


async def test_nothing_is_found_in_another_workspace_or_kind_and_nothing_written_is_nothing_new(
    factory: StoreFactory,
) -> None:
    async with factory.open() as store:
        assert await store.put_findings([]) == frozenset()
        await store.put_findings([a_finding(), a_finding(workspace="umbrella"), a_finding(kind="insight")])
        assert await store.finding("acme", "prediction", "k") is None
        assert (await store.findings(replace(PATTERNS, workspace="nobodys"))).items == []
        assert await keys(store) == ["k"]


async def test_what_is_found_again_is_the_same_row_and_keeps_since_when_it_is_there(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await store.put_findings([a_finding()])
        again = a_finding(at=NOW + 9, updated_at=NOW + 9, body="{}", due=None)
        assert await store.put_findings([again]) == frozenset()
        assert await store.finding("acme", "pattern", "k") == replace(again, at=NOW, version=2)


async def test_what_somebody_has_decided_is_not_undone_by_who_finds_it_again_without_having_looked(
    factory: StoreFactory,
) -> None:
    async with factory.open() as store:
        await store.put_findings([a_finding()])
        dismissed = a_finding(state="dismissed", version=1, updated_at=NOW + 1, body='{"by":"ann"}', due=None)
        assert await store.settle_finding(dismissed)
        assert await store.put_findings([a_finding(updated_at=NOW + 2)]) == frozenset()
        assert await store.finding("acme", "pattern", "k") == replace(dismissed, version=2)


async def test_who_has_looked_writes_over_the_version_that_he_read_and_no_other(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await store.put_findings([a_finding()])
        read = replace(a_finding(), version=1, state="old", body="{}")
        assert await store.put_findings([read]) == frozenset()
        await store.put_findings([replace(read, state="late")])
        assert await store.finding("acme", "pattern", "k") == replace(read, version=2)
        assert not await store.settle_finding(replace(read, state="late"))
        assert not await store.settle_finding(a_finding("gone", version=1))


async def test_the_same_finding_twice_in_one_batch_is_one(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await store.put_findings([a_finding(), a_finding(body="{}")])
        found = await store.finding("acme", "pattern", "k")
        assert found is not None
        assert found.body == "{}"


async def test_findings_are_told_newest_first_in_pages(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await store.put_findings([a_finding(f"k{n}", at=NOW + n // 2) for n in range(5)])
        first = await store.findings(replace(PATTERNS, limit=3))
        second = await store.findings(replace(PATTERNS, limit=3, cursor=first.next_cursor))
        assert [each.key for each in first.items] == ["k4", "k3", "k2"]
        assert [each.key for each in second.items] == ["k1", "k0"]
        assert second.next_cursor is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["d", "c", "b", "a"]),
        ({"framework": "checkout"}, ["c", "a"]),
        ({"framework": "checkout", "frameworks": ("search",)}, []),
        ({"frameworks": ("checkout", "search")}, ["c", "b", "a"]),
        ({"frameworks": ()}, []),
        ({"rule_id": "r2"}, ["c"]),
        ({"rule_id": "r2", "framework": "search"}, []),
        ({"sorts": ("pair", "time")}, ["d", "b", "a"]),
        ({"states": ("confirmed",)}, ["b"]),
        ({"score_min": 0.8}, ["b"]),
        ({"since_us": NOW + 1, "until_us": NOW + 3}, ["c", "b"]),
    ],
)
async def test_findings_are_asked_for_by_what_they_are_about(
    factory: StoreFactory, asked: dict[str, Any], found: list[str]
) -> None:
    async with factory.open() as store:
        await store.put_findings(
            [
                a_finding("a"),
                a_finding("b", framework="search", at=NOW + 1, state="confirmed", score=0.8),
                a_finding("c", at=NOW + 2, rule_id="r2", sort="chain"),
                a_finding("d", at=NOW + 3, framework=None, rule_id=None, score=None),
            ]
        )
        assert await keys(store, **asked) == found


@pytest.mark.parametrize("asked", [{"cursor": "none of ours"}, {"limit": 0}, {"limit": 501}])
async def test_a_bad_cursor_or_limit_is_refused(factory: StoreFactory, asked: dict[str, Any]) -> None:
    async with factory.open() as store:
        with pytest.raises(BadRequest):
            await store.findings(replace(PATTERNS, **asked))


async def test_what_is_due_is_found_in_all_workspaces_the_longest_due_first(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await store.put_findings(
            [
                a_finding("late", due=NOW + 2),
                a_finding("first", due=NOW - 2, workspace="umbrella"),
                a_finding("second", due=NOW - 1),
                a_finding("other", due=NOW - 3, kind="insight"),
                a_finding("never", due=None),
            ]
        )
        assert [each.key for each in await store.due_findings("pattern", NOW, 10)] == ["first", "second"]
        assert [each.key for each in await store.due_findings("pattern", NOW, 1)] == ["first"]


async def test_what_was_not_true_for_long_is_forgotten_but_not_what_is_still_due(factory: StoreFactory) -> None:
    async with factory.open(retention=Retention(findings_s=3_600)) as store:
        old = NOW - HOUR_US - 1
        await store.put_findings(
            [a_finding("old", updated_at=old, due=None), a_finding("due", updated_at=old), a_finding("young")]
        )
        await store.trim(NOW)
        assert sorted(await keys(store)) == ["due", "young"]


async def test_history_is_the_alerts_of_a_time_in_their_order_and_nobody_elses(factory: StoreFactory) -> None:
    async with factory.open() as store:
        first = an_alert(at=NOW - HOUR_US, title='ünicode "quoted"', rule_id="r", occurrences=3, resolved_by="ann")
        first = replace(first, state=AlertState.RESOLVED, severity=Severity.CRITICAL, resolved_at=rfc3339(NOW))
        first = replace(first, acknowledged_at=rfc3339(NOW - SECOND_US))
        second = an_alert(framework_id="search", labels={}, noise=True)
        await committed(store, a_commit(rows=[a_row(first), a_row(an_alert(at=NOW + HOUR_US))]))
        await committed(store, a_commit(OTHER, rows=[a_row(second)]))
        await committed(store, a_commit(FOREIGN))
        page = await store.alert_history("acme", NOW - HOUR_US, NOW + HOUR_US)
        assert (page.count, page.after) == (2, None)
        one, two = decode_history(page.rows)
        assert one == HistoryRow(
            first.id,
            KEY.framework,
            "r",
            first.title,
            f"identity of {first.id}",
            Severity.CRITICAL,
            AlertState.RESOLVED,
            NOW - HOUR_US,
            first.acknowledged_at,
            NOW,
            "ann",
            3,
            {"host": "h1"},
        )
        assert one.acknowledged_at == NOW - SECOND_US
        assert (two.id, two.framework, two.labels, two.acknowledged_at) == (second.id, "search", {}, None)
        assert (one.noise, two.noise) == (False, True)


async def test_history_comes_in_pages(factory: StoreFactory) -> None:
    async with factory.open() as store:
        commit = a_commit(rows=5)
        await committed(store, commit)
        found, after = list[str](), None
        for count in (2, 2, 1):
            page = await store.alert_history("acme", NOW, NOW + 1, after, 2)
            assert page.count == count
            found += [row.id for row in decode_history(page.rows)]
            after = page.after
        assert after is None
        assert found == [row.alert.id for row in commit.decision.rows]


async def test_history_of_a_workspace_without_alerts_is_empty(factory: StoreFactory) -> None:
    async with factory.open() as store:
        page = await store.alert_history("nobodys", 0, NOW)
        assert (decode_history(page.rows), page.count, page.after) == ([], 0, None)


async def test_very_long_labels_are_left_out_of_history(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await committed(store, a_commit(rows=[a_row(an_alert(labels={"a": "x" * HISTORY_LABELS_MAX_CHARS}))]))
        (row,) = decode_history((await store.alert_history("acme", NOW, NOW + 1)).rows)
        assert row.labels == {}
