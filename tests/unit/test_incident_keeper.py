"""The keeper of incidents: each event counts exactly once, whoever writes, is away or is killed in between."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.analytics import incident_keeper, incident_memory
from engine.analytics.incident_keeper import IncidentKeeper
from engine.analytics.incident_memory import Memory
from engine.analytics.learned import LearnedPatterns
from engine.core.analytics.correlating import Correlator
from engine.stores import CommittedEvents, Store, open_store
from engine.stores.findings import Finding
from engine.stores.incidents import IncidentChange, IncidentPlace, IncidentQuery, KeptIncident
from protocol.errors import StoreUnavailable
from protocol.incidents import Correlation, Happening, Incident, IncidentState, Moment
from protocol.model import Alert, AlertState, ChannelKey, Event, EventKind
from protocol.times import SECOND_US, rfc3339
from tests.support.actors import start
from tests.support.stores import KEY, NOW, OTHER, a_commit, a_row, an_alert, committed

ACME = IncidentQuery(workspace="acme")


class Flaky:
    """A store that does not answer these so many times."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.failures: dict[str, int] = {}
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        if self.failures.get(name, 0):
            self.failures[name] -= 1

            async def fail(*_: Any, **__: Any) -> None:
                await trio.lowlevel.checkpoint()
                raise StoreUnavailable("away")

            return fail
        return getattr(self._store, name)


class FakeRegistry:
    def __init__(self) -> None:
        self.ours = True

    def is_ours(self, workspace: str) -> bool:
        return self.ours


class Bench:
    """A store, whoever commits to it, and keepers."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.flaky = Flaky(store)
        self.registry = FakeRegistry()
        self.told: list[tuple[str, Moment]] = []
        self.keeper = self.another()
        self.bases: dict[ChannelKey, int] = {}
        store.set_feed(self._feed)

    def another(self) -> IncidentKeeper:
        memory = Memory(self.flaky, LearnedPatterns(self.store), lambda: NOW)  # type: ignore[arg-type]
        return IncidentKeeper(self.flaky, self.registry, memory, self._tell)  # type: ignore[arg-type]

    def _feed(self, commits: Sequence[CommittedEvents]) -> None:
        for one in commits:
            self.keeper.post(one.workspace, one.events)

    def _tell(self, workspace: str, news: Sequence[tuple[Incident, Moment]]) -> None:
        self.told += [(incident.id, moment) for incident, moment in news]

    async def fire(self, *alerts: Alert, key: ChannelKey = KEY) -> None:
        base = self.bases.get(key, 0)
        await committed(self.store, a_commit(key, base, [a_row(alert) for alert in alerts]))
        self.bases[key] = base + len(alerts)

    async def resolve(self, alert: Alert, key: ChannelKey = KEY) -> None:
        base = self.bases.get(key, 0)
        over = replace(alert, state=AlertState.RESOLVED, resolved_at=rfc3339(NOW + 9), resolved_by="ann")
        commit = a_commit(key, base, [a_row(over)])
        event = Event(offset=base + 1, kind=EventKind.RESOLVED, alert=over, at=rfc3339(NOW + 9), by="ann")
        await committed(self.store, replace_events(commit, event))
        self.bases[key] = base + 1

    async def settled(self) -> None:
        """Everything that is known of was looked at."""
        await wait_all_tasks_blocked()
        await trio.sleep(5)

    async def incidents(self) -> list[Incident]:
        return (await self.store.incidents(ACME)).items

    async def only(self) -> KeptIncident:
        (incident,) = await self.incidents()
        kept = await self.store.incident("acme", incident.id)
        assert kept is not None
        return kept


def replace_events(commit: Any, event: Event) -> Any:
    return replace(commit, decision=replace(commit.decision, events=(event,)))


@asynccontextmanager
async def a_bench() -> AsyncIterator[Bench]:
    async with open_store("memory:", clock=lambda: NOW) as store:
        yield Bench(store)


@asynccontextmanager
async def running(bench: Bench, keeper: IncidentKeeper | None = None) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await start(nursery, (keeper or bench.keeper).run)
        yield
        nursery.cancel_scope.cancel()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with a_bench() as bench:
        yield bench


async def test_alerts_of_several_channels_become_an_incident_that_ends_with_them(
    bench: Bench, autojump_clock: MockClock
) -> None:
    one, other = an_alert(), an_alert(framework_id=OTHER.framework, title="Slow")
    async with running(bench):
        await bench.fire(one)
        await bench.fire(other, key=OTHER)
        await bench.settled()
        kept = await bench.only()
        assert [member.alert_id for member in kept.members] == [one.id, other.id]
        assert kept.incident.frameworks == (KEY.framework, OTHER.framework)
        await bench.resolve(one)
        await bench.resolve(other, key=OTHER)
        await bench.settled()
    assert (await bench.only()).incident.state is IncidentState.RESOLVED
    assert [moment.what for _, moment in bench.told] == [
        Happening.OPENED,
        Happening.JOINED,
        Happening.ALERT_RESOLVED,
        Happening.ALERT_RESOLVED,
        Happening.RESOLVED,
    ]
    assert bench.keeper.statistics()["opened"] == 1


async def test_what_was_committed_while_nobody_looked_is_looked_at_at_the_start(
    bench: Bench, autojump_clock: MockClock
) -> None:
    await bench.fire(an_alert(), an_alert(title="Slow"))
    keeper = bench.another()
    async with running(bench, keeper):
        await bench.settled()
    assert (await bench.only()).incident.alerts == 2


async def test_another_keeper_goes_on_where_the_first_has_stopped(bench: Bench, autojump_clock: MockClock) -> None:
    alerts = [an_alert(title=f"t{number}") for number in range(6)]
    for alert in alerts:
        bench.keeper = bench.another()
        async with running(bench):
            await bench.fire(alert)
            await bench.settled()
    kept = await bench.only()
    assert [member.alert_id for member in kept.members] == [alert.id for alert in alerts]
    assert [moment.what for moment in kept.incident.story].count(Happening.JOINED) == 5


async def test_two_keepers_at_one_workspace_count_each_event_once(bench: Bench, autojump_clock: MockClock) -> None:
    rival = bench.another()
    async with running(bench), running(bench, rival):
        for number in range(5):
            await bench.fire(an_alert(title=f"t{number}"))
            rival.post("acme", ())
            await bench.settled()
    kept = await bench.only()
    assert kept.incident.alerts == 5
    assert len(kept.incident.story) == 5
    assert [name for name, _ in bench.told].count(kept.incident.id) == 5


async def test_what_people_do_in_between_is_seen(bench: Bench, autojump_clock: MockClock) -> None:
    one, other, third = an_alert(), an_alert(title="Slow"), an_alert(title="Full")
    async with running(bench):
        await bench.fire(one, other)
        await bench.settled()
        kept = await bench.only()
        apart = replace(kept.members[1], is_apart=True)

        def split(_: Sequence[KeptIncident]) -> tuple[None, IncidentChange]:
            return None, IncidentChange([kept.incident], [(kept.incident.id, apart)])

        await bench.store.change_incidents("acme", [kept.incident.id], split)
        await bench.fire(third)
        await bench.settled()
        await bench.resolve(other)
        await bench.settled()
    (kept,) = await bench.store.incidents_of("acme", [one.id, other.id, third.id])
    assert {each.alert_id: each.is_apart for each in kept.members} == {one.id: False, other.id: True, third.id: False}


async def test_while_the_store_is_away_nothing_is_lost_and_nothing_counts_twice(
    bench: Bench, autojump_clock: MockClock
) -> None:
    bench.flaky.failures = {"workspaces_seen": 1, "incident_place": 2, "keep_incidents": 3, "incidents_of": 1}
    async with running(bench):
        one = an_alert()
        await bench.fire(one, an_alert(title="Slow"))
        await bench.settled()
        await bench.resolve(one)
        await bench.settled()
    kept = await bench.only()
    assert (kept.incident.alerts, kept.incident.open_alerts) == (2, 1)
    assert len(kept.incident.story) == 3


async def test_an_event_over_which_the_machine_raises_is_passed_over_and_its_neighbours_count(
    bench: Bench, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = Correlator.apply

    def raising(self: Correlator, event: Event) -> None:
        if event.alert.title == "poison":
            raise ValueError("a bug")
        apply(self, event)

    monkeypatch.setattr(Correlator, "apply", raising)
    with capture_logs() as logs:
        async with running(bench):
            await bench.fire(an_alert(), an_alert(title="poison"), an_alert(title="Slow"))
            await bench.settled()
    assert (await bench.only()).incident.alerts == 2
    assert bench.keeper.statistics()["failed"] == 1
    assert [each["event"] for each in logs] == ["incident_event_failed"]


async def test_what_finds_no_room_in_memory_is_read_from_the_store(
    bench: Bench, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incident_keeper, "POSTED_MAX", 2)
    async with running(bench):
        await bench.fire(*[an_alert(title=f"t{number}") for number in range(5)])
        assert bench.keeper.statistics()["waiting"] == 0
        await bench.settled()
    assert (await bench.only()).incident.alerts == 5


async def test_of_a_flood_the_newest_are_looked_at_and_how_the_others_are_is_read(
    bench: Bench, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = an_alert(), an_alert(title="Slow")
    async with running(bench):
        await bench.fire(one, other)
        await bench.settled()
    monkeypatch.setattr(incident_memory, "BACKLOG_MAX", 5)
    await bench.resolve(one)
    await bench.resolve(other)
    for number in range(10):
        await bench.fire(an_alert(title=f"f{number}", labels={"host": f"x{number // 5}"}))
    later = bench.another()
    async with running(bench, later):
        await bench.settled()
    states = {each.state for each in await bench.incidents() if each.title == one.title}
    assert states == {IncidentState.RESOLVED}
    assert later.statistics()["skipped"] == 7
    assert sorted(each.alerts for each in await bench.incidents()) == [2, 5]


async def test_a_workspace_that_is_not_ours_is_left_alone_until_it_is(bench: Bench, autojump_clock: MockClock) -> None:
    bench.registry.ours = False
    async with running(bench):
        await bench.fire(an_alert(), an_alert(title="Slow"))
        await bench.settled()
        await bench.keeper.caught_up("acme")
        assert await bench.incidents() == []
        bench.registry.ours = True
        bench.keeper.look_again()
        await bench.settled()
        assert (await bench.only()).incident.alerts == 2
        bench.registry.ours = False
        bench.keeper.look_all(lambda workspace: True)
        await bench.fire(an_alert(title="Full"))
        await bench.settled()
        assert bench.keeper.statistics()["waiting"] == 0


async def test_a_hole_is_filled_when_somebody_says_that_there_may_be_one(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async with running(bench):
        await bench.fire(an_alert())
        await bench.settled()
        bench.store.set_feed(lambda commits: None)
        await bench.fire(an_alert(title="Slow"))
        bench.keeper.look_all(lambda workspace: workspace == "acme")
        await bench.settled()
    assert (await bench.only()).incident.alerts == 2


async def test_who_waits_is_told_when_what_was_posted_before_was_looked_at(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async with running(bench):
        await bench.keeper.caught_up("acme")
        await bench.fire(an_alert(), an_alert(title="Slow"))
        await bench.keeper.caught_up("acme")
        assert len(await bench.incidents()) == 1
        bench.flaky.failures = {"keep_incidents": 2}
        await bench.fire(an_alert(title="Full"))
        with trio.fail_after(60):
            await bench.keeper.caught_up("acme")
        assert (await bench.only()).incident.alerts == 3


async def test_who_waits_waits_until_it_is_stored(bench: Bench, autojump_clock: MockClock) -> None:
    async with running(bench):
        await bench.fire(an_alert())
        await bench.settled()
        keep = bench.store.keep_incidents

        async def slowly(*what: Any) -> bool:
            await trio.sleep(50)
            return await keep(*what)

        bench.store.keep_incidents = slowly  # type: ignore[method-assign]
        await bench.fire(an_alert(title="Slow"))
        await trio.sleep(1)
        await bench.keeper.caught_up("acme")
        assert len(await bench.incidents()) == 1


async def test_how_far_a_quiet_workspace_is_is_stored_now_and_then_or_at_once_for_other_nodes(
    bench: Bench, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(bench):
        await bench.fire(an_alert(labels={"a": "b"}))
        await bench.settled()
        assert "keep_incidents" in bench.flaky.asked  # what labels say, the first time
        bench.flaky.asked.clear()
        await bench.fire(an_alert(labels={"a": "b"}))
        await bench.settled()
        assert "keep_incidents" not in bench.flaky.asked
        bench.keeper.saves_soon = True
        await bench.fire(an_alert(labels={"a": "b"}))
        await bench.settled()
    assert (await bench.store.incident_place("acme")).position == 3


async def test_settings_hold_from_the_next_look_on(bench: Bench, autojump_clock: MockClock) -> None:
    await bench.store.set_correlation("acme", Correlation(labels=("rack",)))
    async with running(bench):
        await bench.fire(an_alert(), an_alert(title="Slow"))
        await bench.fire(an_alert(labels={"rack": "r1"}), an_alert(title="Slow", labels={"rack": "r1"}))
        await bench.settled()
    assert (await bench.only()).members[1].tie == "rack=r1"


async def test_only_so_many_machines_stay_in_memory(
    bench: Bench, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incident_keeper, "KEPT_MAX", 2)
    async with running(bench):
        for number in range(5):
            key = ChannelKey(f"w{number}", "web")
            await committed(bench.store, a_commit(key, rows=1))
            await bench.settled()
    assert bench.keeper.statistics()["workspaces"] == 2


def a_pattern(name: str, rules: Sequence[str | None], **changes: Any) -> Finding:
    finding = Finding(
        workspace="acme",
        kind="pattern",
        key=name,
        state="new",
        at=NOW,
        updated_at=NOW,
        body=json.dumps({"sources": [{"framework": "web", "rule_id": rule, "name": "n"} for rule in rules]}),
        sort="co_occurrence",
        score=0.9,
    )
    return replace(finding, **changes)


async def test_rules_that_were_found_to_go_together_tie_and_nothing_doubtful_does(
    bench: Bench, autojump_clock: MockClock
) -> None:
    await bench.store.put_findings(
        [
            a_pattern("good", ["cpu", "latency"]),
            a_pattern("weak", ["cpu", "disk"], score=0.5),
            a_pattern("sure", ["cpu", "queue"], score=0.1, state="confirmed"),
            a_pattern("gone", ["cpu", "net"], state="dismissed"),
            a_pattern("odd", [], body='{"sources": 5}'),
            a_pattern("one", ["cpu"]),
            a_pattern("name", ["cpu", None, "disk"]),
            a_pattern("order", ["cpu", "latency", "queue"], sort="sequence"),
        ]
    )
    learned = await LearnedPatterns(bench.store).of("acme")
    assert learned.partners["cpu"] == {"latency", "queue"}
    followers = await LearnedPatterns(bench.store).followers("acme")
    assert followers == {"cpu": {"latency", "queue"}, "latency": {"queue"}}
    async with running(bench):
        await bench.fire(an_alert(rule_id="cpu", labels={}), an_alert(rule_id="latency", labels={}))
        await bench.settled()
    assert (await bench.only()).members[1].tie == "goes with rule cpu"


async def test_a_place_that_was_never_begun_begins_with_what_is_kept(bench: Bench, autojump_clock: MockClock) -> None:
    assert (await bench.store.incident_place("acme")) == IncidentPlace()
    await bench.fire(an_alert(), an_alert(title="Slow", at=NOW + SECOND_US))
    async with running(bench):
        await bench.settled()
    assert (await bench.store.incident_place("acme")).position == 2
