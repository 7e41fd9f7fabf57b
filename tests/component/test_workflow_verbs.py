"""The verbs of workflows: one project that we fail over, channels that have something due, a store that is slow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from engine.app import Engine
from engine.configuration.config import Config
from engine.sections.alerting import Channel
from engine.stores import AlertQuery, CommittedEvents
from engine.stores.workflows import ProjectBatch, Told
from engine.world import World
from protocol.commands import Batch
from protocol.effects import Decision, Recalled
from protocol.errors import Busy
from protocol.items import TriggerInput
from protocol.model import ChannelKey, EventKind, QuietedBy
from protocol.orders import Orders
from protocol.workflows import Completion, Move, TrackerInput
from tests.support.engines import a_config
from tests.support.workflows import MACHINE, a_workflow, keep

PATIENCE_S = 120.0


class Sick:
    """A machine of the project `sick` raises; all others are ours."""

    def __init__(self, key: ChannelKey, recalled: Recalled, orders: Orders) -> None:
        self._machine = MACHINE(key, recalled, orders)
        self._is_sick = key.framework == "sick"

    def restore(self) -> Iterator[None]:
        return self._machine.restore()

    def decide(self, batch: Batch) -> Decision:
        if self._is_sick:
            raise ZeroDivisionError("a bug")
        return self._machine.decide(batch)

    def flush(self, batch: Batch) -> Decision:
        return self._machine.flush(batch)

    def next_due(self) -> int | None:
        return self._machine.next_due()

    def owes(self) -> bool:
        return self._machine.owes()


@asynccontextmanager
async def an_engine(config: Config, world: World | None = None) -> AsyncIterator[Engine]:
    async with Engine(config, world) as engine:
        await keep(engine._up.store, a_workflow(), "main")
        yield engine


async def set_on(engine: Engine, *projects: str) -> None:
    for project in projects:
        await engine.workflows.track(engine.principal("ed"), project, TrackerInput(workflow_id="roofing"), 0)


async def test_a_project_that_we_fail_over_keeps_nobody_back(tmp_path: Path) -> None:
    world = World(machine_factory=lambda policy: Sick)
    with capture_logs() as logs:
        async with an_engine(a_config(tmp_path), world) as engine:
            await set_on(engine, "well", "sick", "fine")
            results = await engine.workflows.generate(engine.principal("ed"), ["well", "sick", "fine"])
    assert [result.reason for result in results] == ["fired", "failed", "fired"]
    assert [line["channel"] for line in logs if line["event"] == "workflow_move_failed"] == ["alerts:main:sick"]


async def silence(client: httpx.AsyncClient) -> str:
    """Silences the project for an hour; the silence's id."""
    made = await client.post(
        "/api/v1/silences",
        json={
            "matchers": [{"name": "framework_id", "value": "42"}],
            "starts_at": "2026-01-01T00:00:00Z",
            "ends_at": "2099-01-01T00:00:00Z",
            "comment": "noise",
        },
    )
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def http(engine: Engine) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ed', 'editor')}"}
    return httpx.AsyncClient(base_url=engine.http_url, headers=headers)


async def test_a_silenced_step_rings_when_the_silence_ends_though_nobody_used_its_channel(tmp_path: Path) -> None:
    told: list[tuple[EventKind, QuietedBy | None]] = []
    rung = trio.Event()

    def note(committed: Sequence[CommittedEvents]) -> None:
        for event in (event for one in committed for event in one.events):
            assert event.alert is not None
            told.append((event.kind, event.alert.quieted_by))
            if len(told) == 2:
                rung.set()

    async with an_engine(a_config(tmp_path)) as engine, http(engine) as client:
        await set_on(engine, "42")
        silence_id = await silence(client)
        engine._up.store.set_feed(note)
        [result] = await engine.workflows.generate(engine.principal("ed"), ["42"])
        assert (result.status.value, result.reason) == ("suppressed", "silenced")
        assert not list(engine._up.registry.cells()), "when the silence ends it is started"
        assert (await client.post(f"/api/v1/silences/{silence_id}/expire")).status_code == 200
        with trio.fail_after(PATIENCE_S):
            await rung.wait()
        assert told[0] == (EventKind.FIRED, QuietedBy.SILENCED)
        assert told[1][1] is None, "now it rings"


def silenced_meanwhile(engine: Engine, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next batch is stored behind a silence that nobody knew of when it was asked for."""
    store = engine._up.store
    move = store.move_projects

    async def move_later(batch: ProjectBatch, tell: Told) -> Sequence[Move]:
        await silence(client)
        await trio.testing.wait_all_tasks_blocked(0.05)
        return await move(batch, tell)

    monkeypatch.setattr(store, "move_projects", move_later)


async def test_a_channel_that_cannot_be_started_is_no_failure_of_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = a_config(tmp_path, store="memory:", channel=Channel(per_workspace_max=1))
    async with an_engine(config) as engine, http(engine) as client:
        await set_on(engine, "42")
        who = engine.principal("ed")
        await engine.service.trigger(who, [TriggerInput(framework_id="another", title="x")])
        silenced_meanwhile(engine, client, monkeypatch)
        with capture_logs() as logs:
            [result] = await engine.workflows.generate(who, ["42"])
        assert result.reason == "fired"
        [line] = [line for line in logs if line["event"] == "workflow_channels_not_started"]
        assert (line["channels"], line["first"]) == (1, "42")
        assert "this workspace has 1 channel in use, limit 1" in line["cause"]


async def test_what_is_stored_after_nobody_waits_any_more_is_counted_and_started_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with an_engine(a_config(tmp_path, store="memory:")) as engine, http(engine) as client:
        await set_on(engine, "42")
        silenced_meanwhile(engine, client, monkeypatch)
        store = engine._up.store
        move = store.move_projects

        async def give_up(batch: ProjectBatch, tell: Told) -> Sequence[Move]:
            await move(batch, tell)
            raise Busy("nobody waits any more")

        monkeypatch.setattr(store, "move_projects", give_up)
        with pytest.raises(Busy):
            await engine.workflows.generate(engine.principal("ed"), ["42"])
        assert [cell.key.framework for cell in engine._up.registry.cells()] == ["42"]
        assert engine.workflows.statistics()["projects_fired"] == 1


async def test_a_silence_that_overtakes_a_batch_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with an_engine(a_config(tmp_path, store="memory:")) as engine, http(engine) as client:
        await set_on(engine, "42")
        who = engine.principal("ed")
        silenced_meanwhile(engine, client, monkeypatch)
        await engine.workflows.generate(who, ["42"])
        query = AlertQuery(workspace="main")
        with trio.fail_after(PATIENCE_S):
            while (await engine.service.alerts(who, query)).items[0].quieted_by is not QuietedBy.SILENCED:
                await trio.testing.wait_all_tasks_blocked(0.01)


async def test_who_gets_no_answer_in_time_is_told_to_send_it_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with an_engine(a_config(tmp_path, store="memory:")) as engine:
        kit = engine._up.workflows._kit

        class Slow:
            async def move_projects(self, batch: object, tell: object) -> None:
                await trio.sleep_forever()

        object.__setattr__(kit, "store", Slow())
        with pytest.raises(Busy, match="send it again, with item_id"):
            await engine.workflows.advance(engine.principal("ed"), [Completion(project_id="42")])


async def test_steps_that_do_not_ring_are_in_the_log_by_project_and_reason(tmp_path: Path) -> None:
    async with an_engine(a_config(tmp_path)) as engine, http(engine) as client:
        await set_on(engine, "42", "43")
        await silence(client)
        who = engine.principal("ed")
        for _ in range(3):
            await engine.workflows.generate(who, ["42", "43"])
        await engine.workflows.advance(who, [Completion(project_id="42")])
        with capture_logs() as logs:
            engine.metrics.suppressed.write()
    told = [(line["workspace"], line["channel"], line["reason"], line["count"]) for line in logs]
    assert told == [("main", "42", "silenced", 2), ("main", "42", "duplicate", 2), ("main", "43", "duplicate", 2)]
