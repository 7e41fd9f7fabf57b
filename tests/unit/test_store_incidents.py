"""What every store must do with incidents, and with how far a workspace's events were looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from engine.stores import AlertQuery, Retention, Store
from engine.stores.incidents import NOT_BEGUN, IncidentChange, IncidentPlace, IncidentQuery, KeptIncident
from protocol.errors import BadRequest
from protocol.incidents import Correlation, Happening, Incident, IncidentState, Member, Moment
from protocol.model import AlertState, Severity
from protocol.times import SECOND_US
from tests.support.stores import NOW, StoreFactory, a_commit, a_row, an_alert, committed

OPEN = IncidentQuery(workspace="acme")


def an_incident(name: str = "i1", **changes: Any) -> Incident:
    incident = Incident(
        id=name,
        state=IncidentState.OPEN,
        title='CPU is "hot"',
        severity=Severity.ERROR,
        started_at=NOW,
        updated_at=NOW,
        alerts=1,
        open_alerts=1,
        frameworks=("checkout",),
        story=(Moment(at=NOW, what=Happening.OPENED, alert_id="a1"),),
    )
    return replace(incident, **changes)


def a_member(name: str = "a1", **changes: Any) -> Member:
    member = Member(
        alert_id=name,
        framework="checkout",
        title='"hot"',
        severity=Severity.ERROR,
        state=AlertState.ACTIVE,
        started_at=NOW,
        signature="s",
        rule_id="r",
    )
    return replace(member, **changes)


async def put(store: Store, *incidents: Incident, members: Sequence[tuple[str, Member]] = ()) -> None:
    """Writes over whatever is there."""
    place = await store.incident_place("acme")
    assert await store.keep_incidents("acme", place, IncidentChange(incidents, members))


async def test_an_incident_comes_back_as_it_was_written_with_its_alerts_in_order(factory: StoreFactory) -> None:
    async with factory.open() as store:
        late, early = a_member("a2", started_at=NOW + 5), a_member("a3", started_at=NOW - 5, is_apart=True)
        await put(store, an_incident(), members=[("i1", a_member()), ("i1", late), ("i1", early)])
        assert await store.incident("acme", "i1") == KeptIncident(an_incident(), [early, a_member(), late])
        assert await store.incident("umbrella", "i1") is None
        assert [kept.incident.id for kept in await store.incidents_of("acme", ["a3", "a2", "zz"])] == ["i1"]
        assert await store.incidents_of("umbrella", ["a1"]) == []
        assert await store.incidents_of("acme", []) == []


async def test_an_alert_is_in_one_incident_and_a_later_one_takes_it(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await put(store, an_incident(), an_incident("i2"), members=[("i1", a_member())])
        await put(store, members=[("i2", a_member(state=AlertState.RESOLVED))])
        assert (await store.incident("acme", "i1")) == KeptIncident(an_incident(), [])
        assert [kept.incident.id for kept in await store.incidents_of("acme", ["a1"])] == ["i2"]


async def test_who_has_read_an_older_version_writes_nothing(factory: StoreFactory) -> None:
    async with factory.open() as store:
        assert (await store.incident_place("acme")) == IncidentPlace()
        begun = IncidentPlace(position=5, oldest=3, learnt="{}")
        assert await store.keep_incidents("acme", begun, IncidentChange())
        assert not await store.keep_incidents("acme", begun, IncidentChange((an_incident(),)))
        place = await store.incident_place("acme")
        assert (place.position, place.oldest, place.version, place.learnt) == (5, 3, 1, "{}")
        assert await store.keep_incidents("acme", replace(place, position=9, learnt=""), IncidentChange())
        assert not await store.keep_incidents("acme", replace(place, position=9), IncidentChange((an_incident(),)))
        assert (await store.incident_place("acme")).learnt == "{}"
        assert (await store.incidents(OPEN)).items == []


async def test_where_the_stream_stands_says_who_is_behind(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await committed(store, a_commit(rows=3))
        place = await store.incident_place("acme")
        assert (place.last, place.floor, place.is_behind) == (3, 0, True)
        await store.keep_incidents("acme", replace(place, position=3), IncidentChange())
        assert not (await store.incident_place("acme")).is_behind


async def test_what_people_do_is_read_and_written_at_once_and_seen_by_who_looks_at_events(
    factory: StoreFactory,
) -> None:
    async with factory.open() as store:
        await put(store, an_incident(), an_incident("i2"), members=[("i1", a_member())])
        before = await store.incident_place("acme")

        def change(found: Sequence[KeptIncident]) -> tuple[list[str], IncidentChange]:
            (second, first) = found
            done = replace(first.incident, state=IncidentState.RESOLVED)
            return [second.incident.id, *(each.alert_id for each in first.members)], IncidentChange([done])

        assert await store.change_incidents("acme", ["i2", "none", "i1", "i2"], change) == ["i2", "a1"]
        kept = await store.incident("acme", "i1")
        assert kept is not None
        assert kept.incident.state is IncidentState.RESOLVED
        assert not await store.keep_incidents("acme", before, IncidentChange((an_incident(),)))


async def test_settings_are_kept_before_anything_was_looked_at_and_after(factory: StoreFactory) -> None:
    async with factory.open() as store:
        await store.set_correlation("acme", Correlation(window_s=60))
        place = await store.incident_place("acme")
        assert (place.position, place.settings) == (NOT_BEGUN, Correlation(window_s=60))
        await store.keep_incidents("acme", replace(place, position=4, learnt="{}"), IncidentChange())
        await store.set_correlation("acme", Correlation(enabled=False))
        later = await store.incident_place("acme")
        assert (later.position, later.learnt, later.settings) == (4, "{}", Correlation(enabled=False))
        assert later.version > place.version + 1


async def test_a_page_has_what_was_asked_for_newest_first_and_no_stories(factory: StoreFactory) -> None:
    async with factory.open() as store:
        those = [
            an_incident("i1", started_at=NOW - 10),
            an_incident("i2", state=IncidentState.RESOLVED),
            an_incident("i3", state=IncidentState.MERGED),
            an_incident("i4", state=IncidentState.ACKNOWLEDGED, started_at=NOW + 10),
        ]
        members = [(f"i{n}", a_member(f"a{n}", framework="web" if n == 4 else "checkout")) for n in range(1, 5)]
        await put(store, *those, members=members)

        async def names(**changes: Any) -> list[str]:
            return [each.id for each in (await store.incidents(replace(OPEN, **changes))).items]

        assert await names() == ["i4", "i2", "i1"]
        assert await names(states=(IncidentState.OPEN, IncidentState.MERGED)) == ["i3", "i1"]
        assert await names(since_us=NOW) == ["i4", "i2"]
        assert await names(until_us=NOW) == ["i1"]
        assert await names(framework="web") == ["i4"]
        assert await names(frameworks=("checkout", "x")) == ["i2", "i1"]
        assert await names(frameworks=()) == []
        assert await names(frameworks=("checkout",), framework="web") == []
        assert await names(workspace="umbrella") == []
        page = await store.incidents(replace(OPEN, limit=2))
        assert [each.id for each in page.items] == ["i4", "i2"]
        assert page.items[0].story == ()
        rest = await store.incidents(replace(OPEN, limit=2, cursor=page.next_cursor))
        assert ([each.id for each in rest.items], rest.next_cursor) == (["i1"], None)


@pytest.mark.parametrize("wrong", [{"cursor": "1.zzz"}, {"limit": 0}, {"limit": 501}])
async def test_a_page_that_cannot_be_is_refused(factory: StoreFactory, wrong: dict[str, Any]) -> None:
    async with factory.open() as store:
        with pytest.raises(BadRequest):
            await store.incidents(replace(OPEN, **wrong))


async def test_an_alert_says_which_incident_it_is_part_of(factory: StoreFactory) -> None:
    async with factory.open() as store:
        one, other, apart = an_alert(), an_alert(), an_alert()
        await committed(store, a_commit(rows=[a_row(one), a_row(other), a_row(apart)]))
        await put(store, an_incident(), members=[("i1", a_member(one.id)), ("i1", a_member(apart.id, is_apart=True))])
        page = await store.alerts(AlertQuery(workspace="acme"))
        assert {alert.id: alert.incident_id for alert in page.items} == {one.id: "i1", other.id: None, apart.id: None}
        found = await store.alert("acme", one.id)
        assert found is not None
        assert found[1].incident_id == "i1"


async def test_what_is_over_goes_after_its_time_and_what_is_open_stays(factory: StoreFactory) -> None:
    async with factory.open(retention=Retention(findings_s=100)) as store:
        old = NOW - 200 * SECOND_US
        those = [
            an_incident("i1", state=IncidentState.RESOLVED, updated_at=old),
            an_incident("i2", updated_at=old),
            an_incident("i3", state=IncidentState.RESOLVED),
        ]
        await put(store, *those, members=[("i1", a_member("a1")), ("i2", a_member("a2"))])
        await store.trim(NOW)
        assert [each.id for each in (await store.incidents(OPEN)).items] == ["i3", "i2"]
        assert [kept.incident.id for kept in await store.incidents_of("acme", ["a1", "a2"])] == ["i2"]
