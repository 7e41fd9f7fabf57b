"""`?async=true`: what is taken at once, done later with the rights of who asked, and shown to him."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import trio
from trio.testing import MockClock

from engine.jobs.handed import ARGS_MAX_BYTES, asker_of
from engine.stores.connections import Revocation, RevocationKind
from protocol.errors import StoreUnavailable, TooManyRequests
from protocol.items import TriggerInput
from protocol.jobs import JobState, Queue
from protocol.limits import Limit
from tests.support.http_api import client_of, make_app, problem
from tests.support.http_service import FakeService
from tests.support.jobs import clock
from tests.support.shelves import who
from tests.support.works import BUSY, RUNG, Workshop, a_workshop
from tests.unit.test_http_jobs import as_one

ADA, BOB = who("producer", channels=("web",)), who("producer", user="bob")
ADMIN, VIEWER = who("admin", user="boss"), who("viewer", user="eve")
LATER = "/api/v1/triggers?async=true"
RING = {"alert": {"framework_id": "web", "title": "Search is slow"}}


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    async with a_workshop() as workshop:
        yield workshop


@pytest.fixture
async def client(workshop: Workshop) -> AsyncIterator[httpx.AsyncClient]:
    async with workshop.client(ADA, BOB, ADMIN, VIEWER) as client:
        yield client


async def taken(client: httpx.AsyncClient, body: Any = RING, key: str | None = None) -> str:
    answer = await client.post(LATER, json=body, headers={"Idempotency-Key": key} if key else {})
    assert answer.status_code == 202, answer.text
    place = answer.headers["location"]
    assert place == f"/api/v1/jobs/{answer.json()['job_id']}"
    return str(place)


async def test_it_is_taken_at_once_and_the_job_has_the_results_later(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    place = await taken(client)
    assert workshop.rung == []
    assert (await client.get(place)).json()["state"] == "waiting"
    await workshop.work()
    job = (await client.get(place)).json()
    assert (job["state"], job["queue"], job["kind"]) == ("completed", "alert", "trigger")
    assert job["result"] == {"results": [{"status": "fired", "reason": "fired", "alertId": None, "offset": None}]}
    [(by, [ring])] = workshop.rung
    assert (by.workspace, by.user, by.role, by.channels) == ("acme", "ada", "producer", ("web",))
    assert (ring.framework_id, ring.title) == ("web", "Search is slow")


async def test_who_handed_it_over_sees_it_and_other_people_do_not(
    client: httpx.AsyncClient, workshop: Workshop
) -> None:
    place = await taken(client)
    assert (await client.get(place)).json()["args"] == {}
    assert "by" in (await client.get(place, headers=as_one(ADMIN))).json()["args"]
    for other in (BOB, VIEWER):
        assert problem(await client.get(place, headers=as_one(other)), 404, 102) == "there is no such job"
    nobodys = await workshop.put(args='{"text":"hello"}')
    problem(await client.get(f"/api/v1/jobs/{nobodys}"), 404, 102)
    strange = await workshop.put(args='{"by":5}')
    assert asker_of(await workshop.jobs.job(ADMIN, strange)) is None


async def test_tracebacks_are_for_administrators(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    workshop.answers = [ValueError("a bug")] * 3
    place = await taken(client)
    await workshop.work(20)
    own, whole = [(await client.get(place, headers=as_one(each))).json()["errors"] for each in (ADA, ADMIN)]
    assert [error["cause"] for error in own] == ["ValueError: a bug"] * 3
    assert [error["traceback"] for error in own] == [None] * 3
    assert all("ValueError" in error["traceback"] for error in whole)


async def test_the_loudest_ring_first(client: httpx.AsyncClient, workshop: Workshop) -> None:
    loudness = ["info", "critical", None]
    for severity in loudness:
        await taken(client, {"alert": {"framework_id": "web", "severity": severity}})
    jobs = (await client.get("/api/v1/jobs", headers=as_one(ADMIN))).json()["items"]
    assert [job["priority"] for job in jobs[::-1]] == [10, 1, 5]
    mixed = {"alerts": [{"framework_id": "web", "severity": word} for word in ("info", "page")]}
    workshop.handed._most = 4
    place = await taken(client, mixed)
    assert (await client.get(place)).json()["priority"] == 1


async def test_a_job_belongs_to_the_framework_that_all_of_it_is_about(client: httpx.AsyncClient) -> None:
    one = await taken(client)
    two = await taken(client, {"alerts": [{"framework_id": "web"}, {"framework_id": "db"}]})
    assert [(await client.get(place)).json()["framework_id"] for place in (one, two)] == ["web", None]


async def test_what_found_a_full_mailbox_is_offered_again_alone(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    place = await taken(client, {"alerts": [{"framework_id": "web", "title": title} for title in ("one", "two")]})
    workshop.answers = [BUSY]
    await workshop.work(3)
    assert [[each.title for each in inputs] for _, inputs in workshop.rung] == [["one", "two"], ["one"]]
    results = (await client.get(place)).json()["result"]["results"]
    assert [result["status"] for result in results] == ["fired", "fired"]


async def test_a_mailbox_that_stays_full_is_another_attempt_and_the_trigger_is_not_lost(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    place = await taken(client)
    workshop.answers = [BUSY] * 4
    await workshop.work(8)
    job = (await client.get(place)).json()
    assert (job["state"], job["cause"]) == ("delayed", "1 of 1 triggers were not taken: busy; the others were")
    await workshop.work(10)
    job = (await client.get(place)).json()
    assert (job["state"], job["attempt"], job["result"]["results"][0]["status"]) == ("completed", 2, "fired")


async def test_a_mailbox_that_is_full_at_every_attempt_is_a_failed_job(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    place = await taken(client, {"alerts": [{"framework_id": "web"}, {"framework_id": "db"}]})
    workshop.answers = [answer for _ in range(3) for answer in (RUNG, BUSY, BUSY, BUSY, BUSY)]
    await workshop.work(60)
    job = (await client.get(place)).json()
    assert (job["state"], job["attempt"]) == ("failed", 3)
    assert job["cause"] == "1 of 2 triggers were not taken: busy; the others were"


@pytest.mark.parametrize(("kind", "target"), [(RevocationKind.USER, "ada"), (RevocationKind.JTI, "token-1")])
async def test_who_was_revoked_meanwhile_does_not_ring_any_more(
    workshop: Workshop, autojump_clock: MockClock, kind: RevocationKind, target: str
) -> None:
    ada = msgspec.structs.replace(ADA, token_id="token-1")
    numbers = [
        await workshop.handed.triggers(ada, [TriggerInput(framework_id="web")]),
        await workshop.handed.generate(ada, ["p1"]),
    ]
    await trio.sleep(5)
    workshop.revocations.add(
        Revocation(workspace="acme", kind=kind, target=target, at=clock(), ends_at=clock() + 10**12, by="boss")
    )
    await workshop.work()
    assert (workshop.rung, workshop.generated) == ([], [])
    for number in numbers:
        job = await workshop.store.job("acme", number)
        assert job is not None
        assert (job.state, job.attempt) == (JobState.FAILED, 1)
        assert job.errors[0].cause.startswith("the token of ada was revoked after this was handed over")


async def test_what_was_handed_over_with_a_newer_token_than_the_revoked_ones_rings(
    workshop: Workshop, autojump_clock: MockClock
) -> None:
    workshop.revocations.add(
        Revocation(
            workspace="acme", kind=RevocationKind.USER, target="ada", at=clock(), ends_at=clock() + 10**12, by="boss"
        )
    )
    await trio.sleep(5)
    await workshop.handed.triggers(ADA, [TriggerInput(framework_id="web")])
    await workshop.work()
    assert len(workshop.rung) == 1


async def test_a_renewed_token_sends_the_same_request(workshop: Workshop) -> None:
    inputs = [TriggerInput(framework_id="web")]
    numbers = {
        await workshop.handed.triggers(msgspec.structs.replace(ADA, token_id=token), inputs, "order-7")
        for token in ("token-1", "token-2")
    }
    assert len(numbers) == 1


async def test_a_store_that_is_away_is_another_attempt(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    place = await taken(client)
    workshop.answers = [StoreUnavailable("away")]
    await workshop.work(4)
    job = (await client.get(place)).json()
    assert (job["state"], job["attempt"]) == ("completed", 2)
    assert [error["cause"] for error in job["errors"]] == ["StoreUnavailable: away"]


async def test_the_same_key_is_one_job_also_after_it_has_ended(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    places = {await taken(client, key="order-7") for _ in range(2)}
    await workshop.work()
    places.add(await taken(client, key="order-7"))
    assert len(places) == 1
    assert len(workshop.rung) == 1
    assert await taken(client, key="order-8") not in places
    assert await taken(client) not in places


async def test_a_key_belongs_to_who_sends_it_and_to_what_it_was_sent_with(client: httpx.AsyncClient) -> None:
    await taken(client, key="k")
    other = {"alert": {"framework_id": "db"}}
    answer = await client.post(LATER, json=other, headers={"Idempotency-Key": "k"})
    assert "stands for another request already" in problem(answer, 409, 107)
    answer = await client.post(LATER, json=other, headers={"Idempotency-Key": "k"} | as_one(BOB))
    assert answer.status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_a_key_that_cannot_be_one_is_refused(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post(LATER, json=RING, headers={"Idempotency-Key": key})
    assert "Idempotency-Key: use 1-255 printable characters" in problem(answer, 400, 107)


async def test_beyond_the_limit_of_a_workspace_the_answer_is_busy_and_counted(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    await workshop.put(queue=Queue.ALERT, key="another's")
    for _ in range(3):
        await taken(client, key=None)
    answer = await client.post(LATER, json=RING)
    assert "3 jobs that this workspace handed over are still to be done, the limit" in problem(answer, 503, 120)
    assert answer.headers["retry-after"] == "1"
    assert workshop.refused == [Limit.HANDED_OVER]
    await workshop.work()
    await taken(client)


async def test_a_request_that_is_too_large_to_be_kept_is_refused(client: httpx.AsyncClient) -> None:
    message = "x" * 8_000
    body = {"alerts": [{"framework_id": "web", "message": message}] * 40}
    said = problem(await client.post(LATER, json=body), 400, 107)
    assert f"at most {ARGS_MAX_BYTES}: send it in parts" in said


async def test_who_may_not_ring_may_not_later_either(client: httpx.AsyncClient) -> None:
    problem(await client.post(LATER, json=RING, headers=as_one(VIEWER)), 403, 103)


async def test_where_nothing_is_done_later_that_is_said() -> None:
    service = FakeService()
    service.principals = {"ada:producer@acme": ADA}
    async with client_of(make_app(service), headers=as_one(ADA)) as client:
        assert "async: nothing is done later here" in problem(await client.post(LATER, json=RING), 400, 107)


async def test_steps_of_projects_ring_later_with_a_result_each(workshop: Workshop, autojump_clock: MockClock) -> None:
    number = await workshop.handed.generate(BOB, ["7", "8"], "k")
    assert await workshop.handed.generate(BOB, ["7", "8"], "k") == number
    # The workspace sends too much just then: the job waits as long as it is told.
    workshop.faults = [TooManyRequests("slowly", Limit.WORKSPACE_ITEMS_PER_S, 2.5)]
    await workshop.work(3)
    [(by, projects)] = workshop.generated
    assert (by.user, list(projects)) == ("bob", ["7", "8"])
    job = await workshop.jobs.job(BOB, number)
    assert job.result is not None
    assert '"project_id":"8"' in job.result


async def test_a_schedule_rings_for_all_projects_that_follow_a_workflow(
    workshop: Workshop, autojump_clock: MockClock
) -> None:
    workshop.trackers = ["1", "2", "3"]
    number = await workshop.put(
        queue=Queue.ALERT, kind="workflow_generate", schedule="acme:nightly", args='{"since":1,"until":2}'
    )
    await workshop.work()
    assert [list(projects) for _, projects in workshop.generated] == [["1", "2"], ["3"]]
    assert {(by.user, by.role) for by, _ in workshop.generated} == {("schedule:acme:nightly", "editor")}
    job = await workshop.jobs.job(ADMIN, number)
    assert job.result == '{"projects":3,"statuses":{"fired":3}}'


async def test_where_no_project_follows_a_workflow_nothing_rings(workshop: Workshop, autojump_clock: MockClock) -> None:
    number = await workshop.put(queue=Queue.ALERT, kind="workflow_generate")
    await workshop.work()
    assert workshop.generated == []
    assert (await workshop.jobs.job(ADMIN, number)).result == '{"projects":0,"statuses":{}}'


@pytest.mark.parametrize("projects", ["", '"project_ids":["1","2","3"],'])
@pytest.mark.parametrize(
    ("refuses", "state", "cause"),
    [
        (
            {"1": "unknown_workflow", "2": "archived", "3": "archived"},
            JobState.FAILED,
            ["3 of 3 projects refused: archived 2, unknown_workflow 1"],
        ),
        ({"1": "archived", "2": "archived"}, JobState.COMPLETED, []),
        ({"1": "finished", "2": "inactive", "3": "archived"}, JobState.COMPLETED, []),
    ],
)
async def test_a_scheduled_run_of_which_nothing_came_has_failed(
    workshop: Workshop,
    autojump_clock: MockClock,
    projects: str,
    refuses: dict[str, str],
    state: JobState,
    cause: list[str],
) -> None:
    workshop.trackers, workshop.refuses = ["1", "2", "3"], refuses
    number = await workshop.put(
        queue=Queue.ALERT, kind="workflow_generate", schedule="acme:nightly", args=f'{{{projects}"since":1,"until":2}}'
    )
    await workshop.work()
    job = await workshop.jobs.job(ADMIN, number)
    assert (job.state, [error.cause for error in job.errors]) == (state, cause)


async def test_who_hands_projects_over_is_told_of_each_though_all_were_refused(
    workshop: Workshop, autojump_clock: MockClock
) -> None:
    workshop.refuses = {"7": "archived"}
    number = await workshop.handed.generate(BOB, ["7"], "k")
    await workshop.work(3)
    job = await workshop.jobs.job(BOB, number)
    assert (job.state, '"reason":"archived"' in str(job.result)) == (JobState.COMPLETED, True)
