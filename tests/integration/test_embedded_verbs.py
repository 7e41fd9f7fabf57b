"""What a program that embeds the engine has beside triggers: jobs, schedules, things for later, notifications."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

import tocsin.aio
from engine.shelf.kinds import ShelfQuery
from protocol.errors import Conflict, PermissionDenied
from protocol.items import TriggerInput
from protocol.jobs import JobState
from protocol.notify import Channel, DeliveryState
from tests.support.asyncio_programs import run
from tests.support.engines import a_config
from tests.support.notified import a_notified_engine

BELL = TriggerInput(framework_id="web", title="Disk full", assigned_to="ann")


async def test_a_trigger_for_later_is_a_job_that_has_its_results(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        engine, who = notified.engine.engine, notified.engine.principal()
        number = await engine.later.triggers(who, [BELL], key="once")
        assert await engine.later.triggers(who, [BELL], key="once") == number
        with pytest.raises(Conflict):
            await engine.later.triggers(who, [BELL, BELL], key="once")
        await notified.settle()
        job = await engine.jobs.job(who, number)
        assert job.state is JobState.COMPLETED
        assert '"fired"' in (job.result or "")
        with pytest.raises(PermissionDenied):
            await engine.later.triggers(notified.engine.principal("eve", "viewer"), [BELL])


async def test_a_program_asks_who_was_told_and_says_what_was_read(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await notified.make("users", id="ann")
        notified.endpoint()
        alert = await notified.ring(assigned_to="ann")
        engine, ann = notified.engine.engine, notified.engine.principal("ann", "viewer")
        ledger = await engine.notifications.deliveries(ann, alert, None, 10)
        told = {line.delivery.channel: line.delivery.state for line in ledger.lines}
        assert told == {Channel.WEBHOOK: DeliveryState.DELIVERED, Channel.IN_APP: DeliveryState.SENT}
        page = await engine.notifications.in_app(ann, None, 10)
        assert (page.unread, [line.delivery.alert_id for line in page.lines]) == (1, [alert])
        assert await engine.notifications.read(ann, [page.lines[0].delivery.key]) == (1, 0)


async def test_a_program_makes_endpoints_preferences_chains_and_schedules(tmp_path: Path) -> None:
    with trio.fail_after(170):
        async with tocsin.Engine(a_config(tmp_path)) as engine:
            who = engine.principal("ann")
            made = await engine.shelves.endpoints.create(
                who, {"id": "pager", "channel": "webhook", "url": "https://a.example"}
            )
            assert made.once["secret"].startswith("whsec_")
            await engine.shelves.preferences.create(who, {"id": "ann", "channels": {"critical": ["email"]}})
            await engine.shelves.escalations.create(who, {"id": "all", "steps": [{"after_s": 60, "users": ["ann"]}]})
            nightly = {
                "id": "nightly",
                "cron": "0 2 * * *",
                "kind": "workflow_generate",
                "args": {"project_ids": ["42"]},
            }
            await engine.schedules.shelf.create(who, nightly)
            names = [each.held.id for each in (await engine.schedules.page(who, ShelfQuery()))[0]]
            assert "nightly" in names


def test_a_program_on_asyncio_reaches_all_of_it(tmp_path: Path) -> None:
    async def program() -> None:
        async with tocsin.aio.Engine(a_config(tmp_path)) as engine:
            who = engine.principal("ann")
            number = await engine.call(lambda inner: inner.later.triggers(who, [BELL]))
            assert (await engine.call(lambda inner: inner.jobs.job(who, number))).id == number

    run(program)
