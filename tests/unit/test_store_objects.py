"""What every store must do with objects: versions, conflicts, history and the audit trail, in one step."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from engine.stores import Store, migrate
from engine.stores.objects import (
    OBJECT_CHANGES_MAX,
    ChangeStatus,
    ObjectChange,
    ObjectNews,
    ObjectOutcome,
    ObjectQuery,
    StoredObject,
)
from engine.stores.tables.object_changes import CROWD
from engine.stores.tables.object_queries import OVER, page_statement
from engine.stores.trail import TrailQuery
from protocol.errors import BadRequest, StoreUnavailable
from protocol.model import ChannelKey
from tests.support.stores import NOW, Breakable, StoreFactory, failing, fill

DONE, CONFLICT, MISSING = ChangeStatus.DONE, ChangeStatus.CONFLICT, ChangeStatus.MISSING
EXISTS, FULL, UNDONE = ChangeStatus.EXISTS, ChangeStatus.FULL, ChangeStatus.UNDONE
CROWDED = ChangeStatus.CROWDED


@pytest.fixture
def breakable(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Breakable]]:
    real: Callable[..., sqlite3.Connection] = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: real(*args, **{**more, "factory": Breakable}))
    Breakable.mend()
    yield Breakable
    Breakable.mend()


def a_change(object_id: str = "r1", body: str | None = '{"a":1}', **more: Any) -> ObjectChange:
    given = {"workspace": "acme", "kind": "rule", "by": "ada", "at": NOW, "verb": "change_rule"} | more
    return ObjectChange(id=object_id, body=body, **given)


def rules(workspace: str | None = "acme", **more: Any) -> ObjectQuery:
    return ObjectQuery(kind="rule", workspace=workspace, **more)


def statuses(outcomes: list[ObjectOutcome]) -> list[tuple[ChangeStatus, int]]:
    return [(outcome.status, outcome.version) for outcome in outcomes]


async def ids(store: Store, query: ObjectQuery) -> list[str]:
    return [each.id for each in await store.objects(query)]


async def test_an_object_is_kept_as_it_was_given_and_changed_by_version(factory: StoreFactory) -> None:
    async with factory.open() as store:
        body = '{"title":"ünicode \\"quoted\\" 🔔"}'
        [made] = await store.change_objects([a_change(body=body, framework="web", expected_version=0)])
        kept = StoredObject(
            workspace="acme",
            kind="rule",
            id="r1",
            version=1,
            framework="web",
            body=body,
            created_at=NOW,
            updated_at=NOW,
            updated_by="ada",
        )
        assert made == ObjectOutcome(status=DONE, version=1, now=kept)
        assert await store.objects(rules()) == [kept]
        later = a_change(body="{}", expected_version=1, at=NOW + 5, by="bob", archived=True)
        [changed] = await store.change_objects([later])
        after = msgspec.structs.replace(
            kept, version=2, framework=None, body="{}", updated_at=NOW + 5, updated_by="bob", archived_at=NOW + 5
        )
        assert changed.now == after
        assert await store.objects_named("acme", "rule", ["r1", "r2"]) == {"r1": after}


async def test_an_archived_object_keeps_the_moment_until_it_is_taken_back(factory: StoreFactory) -> None:
    async with factory.open() as store:
        moments = []
        for number, archived in enumerate([True, True, False]):
            [outcome] = await store.change_objects([a_change(at=NOW + number, archived=archived)])
            assert outcome.now is not None
            moments.append(outcome.now.archived_at)
        assert moments == [NOW, NOW, None]


async def test_a_change_that_lost_is_an_outcome_with_the_version_that_counts(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await store.change_objects([a_change(), a_change()])
        changes = [
            a_change(expected_version=1),
            a_change(expected_version=0),
            a_change("r2", expected_version=3),
            a_change("r2", body=None),
            a_change(body=None, expected_version=1),
        ]
        outcomes = await store.change_objects(changes)
        assert statuses(outcomes) == [(CONFLICT, 2), (EXISTS, 2), (MISSING, 0), (MISSING, 0), (CONFLICT, 2)]
        assert outcomes[0].now == (await store.objects(rules()))[0]


async def test_of_twenty_who_saw_the_same_version_one_wins(factory: StoreFactory) -> None:
    outcomes: list[ObjectOutcome] = []
    async with factory.open() as store:
        await store.change_objects([a_change()])

        async def edit(number: int) -> None:
            change = a_change(body=f'{{"editor":{number}}}', by=f"editor {number}", expected_version=1)
            outcomes.extend(await store.change_objects([change]))

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(edit, number)
        assert sorted(status.value for status, _ in statuses(outcomes)) == ["conflict"] * 19 + ["done"]
        [kept] = await store.objects(rules())
        assert [each.by for each in await store.object_versions("acme", "rule", "r1", None, 9)] == [
            kept.updated_by,
            "ada",
        ]


async def test_all_or_nothing_leaves_nothing_and_item_by_item_the_rest(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await store.change_objects([a_change()])
        changes = [a_change("r2"), a_change(expected_version=7), a_change(body=None)]
        outcomes = await store.change_objects(changes, all_or_nothing=True)
        assert statuses(outcomes) == [(UNDONE, 0), (CONFLICT, 1), (UNDONE, 1)]
        assert await ids(store, rules()) == ["r1"]
        assert len(await store.trail(TrailQuery(workspace="acme", limit=9))) == 1
        assert statuses(await store.change_objects(changes)) == [(DONE, 1), (CONFLICT, 1), (DONE, 2)]
        assert await ids(store, rules()) == ["r2"]


async def test_what_would_become_of_changes_is_said_without_making_any(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await store.change_objects([a_change()])
        changes = [a_change(expected_version=7), a_change("r2"), a_change("r3")]
        outcomes = await store.change_objects(changes, objects_max=2, is_dry=True)
        assert statuses(outcomes) == [(CONFLICT, 1), (DONE, 1), (FULL, 0)]
        assert await ids(store, rules()) == ["r1"]
        assert len(await store.trail(TrailQuery(workspace="acme", limit=9))) == 1
        assert statuses(await store.change_objects(changes, objects_max=2)) == statuses(outcomes)


async def test_changes_of_one_step_see_each_other(factory: StoreFactory) -> None:
    async with factory.open() as store:
        changes = [a_change(expected_version=0), a_change(expected_version=1, body="{}"), a_change(body=None)]
        assert statuses(await store.change_objects([*changes, a_change(expected_version=0)])) == [
            (DONE, 1),
            (DONE, 2),
            (DONE, 3),
            (DONE, 4),
        ]
        assert [each.version for each in await store.objects(rules())] == [4]


async def test_the_history_has_every_state_and_a_version_is_never_used_again(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await store.change_objects([a_change(verb="create_rule"), a_change(body=None, verb="delete_rule", by="bob")])
        [again] = await store.change_objects([a_change(body="{}", verb="create_rule", archived=True)])
        assert again.version == 3
        history = await store.object_versions("acme", "rule", "r1", None, 9)
        assert [(each.version, each.body, each.by, each.verb, each.is_archived) for each in history] == [
            (3, "{}", "ada", "create_rule", True),
            (2, None, "bob", "delete_rule", False),
            (1, '{"a":1}', "ada", "create_rule", False),
        ]
        assert [each.version for each in await store.object_versions("acme", "rule", "r1", 3, 1)] == [2]
        assert await store.object_versions("umbrella", "rule", "r1", None, 9) == []


async def test_each_change_is_a_line_of_the_audit_trail(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await store.change_objects([a_change(address="203.0.113.7"), a_change("r2", expected_version=4)])
        [act] = await store.trail(TrailQuery(workspace="acme", limit=9))
        assert (act.by, act.verb, act.target, act.address, act.place.at) == (
            "ada",
            "change_rule",
            "r1",
            "203.0.113.7",
            NOW,
        )


async def test_a_workspace_has_so_many_of_a_kind_and_no_more(factory: StoreFactory) -> None:
    async with factory.open() as store:
        changes = [a_change(f"r{number}") for number in range(3)]
        assert statuses(await store.change_objects(changes, objects_max=2)) == [(DONE, 1), (DONE, 1), (FULL, 0)]
        again = [a_change("r0"), a_change("r1", body=None), a_change("r2")]
        outcomes = await store.change_objects(again, objects_max=2)
        assert [outcome.status for outcome in outcomes] == [DONE, DONE, DONE], "room is made by what goes"
        others = [a_change(workspace="umbrella"), a_change(kind="team")]
        assert statuses(await store.change_objects(others, objects_max=2)) == [(DONE, 1), (DONE, 1)]
        assert await store.count_objects() == {"rule": 3, "team": 1}


async def test_of_a_crowd_there_are_so_many_whatever_their_kinds(factory: StoreFactory) -> None:
    async with factory.open() as store:

        async def change(*changes: ObjectChange) -> list[ChangeStatus]:
            return [each.status for each in await store.change_objects(changes, crowd_max=2)]

        costly = {"crowd": "costly"}
        assert await change(a_change("a", **costly), a_change("b", kind="team", **costly)) == [DONE, DONE]
        [outcome] = await store.change_objects([a_change("c", **costly)], crowd_max=2)
        assert (outcome.status, outcome.crowd, outcome.now) == (CROWDED, 2, None)
        assert await change(a_change("c"), a_change("c", **costly)) == [DONE, CROWDED], "one that is there cannot join"
        assert await change(a_change("a", **costly, by="bob")) == [DONE], "one of them may be changed"
        assert await change(a_change("c", workspace="umbrella", **costly), a_change("d", crowd="x")) == [DONE, DONE]
        assert await change(a_change("a"), a_change("c", **costly)) == [DONE, DONE], "who leaves makes room"
        assert await change(a_change("b", kind="team", body=None), a_change("e", **costly)) == [DONE, DONE]


async def test_what_is_archived_or_over_does_not_count_in_a_crowd_until_it_is_back(factory: StoreFactory) -> None:
    async with factory.open() as store:

        async def put(name: str, **more: Any) -> ChangeStatus:
            [outcome] = await store.change_objects([a_change(name, crowd="costly", **more)], crowd_max=1)
            return outcome.status

        assert await put("a", archived=True) is DONE
        assert await put("b", ends_at=NOW + 10) is DONE
        assert await put("a") is CROWDED, "it is not taken back while there is no room"
        assert await put("a", at=NOW + 10) is DONE, "the other one is over"
        assert await put("b", at=NOW + 10, ends_at=NOW + 20) is CROWDED, "nor made to last longer"
        assert await put("a", at=NOW + 10, archived=True) is DONE
        assert await put("b", at=NOW + 10, ends_at=NOW + 20) is DONE


async def test_what_was_over_long_ago_is_found_the_longest_first(factory: StoreFactory) -> None:
    async with factory.open() as store:
        ends = {"r1": NOW + 2, "r2": NOW + 1, "r3": NOW + 3, "r4": None}
        await store.change_objects([a_change(name, ends_at=at) for name, at in ends.items()])
        await store.change_objects([a_change("r5", workspace="umbrella", kind="team", ends_at=NOW)])
        assert [each.id for each in await store.objects_over(NOW + 3, 9)] == ["r5", "r2", "r1"]
        assert [each.id for each in await store.objects_over(NOW + 3, 1)] == ["r5"]
        await store.change_objects([a_change("r2")])
        assert [each.id for each in await store.objects_over(NOW + 3, 9)] == ["r5", "r1"]


async def test_pages_go_on_where_the_one_before_ended(factory: StoreFactory) -> None:
    async with factory.open() as store:
        changes = [a_change(f"r{number}", framework="web" if number % 2 else "db") for number in range(5)]
        await store.change_objects([*changes, a_change("r3", workspace="umbrella"), a_change("r9", kind="team")])
        assert await ids(store, rules(limit=2)) == ["r0", "r1"]
        assert await ids(store, rules(limit=9, after=("", "r1"))) == ["r2", "r3", "r4"]
        assert await ids(store, rules(framework="web")) == ["r1", "r3"]
        assert await ids(store, rules(framework="web", after=("", "r1"))) == ["r3"]
        everything = await store.objects(rules(None, limit=4))
        rest = await store.objects(rules(None, after=(everything[-1].workspace, everything[-1].id)))
        assert [(each.workspace, each.id) for each in (everything + rest)[3:]] == [
            ("acme", "r3"),
            ("acme", "r4"),
            ("umbrella", "r3"),
        ]


async def test_frameworks_that_anything_came_for_are_known_by_name(factory: StoreFactory) -> None:
    async with factory.open() as store:
        for name in ("web", "db", "queue"):
            await fill(store, ChannelKey("acme", name), 1)
        assert await store.frameworks_seen("acme", "", 2) == ["db", "queue"]
        assert await store.frameworks_seen("acme", "queue", 9) == ["web"]
        assert await store.frameworks_seen("umbrella", "", 9) == []
        await fill(store, ChannelKey("umbrella", "web"), 1)
        assert await store.workspaces_seen("", 9) == ["acme", "umbrella"]
        assert await store.workspaces_seen("acme", 1) == ["umbrella"]


async def test_the_feed_is_told_of_what_was_done_before_who_asked_for_it(factory: StoreFactory) -> None:
    told: list[tuple[str, int, bool, bool]] = []

    def feed(news: Any) -> None:
        told.extend((each.id, each.version, each.now is not None, each.was_there) for each in news)

    async with factory.open() as store:
        await store.change_objects([a_change("early")])
        store.set_object_feed(feed)
        await store.change_objects([a_change(), a_change("r2", expected_version=5), a_change(body=None)])
        assert told == [("r1", 1, True, False), ("r1", 2, False, True)]
        await store.change_objects([a_change("r2", expected_version=5)])
        assert len(told) == 2


async def test_the_feed_is_told_of_a_change_that_nobody_waits_for_any_more(keeping: StoreFactory) -> None:
    told = trio.Event()
    async with keeping.open() as store:
        store.set_object_feed(lambda news: told.set())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.change_objects, [a_change()])
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        with trio.fail_after(60):
            await told.wait()
        assert await ids(store, rules()) == ["r1"]


async def test_a_feed_that_raises_ends_the_store_with_its_exception(factory: StoreFactory) -> None:
    def feed(news: list[ObjectNews]) -> None:
        raise RuntimeError("a listener has a bug")

    with pytest.raises(RuntimeError, match="has a bug"):
        async with factory.open() as store:
            store.set_object_feed(feed)  # type: ignore[arg-type]  # a list is a sequence
            await store.change_objects([a_change()])
            await trio.sleep_forever()


async def test_what_was_changed_is_there_after_a_restart(keeping: StoreFactory) -> None:
    async with keeping.open() as store:
        await store.change_objects([a_change(), a_change("r2", archived=True)])
        before = await store.objects(rules())
    async with keeping.open() as store:
        assert await store.objects(rules()) == before


async def test_more_changes_than_fit_into_one_step_are_refused(factory: StoreFactory) -> None:
    async with factory.open() as store:
        with pytest.raises(BadRequest, match=f"{OBJECT_CHANGES_MAX + 1} changes at once, limit"):
            await store.change_objects([a_change()] * (OBJECT_CHANGES_MAX + 1))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO object (",
        "INSERT INTO object_version",
        "INSERT INTO administrative_act",
        "DELETE FROM object ",
        "COMMIT",
    ],
)
async def test_a_step_that_fails_anywhere_leaves_nothing(
    tmp_path: Path, breakable: type[Breakable], statement: str
) -> None:
    told: list[ObjectNews] = []
    async with StoreFactory("sqlite", f"sqlite:///{tmp_path}/store.db", keeps=True).open() as store:
        await store.change_objects([a_change("r0")])
        store.set_object_feed(told.extend)
        breakable.breaks[statement] = failing(sqlite3.SQLITE_IOERR)
        with pytest.raises(StoreUnavailable):
            await store.change_objects([a_change(), a_change("r0", body=None)])
        breakable.breaks.clear()
        assert (await ids(store, rules()), told) == (["r0"], [])
        assert await store.object_versions("acme", "rule", "r1", None, 9) == []
        assert len(await store.trail(TrailQuery(workspace="acme", limit=9))) == 1


@pytest.mark.parametrize("statement", ["UPDATE object_version SET by = 'nobody'", "DELETE FROM object_version"])
def test_history_cannot_be_changed(statement: str) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate.apply(connection, migrate.migrations("sqlite"))
        connection.execute("INSERT INTO object_version VALUES ('rule', 'acme', 'r1', 1, '{}', 0, 1, 'ada', 'x')")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (rules(), "PRIMARY KEY (kind=? AND workspace=? AND id>?)"),
        (rules(None), "PRIMARY KEY (kind=? AND (workspace,id)>(?,?))"),
        (rules(framework="web"), "INDEX object_by_framework (kind=? AND workspace=? AND framework=? AND id>?)"),
    ],
)
def test_a_page_is_served_by_an_index(query: ObjectQuery, index: str) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate.apply(connection, migrate.migrations("sqlite"))
        sql, values = page_statement(query)
        plan = [row[-1] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert f"SEARCH object USING {index}" in plan, plan
    assert not [step for step in plan if "TEMP B-TREE" in step or step.startswith("SCAN object ")], plan


@pytest.mark.parametrize(
    ("sql", "values", "searched"),
    [
        (OVER, (NOW, 9), "object_by_end (ends_at<?"),
        (CROWD, ("acme", "x", NOW), "object_by_crowd (workspace=? AND crowd"),
    ],
)
def test_what_is_over_and_what_is_crowded_is_found_by_an_index(sql: str, values: Any, searched: str) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate.apply(connection, migrate.migrations("sqlite"))
        plan = "\n".join(row[-1] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values))
        assert searched in plan
        assert "TEMP B-TREE" not in plan
