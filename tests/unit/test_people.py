"""What people do about alerts, from the service to the store: many at once, closed ones, races, and who may."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from engine.access.roles import ROLE_MAY
from engine.stores import AlertQuery
from engine.verbs.people import BULK_MAX, TOGETHER_MAX, Deed
from protocol import messages as m
from protocol.changes import PEOPLES_ACTIONS, Action
from protocol.errors import BadRequest, Busy, PermissionDenied, StoreUnavailable, UnknownChannel
from protocol.items import TriggerInput
from protocol.model import AlertState, ChannelKey, EventKind, Reason, Status
from tests.support.actors import Answers
from tests.support.verbs import ANN, UNKNOWN_ID, Bench, a_bench, a_trigger, reasons, who


@pytest.fixture
async def bench():
    async with a_bench() as bench:
        yield bench


def deed(action: Action, **more: Any) -> Deed:
    return Deed(action=action, **more)


async def many(bench: Bench, count: int, framework: str = "checkout") -> list[str]:
    """The ids of so many new alerts of one framework."""
    inputs = [TriggerInput(framework_id=framework, title=str(n)) for n in range(count)]
    return [result.alert_id or "" for result in await bench.service.trigger(ANN, inputs)]


async def events_of(bench: Bench, framework: str = "checkout") -> list[Any]:
    return list(await bench.store.history(ChannelKey("acme", framework), 0, 10_000))


async def closed(bench: Bench) -> str:
    """An alert that its channel has forgotten."""
    alert_id = await bench.rung()
    await bench.service.resolve(ANN, [alert_id])
    await trio.sleep(1_000)
    return alert_id


async def test_many_alerts_of_a_channel_are_told_as_one_event_for_each_five_hundred(bench, autojump_clock):
    ids = [alert_id for _ in range(3) for alert_id in await many(bench, 200, "checkout")]
    fresh = [alert_id for n in range(6) for alert_id in [await bench.rung(title=f"more {n}")]]
    ids = list(dict.fromkeys(ids + fresh))
    results = await bench.service.act(ANN, ids, deed(Action.ACKNOWLEDGE, notes="mine"))
    assert set(reasons(results)) == {Reason.ACKNOWLEDGED}
    told = [event for event in await events_of(bench) if event.kind is EventKind.ACKNOWLEDGED]
    assert sum(len(event.ids) for event in told) == len(ids)
    assert len(told) == -(-len(ids) // TOGETHER_MAX)


async def test_a_bulk_over_several_channels_has_its_results_in_the_order_of_the_request(bench, autojump_clock):
    here, there = await many(bench, 3, "a"), await many(bench, 2, "b")
    ids = [here[0], there[0], UNKNOWN_ID, here[1], there[1], here[2], here[0]]
    results = await bench.service.act(ANN, ids, deed(Action.RESOLVE))
    assert [result.alert_id for result in results] == ids
    assert reasons(results)[2] is Reason.UNKNOWN_ALERT
    assert reasons(results)[-1] is Reason.ALREADY
    assert len(await events_of(bench, "a")) == 3 + 1
    assert len(await events_of(bench, "b")) == 2 + 1


async def test_a_bulk_waits_for_each_portion_and_leaves_the_mailbox_to_others(autojump_clock):
    async with a_bench(mailbox_max=TOGETHER_MAX) as bench:
        ids = [alert_id for _ in range(3) for alert_id in await many(bench, 300)][:300]
        ids += [alert_id for n in range(2) for alert_id in [await bench.rung("checkout", title=f"x{n}")]]
        results = await bench.service.act(ANN, ids * 2, deed(Action.COMMENT, notes="well"))
        assert Reason.BUSY not in reasons(results)
        assert reasons(results).count(Reason.COMMENTED) == len(ids)


async def test_what_is_left_of_a_bulk_says_busy_when_the_store_goes_away_meanwhile(bench, autojump_clock):
    ids = [alert_id for n in range(3) for alert_id in await many(bench, 200, "checkout")]
    ids = list(dict.fromkeys(ids)) + [await bench.rung(title=f"y{n}") for n in range(400)]
    people = bench.service._people
    surge, waves = people._surge, 0

    async def going_away(wave: Any, items: int) -> Any:
        nonlocal waves
        waves += 1
        if waves > 1:
            raise Busy("no answer within 10 s")
        return await surge(wave, items)

    people._surge = going_away  # type: ignore[method-assign]
    results = await bench.service.act(ANN, ids, deed(Action.RESOLVE))
    assert reasons(results) == [Reason.RESOLVED] * TOGETHER_MAX + [Reason.BUSY] * (len(ids) - TOGETHER_MAX)
    waves = 1
    with pytest.raises(Busy):
        await bench.service.act(ANN, ids, deed(Action.RESOLVE))


async def test_closed_alerts_are_commented_on_and_opened_again_after_they_were_forgotten(bench, autojump_clock):
    alert_id = await closed(bench)
    (said,) = await bench.service.act(ANN, [alert_id], deed(Action.COMMENT, notes="the fan"))
    (again,) = await bench.service.act(ANN, [alert_id], deed(Action.REOPEN))
    assert (said.reason, again.reason) == (Reason.COMMENTED, Reason.REOPENED)
    alert = await bench.service.alert(ANN, alert_id)
    assert (alert.state, alert.notes, alert.notes_by) == (AlertState.ACTIVE, "the fan", "ann")
    assert (await bench.ring("checkout"))[0].alert_id == alert_id, "it is the one that rings again"


async def test_two_who_open_an_alert_again_at_once_open_it_once(bench, autojump_clock):
    alert_id = await closed(bench)
    outcomes: list[Reason] = []

    async def reopen(user: str) -> None:
        by = who("responder")
        outcomes.extend(reasons(await bench.service.act(by, [alert_id], deed(Action.REOPEN, notes=user))))

    async with trio.open_nursery() as nursery:
        for n in range(10):
            nursery.start_soon(reopen, f"u{n}")
    assert sorted(reason.value for reason in outcomes) == ["already"] * 9 + ["reopened"]
    kinds = [event.kind for event in await events_of(bench)]
    assert kinds.count(EventKind.REOPENED) == 1


async def test_resolving_and_opening_again_at_once_end_in_one_of_the_two(bench, autojump_clock):
    alert_id = await bench.rung()

    async def act(action: Action) -> None:
        await bench.service.act(ANN, [alert_id], deed(action))

    for _ in range(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(act, Action.RESOLVE)
            nursery.start_soon(act, Action.REOPEN)
    states = [event.alert.state for event in await events_of(bench)]
    assert all(one != other for one, other in itertools.pairwise(states)), "each event changed something"
    assert (await bench.service.alert(ANN, alert_id)).state is states[-1]
    assert await bench.store.duplicates() == 0


async def test_an_acknowledgement_during_a_raise_is_of_what_was_or_of_what_is(bench, autojump_clock):
    alert_id = await bench.rung()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.service.act, ANN, [alert_id], deed(Action.ACKNOWLEDGE))
        nursery.start_soon(bench.service.trigger, ANN, [a_trigger(severity="critical")])
    kinds = [event.kind.value for event in await events_of(bench)]
    assert kinds in (["fired", "acknowledged", "reopened"], ["fired", "raised", "acknowledged"])


@pytest.mark.parametrize("role", ROLE_MAY)
@pytest.mark.parametrize("action", PEOPLES_ACTIONS)
async def test_a_role_may_act_exactly_if_it_may_respond(bench, role, action):
    alert_id = await bench.rung()
    act = deed(action, notes="x", assignee="bob" if action is Action.ASSIGN else None)
    if "respond" in ROLE_MAY[role]:
        assert (await bench.service.act(who(role), [alert_id], act))[0].status is not Status.REJECTED
        return
    with pytest.raises(PermissionDenied):
        await bench.service.act(who(role), [alert_id], act)
    assert len(await events_of(bench)) == 1


@pytest.mark.parametrize("action", PEOPLES_ACTIONS)
async def test_another_workspaces_alert_answers_as_one_that_there_is_not(bench, action):
    foreign = (await bench.ring("checkout", by=who(workspace="umbrella")))[0].alert_id or ""
    results = await bench.service.act(ANN, [foreign, UNKNOWN_ID], deed(action, notes="x"))
    assert [result.alert_id for result in results] == [foreign, UNKNOWN_ID]
    assert results[0] == msgspec.structs.replace(results[1], alert_id=foreign)
    assert results[0].reason is Reason.UNKNOWN_ALERT
    for alert_id in (foreign, UNKNOWN_ID):
        with pytest.raises(UnknownChannel, match="there is no such alert"):
            await bench.service.story(ANN, alert_id, None, 10)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (Deed(action=Action.COMMENT), "a comment needs some words"),
        (Deed(action=Action.COMMENT, notes=" \n"), "a comment needs some words"),
        (Deed(action=Action.RESOLVE, notes="a\0b"), "notes"),
        (Deed(action=Action.REOPEN, noise=True), "noise: it goes with"),
        (Deed(action=Action.ASSIGN, assignee="a*b"), "assigned_to"),
    ],
)
async def test_words_that_cannot_be_kept_or_say_nothing_are_refused(bench, wrong, complaint):
    with pytest.raises(BadRequest, match=complaint):
        await bench.service.act(ANN, [await bench.rung()], wrong)


async def test_nothing_is_done_while_the_store_is_away(bench):
    alert_id = await bench.rung()
    bench.goes_away()
    with pytest.raises(StoreUnavailable):
        await bench.service.act(ANN, [alert_id], deed(Action.RESOLVE))


async def test_the_story_of_an_alert_is_what_people_did_and_ends_with_its_beginning(bench):
    alert_id = await bench.rung()
    await bench.service.act(ANN, [alert_id], deed(Action.ASSIGN, assignee="bob", address="203.0.113.7"))
    answers = Answers()
    await bench.service.submit(who("responder"), m.Resolve(alert_id=alert_id, notes="off"), answers, "198.51.100.9")
    await trio.testing.wait_all_tasks_blocked()
    whole = await bench.service.story(ANN, alert_id, None, 10)
    assert [(line.verb, line.by, line.address) for line in whole.items] == [
        ("resolve", "ann", "198.51.100.9"),
        ("assign", "ann", "203.0.113.7"),
        ("fired", "", ""),
    ]
    assert whole.items[0].notes == "off"
    seen = await bench.service.story(who("viewer"), alert_id, None, 10)
    assert {line.address for line in seen.items} == {""}, "addresses are for administrators"
    first = await bench.service.story(ANN, alert_id, None, 1)
    rest = await bench.service.story(ANN, alert_id, first.next_cursor, 10)
    assert [line.verb for line in (*first.items, *rest.items)] == ["resolve", "assign", "fired"]


async def test_a_filter_means_the_alerts_that_the_asker_may_see_and_no_more_than_a_bulk(bench, monkeypatch):
    ids = [*await many(bench, 2, "a"), *await many(bench, 1, "b")]
    await bench.ring("a", by=who(workspace="umbrella"))
    everything = AlertQuery(workspace="umbrella")
    assert sorted(await bench.service.matching(ANN, everything)) == sorted(ids)
    assert len(await bench.service.matching(who("viewer", channels=("a",)), everything)) == 2
    monkeypatch.setattr("engine.service.BULK_MAX", 2)
    with pytest.raises(BadRequest, match="narrow it"):
        await bench.service.matching(ANN, everything)
    assert BULK_MAX == 10_000


async def test_assigning_is_told_on_both_peoples_streams(bench):
    alert_id = await bench.rung(assigned_to="ann")
    await bench.service.act(ANN, [alert_id], deed(Action.ASSIGN, assignee="bob"))
    (event,) = [event for event in await events_of(bench) if event.kind is EventKind.ASSIGNED]
    assert set(event.people) == {"ann", "bob"}
