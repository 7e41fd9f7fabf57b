"""Weekly reports are sent to whom wants them, when they are due, and once: whoever looks, and whatever is killed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.core.analytics.calendar import DAY_US, HOUR_US, WEEK_US
from engine.core.reports.weekly import Week
from engine.jobs.desk import Desk
from engine.jobs.kinds import Kinds
from engine.jobs.scheduler import RunArgs
from engine.notify.facts import PREFERENCE
from engine.notify.ports import Outcome, Refused, Sent, TryLater
from engine.notify.weekly import READERS_AT_ONCE, REPORT, WeeklyReports
from engine.sections.keeping import Objects
from engine.shelf.live import LiveObjects, ObjectFigures, readable
from engine.shelf.preferences import preference_kind
from engine.stores import Store, open_store
from engine.stores.findings import FindingQuery
from engine.stores.jobs import JobQuery
from engine.stores.objects import ObjectChange
from protocol.jobs import Claimed, JobState, Queue
from protocol.model import NEVER_EXPIRES, Principal
from protocol.notify import Channel
from protocol.times import SECOND_US, parse_rfc3339
from tests.support.notified import Sink
from tests.support.reports import a_week

MONDAY = parse_rfc3339("2026-11-23T00:00:00Z")
EIGHT = MONDAY + 8 * HOUR_US
# A run of the schedule says for which moments it is; looking does not ask.
RUN = RunArgs(since=0, until=0)
WEEKLY = {"day": "mon", "hour": 8}


class Known:
    """Persons: everybody may read but those who left."""

    def __init__(self) -> None:
        self.left = set[str]()

    async def reader(self, workspace: str, user: str, way: str) -> Principal | None:
        """Who this is."""
        if user in self.left:
            return None
        return Principal(workspace=workspace, user=user, role="viewer", expires_at=NEVER_EXPIRES)


class Post:
    """A node that sends reports; several may share the store."""

    def __init__(self, store: Store, now: list[int]) -> None:
        self.store = store
        self.now = now
        self.sink = Sink()
        self.persons = Known()
        self.asked: list[tuple[Principal, str]] = []
        self.fault: Exception | None = None
        senders: Any = {Channel.EMAIL: self.sink}
        persons: Any = self.persons
        self.leave = ""
        self.reports = WeeklyReports(store, persons, senders, self.gather, lambda: now[0], lambda *who: self.leave)
        self.senders = senders
        self._desk = Desk(Kinds([self.reports.kind]), lambda: now[0])
        self.live = LiveObjects(store, ObjectFigures())
        read = partial(readable, preference_kind(Objects()), figures=ObjectFigures())
        self.live.follow(PREFERENCE, self.reports.follow(read))

    async def gather(self, who: Principal, zone: str, now_us: int) -> Week:
        if self.fault is not None:
            raise self.fault
        self.asked.append((who, zone))
        return a_week(frameworks=who.channels, zone=zone)

    async def keep(self, kind: str, object_id: str, *, archived: bool = False, **fields: Any) -> None:
        """An object of the workspace."""
        change = ObjectChange(
            workspace="acme",
            kind=kind,
            id=object_id,
            body=json.dumps({"id": object_id, **fields}),
            by="eve",
            at=self.now[0],
            verb=f"create_{kind}",
        )
        await self.store.change_objects([change])

    async def wants(self, user: str, zone: str = "UTC", **weekly: Any) -> None:
        """There is such a user, who wants a report."""
        await self.keep("user", user, email=f"{user}@example.com", zone=zone)
        await self.keep("preference", user, weekly_report=WEEKLY | weekly)

    async def look(self) -> Any:
        """What the schedule's run found."""
        nobody: Any = None
        result: Any = await self.reports.look(nobody, RUN)
        return msgspec.to_builtins(result.result)

    async def claim(self) -> list[Claimed]:
        """The next job, as a worker takes it."""
        return await self.store.claim("n", {Queue.NOTIFICATION: 1}, 30.0)

    async def work(self) -> None:
        """Looks, and does all that is due."""
        await self.look()
        await self.send()

    async def send(self) -> None:
        while claimed := await self.claim():
            await self.store.settle([await self._desk.do(one) for one in claimed])

    def told(self) -> list[str]:
        """Who was sent something, in order."""
        return [str(each.recipient.user) for each in self.sink.got]

    async def ended(self, state: JobState) -> int:
        """Jobs that ended so."""
        return len(await self.store.jobs(JobQuery(state=state)))

    async def kept(self) -> dict[str, str]:
        """What is known of weeks: their state."""
        page = await self.store.findings(FindingQuery(workspace="acme", kind=REPORT))
        return {each.key: each.state for each in page.items}


@asynccontextmanager
async def a_post(url: str = "memory:", at: int = EIGHT, now: list[int] | None = None) -> AsyncIterator[Post]:
    now = [at] if now is None else now
    async with open_store(url, clock=lambda: now[0]) as store:
        post = Post(store, now)
        await post.live.load()
        yield post


async def test_it_is_sent_when_it_is_due_and_not_before() -> None:
    async with a_post(at=EIGHT - SECOND_US - DAY_US) as post:
        await post.wants("ann")
        assert await post.look() == {"readers": 1, "due": 0}
        post.now[0] = EIGHT
        await post.work()
        (mail,) = post.sink.got
    assert (mail.address, mail.recipient.user, mail.zone) == ("ann@example.com", "ann", "UTC")
    assert mail.rendered is not None
    assert mail.rendered.subject == "Alerts of acme, Mon 16 Nov to Sun 22 Nov"
    assert mail.rendered.html.startswith("<!doctype html>")
    assert mail.rendered.text.startswith("Alerts of acme")
    leave = "<https://alerts.example.com/people/preferences>"
    assert mail.headers == (("X-Tocsin-Report", "weekly"), ("List-Unsubscribe", leave))


async def test_a_mail_program_can_stop_it_at_once_where_there_is_a_link() -> None:
    async with a_post() as post:
        post.leave = "https://alerts.example.com/act/leave/x.y"
        await post.wants("ann")
        await post.work()
        (mail,) = post.sink.got
    assert dict(mail.headers) == {
        "X-Tocsin-Report": "weekly",
        "List-Unsubscribe": "<https://alerts.example.com/act/leave/x.y>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


async def test_it_is_sent_once_a_week_whoever_looks_how_often() -> None:
    async with a_post() as post:
        await post.wants("ann")
        other = Post(post.store, post.now)
        await other.live.load()
        for hours in range(0, 7 * 24, 5):
            post.now[0] = EIGHT + hours * HOUR_US
            await post.work()
            await other.work()
        assert post.told() + other.told() == ["ann"]
        post.now[0] = EIGHT + WEEK_US
        await other.work()
        assert post.told() + other.told() == ["ann", "ann"]
        first, second = post.sink.got + other.sink.got
        assert first.key != second.key
        assert await post.kept() == {"2026-W48:ann": "sent", "2026-W49:ann": "sent"}


async def test_two_that_look_at_the_same_moment_make_one_job() -> None:
    async with a_post() as post:
        await post.wants("ann")
        assert [(await post.look())["due"] for _ in range(2)] == [1, 1]
        (one,) = await post.claim()
        await post.look()
        assert await post.claim() == [], "nor while one is sent"
        await post.store.settle([await post._desk.do(one)])
        await post.work()
        assert post.told() == ["ann"]


async def test_it_is_sent_once_after_a_restart(tmp_path: Path) -> None:
    now, url = [EIGHT], str(tmp_path / "store.db")
    async with a_post(url, now=now) as post:
        await post.wants("ann")
        await post.wants("bob")
        await post.look()
        (one,) = await post.claim()
        await post.store.settle([await post._desk.do(one)])
        assert len(post.told()) == 1
        first = post.told()
    now[0] += HOUR_US
    async with a_post(url, now=now) as post:
        await post.work()
        assert sorted(first + post.told()) == ["ann", "bob"]


async def test_a_kill_before_it_is_written_down_sends_the_same_message_again() -> None:
    async with a_post() as post:
        await post.wants("ann")
        await post.look()
        (one,) = await post.claim()
        args = msgspec.json.decode(one.args, type=post.reports.kind.args)
        before = await post.store.findings_named("acme", REPORT, ["2026-W48:ann"])
        assert before == {}
        # Its lease ends: nobody has heard of what it did.
        person = (await post.reports._facts.people("acme", ["ann"]))["ann"]
        who = Principal(workspace="acme", user="ann", role="viewer", expires_at=NEVER_EXPIRES)
        assert isinstance(await post.reports._hand_over(one, args, who, person), Sent)
        await post.store.settle([await post._desk.do(one)])
        first, second = post.sink.got
        assert first.key == second.key


async def test_what_was_not_sent_for_a_day_is_left_out() -> None:
    async with a_post(at=EIGHT + DAY_US + SECOND_US) as post:
        await post.wants("ann")
        assert await post.look() == {"readers": 1, "due": 0}


async def test_who_moves_the_day_has_one_report_a_week() -> None:
    async with a_post() as post:
        await post.wants("ann")
        await post.work()
        await post.wants("bob", day="tue")
        (kept,) = (await post.store.objects_named("acme", "preference", ["ann"])).values()
        body = json.dumps({"id": "ann", "weekly_report": WEEKLY | {"day": "wed"}})
        change = ObjectChange(
            workspace="acme", kind="preference", id="ann", body=body, by="ann", at=EIGHT, verb="update_preference",
            expected_version=kept.version,
        )  # fmt: skip
        await post.store.change_objects([change])
        for day in range(1, 7):
            post.now[0] = EIGHT + day * DAY_US
            await post.work()
        assert post.told() == ["ann", "bob"]


async def test_zones_are_the_readers_own() -> None:
    async with a_post(at=MONDAY - 5 * HOUR_US) as post:
        await post.wants("kiri", zone="Pacific/Auckland")
        await post.wants("ann", zone="Europe/Berlin")
        await post.work()
        assert post.told() == ["kiri"]
        post.now[0] = MONDAY + 7 * HOUR_US
        await post.work()
        assert post.told() == ["kiri", "ann"]
        assert [zone for _, zone in post.asked] == ["Pacific/Auckland", "Europe/Berlin"]


async def test_it_is_about_the_frameworks_that_are_kept_with_it() -> None:
    async with a_post() as post:
        await post.wants("ann")
        await post.wants("bob", frameworks=["web", "db"])
        await post.work()
        assert {who.user: who.channels for who, _ in post.asked} == {"ann": None, "bob": ("web", "db")}


async def test_who_has_none_gets_none() -> None:
    async with a_post() as post:
        await post.keep("user", "cleo", email="cleo@example.com")
        await post.keep("preference", "cleo")
        await post.wants("gone")
        post.persons.left.add("gone")
        await post.keep("preference", "unknown", weekly_report=WEEKLY)
        assert await post.look() == {"readers": 2, "due": 1}
        await post.send()
        assert post.told() == []
        assert await post.ended(JobState.DISCARDED) == 1


async def test_without_a_mail_server_nothing_is_due() -> None:
    async with a_post() as post:
        del post.senders[Channel.EMAIL]
        await post.wants("ann")
        assert await post.look() == {"readers": 0, "due": 0}


async def test_who_has_no_address_is_left_alone_for_that_week() -> None:
    async with a_post() as post:
        await post.keep("user", "ann")
        await post.keep("preference", "ann", weekly_report=WEEKLY)
        await post.work()
        await post.work()
        assert await post.kept() == {"2026-W48:ann": "refused"}
        assert await post.ended(JobState.FAILED) == 1


@pytest.mark.parametrize(
    ("outcome", "state"), [(Refused("550 no such mailbox"), "refused"), (TryLater(None, "no answer"), "failed")]
)
async def test_what_fails_is_given_up_once(outcome: Outcome, state: str) -> None:
    async with a_post() as post:
        await post.wants("ann")
        post.sink.answer = lambda message: outcome
        for _ in range(12):
            await post.work()
            post.now[0] += HOUR_US
        assert await post.kept() == {"2026-W48:ann": state}
        assert len({mail.key for mail in post.sink.got}) == 1
        assert len(post.sink.got) == (1 if state == "refused" else 5)
        assert await post.ended(JobState.FAILED) == 1
        assert post.reports.statistics() == {"sent": 0, "refused": 0, "failed": 0, "readers": 1} | {state: 1}


async def test_a_server_that_is_away_is_waited_for_a_day() -> None:
    async with a_post() as post:
        await post.wants("ann")
        post.sink.answer = lambda message: TryLater(30.0, "away")
        await post.work()
        assert await post.kept() == {}
        post.now[0] += DAY_US // 2
        await post.work()
        assert await post.kept() == {}
        post.sink.answer = Sink().answer
        post.now[0] += 31 * SECOND_US
        await post.work()
        assert await post.kept() == {"2026-W48:ann": "sent"}


async def test_a_server_that_is_away_for_longer_is_not() -> None:
    async with a_post() as post:
        await post.wants("ann")
        post.sink.answer = lambda message: TryLater(30.0, "away")
        await post.work()
        post.now[0] += DAY_US + SECOND_US
        await post.work()
        assert await post.kept() == {"2026-W48:ann": "failed"}


async def test_a_report_that_cannot_be_made_is_given_up_and_others_are_sent() -> None:
    async with a_post() as post:
        await post.wants("ann")
        post.fault = RuntimeError("a bug")
        for _ in range(6):
            await post.work()
            post.now[0] += HOUR_US
        assert await post.kept() == {"2026-W48:ann": "failed"}
        post.fault = None
        await post.wants("bob")
        await post.work()
        assert post.told() == ["bob"]


async def test_who_switches_it_off_meanwhile_is_not_sent_it() -> None:
    async with a_post() as post:
        await post.wants("ann")
        await post.look()
        (kept,) = (await post.store.objects_named("acme", "preference", ["ann"])).values()
        change = ObjectChange(
            workspace="acme", kind="preference", id="ann", body='{"id": "ann"}', by="ann", at=EIGHT,
            verb="update_preference", expected_version=kept.version,
        )  # fmt: skip
        await post.store.change_objects([change])
        await post.send()
        assert post.told() == []
        assert await post.look() == {"readers": 0, "due": 0}
        assert post.reports.statistics()["readers"] == 0


async def test_many_readers_are_looked_at_some_at_a_time() -> None:
    async with a_post() as post:
        for number in range(READERS_AT_ONCE + 3):
            await post.wants(f"user-{number:03}")
        assert await post.look() == {"readers": READERS_AT_ONCE + 3, "due": READERS_AT_ONCE + 3}
