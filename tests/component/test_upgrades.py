"""Stores that older versions of the program have filled, opened by this one: nothing is lost, and they go on.

`stores_of_old/` has what `iterdump` wrote of a store after an engine of that time was used over HTTP: 0004 is the last
version before rules and silences were objects, 0009 the last one before the audit trail knew versions. 0015 has jobs in
each state and lines of the ledger, from before jobs knew targets and ended ones were counted; its process was killed.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
import pytest

from engine.app import Engine
from engine.stores import Store, migrate, open_store
from engine.stores.jobs import JobQuery, QueueCounts
from engine.stores.objects import ObjectQuery, StoredObject
from engine.stores.tables.job_lists import STATES
from engine.world import World
from protocol.jobs import JobState, Queue, Settlement, Verdict
from protocol.notify import Channel, DeliveryState
from protocol.times import parse_rfc3339
from tests.support.engines import a_config

DUMPS = Path(__file__).parent / "stores_of_old"
# The day after they were filled.
LATER = parse_rfc3339("2026-11-23T12:00:00Z")
OLD = pytest.mark.parametrize("version", ["0004", "0009"])


def restored(version: str, folder: Path) -> Path:
    """A store as that version has left it."""
    path = folder / "tocsin.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DUMPS / f"{version}.sql").read_text("utf-8"))
        connection.execute(f"PRAGMA application_id = {migrate.APPLICATION_ID}")
    return path


@asynccontextmanager
async def an_engine(version: str, folder: Path) -> AsyncIterator[tuple[Engine, httpx.AsyncClient]]:
    """An engine of now on a store of then, and a client of it."""
    restored(version, folder)
    world = World(clock=lambda: LATER)
    async with Engine(a_config(folder), world) as engine:
        headers = {"Authorization": f"Bearer {engine.issue_token('main', 'boss')}"}
        async with httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=170) as client:
            yield engine, client


@pytest.mark.parametrize("version", ["0004", "0009", "0015"])
def test_a_store_of_old_is_brought_up_to_date_and_sound(version: str, tmp_path: Path) -> None:
    path = restored(version, tmp_path)
    applied = [line.number for line in migrate.migrate(f"sqlite:///{path}")]
    assert applied == list(range(int(version) + 1, len(migrate.migrations("sqlite")) + 1))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@OLD
async def test_its_alerts_are_as_they_were_and_people_go_on_with_them(version: str, tmp_path: Path) -> None:
    async with an_engine(version, tmp_path) as (_, client):
        alerts = (await client.get("/api/v1/alerts?framework_id=web")).json()["items"]
        by_host = {alert.get("labels", {}).get("host"): alert for alert in alerts}
        assert [(by_host[name]["state"], by_host[name]["occurrences"]) for name in ("h0", "h1", "h2")] == [
            ("active", 2),
            ("acknowledged", 1),
            ("resolved", 1),
        ]
        for name in ("h0", "h1"):
            done = await client.post(f"/api/v1/alerts/{by_host[name]['id']}/resolve", json={"notes": "at last"})
            assert (done.status_code, done.json()["state"]) == (200, "resolved")
        story = (await client.get(f"/api/v1/alerts/{by_host['h1']['id']}/audit")).json()["items"]
        assert [(line["verb"], line["by"], line["notes"]) for line in story] == [
            ("resolve", "boss", "at last"),
            ("acknowledge", "ann", "on it"),
            ("fired", "", None),
        ]
        rung = await client.post("/api/v1/triggers", json={"alert": {"framework_id": "web", "title": "new"}})
        assert rung.json()["results"][0]["status"] == "fired"


@OLD
async def test_its_streams_go_on_where_they_ended(version: str, tmp_path: Path) -> None:
    async with an_engine(version, tmp_path) as (_, client):
        before = (await client.get("/api/v1/history?channel=workspace&limit=100")).json()
        await client.post("/api/v1/triggers", json={"alert": {"framework_id": "new", "title": "new"}})
        after = (await client.get("/api/v1/history?channel=workspace&limit=100")).json()
        # What its source never repeated expires by itself after the start: that may come in between.
        told = [(each["offset"], each["data"]["framework_id"]) for each in after["items"]]
        assert [offset for offset, _ in told] == list(range(1, after["offset"] + 1))
        assert (after["epoch"], after["items"][: before["offset"]]) == (before["epoch"], before["items"])
        assert "new" in {framework for _, framework in told[before["offset"] :]}


@OLD
async def test_what_administrators_did_is_on_record_without_what_nobody_wrote_down(
    version: str, tmp_path: Path
) -> None:
    async with an_engine(version, tmp_path) as (_, client):
        rule = {"kind": "threshold", "id": "late", "framework": "web", "metric": "m", "threshold": 1.0, "title": "x"}
        assert (await client.post("/api/v1/rules", json=rule)).status_code == 201
        [new] = (await client.get("/api/v1/audit?target=late")).json()["items"]
        assert (new["verb"], new["before"], new["after"]) == ("create_rule", {"version": 0}, {"version": 1})
        acts = (await client.get("/api/v1/audit?target=eve")).json()["items"]
        assert [(line["verb"], line["by"], line["before"], line["notes"]) for line in acts] == [
            ("disconnect_user", "ann", {}, None),
            ("revoke_user", "ann", {}, None),
        ]
        [revoked] = (await client.get("/api/v1/revocations")).json()["items"]
        assert (revoked["user"], revoked["reason"]) == ("eve", "left")


async def stored(path: Path, kind: str) -> dict[str, StoredObject]:
    async with open_store(f"sqlite:///{path}", clock=lambda: LATER) as store:
        return {each.id: each for each in await store.objects(ObjectQuery(kind=kind, workspace="main"))}


@asynccontextmanager
async def a_store_with_jobs(folder: Path) -> AsyncIterator[tuple[Store, sqlite3.Connection]]:
    """The store of 0015, a day later, and what is in its file."""
    path = restored("0015", folder)
    async with open_store(f"sqlite:///{path}", clock=lambda: LATER) as store:
        with closing(sqlite3.connect(path)) as file:
            yield store, file


async def test_jobs_of_old_are_counted_as_they_are_there(tmp_path: Path) -> None:
    async with a_store_with_jobs(tmp_path) as (store, file):
        rows = file.execute("SELECT queue, state FROM job UNION ALL SELECT queue, state FROM job_done").fetchall()
        there = Counter((queue, STATES[state].value) for queue, state in rows)
        assert len(set(there)) == 7, "in each state but one, in all queues but one"
        counts = await store.queue_counts()
        words = [state.value for state in STATES if state.value in QueueCounts.__struct_fields__]
        shown = {(queue.value, word): getattr(counts[queue], word) for queue in Queue for word in words}
        assert {place: count for place, count in shown.items() if count} == {
            place: count for place, count in there.items() if place[1] in words
        }
        assert [queue for queue in Queue if counts[queue].is_paused] == [Queue.PREDICTION]
        assert (await store.schedules())["main:nightly"].paused_at is not None


async def test_jobs_of_old_are_claimed_and_those_that_were_in_hand_are_taken_from_the_dead(tmp_path: Path) -> None:
    async with a_store_with_jobs(tmp_path) as (store, _):
        claimed = await store.claim("new:1", dict.fromkeys(Queue, 10), 30.0)
        assert sorted(one.kind for one in claimed) == ["digest", "ring", "send", "send"]
        done = [Settlement(lease=one.lease, verdict=Verdict.COMPLETED) for one in claimed]
        assert await store.settle(done) == [True] * 4
        assert (await store.sweep(10)).again == 1
        [lost] = await store.jobs(JobQuery(kind="job_cleanup", state=JobState.DELAYED))
        assert "did not renew" in lost.errors[-1].cause


async def test_lines_of_old_wait_are_put_aside_or_failed_and_a_failed_one_is_sent_when_its_job_is_redriven(
    tmp_path: Path,
) -> None:
    async with a_store_with_jobs(tmp_path) as (store, file):
        [(job, key)] = file.execute("SELECT id, ukey FROM job_done WHERE state = 4").fetchall()
        lines = [line for (line,) in file.execute("SELECT key FROM delivery ORDER BY id").fetchall()]
        found = [await store.delivery("main", each) for each in lines]
        assert [None if line is None else (line.state, line.due is not None) for line in found] == [
            *[(DeliveryState.QUEUED, False)] * 2,
            *[(DeliveryState.QUEUED, True)] * 2,
            (DeliveryState.FAILED, False),
        ]
        [due] = {line.due for line in found if line is not None and line.due is not None}
        assert len(await store.put_aside("main", (Channel.EMAIL, "user:ann"), due, 10)) == 2
        assert await store.redrive_failed(Queue.NOTIFICATION, 10) == 1
        again, line = await store.job("main", job), await store.delivery("main", key)
        assert again is not None and again.state is JobState.WAITING
        assert line is not None and line.state is DeliveryState.QUEUED


async def test_silences_and_windows_know_their_end_and_who_of_them_costs(tmp_path: Path) -> None:
    path = restored("0009", tmp_path)
    silences, windows = await stored(path, "silence"), await stored(path, "maintenance")
    ends = {name: each.ends_at for name, each in (silences | windows).items()}
    far = parse_rfc3339("2099-01-01T00:00:00Z")
    over = parse_rfc3339("2026-11-22T09:24:30.379571Z")
    assert ends == {
        "exact": far,
        "expression": far,
        "over": over,
        "once": parse_rfc3339("2026-01-02T00:00:00Z"),
        "weekly": None,
    }
    crowds = {name for name, each in (silences | windows).items() if each.crowd == "quiet_expressions"}
    assert crowds == {"expression", "over", "once"}
    assert {each.crowd for each in (await stored(path, "rule")).values()} == {None}


async def test_rules_readings_and_projects_of_old_go_on(tmp_path: Path) -> None:
    async with an_engine("0009", tmp_path) as (_, client):
        assert (await client.get("/api/v1/rules/cpu")).json()["threshold"] == 95.0
        versions = (await client.get("/api/v1/rules/cpu/versions")).json()["items"]
        assert [each["version"] for each in versions] == [2, 1]
        reading = {"framework_id": "web", "metric": "cpu", "value": 99.0}
        answer = await client.post("/api/v1/readings", json={"readings": [reading]})
        assert answer.json()["results"][0]["status"] in ("fired", "repeated", "suppressed")
        done = await client.post("/api/v1/workflows/advance", json={"project_id": "42", "item_id": "i1"})
        assert done.json()["results"][0]["status"] == "finished"
        told = (await client.get("/api/v1/workflows/trackers/42/history")).json()["items"]
        assert [(line["verb"], line["before"]) for line in told] == [
            ("advance_tracker", {"item_id": "i1", "version": 2}),
            ("set_tracker", {}),
        ]
