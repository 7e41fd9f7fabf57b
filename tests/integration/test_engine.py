"""The whole engine in one process: what its wiring promises."""

from __future__ import annotations

import re
import socket
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from actors.supervisor import TooManyRestarts
from benchmarks.peers.ports import a_port
from engine.app import Engine
from engine.configuration.config import Config
from engine.configuration.fields import ConfigError, Secret
from engine.ids import IdSource, now_us
from engine.sections.alerting import Suppression
from engine.sections.watching import Host
from engine.world import World
from protocol.errors import StoreRefused, TokenExpired
from protocol.items import ReadingInput, TriggerInput
from protocol.model import EventKind, Reason
from protocol.rules import ThresholdRule
from protocol.times import SECOND_US
from tests.support.engines import a_config, an_engine
from tocsin import Client


async def test_the_host_source_rings_when_a_rules_limit_is_crossed(tmp_path: Path) -> None:
    rule = ThresholdRule(id="any-memory", framework="host", metric="memory_percent", threshold=0.0, title="In use")
    with trio.fail_after(170):
        async with an_engine(tmp_path, watch_host=True, rules=(rule,), host=Host(interval_s=0.1)) as engine:
            async with Client(engine.ws_url, engine.issue_token("main", "me")) as client:
                # It may ring before anybody listens.
                await client.subscribe("workspace", snapshot=True)
                message = await anext(client.alerts())
            assert message.event in (EventKind.FIRED, EventKind.OPEN)
            assert (message.data.rule_id, message.data.title) == ("any-memory", "In use")
            assert message.data.current_value is not None
            assert message.data.current_value > 0
            assert engine.statistics()["supervision"]["host"] == {"running": True, "restarts": 0}


WINDOW_S = 300.0


def a_window_later() -> int:
    return now_us() + int(WINDOW_S * SECOND_US)


async def follow(url: str, token: str, task_status: trio.TaskStatus[Client]) -> None:
    """Comes back to the next engine by itself, and hears there what was missed."""
    async with Client(url, token) as client:
        await client.subscribe("web")
        task_status.started(client)
        await trio.sleep_forever()


async def test_a_receipt_that_was_owed_when_the_engine_stopped_is_told_after_the_next_start(tmp_path: Path) -> None:
    # The window outlives the first engine, however slow the machine is; when the second one starts it is over.
    settings = {"suppression": Suppression(window_s=WINDOW_S, flush_s=0.01), "ws": f"127.0.0.1:{a_port()}"}
    alert = TriggerInput(framework_id="web", title="Twice")
    with trio.fail_after(170):
        async with trio.open_nursery() as nursery:
            async with an_engine(tmp_path, **settings) as engine:
                who = engine.principal("me")
                (first,) = await engine.service.trigger(who, [alert])
                (second,) = await engine.service.trigger(who, [alert])
                assert (first.reason, second.reason) == (Reason.FIRED, Reason.DUPLICATE)
                client = await nursery.start(follow, engine.ws_url, engine.issue_token("main", "me"))
                (third,) = await engine.service.trigger(who, [TriggerInput(framework_id="web", title="Flushes")])
                assert third.reason is Reason.FIRED
            async with Engine(
                a_config(tmp_path, **settings), World(clock=a_window_later, new_id=IdSource(a_window_later))
            ):
                async for message in client.alerts():
                    if message.event is EventKind.RECEIPT:
                        break
            nursery.cancel_scope.cancel()
    assert message.data.id == first.alert_id
    assert message.suppressed
    assert message.suppressed.count == 1


async def test_a_crashing_helper_is_restarted_alone_and_sockets_stay(tmp_path: Path) -> None:
    with trio.fail_after(170):
        async with an_engine(tmp_path) as engine:
            async with Client(engine.ws_url, engine.issue_token("main", "me")) as client:
                await client.subscribe("web")
                restarted = trio.Event()
                engine.metrics.restarted = lambda actor: restarted.set()  # type: ignore[method-assign]
                engine._up.ticker.watch(0, lambda now: 1 / 0)  # type: ignore[arg-type,return-value]
                await restarted.wait()
                await client.ping()
                assert client.statistics()["connects"] == 1
            assert engine.statistics()["supervision"]["ticker"]["restarts"] == 1
            assert engine.statistics()["supervision"]["gateway"]["restarts"] == 0


async def test_an_engine_part_that_crashes_for_the_sixth_time_ends_the_engine(tmp_path: Path) -> None:
    engine = Engine(a_config(tmp_path))
    with trio.fail_after(170), pytest.raises(TooManyRestarts):
        async with engine:
            engine._up.upkeep.run = explode  # type: ignore[method-assign,assignment]
            engine._up.ticker.watch(0, lambda now: 1 / 0)  # type: ignore[arg-type,return-value]
            engine._up.ticker.run = explode  # type: ignore[method-assign,assignment]
            await trio.sleep_forever()


async def explode(status: object) -> None:
    raise RuntimeError("always")


async def test_a_port_in_use_is_a_configuration_error_that_names_the_key(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"ws: '{address}' cannot be listened on"):
            async with an_engine(tmp_path, ws=address):
                pytest.fail("it started")


async def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "tocsin.db"
    database.write_bytes(b"not a database at all, but somebody's file\n" * 100)
    before = database.read_bytes()
    with pytest.raises(StoreRefused):
        async with an_engine(tmp_path):
            pytest.fail("it started")
    assert database.read_bytes() == before


async def test_two_engines_cannot_share_a_data_folder(tmp_path: Path) -> None:
    async with an_engine(tmp_path):
        with pytest.raises(StoreRefused):
            async with an_engine(tmp_path):
                pytest.fail("it started")


async def test_what_the_block_raises_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"):
        async with an_engine(tmp_path):
            raise ValueError("mine")


async def test_readings_that_ring_nothing_are_not_measured_as_triggers(tmp_path: Path) -> None:
    rule = ThresholdRule(id="hot", framework="web", metric="celsius", threshold=90.0)
    async with an_engine(tmp_path, rules=(rule,)) as engine:
        who = engine.principal("me")
        readings = [ReadingInput(framework_id="web", metric="celsius", value=value) for value in (1.0, 2.0, 95.0)]
        await engine.service.read(who, readings)
        page = engine.metrics.render().decode()
    assert "alerts_processed_total 1.0" in page
    assert re.search(r'alert_triggers_total\{[^}]*alert_type="celsius"[^}]*\} 1', page)
    assert "tocsin_http" in page


async def test_the_service_of_an_engine_that_is_not_running_says_so(tmp_path: Path) -> None:
    from protocol.errors import StoreUnavailable

    with pytest.raises(StoreUnavailable, match="starting or stopping"):
        _ = Engine(Config(data=tmp_path, secret=Secret("x" * 40))).service


async def test_an_engine_goes_by_the_clock_that_it_is_handed(tmp_path: Path) -> None:
    moment = datetime(2031, 5, 1, 12, tzinfo=UTC)
    bell = TriggerInput(framework_id="web", title="Checkout is slow")
    clock = [int(moment.timestamp()) * SECOND_US]
    async with Engine(
        a_config(tmp_path, store="memory:"), World(clock=lambda: clock[0], new_id=IdSource(lambda: clock[0]))
    ) as engine:
        who, token = engine.principal("me"), engine.issue_token("main", "me", ttl_s=60)
        (first,) = await engine.service.trigger(who, [bell])
        clock[0] += 301 * SECOND_US
        (second,) = await engine.service.trigger(who, [bell])
        rung = await engine.service.alert(who, first.alert_id)
        with pytest.raises(TokenExpired):
            engine.service.authenticate(token)
    assert (first.reason, second.reason) == (Reason.FIRED, Reason.REPEATED)
    assert rung.triggered_at == "2031-05-01T12:00:00.000000Z"
    assert uuid.UUID(first.alert_id).int >> 80 == int(moment.timestamp()) * 1_000
