"""Jobs and queues over HTTP: who sees which, what can be done about them, how the queues stand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from trio.testing import MockClock

from engine.access.audit import TrailWanted
from engine.jobs.kinds import Done, Hopeless
from engine.jobs.verbs import FAILED_HEALTHY
from protocol.jobs import Claimed, Queue
from protocol.model import Principal
from tests.support.http_api import client_of, problem
from tests.support.jobs import clock
from tests.support.shelves import who
from tests.support.works import Word, Workshop, a_workshop

PATH = "/api/v1/jobs"
ADMIN, VIEWER, OPERATOR = who("admin"), who("viewer", user="eve"), who("admin", "system", "root")
RIVAL = who("admin", "umbrella")


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    async with a_workshop() as workshop:
        yield workshop


@pytest.fixture
async def client(workshop: Workshop) -> AsyncIterator[httpx.AsyncClient]:
    async with workshop.client(ADMIN, VIEWER, OPERATOR, RIVAL) as client:
        yield client


def as_one(person: Principal) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.user}:{person.role}@{person.workspace}"}


async def listed(client: httpx.AsyncClient, query: str = "", person: Principal = ADMIN) -> list[int]:
    answer = await client.get(f"{PATH}{query}", headers=as_one(person))
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["items"]]


async def boom(claimed: Claimed, args: Word) -> Any:
    raise RuntimeError(f"no {args.text}")


async def hopeless(claimed: Claimed, args: Word) -> Any:
    return Hopeless("no such mailbox")


async def test_jobs_are_listed_newest_first_by_queue_kind_and_state(
    client: httpx.AsyncClient, workshop: Workshop
) -> None:
    first, second = await workshop.put(), await workshop.put(queue=Queue.ALERT)
    third = await workshop.put(run_at=clock() + 10**9)
    assert await listed(client) == [third, second, first]
    assert await listed(client, "?queue=alert") == [second]
    assert await listed(client, "?state=delayed") == [third]
    assert await listed(client, "?kind=say&state=waiting&queue=notification") == [first]
    assert await listed(client, "?kind=trigger") == []


async def test_a_list_comes_in_pages(client: httpx.AsyncClient, workshop: Workshop) -> None:
    numbers = [await workshop.put() for _ in range(3)]
    page = (await client.get(f"{PATH}?limit=2")).json()
    assert [job["id"] for job in page["items"]] == numbers[:0:-1]
    last = (await client.get(f"{PATH}?limit=2&cursor={page['next_cursor']}")).json()
    assert ([job["id"] for job in last["items"]], last["next_cursor"]) == (numbers[:1], None)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?queue=mail", "queue: 'mail' is not allowed; use one or more of: alert, analytics"),
        ("?state=done", "state: 'done' is not allowed; use one or more of: waiting, delayed"),
        ("?kind=fax", "kind: no job of the kind 'fax' is known here; known: alert_stats_refresh"),
        ("?cursor=x", "cursor: it is none of this list"),
        ("?colour=red", "there is no parameter 'colour' here"),
    ],
)
async def test_a_filter_that_means_nothing_is_refused_with_what_there_is(
    client: httpx.AsyncClient, query: str, said: str
) -> None:
    assert said in problem(await client.get(PATH + query), 400, 107)


async def test_an_administrator_sees_his_workspace_and_the_operator_all(
    client: httpx.AsyncClient, workshop: Workshop
) -> None:
    ours, theirs, own = await workshop.put(), await workshop.put(workspace="umbrella"), await workshop.put(workspace="")
    assert await listed(client) == await listed(client, "?workspace=acme") == [ours]
    assert await listed(client, person=OPERATOR) == [own, theirs, ours]
    assert await listed(client, "?workspace=umbrella", OPERATOR) == [theirs]
    assert "no such workspace" in problem(await client.get(f"{PATH}?workspace=umbrella"), 404, 102)
    problem(await client.get(PATH, headers=as_one(VIEWER)), 403, 103)


@pytest.mark.parametrize("job_id", ["1", "2", "0", "01", "x", "-1", "%D9%A1", "9" * 30])
async def test_what_is_not_ours_is_answered_as_what_does_not_exist(
    client: httpx.AsyncClient, workshop: Workshop, job_id: str
) -> None:
    await workshop.put(workspace="umbrella")
    for answer in (
        await client.get(f"{PATH}/{job_id}"),
        await client.post(f"{PATH}/{job_id}/cancel"),
        await client.post(f"{PATH}/{job_id}/retry"),
    ):
        assert problem(answer, 404, 102) == "there is no such job"


async def test_a_job_shows_what_it_was_given_and_what_came_of_it(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    number = await workshop.put(args='{"text":"hello"}', framework="web")
    before = (await client.get(f"{PATH}/{number}")).json()
    assert (before["state"], before["attempt"], before["finished_at"]) == ("waiting", 0, None)
    await workshop.work()
    after = (await client.get(f"{PATH}/{number}")).json()
    assert (after["state"], after["attempt"], after["args"], after["result"]) == (
        "completed",
        1,
        {"text": "hello"},
        "hello",
    )
    assert after["created_at"] <= after["started_at"] <= after["finished_at"]
    assert (after["queue"], after["kind"], after["workspace"], after["framework_id"]) == (
        *("notification", "say"),
        *("acme", "web"),
    )


async def test_a_failed_job_shows_each_attempts_cause_and_traceback(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    workshop.doing = boom
    number = await workshop.put(args='{"text":"wire"}', attempts_max=2)
    await workshop.work(5)
    job = (await client.get(f"{PATH}/{number}")).json()
    assert [error["cause"] for error in job["errors"]] == ["RuntimeError: no wire"] * 2
    assert all("in boom" in error["traceback"] for error in job["errors"])
    [line] = (await client.get(PATH)).json()["items"]
    assert (line["state"], line["cause"]) == ("failed", "RuntimeError: no wire")
    assert "errors" not in line
    assert "args" not in line


async def test_a_job_that_waits_is_cancelled_once_and_stays_so(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    number = await workshop.put()
    for _ in range(2):
        answer = await client.post(f"{PATH}/{number}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    await workshop.work()
    assert (await client.get(f"{PATH}/{number}")).json()["attempt"] == 0


async def test_what_has_ended_is_not_cancelled_and_what_has_not_failed_is_not_retried(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    number = await workshop.put()
    assert "the job is waiting" in problem(await client.post(f"{PATH}/{number}/retry"), 409, 107)
    await workshop.work()
    assert "the job has ended (completed)" in problem(await client.post(f"{PATH}/{number}/cancel"), 409, 107)
    assert "the job is completed" in problem(await client.post(f"{PATH}/{number}/retry"), 409, 107)


async def test_a_failed_job_is_done_once_more(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    workshop.doing = hopeless
    number = await workshop.put()
    await workshop.work()
    workshop.doing = None
    answer = await client.post(f"{PATH}/{number}/retry")
    assert (answer.json()["state"], answer.json()["attempt"]) == ("waiting", 0)
    await workshop.work()
    job = (await client.get(f"{PATH}/{number}")).json()
    # It is well: how it failed before is told by its errors alone.
    assert (job["state"], job["cause"]) == ("completed", None)
    assert [error["cause"] for error in job["errors"]] == ["no such mailbox"]


async def test_a_job_whose_key_a_newer_one_has_is_not_retried_beside_it(
    client: httpx.AsyncClient, workshop: Workshop
) -> None:
    number = await workshop.put(key="k")
    await client.post(f"{PATH}/{number}/cancel")
    newer = await workshop.put(key="k")
    assert newer != number
    assert "a newer job with the same key" in problem(await client.post(f"{PATH}/{number}/retry"), 409, 107)


async def test_each_act_is_on_record(client: httpx.AsyncClient, workshop: Workshop) -> None:
    number = await workshop.put()
    await client.post(f"{PATH}/{number}/cancel")
    await client.post(f"{PATH}/{number}/retry")
    for verb in ("pause", "resume", "redrive"):
        await client.post(f"/api/v1/queues/alert/{verb}", headers=as_one(OPERATOR))
    ours = (await workshop.trail.page(ADMIN, TrailWanted())).items
    assert [(line.verb, line.target, line.by) for line in ours] == [
        ("retry_job", str(number), "ada"),
        ("cancel_job", str(number), "ada"),
    ]
    theirs = (await workshop.trail.page(OPERATOR, TrailWanted())).items
    assert [(line.verb, line.target) for line in theirs] == [
        (f"{verb}_queue", "alert") for verb in ("redrive", "resume", "pause")
    ]


async def test_what_was_refused_is_not_on_record(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    number = await workshop.put()
    await workshop.work()
    for verb in ("cancel", "retry"):
        problem(await client.post(f"{PATH}/{number}/{verb}"), 409, 107)
    assert (await workshop.trail.page(ADMIN, TrailWanted())).items == []


async def test_a_job_that_is_cancelled_twice_is_on_record_once(client: httpx.AsyncClient, workshop: Workshop) -> None:
    number = await workshop.put()
    for _ in range(2):
        assert (await client.post(f"{PATH}/{number}/cancel")).status_code == 200
    assert [line.verb for line in (await workshop.trail.page(ADMIN, TrailWanted())).items] == ["cancel_job"]


async def test_a_paused_queue_keeps_what_comes_until_it_goes_on(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    paused = await client.post("/api/v1/queues/notification/pause", headers=as_one(OPERATOR))
    assert (paused.status_code, paused.json()["paused"]) == (200, True)
    number = await workshop.put()
    await workshop.work()
    assert (await client.get(f"{PATH}/{number}")).json()["state"] == "waiting"
    resumed = await client.post("/api/v1/queues/notification/resume", headers=as_one(OPERATOR))
    assert (resumed.json()["paused"], resumed.json()["waiting"]) == (False, 1)
    await workshop.work()
    assert (await client.get(f"{PATH}/{number}")).json()["state"] == "completed"


async def test_the_failed_jobs_of_a_queue_are_redriven_together(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    workshop.doing = hopeless
    for _ in range(3):
        await workshop.put()
    await workshop.work()
    answer = await client.post("/api/v1/queues/notification/redrive", headers=as_one(OPERATOR))
    assert (answer.status_code, answer.json()) == (200, {"redriven": 3})
    assert len(await listed(client, "?state=waiting")) == 3


async def test_a_queue_can_be_bounded_and_set_free_again(client: httpx.AsyncClient, workshop: Workshop) -> None:
    place, headers = "/api/v1/queues/notification/limit", as_one(OPERATOR)
    for limit in (2, None):
        answer = await client.post(place, json={"limit": limit}, headers=headers)
        assert (answer.status_code, answer.json()["limit"]) == (200, limit)
    acts = (await workshop.trail.page(OPERATOR, TrailWanted())).items
    assert [(act.verb, act.target) for act in acts] == [
        ("limit_queue", "notification:none"),
        ("limit_queue", "notification:2"),
    ]
    for wrong in ({"limit": 0}, {"limit": "many"}, {}):
        problem(await client.post(place, json=wrong, headers=headers), 400, 107)
    problem(await client.post(place, json={"limit": 2}), 403, 103)


async def test_queues_are_the_operators(client: httpx.AsyncClient) -> None:
    said = "queues are for administrators of the workspace 'system'"
    assert said in problem(await client.get("/api/v1/queues"), 403, 103)
    for verb in ("pause", "resume", "redrive"):
        assert said in problem(await client.post(f"/api/v1/queues/alert/{verb}"), 403, 103)
        unknown = await client.post(f"/api/v1/queues/mail/{verb}", headers=as_one(OPERATOR))
        assert "there is no queue 'mail'; there are: alert, analytics" in problem(unknown, 404, 102)


async def test_queues_tell_how_they_stand_and_how_they_fare(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    async def first_time_fails(claimed: Claimed, args: Word) -> Any:
        return await boom(claimed, args) if claimed.attempt == 1 else Done()

    workshop.doing = first_time_fails
    await workshop.put(attempts_max=2)
    await workshop.put(run_at=clock() + 10**9)
    await workshop.work(5)
    items = (await client.get("/api/v1/queues", headers=as_one(OPERATOR))).json()["items"]
    assert [item["queue"] for item in items] == ["alert", "analytics", "prediction", "notification"]
    shown = items[-1]
    assert (shown["waiting"], shown["delayed"], shown["completed"], shown["failed"]) == (0, 1, 1, 0)
    assert (shown["retry_rate"], shown["success_rate"], shown["lost_leases"]) == (0.5, 1.0, 0)
    assert 0 < shown["claim"]["p50_s"] <= shown["claim"]["p99_s"]
    assert (items[0]["retry_rate"], items[0]["success_rate"], items[0]["claim"]["p50_s"]) == (None, None, None)


async def test_the_references_health_is_told_to_this_machine_without_a_token(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    workshop.doing = hopeless
    for _ in range(FAILED_HEALTHY):
        await workshop.put()
    await workshop.put(run_at=clock() + 10**9)
    await workshop.work()
    health = (await client.get("/api/metrics/queue", headers={"Authorization": ""})).json()
    assert (health["healthy"], health["failed_jobs"], health["delayed_jobs"]) == (True, FAILED_HEALTHY, 1)
    assert set(health["queues"]) == {queue.value for queue in Queue}
    await workshop.put()
    await workshop.work()
    assert (await client.get("/api/metrics/queue")).json()["healthy"] is False


async def test_a_queue_in_which_something_waits_for_a_minute_is_not_healthy_unless_it_is_paused(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    await workshop.put()
    assert (await client.get("/api/metrics/queue")).json()["healthy"] is True
    autojump_clock.jump(61)
    assert (await client.get("/api/metrics/queue")).json()["healthy"] is False
    await workshop.store.pause(Queue.NOTIFICATION, True)
    assert (await client.get("/api/metrics/queue")).json()["healthy"] is True


async def test_from_another_machine_the_health_is_the_operators(workshop: Workshop) -> None:
    here = workshop.client(ADMIN, OPERATOR)
    app = here._transport.app  # type: ignore[attr-defined]
    async with here, client_of(app, host="192.0.2.7") as far:
        problem(await far.get("/api/metrics/queue", headers=as_one(ADMIN)), 403, 103)
        assert (await far.get("/api/metrics/queue", headers=as_one(OPERATOR))).status_code == 200
