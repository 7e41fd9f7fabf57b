"""What is kept in memory of objects: there before any door opens, and as the store has it after each change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from engine.orders import StandingOrders
from engine.shelf.bulk import BulkAction, BulkStatus, change_many
from engine.shelf.kinds import Held, ShelfQuery
from engine.stores.objects import ObjectChange
from protocol.errors import BadRequest, Busy
from protocol.model import ChannelKey, Principal
from protocol.orders import NO_ORDERS
from protocol.rules import Rule, ThresholdRule
from tests.support.shelves import a_desk, who
from tests.support.stores import NOW

WEB, DB = ChannelKey("acme", "web"), ChannelKey("acme", "db")
RULE = {"id": "cpu", "framework": "web", "metric": "cpu_percent", "kind": "threshold", "threshold": 90}


def a_rule(rule_id: str = "cpu", framework: str = "web") -> ThresholdRule:
    return ThresholdRule(id=rule_id, framework=framework, metric="cpu_percent", threshold=90.0)


def test_orders_are_the_same_object_until_something_changes_for_that_channel() -> None:
    orders = StandingOrders([a_rule("host")], "acme")
    assert orders.put_rule("acme", "cpu", a_rule()) == {WEB}
    web = orders.of(WEB)
    assert web.rules == (a_rule("host"), a_rule())
    orders.put_rule("acme", "db", a_rule("db", "db"))
    assert orders.of(WEB) is web
    assert orders.put_rule("acme", "cpu", a_rule("cpu", "db")) == {WEB, DB}
    assert orders.of(WEB).rules == (a_rule("host"),)
    assert [rule.id for rule in orders.of(DB).rules] == ["cpu", "db"]
    assert orders.put_rule("acme", "cpu", None) == {DB}
    assert orders.put_rule("acme", "db", None) == {DB}
    assert orders.of(DB) is NO_ORDERS
    assert orders.put_rule("acme", "db", None) == set()


def test_a_rule_of_the_configuration_counts_before_a_stored_one() -> None:
    orders = StandingOrders([a_rule()], "acme")
    assert orders.put_rule("acme", "cpu", a_rule("cpu", "db")) == set()
    assert orders.of(WEB).rules == (a_rule(),)
    assert orders.put_rule("umbrella", "cpu", a_rule()) == {ChannelKey("umbrella", "web")}


async def test_a_change_holds_when_it_is_answered_and_wakes_the_channels_it_concerns() -> None:
    async with a_desk() as desk:
        rules, me = desk.shelves.rules, who()
        held = await rules.create(me, RULE)
        assert [rule.id for rule in desk.orders.of(WEB).rules] == ["cpu"]
        await rules.patch(me, "cpu", {"framework": "db"}, held.version)
        assert (desk.orders.of(WEB), len(desk.orders.of(DB).rules)) == (NO_ORDERS, 1)
        await rules.delete(me, "cpu", None)
        assert desk.orders.of(DB) is NO_ORDERS
        assert sorted(desk.woken) == sorted([("acme", "web"), ("acme", "web"), ("acme", "db"), ("acme", "db")])
        figures = desk.figures.statistics()
        assert (figures["changes"], figures["rule"]) == (3, 0)


async def test_after_a_kill_the_next_start_has_what_was_stored(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    async with a_desk(url) as desk:
        # Nobody in memory hears of it, as if the process ended between the commit and the listener.
        desk.store.set_object_feed(lambda news: None)
        changes = [
            ObjectChange(
                workspace="acme",
                kind="rule",
                id=f"r{number:04d}",
                body=f'{{"kind":"threshold","id":"r{number:04d}","framework":"web","metric":"m","threshold":1}}',
                framework="web",
                by="ada",
                at=NOW,
                verb="create_rule",
            )
            for number in range(2_500)
        ]
        await desk.store.change_objects(changes)
        assert desk.orders.of(WEB) is NO_ORDERS
    async with a_desk(url) as desk:
        assert [rule.id for rule in desk.orders.of(WEB).rules] == [f"r{number:04d}" for number in range(2_500)]
        assert desk.figures.statistics()["rule"] == 2_500


async def test_what_another_version_of_the_program_stored_is_left_out_and_said() -> None:
    async with a_desk() as desk:
        change = ObjectChange(
            workspace="acme", kind="rule", id="odd", body='{"kind":"lunar"}', by="ada", at=NOW, verb="create_rule"
        )
        with capture_logs() as logs:
            await desk.store.change_objects([change, msgspec.structs.replace(change, id="a")])
            await desk.shelves.rules.create(who(), RULE)
        assert [entry["event"] for entry in logs] == ["object_unreadable"] * 2
        assert desk.figures.unreadable == 2
        page = await desk.shelves.rules.page(who(), ShelfQuery(limit=1))
        assert ([held.id for held in page.items], page.next_cursor) == (["cpu"], None), "it hides nothing behind it"
        assert [rule.id for rule in desk.orders.of(WEB).rules] == ["cpu"]


async def test_a_store_that_hangs_is_busy_and_says_that_it_may_be_stored_yet(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_desk() as desk:

        async def hang(*args: object, **more: object) -> None:
            await trio.sleep_forever()

        monkeypatch.setattr(desk.store, "change_objects", hang)
        with pytest.raises(Busy, match="not stored within 10 s, and perhaps later"):
            await desk.shelves.rules.create(who(), RULE)


async def test_many_at_once_try_again_when_somebody_is_faster_and_give_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with a_desk() as desk:
        rules, quick, rivals = desk.shelves.rules, who(user="bob"), 1
        await rules.create(who(), RULE)
        several = rules.several

        async def read_and_be_overtaken(me: Principal, ids: Sequence[str]) -> Mapping[str, Held[Rule]]:
            nonlocal rivals
            found = await several(me, ids)
            if me.user == "ada" and rivals:
                rivals -= 1
                await rules.patch(quick, "cpu", {"title": f"edit {rivals}"}, None)
            return found

        monkeypatch.setattr(rules, "several", read_and_be_overtaken)
        [result] = await change_many(rules, who(), BulkAction.DISABLE, ["cpu"])
        assert (result.status, result.version) == (BulkStatus.DONE, 3)
        now = await rules.get(quick, "cpu")
        assert (now.value.enabled, now.value.title) == (False, "edit 0"), "neither edit is lost"
        rivals = 99
        [result] = await change_many(rules, who(), BulkAction.ENABLE, ["cpu"])
        assert (result.status, result.version) == (BulkStatus.CONFLICT, 6)


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
async def test_a_text_that_a_store_cannot_keep_is_refused(name: str) -> None:
    async with a_desk() as desk:
        with pytest.raises(BadRequest, match="leave it out"):
            await desk.shelves.users.create(who("admin"), {"id": "ann", "name": name})
        talks_about_it = await desk.shelves.users.create(who("admin"), {"id": "bob", "name": "\\u0000 is NUL"})
        assert talks_about_it.value.name == "\\u0000 is NUL"
