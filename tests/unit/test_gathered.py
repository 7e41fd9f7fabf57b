"""What several jobs ask of the store at the same moment is one read, and each has what he asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import trio
import trio.testing

from engine.notify.gathered import ALERTS_AT_ONCE, Gathered
from engine.stores.deliveries import Known, Wanted
from engine.stores.objects import StoredObject
from protocol.errors import StoreUnavailable


@dataclass
class Asked:
    """In the place of the store: has whatever is asked for, under its own name."""

    reads: list[tuple[str, Wanted]] = field(default_factory=list)
    then: Callable[[], Awaitable[Any]] = trio.lowlevel.checkpoint

    async def known_of(self, workspace: str, wanted: Wanted) -> Known:
        self.reads.append((workspace, wanted))
        await self.then()
        alerts = cast(Any, {name: f"alert {name}" for name in wanted.alert_ids})
        lines = cast(Any, {name: (f"line {name}",) for name in wanted.alert_ids})
        return Known(alerts, lines, {kind: _named(names) for kind, names in wanted.objects.items()})


def _named(names: Any) -> dict[str, StoredObject]:
    return {name: cast(StoredObject, f"object {name}") for name in names}


async def asked_together(gathered: Gathered, *questions: tuple[str, Wanted]) -> list[Known]:
    """What all got who asked in the same moment, in their order."""
    found: dict[int, Known] = {}

    async def ask(place: int, workspace: str, wanted: Wanted) -> None:
        found[place] = await gathered.known_of(workspace, wanted)

    async with trio.open_nursery() as nursery:
        for place, question in enumerate(questions):
            nursery.start_soon(ask, place, *question)
    return [found[place] for place in range(len(questions))]


async def test_who_asks_at_the_same_moment_shares_a_read_and_has_only_what_he_asked_for() -> None:
    store = Asked()
    first = Wanted(["a"], ["1"], {"framework": ["web"], "team": ["sre"]})
    second = Wanted(["b", "a"], ["2"], {"framework": ["web", "db"]})
    one, two = await asked_together(Gathered(store.known_of), ("acme", first), ("acme", second))
    ((workspace, wanted),) = store.reads
    assert workspace == "acme"
    assert [sorted(wanted.alert_ids), sorted(wanted.versions)] == [["a", "b"], ["1", "2"]]
    assert {kind: sorted(names) for kind, names in wanted.objects.items()} == {
        "framework": ["db", "web"],
        "team": ["sre"],
    }
    assert one.alerts == {"a": "alert a"}
    assert one.lines == {"a": ("line a",)}
    assert one.objects == {"framework": {"web": "object web"}, "team": {"sre": "object sre"}}
    assert sorted(two.alerts) == sorted(two.lines) == ["a", "b"]
    assert sorted(two.objects["framework"]) == ["db", "web"]
    assert "team" not in two.objects


async def test_workspaces_are_read_apart() -> None:
    store = Asked()
    await asked_together(Gathered(store.known_of), ("acme", Wanted(["a"])), ("other", Wanted(["a"])))
    assert sorted(workspace for workspace, _ in store.reads) == ["acme", "other"]


async def test_nobody_joins_a_read_that_is_under_way() -> None:
    store, begun, go_on = Asked(), trio.Event(), trio.Event()

    async def hold() -> None:
        begun.set()
        await go_on.wait()

    store.then = hold
    gathered = Gathered(store.known_of)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gathered.known_of, "acme", Wanted(["a"]))
        await begun.wait()
        nursery.start_soon(gathered.known_of, "acme", Wanted(["b"]))
        await trio.testing.wait_all_tasks_blocked()
        assert [list(wanted.alert_ids) for _, wanted in store.reads] == [["a"], ["b"]]
        go_on.set()


async def test_a_read_is_of_a_bounded_number_of_alerts() -> None:
    store = Asked()
    many = [Wanted([f"{number}.{alert}" for alert in range(ALERTS_AT_ONCE // 2)]) for number in range(4)]
    found = await asked_together(Gathered(store.known_of), *[("acme", wanted) for wanted in many])
    assert [list(known.alerts) for known in found] == [list(wanted.alert_ids) for wanted in many]
    assert [len(wanted.alert_ids) for _, wanted in store.reads] == [ALERTS_AT_ONCE] * 2


async def test_the_others_ask_anew_if_the_one_who_asks_for_all_is_cancelled() -> None:
    store, begun = Asked(), trio.Event()
    scopes = {name: trio.CancelScope() for name in ("a", "b", "c")}
    found: dict[str, Known] = {}
    gathered = Gathered(store.known_of)

    async def ask(alert: str) -> None:
        with scopes[alert]:
            found[alert] = await gathered.known_of("acme", Wanted([alert]))

    async def hold() -> None:
        begun.set()
        await trio.sleep_forever()

    store.then = hold
    async with trio.open_nursery() as nursery:
        for alert in scopes:
            nursery.start_soon(ask, alert)
        await begun.wait()
        store.then = trio.lowlevel.checkpoint
        # Whoever came first asks for all three.
        leader = next(iter(store.reads[0][1].alert_ids))
        scopes[leader].cancel()
    assert sorted(found) == sorted(set(scopes) - {leader})
    assert sorted(store.reads[1][1].alert_ids) == sorted(found)


async def test_what_the_store_raises_is_raised_to_everybody_who_asked() -> None:
    store, raised = Asked(), list[str]()

    async def fail() -> None:
        raise StoreUnavailable("away")

    store.then = fail
    gathered = Gathered(store.known_of)

    async def ask(alert: str) -> None:
        with pytest.raises(StoreUnavailable):
            await gathered.known_of("acme", Wanted([alert]))
        raised.append(alert)

    async with trio.open_nursery() as nursery:
        for alert in ("a", "b"):
            nursery.start_soon(ask, alert)
    assert sorted(raised) == ["a", "b"]
    assert len(store.reads) == 1


async def test_what_cannot_be_read_of_one_is_a_fault_of_his_and_of_nobody_else() -> None:
    class Spoilt(Asked):
        async def known_of(self, workspace: str, wanted: Wanted) -> Known:
            known = await super().known_of(workspace, wanted)
            if "bad" in wanted.alert_ids:
                raise ValueError("a word of a newer version")
            return known

    store, found = Spoilt(), dict[str, Known]()
    gathered = Gathered(store.known_of)

    async def ask(alert: str) -> None:
        found[alert] = await gathered.known_of("acme", Wanted([alert]))

    async def ask_in_vain() -> None:
        with pytest.raises(ValueError, match="newer version"):
            await ask("bad")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "a")
        nursery.start_soon(ask_in_vain)
        nursery.start_soon(ask, "b")
    assert {name: list(known.alerts) for name, known in found.items()} == {"a": ["a"], "b": ["b"]}
    assert len(store.reads) == 4, "together, and then each alone"
