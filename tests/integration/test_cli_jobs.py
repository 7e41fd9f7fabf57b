"""`tocsin jobs`, `queues` and `schedules` against a real engine."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.shell import a_shell
from tocsin.commands.jobs import _QUEUE

SYSTEM = ("--workspace", "system")


async def test_a_schedule_is_made_run_seen_and_deleted_from_the_command_line(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (_, said):
        # So that what is run waits, and can be looked at.
        assert await said("queues", "pause", "alert") == "queue alert is paused\n"
        assert "are shown with --workspace system" in await said("schedules", "list")
        # Each 29 February: a nightly one would fire in the middle of this, on a night.
        made = await said("schedules", "put", "rarely", "cron=0 2 29 2 *", "kind=workflow_generate")
        assert made == "schedule rarely made, version 1\n"
        _, line = (await said("schedules", "list")).splitlines()
        assert line.split()[:8] == ["rarely", "0", "2", "29", "2", "*", "UTC", "workflow_generate"]
        assert await said("schedules", "pause", "rarely") == "schedule rarely is paused\n"
        assert json.loads(await said("schedules", "show", "rarely"))["runs"]["paused"] is True
        assert (await said("schedules", "resume", "rarely")).startswith("schedule rarely goes on, next at 20")
        number = (await said("schedules", "run", "rarely")).split()[-1]
        job = json.loads((await said("jobs", "list", "--json", "--state", "waiting")).splitlines()[0])
        assert (str(job["id"]), job["kind"], job["schedule"]) == (number, "workflow_generate", "main:rarely")
        assert await said("jobs", "cancel", number) == f"{number}: cancelled\n"
        assert await said("jobs", "retry", number, "999", code=1) == (
            f"{number}: to be done once more\n999: there is no such job\n"
        )
        assert json.loads(await said("jobs", "show", number))["state"] == "waiting"
        assert await said("queues", "resume", "alert") == "queue alert goes on\n"
        assert await said("schedules", "archive", "rarely") == "rarely: archived\n"
        assert "rarely" in await said("schedules", "list", "--archived")
        assert await said("schedules", "list", "--json") == ""
        assert await said("schedules", "restore", "rarely") == "rarely: restored\n"
        assert await said("schedules", "delete", "rarely") == "rarely: deleted\n"


async def test_the_operator_sees_queues_and_the_engines_own_schedules(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (_, said):
        heads, *lines = (await said("queues", "list")).splitlines()
        assert heads.split()[:4] == ["QUEUE", "WAITING", "ACTIVE", "DELAYED"]
        assert [line.split()[0] for line in lines] == ["alert", "analytics", "prediction", "notification"]
        number = (await said("workflows", "generate", "42", "--async")).removeprefix("job ").strip()
        assert json.loads(await said("jobs", "show", number))["kind"] == "workflow_generate"
        await said("queues", "pause", "alert")
        ring = ("trigger", "web", "--title", "Disk full", "--label", "host=h1", "--value", "95", "--async")
        number = (await said(*ring)).removeprefix("job ").strip()
        job = json.loads(await said("jobs", "show", number))
        assert (job["kind"], job["state"]) == ("trigger", "waiting")
        (alert,) = job["args"]["triggers"]
        assert alert == {"framework_id": "web", "title": "Disk full", "labels": {"host": "h1"}, "current_value": 95.0}
        assert json.loads(await said(*ring, "--json"))["job_id"] > int(number)
        assert await said("queues", "redrive", "alert") == "0 jobs of queue alert to be done once more\n"
        assert await said("queues", "limit", "alert", "3") == "queue alert: at most 3 at a time\n"
        _, alert, *_ = (await said("queues", "list")).splitlines()
        assert alert.split()[-1] == "3"
        assert await said("queues", "limit", "alert", "0") == "queue alert: as many as there are slots\n"
        assert "there is no queue 'mail'" in await said("queues", "pause", "mail", code=1)
        listed = await said("schedules", "list", *SYSTEM)
        assert "retention" in listed
        assert await said("schedules", "list", "--json") == ""
        assert "is the engine's own" in await said("schedules", "put", "retention", "zone=UTC", *SYSTEM, code=1)


def test_shares_and_seconds_of_queues_are_rounded_for_people() -> None:
    queue = {"oldest_s": 12.3456, "retry_rate": None, "success_rate": 0.19455252918287938}
    shown = [column(queue) for column in _QUEUE.values() if callable(column)]
    assert shown == ["12.3", None, "19.5 %"]
