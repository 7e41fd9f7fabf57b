"""`tocsin preferences`, `escalations`, `notifications` and `alerts deliveries` against a real engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from protocol.messages import TriggerInput
from protocol.notify import Change, Channel, DeliveryState, Recipient, Why
from tests.support.deliveries import a_delivery
from tests.support.shell import a_shell
from tests.support.stores import NOW
from tocsin.commands.options import user_name


@pytest.mark.parametrize(
    ("kind", "fields", "heads", "cells"),
    [
        (
            "preferences",
            ('quiet_hours={"start":"22:00","end":"07:00"}', 'digest={"frequency":"daily","hour":8}'),
            ["USER", "CHANNELS", "QUIET", "DIGEST"],
            ["-", "22:00-07:00", "daily", "at", "08:00"],
        ),
        (
            "escalations",
            ('frameworks=["web"]', 'steps=[{"after_s":600,"users":["ann"]}]', "remind_every_s=1800"),
            ["CHAIN", "ENABLED", "RULES", "FRAMEWORKS", "FROM", "STEPS", "REPEAT", "REMIND", "(s)"],
            ["yes", "-", "web", "error", "1", "0", "1800"],
        ),
    ],
)
async def test_how_people_are_told_is_made_listed_and_taken_away(
    tmp_path: Path, kind: str, fields: tuple[str, ...], heads: list[str], cells: list[str]
) -> None:
    async with a_shell(tmp_path) as (_, said):
        assert (await said(kind, "put", "x1", *fields)).splitlines()[0] == f"{kind[:-1]} x1 made, version 1"
        head, row = (await said(kind, "list")).splitlines()
        assert head.split()[: len(heads)] == heads
        assert row.split()[: len(cells) + 1] == ["x1", *cells]
        assert json.loads(await said(kind, "show", "x1"))["id"] == "x1"
        assert await said(kind, "delete", "x1") == "x1: deleted\n"


async def test_what_is_wrong_with_a_preference_or_a_chain_is_said(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (_, said):
        assert "there is no time zone 'Mars'" in await said("preferences", "put", "ann", "zone=Mars", code=1)
        days = 'quiet_hours={"days":["someday"]}'
        assert "quiet_hours.days: 'someday' is no day" in await said("preferences", "put", "ann", days, code=1)
        always = 'quiet_hours={"start":"01:00","end":"01:00"}'
        assert "has no end" in await said("preferences", "put", "ann", always, code=1)
        weekend = 'quiet_hours={"start":"00:00","end":"00:00","days":["sat","sun"]}'
        assert "made" in await said("preferences", "put", "ann", weekend)
        hook = 'channels={"critical":["webhook"]}'
        wrong = await said("preferences", "put", "ann", hook, code=1)
        assert "channels.critical: 'webhook' reaches nobody in person" in wrong
        assert "allowed: in_app, email, slack" in wrong
        assert "the chain tells nobody" in await said("escalations", "put", "x", code=1)
        ghost = 'steps=[{"after_s":600,"users":["ghost"]}]'
        assert "\nsteps[0].users: there is no user 'ghost'\n" in await said("escalations", "put", "y", ghost)
        steps = 'steps=[{"after_s":600}]'
        assert "steps[0]: it tells nobody" in await said("escalations", "put", "x", steps, code=1)
        assert "is less than 60 s" in await said("escalations", "put", "x", "remind_every_s=5", code=1)


async def test_a_digest_that_is_always_empty_is_told_to_who_saves_it(tmp_path: Path) -> None:
    advice = 'digest: always empty, because alerts up to warning go to the app at most; to channels add "warning": '
    daily, mailed = 'digest={"frequency":"daily"}', 'channels={"warning":["email"]}'
    async with a_shell(tmp_path) as (_, said):
        assert advice + '["in_app", "email"]' in (await said("preferences", "put", "ann", daily)).splitlines()
        assert "digest" not in await said("preferences", "put", "ann", mailed)
        assert advice in await said("preferences", "put", "ann", 'channels={"error":["email"],"warning":[]}')
        upto = 'digest={"frequency":"hourly","up_to":"error"}'
        assert "digest" not in await said("preferences", "put", "ann", upto)
        shown = json.loads(await said("preferences", "show", "ann"))
        (tmp_path / "shown").write_text(json.dumps(shown | {"advice": ["sent back"]}))
        assert "was so already" in await said("preferences", "put", "ann", "--file", str(tmp_path / "shown"))


async def test_what_one_was_told_is_listed_and_read(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, said):
        bell = TriggerInput(framework_id="web", title="disk full")
        (result,) = await engine.service.trigger(engine.principal("boss"), [bell])
        line = a_delivery(
            str(result.alert_id),
            workspace="main",
            channel=Channel.IN_APP,
            recipient=Recipient(user=user_name()),
            state=DeliveryState.SENT,
        )
        await engine._up.store.keep_deliveries([line])
        head, row = (await said("alerts", "deliveries", line.alert_id)).splitlines()
        assert head.split()[2:] == ["WHAT", "CHANNEL", "WHO", "STATE", "WHY"]
        assert "It is in the recipient's list" in row
        [told] = (await said("notifications", "list", "--json")).splitlines()
        assert json.loads(told)["alert"]["title"] == "disk full"
        unknown = await said("notifications", "read", "nothing", code=1)
        assert unknown == "0 read\nnothing: you have no such notification\n"
        assert await said("notifications", "read") == "1 read\n"
        assert await said("notifications", "read", line.key) == "0 read\n"
        head, row = (await said("notifications", "list")).splitlines()
        assert head.split()[:3] == ["AT", "(UTC)", "WHAT"]
        assert row.split()[1:3] == ["fired", "yes"]


async def test_the_story_of_an_alert_has_its_steps_and_whom_they_told(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, said):
        bell = TriggerInput(framework_id="web", title="disk full")
        (result,) = await engine.service.trigger(engine.principal("boss"), [bell])
        alert, at = str(result.alert_id), NOW
        step: dict[str, Any] = {"workspace": "main", "change": Change.ESCALATED, "version": "e0.0", "at": at}
        told = [
            a_delivery(alert, **step, state=DeliveryState.SENT),
            a_delivery(alert, **step, state=DeliveryState.QUEUED, channel=Channel.IN_APP),
            a_delivery(
                alert,
                **step,
                recipient=Recipient(user="bob"),
                state=DeliveryState.SUPPRESSED,
                why=Why.NO_ADDRESS,
            ),
            a_delivery(alert, workspace="main", state=DeliveryState.SENT, version="1"),
            a_delivery(
                alert,
                **(step | {"change": Change.REMINDER, "version": "r0", "at": at + 1}),
                state=DeliveryState.SUPPRESSED,
                why=Why.DISABLED,
                recipient=Recipient(endpoint="pager"),
            ),
        ]
        await engine._up.store.keep_deliveries(told)
        reminder, escalation = (await said("alerts", "show", alert)).splitlines()[-2:]
    assert "  reminder" in reminder
    assert reminder.endswith("nobody was told; not endpoint:pager by email: disabled")
    assert "  escalated" in escalation
    assert escalation.endswith("user:ann by email, user:ann by in_app; not user:bob by email: no_address")


async def test_an_alert_that_nobody_was_told_of_says_why(tmp_path: Path) -> None:
    async with a_shell(tmp_path) as (engine, said):
        (result,) = await engine.service.trigger(engine.principal("boss"), [TriggerInput(framework_id="web")])
        text = await said("alerts", "deliveries", str(result.alert_id))
        assert text == "Nobody was told: there is no endpoint in this workspace, and no user.\n"
        assert await said("alerts", "deliveries", str(result.alert_id), "--json") == ""
