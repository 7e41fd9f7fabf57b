"""What every store must do with the ledger of notifications."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio
from msgspec.structs import replace

from engine.stores import AlertQuery, Store
from engine.stores.deliveries import ToSend, Wanted
from protocol.jobs import JobError, NewJob, Queue, Settlement, Verdict
from protocol.model import AlertState
from protocol.notify import Change, Channel, Delivery, DeliveryState, Noted, Recipient, RouteArgs, Why
from protocol.times import rfc3339
from tests.support.deliveries import ANN, a_delivery
from tests.support.jobs import a_job, clock, completed, job_store
from tests.support.stores import NOW, a_commit, a_row, an_alert

IN_APP = Channel.IN_APP


@asynccontextmanager
async def ledger(*deliveries: object) -> AsyncIterator[Store]:
    async with job_store() as store:
        await store.keep_deliveries(deliveries)  # type: ignore[arg-type]
        yield store


async def pass_time(seconds: float) -> None:
    await trio.sleep(seconds)


async def states(store: Store, alert_id: str = "a1") -> list[DeliveryState]:
    return [line.delivery.state for line in await store.deliveries("acme", alert_id, 0, 100)]


async def test_a_line_comes_back_as_it_was_written(autojump_clock: None) -> None:
    line = a_delivery(why=Why.DIGEST, due=NOW + 5, cause="later", attempts=2, reference="ts-1")
    async with ledger(line) as store:
        assert await store.delivery("acme", line.key) == line
        assert await store.deliveries_of("acme", ["a1", "a2"]) == {"a1": [line]}


async def test_of_what_was_suppressed_only_the_last_is_read_and_whatever_else_says_who_has_heard_what(
    autojump_clock: None,
) -> None:
    def silent(version: int, **changes: Any) -> Delivery:
        return a_delivery(version=str(version), state=DeliveryState.SUPPRESSED, why=Why.SEVERITY, **changes)

    told = a_delivery(version="1", state=DeliveryState.SENT)
    asked, step, last = silent(3), silent(5, change=Change.ESCALATED), silent(7)
    bobs = silent(8, recipient=Recipient(user="bob"))
    passed_over = [silent(2), silent(4), silent(6), silent(6, recipient=Recipient(user="bob"))]
    others = [a_delivery("a2"), a_delivery(workspace="other")]
    lines = [told, passed_over[0], asked, passed_over[1], step, *passed_over[2:], last, bobs, *others]
    async with ledger(*lines) as store:
        known = await store.known_of("acme", Wanted(["a1"], ["3"]))
        assert known.lines == {"a1": [told, asked, step, last, bobs]}


async def test_what_was_told_to_one_recipient_by_one_channel_is_found_in_its_order(autojump_clock: None) -> None:
    first, second = a_delivery(version="9"), a_delivery(version="1")
    others = [
        a_delivery(channel=IN_APP),
        a_delivery(recipient=Recipient(user="bob")),
        a_delivery("a2"),
        a_delivery(workspace="other"),
    ]
    async with ledger(first, *others, second) as store:
        assert await store.to_send("acme", second.key) == ToSend(second, None, [first, second])
        assert await store.to_send("other", second.key) is None


async def test_another_workspace_has_no_such_line(autojump_clock: None) -> None:
    line = a_delivery()
    async with ledger(line) as store:
        assert await store.delivery("other", line.key) is None
        assert await store.deliveries("other", "a1", 0, 10) == []


async def test_a_line_is_written_once_and_moved_on(autojump_clock: None) -> None:
    line = a_delivery()
    async with ledger(line, line) as store:
        await store.keep_deliveries([replace(line, state=DeliveryState.SENT, reference="r")])
        assert await states(store) == [DeliveryState.SENT]


async def test_a_line_is_counted_when_it_ends_and_not_again_when_more_is_known_of_it(autojump_clock: None) -> None:
    line, sent = a_delivery(), a_delivery(state=DeliveryState.SENT)
    async with ledger(line) as store:
        assert store.deliveries_ended() == {}
        await store.keep_deliveries([sent, sent])
        await store.keep_deliveries([replace(sent, state=DeliveryState.DELIVERED)])
        assert store.deliveries_ended() == {(Channel.EMAIL, DeliveryState.SENT): 1}


async def test_what_was_told_is_never_queued_again(autojump_clock: None) -> None:
    line = a_delivery()
    async with ledger(replace(line, state=DeliveryState.SENT), line) as store:
        assert await states(store) == [DeliveryState.SENT]


async def test_what_was_read_stays_read(autojump_clock: None) -> None:
    line = a_delivery(channel=IN_APP, state=DeliveryState.SENT)
    async with ledger(line) as store:
        assert await store.read("acme", "ann", None) == 1
        await store.keep_deliveries([replace(line, state=DeliveryState.DELIVERED)])
        assert await states(store) == [DeliveryState.READ]


async def test_a_settlement_writes_its_lines_with_it(autojump_clock: None) -> None:
    async with ledger() as store:
        await store.enqueue([a_job()])
        (claimed,) = await store.claim("n", {Queue.ALERT: 1}, 30.0)
        assert await store.settle([completed(claimed, deliveries=(a_delivery(),))]) == [True]
        assert await states(store) == [DeliveryState.QUEUED]


async def test_a_settlement_that_comes_too_late_writes_no_line(autojump_clock: None) -> None:
    async with ledger() as store:
        await store.enqueue([a_job()])
        (claimed,) = await store.claim("n", {Queue.ALERT: 1}, 30.0)
        await store.settle([completed(claimed)])
        assert await store.settle([completed(claimed, deliveries=(a_delivery(),))]) == [False]
        assert await states(store) == []


async def test_a_job_that_fails_for_good_fails_its_delivery_with_the_last_cause(autojump_clock: None) -> None:
    line = a_delivery()
    async with ledger(line) as store:
        await store.enqueue([a_job(key=line.key)])
        (claimed,) = await store.claim("n", {Queue.ALERT: 1}, 30.0)
        error = JobError(at=NOW, attempt=1, cause="the server hangs")
        await store.settle([completed(claimed, verdict=Verdict.FAILED, error=error)])
        found = await store.delivery("acme", line.key)
        assert found is not None
        assert (found.state, found.why, found.cause, found.attempts) == (
            DeliveryState.FAILED,
            Why.GAVE_UP,
            "the server hangs",
            1,
        )


async def test_a_job_whose_node_is_lost_for_good_fails_its_delivery(autojump_clock: None) -> None:
    line = a_delivery()
    async with ledger(line) as store:
        await store.enqueue([a_job(key=line.key, attempts_max=1)])
        await store.claim("n", {Queue.ALERT: 1}, 30.0)
        await pass_time(31)
        await store.sweep(10)
        assert await states(store) == [DeliveryState.FAILED]


async def test_a_job_that_is_cancelled_fails_its_delivery(autojump_clock: None) -> None:
    line = a_delivery()
    async with ledger(line) as store:
        ((number, _),) = await store.enqueue([a_job(key=line.key)])
        await store.cancel("acme", number)
        found = await store.delivery("acme", line.key)
        assert found is not None and found.why is Why.CANCELLED


async def test_what_is_put_aside_is_found_when_it_is_due_and_not_before(autojump_clock: None) -> None:
    line = a_delivery(why=Why.DIGEST, due=NOW + 60_000_000)
    async with ledger(line) as store:
        place = (Channel.EMAIL, ANN.name)
        assert await store.digests_due(NOW, 10) == []
        assert await store.put_aside("acme", place, NOW, 10) == []
        ((workspace, channel, recipient, due),) = await store.digests_due(NOW + 60_000_000, 10)
        assert (workspace, channel, recipient, due) == ("acme", Channel.EMAIL, ANN, line.due)
        assert await store.put_aside("acme", place, NOW + 60_000_000, 10) == [line]


async def test_who_waits_for_a_digest_is_found_page_by_page_each_once(autojump_clock: None) -> None:
    places = [(due, workspace, user) for due in (NOW - 1, NOW) for workspace in ("acme", "umbrella") for user in "abc"]
    lines = [
        a_delivery(f"{due}{number}", workspace=workspace, recipient=Recipient(user=user), due=due, why=Why.DIGEST)
        for due, workspace, user in places
        for number in range(2)
    ]
    async with ledger(*lines) as store:
        found, last = [], None
        while page := await store.digests_due(NOW, 5, last):
            found, last = [*found, *page], page[-1]
        assert [(each.due, each.workspace, each.recipient.user) for each in found] == places


async def test_what_was_sent_with_a_digest_is_not_put_aside_any_more(autojump_clock: None) -> None:
    line = a_delivery(why=Why.DIGEST, due=NOW)
    async with ledger(line, replace(line, state=DeliveryState.SENT)) as store:
        assert await store.digests_due(NOW, 10) == []


async def test_a_persons_list_in_the_app_has_the_newest_first_and_counts_what_is_unread(autojump_clock: None) -> None:
    lines = [a_delivery(f"a{n}", channel=IN_APP, state=DeliveryState.DELIVERED) for n in range(3)]
    others = a_delivery("b", channel=IN_APP, recipient=Recipient(user="bob"), state=DeliveryState.DELIVERED)
    async with ledger(*lines, others, a_delivery("q", channel=IN_APP)) as store:
        first = await store.in_app("acme", "ann", None, 2)
        assert [line.delivery.alert_id for line in first] == ["a2", "a1"]
        rest = await store.in_app("acme", "ann", first[-1].number, 2)
        assert [line.delivery.alert_id for line in rest] == ["a0"]
        assert await store.unread("acme", "ann") == 3


async def test_nobody_reads_what_is_somebody_elses(autojump_clock: None) -> None:
    lines = [a_delivery(f"a{n}", channel=IN_APP, state=DeliveryState.DELIVERED) for n in range(3)]
    async with ledger(*lines) as store:
        assert await store.read("acme", "bob", [lines[0].key]) == 0
        assert await store.read("other", "ann", None) == 0
        assert await store.read("acme", "ann", [lines[0].key, "nothing"]) == 1
        assert await store.read("acme", "ann", [lines[0].key]) == 0
        assert await store.unread("acme", "ann") == 2


async def test_of_keys_those_are_told_that_are_not_in_a_persons_list(autojump_clock: None) -> None:
    lines = [a_delivery(f"a{n}", channel=IN_APP, state=DeliveryState.DELIVERED) for n in range(2)]
    mailed, on_its_way = a_delivery("b", state=DeliveryState.SENT), a_delivery("c", channel=IN_APP)
    async with ledger(*lines, mailed, on_its_way) as store:
        keys = ["no", lines[0].key, mailed.key, lines[1].key, on_its_way.key]
        await store.read("acme", "ann", [lines[1].key])
        assert await store.not_in_app("acme", "ann", keys) == ["no", mailed.key, on_its_way.key]
        assert await store.not_in_app("acme", "bob", keys) == await store.not_in_app("other", "ann", keys) == keys


@pytest.mark.parametrize("state", [DeliveryState.SENT, DeliveryState.DELIVERED])
async def test_what_is_on_its_way_to_whoever_acknowledges_is_acknowledged_when_it_is_there(
    autojump_clock: None, state: DeliveryState
) -> None:
    line = a_delivery()
    async with ledger(line, a_delivery(recipient=Recipient(user="bob"))) as store:
        await store.answered("acme", "ann", ["a1"])
        assert await states(store) == [DeliveryState.QUEUED] * 2
        await store.keep_deliveries(
            [replace(line, state=state), a_delivery(recipient=Recipient(user="bob"), state=state)]
        )
        assert await states(store) == [DeliveryState.ACKNOWLEDGED, state]


async def test_what_fails_on_its_way_to_whoever_acknowledges_has_failed(autojump_clock: None) -> None:
    line = a_delivery()
    async with ledger(line) as store:
        await store.answered("acme", "ann", ["a1"])
        await store.keep_deliveries([replace(line, state=DeliveryState.FAILED, why=Why.REFUSED)])
        assert await states(store) == [DeliveryState.FAILED]


async def test_whoever_was_told_and_acknowledges_has_answered(autojump_clock: None) -> None:
    told, waiting = a_delivery(state=DeliveryState.SENT), a_delivery(version="2")
    async with ledger(told, waiting) as store:
        await store.answered("acme", "ann", ["a1"])
        assert await states(store) == [DeliveryState.ACKNOWLEDGED, DeliveryState.QUEUED]


async def test_an_alert_says_whether_anybody_was_notified_of_it(autojump_clock: None) -> None:
    async with ledger() as store:
        await store.commit(a_commit(rows=3))
        (first, second, third) = (await store.alerts(AlertQuery(workspace="acme"))).items
        assert [each.notification_sent for each in (first, second, third)] == [False] * 3
        await store.keep_deliveries(
            [a_delivery(first.id, state=DeliveryState.SENT), a_delivery(second.id, state=DeliveryState.FAILED)]
        )
        page = await store.alerts(AlertQuery(workspace="acme"))
        assert [each.notification_sent for each in page.items] == [True, False, False]
        found = await store.alert("acme", first.id)
        assert found is not None and found[1].notification_sent


async def test_alerts_are_found_by_their_ids(autojump_clock: None) -> None:
    async with ledger() as store:
        await store.commit(a_commit(rows=3))
        items = (await store.alerts(AlertQuery(workspace="acme"))).items
        assert await store.alerts_named("acme", [items[0].id, "x"]) == {items[0].id: items[0]}
        assert await store.alerts_named("other", [items[0].id]) == {}
        assert await store.alerts_named("acme", []) == {}


async def test_an_older_job_of_the_same_framework_precedes(autojump_clock: None) -> None:
    async with ledger() as store:
        first, second = await store.enqueue([a_job("route", framework="api"), a_job("route", framework="api")])
        assert await store.preceding("acme", "api", second.id, clock()) == first.id
        assert await store.preceding("acme", "api", first.id, clock()) is None
        assert await store.preceding("other", "api", second.id, clock()) is None
        assert await store.preceding("acme", "web", second.id, clock()) is None
        quiet, third = await store.enqueue(
            [a_job("route", framework="web", run_at=clock() + 90), a_job("route", framework="web")]
        )
        assert await store.preceding("acme", "web", third.id, clock()) is None
        assert await store.preceding("acme", "web", third.id, clock() + 90) == quiet.id
        _, fifth = await store.enqueue([a_job("send", framework="db"), a_job("route", framework="db")])
        assert await store.preceding("acme", "db", fifth.id, clock()) is None


def a_route(*alert_ids: str) -> NewJob:
    noted = Noted(alert_ids=alert_ids, change=Change.FIRED, version=1, at="2026-01-01T00:00:00Z")
    return a_job("route", framework="api", args=msgspec.json.encode(RouteArgs(noted=(noted,))).decode())


async def test_an_older_job_precedes_if_it_is_about_one_of_the_same_alerts(autojump_clock: None) -> None:
    async with ledger() as store:
        first, second, third = await store.enqueue([a_route("a1", "a2"), a_route("a3"), a_route("a1")])
        until = clock()
        assert await store.preceding("acme", "api", third.id, until, ["a1"]) == first.id
        assert await store.preceding("acme", "api", third.id, until, ["a", "a4"]) is None
        assert await store.preceding("acme", "api", third.id, until, ["a4", "a3", "a2"]) == second.id


async def test_an_older_job_that_waits_for_another_one_precedes(autojump_clock: None) -> None:
    async with ledger() as store:
        first, second, third = await store.enqueue([a_route("a1"), a_route("a1"), a_route("a1")])
        _, later, _ = await store.claim("n", {Queue.ALERT: 3}, 30.0)
        await store.settle([Settlement(lease=later.lease, verdict=Verdict.SNOOZED, behind=first.id)])
        assert await store.preceding("acme", "api", third.id, clock(), ["a1"]) == second.id


async def test_of_very_many_older_jobs_the_newest_are_looked_through_and_the_others_waited_for(
    autojump_clock: None,
) -> None:
    async with ledger() as store:
        made = await store.enqueue([a_route(f"a{number}") for number in range(501)])
        await store.enqueue([a_route("x")])
        assert await store.preceding("acme", "api", made[-1].id, clock(), ["x"]) == made[0].id
        assert await store.preceding("acme", "api", made[-2].id, clock(), ["x"]) is None


async def test_the_job_that_is_to_route_an_alert_is_found_or_the_one_that_did_not(autojump_clock: None) -> None:
    told = RouteArgs(noted=(Noted(alert_ids=("a1", "a2"), change=Change.FIRED, version=1, at="2026-01-01T00:00:00Z"),))
    job = a_job("route", framework="api", args=msgspec.json.encode(told).decode())
    async with ledger() as store:
        first, second = await store.enqueue([job, job])
        assert await store.routing_of("acme", "api", "a1") == second.id
        for place in (("other", "api", "a1"), ("acme", "web", "a1"), ("acme", "api", "a")):
            assert await store.routing_of(*place) is None
        await store.cancel("acme", second.id)
        assert await store.routing_of("acme", "api", "a2") == first.id, "what is still to be done counts first"
        await store.cancel("acme", first.id)
        assert await store.routing_of("acme", "api", "a2") == second.id


DAY_US = 86_400 * 1_000_000


async def test_lines_are_kept_as_long_as_the_retention_says(autojump_clock: None) -> None:
    old = a_delivery("old", updated_at=NOW - 91 * DAY_US, state=DeliveryState.SENT)
    young = a_delivery("young", updated_at=NOW - 89 * DAY_US, state=DeliveryState.SENT)
    async with ledger(old, young) as store:
        await store.trim(NOW)
        assert [await states(store, name) for name in ("old", "young")] == [[], [DeliveryState.SENT]]


async def test_what_is_still_to_be_told_is_kept_however_old_it_is(autojump_clock: None) -> None:
    async with ledger(a_delivery(updated_at=NOW - 400 * DAY_US)) as store:
        await store.trim(NOW)
        assert await states(store) == [DeliveryState.QUEUED]


@pytest.mark.parametrize(
    ("changes", "is_kept"),
    [
        ({"state": AlertState.ACTIVE}, True),
        ({"state": AlertState.ACKNOWLEDGED}, True),
        ({"state": AlertState.RESOLVED, "resolved_at": rfc3339(NOW - DAY_US)}, True),
        ({"state": AlertState.RESOLVED, "resolved_at": rfc3339(NOW - 91 * DAY_US)}, False),
        ({"state": AlertState.EXPIRED, "last_seen_at": rfc3339(NOW - 91 * DAY_US)}, False),
    ],
)
async def test_what_was_told_of_an_alert_is_kept_until_its_end_is_old_as_well(
    autojump_clock: None, changes: Any, is_kept: bool
) -> None:
    alert = replace(an_alert(at=NOW - 400 * DAY_US), **changes)
    line = a_delivery(alert.id, updated_at=NOW - 400 * DAY_US, state=DeliveryState.SENT)
    async with ledger(line) as store:
        await store.commit(a_commit(rows=[a_row(alert)]))
        await store.trim(NOW)
        assert await states(store, alert.id) == [DeliveryState.SENT] * is_kept


async def test_old_lines_are_looked_at_some_at_a_time_and_each_once(autojump_clock: None) -> None:
    alert = an_alert()
    lines = [a_delivery(f"a{n}", state=DeliveryState.SENT) for n in range(2)]
    kept = [a_delivery(alert.id, version=str(n), state=DeliveryState.SENT) for n in range(2)]
    async with ledger(*kept, *lines) as store:
        await store.commit(a_commit(rows=[a_row(alert)]))
        assert await store.trim_deliveries(NOW, 2) == (0, None)
        gone, after = await store.trim_deliveries(NOW + 1, 2)
        assert gone == 0 and after is not None
        gone, after = await store.trim_deliveries(NOW + 1, 2, after)
        assert gone == 2 and after is not None
        assert await store.trim_deliveries(NOW + 1, 2, after) == (0, None)
