"""What every store must do with what people and administrators did: kept, in one order, filtered, in pages."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.stores.trail import AdministrativeAct, TrailKind, TrailLine, TrailQuery
from protocol.effects import Audit
from tests.support.stores import (
    FOREIGN,
    NOW,
    StoreFactory,
    a_commit,
    a_row,
    committed,
)


async def test_audit_rows_are_kept_with_a_commit(factory: StoreFactory) -> None:
    async with factory.open() as store:
        row = a_row()
        audit = Audit(at=NOW, by="ann", verb="acknowledge", alert_id=row.alert.id, notes="mine")
        await committed(store, a_commit(rows=[row], audits=[audit]))
        assert store.statistics()["rows"] == 3


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
