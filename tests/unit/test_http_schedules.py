"""Schedules over HTTP: the engine's own and a workspace's, how each fares, what is done about them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from engine.access.audit import TrailWanted
from engine.configuration.fields import ConfigError
from engine.jobs.kinds import Kinds
from engine.jobs.own import Given, follow_schedules, schedule_kind
from engine.jobs.scheduler import Scheduler
from engine.sections.jobs import ScheduleSetting
from engine.shelf.live import LiveObjects, ObjectFigures
from protocol.errors import Conflict
from protocol.jobs import Verdict
from protocol.schedules import Missed
from protocol.times import SECOND_US, rfc3339
from tests.support.http_api import problem
from tests.support.jobs import clock
from tests.support.shelves import who
from tests.support.stores import NOW
from tests.support.works import Workshop, a_workshop
from tests.unit.test_http_jobs import as_one

PATH = "/api/v1/schedules"
EDITOR, VIEWER, OPERATOR = who("editor"), who("viewer", user="eve"), who("admin", "system", "root")
RIVAL, LIMITED = who("editor", "umbrella"), who("editor", user="lim", channels=("web",))
BUILDER = who("editor", "system", "ed")
NIGHTLY: dict[str, Any] = {"id": "nightly", "cron": "0 2 * * *", "kind": "workflow_generate"}
HOUR_US = 3_600 * SECOND_US


@pytest.fixture
async def workshop() -> AsyncIterator[Workshop]:
    async with a_workshop(trackers=["1"]) as workshop:
        yield workshop


@pytest.fixture
async def client(workshop: Workshop) -> AsyncIterator[httpx.AsyncClient]:
    async with workshop.client(EDITOR, VIEWER, OPERATOR, RIVAL, LIMITED, BUILDER) as client:
        yield client


async def made(client: httpx.AsyncClient, **changes: Any) -> Any:
    answer = await client.post(PATH, json=NIGHTLY | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def runs_of(client: httpx.AsyncClient, name: str = "nightly") -> Any:
    answer = await client.get(f"{PATH}/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json()["runs"]


async def test_a_schedule_of_ones_own_fires_from_then_on_and_tells_how_it_fares(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    await made(client)
    assert await runs_of(client) == {
        "paused": False,
        "next_run": rfc3339(NOW + 2 * HOUR_US),
        "completed": 0,
        "failed": 0,
        "skipped": 0,
        "fault": None,
        "last_run": None,
        "last_duration_s": None,
        "last_outcome": None,
    }
    await workshop.work(2 * 3_600 + 5)
    assert [list(projects) for _, projects in workshop.generated] == [["1"]]
    runs = await runs_of(client)
    assert (runs["completed"], runs["last_outcome"]) == (1, Verdict.COMPLETED.value)
    assert runs["next_run"] == rfc3339(NOW + 26 * HOUR_US)
    assert runs["last_run"] >= rfc3339(NOW + 2 * HOUR_US)
    assert 0 <= runs["last_duration_s"] < 1


async def test_the_scheduler_learns_at_once_of_what_is_made_changed_archived_and_deleted(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(workshop.work, 4 * 3_600)
        await trio.sleep(10)
        await made(client, cron="* * * * *")
        await trio.sleep(60)
        assert len(workshop.generated) == 1
        seen = {"If-Match": "*"}
        assert (await client.patch(f"{PATH}/nightly", json={"cron": "*/10 * * * *"}, headers=seen)).status_code == 200
        await trio.sleep(600)
        assert len(workshop.generated) == 2
        await client.post(f"{PATH}/nightly/archive")
        await trio.sleep(600)
        assert len(workshop.generated) == 2
        await client.post(f"{PATH}/nightly/restore")
        await trio.sleep(600)
        assert len(workshop.generated) == 3
        assert (await client.delete(f"{PATH}/nightly")).status_code == 204
        await trio.sleep(600)
        assert len(workshop.generated) == 3
        assert "acme:nightly" not in await workshop.store.schedules()
        nursery.cancel_scope.cancel()


async def test_one_that_is_to_fire_sooner_than_before_does(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    await made(client)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(workshop.work, 3_600)
        await trio.sleep(10)
        await client.patch(f"{PATH}/nightly", json={"cron": "* * * * *"}, headers={"If-Match": "*"})
        await trio.sleep(60)
        assert len(workshop.generated) == 1
        nursery.cancel_scope.cancel()


async def test_one_whose_kind_only_another_version_knows_says_so_and_stays_as_it_is(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    await made(client)
    await client.post(f"{PATH}/nightly/pause")
    older, given, figures = Scheduler(workshop.store, [], clock), Given({}), ObjectFigures()
    kind = schedule_kind(given, Kinds(), 3, clock)
    live = LiveObjects(workshop.store, figures)
    live.follow(kind.name, follow_schedules(older, Kinds(), given, kind, figures))
    await live.load()
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: older.run(task_status))
        await trio.sleep(3_600)
        assert older.fault("acme:nightly") == "no job of the kind 'workflow_generate' is known here"
        assert (await workshop.store.schedules())["acme:nightly"].paused_at is not None
        await client.delete(f"{PATH}/nightly")
        older.remove("acme:nightly")
        await trio.sleep(1)
        assert (older.fault("acme:nightly"), await workshop.store.schedules()) == (None, {})
        nursery.cancel_scope.cancel()


async def test_what_was_deleted_while_nobody_fired_is_forgotten_at_the_next_start(
    workshop: Workshop, autojump_clock: MockClock
) -> None:
    await workshop.store.add_schedule("acme:gone", NOW)
    await workshop.work(1)
    assert "acme:gone" not in await workshop.store.schedules()


async def test_a_change_does_not_make_good_what_was_before_it(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    await made(client)
    await workshop.work(1)
    await trio.sleep(90 * 60)
    await client.patch(f"{PATH}/nightly", json={"cron": "0 * * * *"}, headers={"If-Match": "*"})
    await workshop.work(60)
    assert workshop.generated == []
    assert (await runs_of(client))["next_run"] == rfc3339(NOW + 2 * HOUR_US)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cron": "0 2 * *"}, "cron: '0 2 * *' is not a cron line"),
        ({"cron": "0 0 30 2 *"}, "cron: '0 0 30 2 *' is not a cron line: Bad day-of-month"),
        ({"cron": "* * * * * *"}, "has seconds; write five fields"),
        ({"zone": "Mars/Olympus"}, "zone: there is no time zone 'Mars/Olympus'"),
        ({"kind": "job_cleanup"}, "kind: 'job_cleanup' cannot be scheduled here; use one of: workflow_generate"),
        ({"kind": "fax"}, "kind: 'fax' cannot be scheduled here"),
        ({"args": {"by": {"user": "root", "role": "admin"}}}, "args: workflow_generate takes no 'by'"),
        ({"args": {"colour": 1}}, "args: workflow_generate takes no 'colour'; it takes: project_ids"),
        ({"args": {"project_ids": "1"}}, "args: Expected `array | null`, got `str`"),
        ({"missed": "never"}, "missed"),
        ({"when": "soon"}, "when"),
    ],
)
async def test_what_could_not_run_is_refused_while_it_is_saved(
    client: httpx.AsyncClient, changes: dict[str, Any], said: str
) -> None:
    assert said in problem(await client.post(PATH, json=NIGHTLY | changes), 400, 107)


async def test_it_may_be_for_some_projects_in_another_zone_with_catching_up(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    await made(client, args={"project_ids": ["7"]}, zone="Europe/Berlin", missed="catch_up")
    await workshop.work(1)
    await trio.sleep(48 * 3_600)
    await workshop.work(60)
    assert [list(projects) for _, projects in workshop.generated] == [["7"], ["7"]]


async def test_a_schedule_that_was_shown_may_be_sent_back(client: httpx.AsyncClient) -> None:
    await made(client)
    shown = await client.get(f"{PATH}/nightly")
    back = await client.put(f"{PATH}/nightly", json=shown.json(), headers={"If-Match": shown.headers["etag"]})
    assert (back.status_code, back.json()["version"]) == (200, 1)


async def test_the_engines_own_are_listed_for_system_and_no_other_workspace(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{PATH}?limit=3", headers=as_one(OPERATOR))
    page = answer.json()
    assert [each["id"] for each in page["items"]] == [
        "alert-stats-refresh",
        "cache-health-check",
        "job-cleanup",
    ]
    assert {each["origin"] for each in page["items"]} == {"config"}
    assert all(each["runs"]["next_run"] for each in page["items"])
    rest = await client.get(f"{PATH}?limit=99&cursor={page['next_cursor']}", headers=as_one(OPERATOR))
    assert "retention" in [each["id"] for each in rest.json()["items"]]
    assert (await client.get(PATH)).json() == {"items": [], "next_cursor": None}
    problem(await client.get(f"{PATH}/retention"), 404, 102)


async def test_the_engines_own_are_changed_in_the_configuration_only(client: httpx.AsyncClient) -> None:
    headers = as_one(OPERATOR) | {"If-Match": "*"}
    answer = await client.patch(f"{PATH}/retention", json={"cron": "0 0 * * *"}, headers=headers)
    assert "change it there ([[schedules]])" in problem(answer, 409, 107)


async def test_a_paused_schedule_does_not_fire_until_it_is_resumed(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    await made(client, cron="0 * * * *")
    for _ in range(2):
        paused = (await client.post(f"{PATH}/nightly/pause")).json()["runs"]
        assert (paused["paused"], paused["next_run"]) == (True, None)
    await workshop.work(3 * 3_600)
    resumed = (await client.post(f"{PATH}/nightly/resume")).json()["runs"]
    assert (resumed["paused"], resumed["next_run"]) == (False, rfc3339(NOW + 3 * HOUR_US))
    assert workshop.generated == []
    await workshop.work(5)
    assert len(workshop.generated) == 1


async def test_it_is_done_once_when_asked_and_not_twice_at_a_time(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    await made(client)
    await client.post(f"{PATH}/nightly/pause")
    answer = await client.post(f"{PATH}/nightly/run")
    assert answer.status_code == 202
    number = answer.json()["job_id"]
    assert answer.headers["location"] == f"/api/v1/jobs/{number}"
    assert f"that is job {number}" in problem(await client.post(f"{PATH}/nightly/run"), 409, 107)
    await workshop.work()
    assert len(workshop.generated) == 1
    assert (await runs_of(client))["completed"] == 1
    assert (await client.post(f"{PATH}/nightly/run")).status_code == 202


async def test_the_operator_pauses_and_runs_the_engines_own(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    for verb, status in (("pause", 200), ("resume", 200), ("run", 202)):
        answer = await client.post(f"{PATH}/retention/{verb}", headers=as_one(OPERATOR))
        assert answer.status_code == status, answer.text
        problem(await client.post(f"{PATH}/retention/{verb}", headers=as_one(BUILDER)), 403, 103)
    await workshop.work()
    lines = (await workshop.trail.page(OPERATOR, TrailWanted())).items
    assert [(line.verb, line.target) for line in lines] == [
        (f"{verb}_schedule", "retention") for verb in ("run", "resume", "pause")
    ]
    retention = (await client.get(f"{PATH}/retention", headers=as_one(OPERATOR))).json()
    assert (retention["runs"]["completed"], retention["runs"]["last_outcome"]) == (1, "completed")


async def test_who_may_not_and_another_workspace(client: httpx.AsyncClient) -> None:
    await made(client)
    problem(await client.post(PATH, json=NIGHTLY, headers=as_one(VIEWER)), 403, 103)
    problem(await client.post(f"{PATH}/nightly/run", headers=as_one(VIEWER)), 403, 103)
    # It would ring for all projects of the workspace.
    problem(await client.post(PATH, json=NIGHTLY | {"id": "x"}, headers=as_one(LIMITED)), 403, 103)
    problem(await client.post(f"{PATH}/nightly/run", headers=as_one(LIMITED)), 403, 103)
    for verb in ("pause", "resume", "run"):
        problem(await client.post(f"{PATH}/nightly/{verb}", headers=as_one(RIVAL)), 404, 102)


async def test_one_that_is_put_away_is_not_run(client: httpx.AsyncClient, workshop: Workshop) -> None:
    await made(client)
    await client.post(f"{PATH}/nightly/archive")
    assert "it is put away" in problem(await client.post(f"{PATH}/nightly/run"), 409, 107)
    runs = await runs_of(client)
    assert (runs["paused"], runs["next_run"]) == (False, None)


async def test_one_that_is_taken_out_again_is_as_it_was_put_away(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    await made(client, cron="* * * * *")
    await workshop.work(65)
    await client.post(f"{PATH}/nightly/pause")
    await client.post(f"{PATH}/nightly/archive")
    await workshop.work(65)
    # Started again meanwhile, it knows what is put away from what was deleted.
    again = Workshop(workshop.store)
    await again.live.load()
    await again.work(65)
    async with again.client(EDITOR) as client:
        await client.post(f"{PATH}/nightly/restore")
        await again.work(600)
        runs = await runs_of(client)
    assert (again.generated, runs["paused"], runs["completed"]) == ([], True, 1)


async def test_one_that_is_made_anew_has_nothing_of_the_deleted_one_and_keeps_what_is_done_to_it(
    client: httpx.AsyncClient, workshop: Workshop, autojump_clock: MockClock
) -> None:
    await made(client, cron="* * * * *")
    await workshop.work(65)
    assert (await client.delete(f"{PATH}/nightly")).status_code == 204
    await made(client, cron="* * * * *")
    # Before the scheduler has forgotten the old one.
    await client.post(f"{PATH}/nightly/pause")
    await workshop.work(65)
    runs = await runs_of(client)
    assert (runs["paused"], runs["completed"], len(workshop.generated)) == (True, 0, 1)


async def test_a_workspace_has_so_many_and_no_more(client: httpx.AsyncClient) -> None:
    for name in "abc":
        await made(client, id=name)
    assert "limit 3 (objects.schedules_max)" in problem(await client.post(PATH, json=NIGHTLY), 429, 106)


async def test_the_configuration_adds_schedules_and_changes_the_engines_own(autojump_clock: MockClock) -> None:
    settings = [
        ScheduleSetting(name="weekly", cron="0 3 * * 1", kind="workflow_generate", args={"project_ids": ["7"]}),
        ScheduleSetting(name="retention", cron="0 4 * * *", zone="Europe/Berlin", missed=Missed.SKIP),
        ScheduleSetting(name="cache-health-check", paused=True),
    ]
    async with a_workshop(settings=settings) as workshop, workshop.client(EDITOR, OPERATOR) as client:
        weekly = (await client.get(f"{PATH}/weekly")).json()
        assert (weekly["cron"], weekly["args"], weekly["origin"]) == ("0 3 * * 1", {"project_ids": ["7"]}, "config")
        retention = (await client.get(f"{PATH}/retention", headers=as_one(OPERATOR))).json()
        assert (retention["cron"], retention["zone"], retention["missed"]) == ("0 4 * * *", "Europe/Berlin", "skip")
        paused = (await client.get(f"{PATH}/cache-health-check", headers=as_one(OPERATOR))).json()
        assert (paused["runs"]["paused"], paused["runs"]["next_run"]) == (True, None)
        answer = await client.post(f"{PATH}/cache-health-check/resume", headers=as_one(OPERATOR))
        assert "paused by the configuration" in problem(answer, 409, 107)
        # An editor does not take over what stands in the file.
        assert "change it there" in problem(await client.post(PATH, json=NIGHTLY | {"id": "weekly"}), 409, 107)
        await workshop.work(7 * 3_600)
        assert (await workshop.store.schedules())["cache-health-check"].completed == 0
        assert (await workshop.store.schedules())["cache-health-check"].last_fire == NOW + 6 * HOUR_US


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (ScheduleSetting(name="x", cron="0 2 * * *", kind="fax"), "schedules[0].kind: 'fax' is not allowed"),
        (ScheduleSetting(name="x", kind="workflow_generate"), "schedules[0].cron: is missing"),
        (
            ScheduleSetting(name="x", cron="0 2 * * *", kind="workflow_generate", args={"a": 1}),
            "schedules[0].args: workflow_generate takes no 'a'",
        ),
        (ScheduleSetting(name="retention", kind="workflow_generate"), "schedules[0]: 'retention' is the engine's own"),
    ],
)
async def test_a_configured_schedule_that_cannot_run_ends_the_start(setting: ScheduleSetting, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        async with a_workshop(settings=[setting]):
            raise AssertionError("it started")
    assert said in str(refused.value)


async def test_one_of_the_file_counts_before_a_stored_one_of_its_name(
    client: httpx.AsyncClient, workshop: Workshop
) -> None:
    await made(client)
    settings = [ScheduleSetting(name="nightly", cron="0 5 * * *", kind="workflow_generate")]
    later = Workshop(workshop.store, settings=settings)
    await later.live.load()
    assert "acme:nightly" not in later.works.scheduler.schedules
    assert (await later.schedules.get(EDITOR, "nightly")).held.value.cron == "0 5 * * *"
    with pytest.raises(Conflict, match="change it there"):
        await later.schedules.shelf.patch(EDITOR, "nightly", {"cron": "0 6 * * *"}, None)
