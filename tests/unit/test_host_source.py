from __future__ import annotations

import functools
import math
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import structlog
import trio

from engine.sources.host import HostSource, nearest_there, watch_host
from protocol.errors import Busy, PermissionDenied
from protocol.items import ReadingInput

Clock = trio.testing.MockClock
ALL = {
    "cpu_percent", "memory_percent", "disk_percent", "load_1m", "load_per_core", "network_receive_bytes_per_s",
    "network_send_bytes_per_s", "disk_read_bytes_per_s", "disk_write_bytes_per_s",
}  # fmt: skip


class Machine:
    """A machine whose sensors show what a test sets."""

    def __init__(self) -> None:
        self.network = SimpleNamespace(bytes_recv=1_000, bytes_sent=100)
        self.disk: Any = SimpleNamespace(read_bytes=0, write_bytes=0)
        self.fault: Exception | None = None
        self.disk_fault: Exception | None = None
        self.load = 3.0

    def memory(self) -> Any:
        if self.fault:
            raise self.fault
        return SimpleNamespace(percent=40.0)

    def disk_usage(self, path: str) -> Any:
        if self.disk_fault:
            raise self.disk_fault
        return SimpleNamespace(percent=70.0)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    for name, sensor in {
        "cpu_percent": lambda interval: 12.5,
        "virtual_memory": machine.memory,
        "disk_usage": machine.disk_usage,
        "getloadavg": lambda: (machine.load, 1.0, 0.5),
        "cpu_count": lambda: 2,
        "net_io_counters": lambda: machine.network,
        "disk_io_counters": lambda: machine.disk,
    }.items():
        monkeypatch.setattr(psutil, name, sensor)
    # The virtual clock does not wait for threads.
    monkeypatch.setattr(trio.to_thread, "run_sync", call_inline)
    return machine


async def call_inline(call: Any, *args: Any, **_: Any) -> Any:
    await trio.lowlevel.checkpoint()
    return call(*args)


class Sink:
    """Takes readings; each round is announced, and may be refused."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.rounds: list[dict[str, ReadingInput]] = []
        self.refusal: Exception | None = None
        self.delay_s = 0.0
        self._send, self._receive = trio.open_memory_channel[None](100)

    async def __call__(self, readings: Sequence[ReadingInput]) -> None:
        self.times.append(trio.current_time())
        self.rounds.append({reading.metric: reading for reading in readings})
        refusal = self.refusal
        self._send.send_nowait(None)
        await trio.sleep(self.delay_s)
        if refusal is not None:
            raise refusal

    async def wait(self, rounds: int) -> None:
        for _ in range(rounds):
            await self._receive.receive()

    @property
    def last(self) -> dict[str, float]:
        return {metric: reading.value for metric, reading in self.rounds[-1].items()}


@pytest.fixture
def sink() -> Iterator[Sink]:
    yield Sink()


async def start(nursery: trio.Nursery, sink: Sink, interval_s: float = 1.0) -> HostSource:
    source: HostSource = await nursery.start(functools.partial(watch_host, sink, "host", interval_s, data_path="/data"))
    return source


async def test_every_interval_gives_a_reading_of_each_sensor(
    machine: Machine, sink: Sink, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    source = await start(nursery, sink)
    machine.network = SimpleNamespace(bytes_recv=3_000, bytes_sent=150)
    machine.disk = SimpleNamespace(read_bytes=4_096, write_bytes=8_192)
    await sink.wait(1)
    assert set(sink.last) == ALL
    assert sink.last == {
        "cpu_percent": 12.5,
        "memory_percent": 40.0,
        "disk_percent": 70.0,
        "load_1m": 3.0,
        "load_per_core": 1.5,
        "network_receive_bytes_per_s": pytest.approx(2_000),
        "network_send_bytes_per_s": pytest.approx(50),
        "disk_read_bytes_per_s": pytest.approx(4_096),
        "disk_write_bytes_per_s": pytest.approx(8_192),
    }
    assert {reading.framework_id for reading in sink.rounds[0].values()} == {"host"}
    assert sink.rounds[0]["disk_percent"].labels == {"path": "/data"}
    assert sink.rounds[0]["cpu_percent"].labels == {}
    await trio.testing.wait_all_tasks_blocked()
    assert source.statistics() == {
        "rounds": 1, "readings": 9, "readings_dropped": 0, "rounds_missed": 0, "sensor_faults": 0
    }  # fmt: skip


async def test_rounds_do_not_drift(machine: Machine, sink: Sink, nursery: trio.Nursery, autojump_clock: Clock) -> None:
    begin = trio.current_time()
    sink.delay_s = 0.3
    await start(nursery, sink)
    await sink.wait(4)
    assert sink.times == [pytest.approx(begin + n) for n in (1, 2, 3, 4)]


async def test_rounds_that_were_missed_are_counted_not_caught_up(
    machine: Machine, sink: Sink, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    begin = trio.current_time()
    sink.delay_s = 2.5
    source = await start(nursery, sink)
    await sink.wait(3)
    assert sink.times == [pytest.approx(begin + n) for n in (1, 4, 7)]
    assert source.statistics()["rounds_missed"] == 4


async def test_a_busy_engine_drops_a_round_and_is_told_the_next(
    machine: Machine, sink: Sink, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    source = await start(nursery, sink)
    sink.refusal = Busy("full")
    await sink.wait(1)
    sink.refusal = None
    await trio.testing.wait_all_tasks_blocked()
    await sink.wait(1)
    await trio.testing.wait_all_tasks_blocked()
    assert (source.statistics()["readings_dropped"], source.statistics()["readings"]) == (9, 9)


async def test_a_refusal_that_trying_again_does_not_help_ends_the_source(
    machine: Machine, sink: Sink, autojump_clock: Clock
) -> None:
    sink.refusal = PermissionDenied("no")
    with pytest.raises(PermissionDenied):
        await watch_host(sink, "host", 1.0)


@pytest.mark.parametrize("fault", [OSError("no /proc"), psutil.AccessDenied(1), ValueError("what is this?")])
async def test_a_failing_sensor_is_logged_once_and_left_out(
    machine: Machine, sink: Sink, nursery: trio.Nursery, autojump_clock: Clock, fault: Exception
) -> None:
    source = await start(nursery, sink)
    machine.fault = fault
    with structlog.testing.capture_logs() as logs:
        await sink.wait(3)
        assert set(sink.last) == ALL - {"memory_percent"}
        machine.fault = None
        await sink.wait(2)
    assert set(sink.last) == ALL
    assert [(entry["event"], entry["sensor"]) for entry in logs] == [
        ("host_sensor_failed", "memory"),
        ("host_sensor_works_again", "memory"),
    ]
    assert source.statistics()["sensor_faults"] >= 3


async def test_what_the_machine_does_not_have_is_left_out(
    machine: Machine, sink: Sink, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    machine.disk = machine.network = None
    machine.load = math.nan
    with structlog.testing.capture_logs() as logs:
        await start(nursery, sink)
        await sink.wait(2)
    assert set(sink.last) == {"cpu_percent", "memory_percent", "disk_percent"}
    assert sorted(entry["sensor"] for entry in logs) == ["disk_io", "network"]


async def test_a_machine_of_which_nothing_is_known_submits_nothing(
    machine: Machine, sink: Sink, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise OSError("nothing")

    for name in ("cpu_percent", "virtual_memory", "disk_usage", "getloadavg", "net_io_counters", "disk_io_counters"):
        monkeypatch.setattr(psutil, name, broken)
    source = await start(nursery, sink)
    await trio.sleep(2.5)
    assert sink.rounds == []
    assert source.statistics()["rounds"] == 2


async def test_a_counter_that_was_set_back_gives_no_rate_once(
    machine: Machine, sink: Sink, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    await start(nursery, sink)
    machine.network = SimpleNamespace(bytes_recv=5, bytes_sent=200)
    await sink.wait(1)
    assert "network_receive_bytes_per_s" not in sink.last
    assert sink.last["network_send_bytes_per_s"] == pytest.approx(100)
    await sink.wait(1)
    assert sink.last["network_receive_bytes_per_s"] == 0


async def test_a_disk_that_hangs_delays_nobody_and_holds_one_thread(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, release, calls = threading.Event(), threading.Event(), []

    def hang(path: str) -> Any:
        calls.append(path)
        begun.set()
        release.wait(60)
        return SimpleNamespace(percent=1.0)

    monkeypatch.setattr(psutil, "disk_usage", hang)
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            await start(nursery, sink, 0.1)
            await sink.wait(3)
            # The thread has its first turn when the machine finds time for it.
            assert await trio.to_thread.run_sync(begun.wait, 60)
            nursery.cancel_scope.cancel()
    release.set()
    assert all("disk_percent" not in readings for readings in sink.rounds)
    assert all("cpu_percent" in readings for readings in sink.rounds)
    assert len(calls) == 1
    [failure] = [entry for entry in logs if entry["sensor"] == "disk"]
    assert failure["error"] == "/data did not answer in 0.05 s"


def test_of_a_data_folder_that_is_not_there_the_disk_is_watched_that_it_would_be_made_on(tmp_path: Path) -> None:
    assert nearest_there(tmp_path) == tmp_path
    assert nearest_there(tmp_path / "not" / "there") == tmp_path


async def test_a_disk_that_is_gone_is_a_sensor_that_failed(
    machine: Machine, sink: Sink, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    machine.disk_fault = FileNotFoundError("/data")
    with structlog.testing.capture_logs() as logs:
        await start(nursery, sink)
        await sink.wait(2)
    assert set(sink.last) == ALL - {"disk_percent"}
    assert [entry["sensor"] for entry in logs] == ["disk"]


@pytest.mark.parametrize("interval_s", [0.0, 0.05, -1.0, math.inf, math.nan])
async def test_an_interval_that_makes_no_sense_is_refused(sink: Sink, interval_s: float) -> None:
    with pytest.raises(ValueError, match=r"at least 0\.1 s"):
        await watch_host(sink, "host", interval_s)


async def test_this_very_machine_has_a_processor_and_memory(sink: Sink, tmp_path: Any) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(functools.partial(watch_host, sink, "host", 0.1, data_path=str(tmp_path)))
        # A disk that is held up for a moment is in the next round, or the one after it.
        while not sink.rounds or not {"cpu_percent", "memory_percent", "disk_percent", "load_1m"} <= set(sink.last):
            await sink.wait(1)
        nursery.cancel_scope.cancel()
    assert all(math.isfinite(value) and value >= 0 for value in sink.last.values())
