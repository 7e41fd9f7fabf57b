"""Watches the machine that we run on: processor, memory, disk, load, network, as readings each interval.

Owns its sensors and their last counters. Talks to nobody but `submit`, which it is handed. Waits for the clock, for
`submit`, and at most half an interval for the one sensor that can block (a disk that hangs blocks `statvfs` for hours):
that one runs in a thread of its own, at most one at a time, and is left behind when it hangs. All others read a few
lines of /proc, about a millisecond in all, so a thread would cost more than they do.

A sensor that fails is logged once and left out until it works again; the others go on. If we crash, we are restarted
and lose nothing but the first interval's rates. When the engine is busy a round of readings is dropped and counted: the
next one says the same, only newer. Decided against: catching up on rounds that were missed, which would make the busy
busier.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import psutil
import structlog
import trio

from engine.sources.handing import Handing, Submit
from protocol.items import ReadingInput

INTERVAL_MIN_S = 0.1
# What sensors raise where the system lacks or hides something: a missing /proc file, a foreign format, no permission.
SENSOR_FAULTS = (OSError, psutil.Error, RuntimeError, ValueError, NotImplementedError)

Values = Mapping[str, float]

logger = structlog.get_logger(__name__)


async def watch_host(
    submit: Submit,
    framework: str,
    interval_s: float,
    *,
    data_path: str = ".",
    task_status: trio.TaskStatus[HostSource] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Submits this machine's readings every `interval_s` seconds until cancelled. `data_path` is on the disk to watch.

    Reports its HostSource when the first readings are due. Raises ValueError for an interval below 0.1 s, and whatever
    `submit` raises that trying again would not help.
    """
    await HostSource(submit, framework, interval_s, data_path).run(task_status=task_status)


def nearest_there(path: Path) -> Path:
    """A path, or the folder nearest above it that exists: on the disk that it would be made on.

    An engine on Postgres whose secrets are configured has no data folder, and its machine has a disk all the same.
    """
    return next(there for there in (path, *path.absolute().parents) if there.exists())


class HostSource:
    """The source and its counters; made and run by `watch_host`."""

    def __init__(self, submit: Submit, framework: str, interval_s: float, data_path: str = ".") -> None:
        if not INTERVAL_MIN_S <= interval_s < math.inf:
            raise ValueError(f"interval_s is {interval_s}: at least {INTERVAL_MIN_S} s")
        self._handing = Handing(submit)
        self._framework = framework
        self._interval_s = interval_s
        self._disk = _DiskUsage(data_path, interval_s / 2)
        self._rates = {"network": _Rates(_network_counters), "disk_io": _Rates(_disk_counters)}
        self._failing: set[str] = set()
        self._rounds = self._missed = self._faults = 0

    async def run(self, *, task_status: trio.TaskStatus[HostSource] = trio.TASK_STATUS_IGNORED) -> None:
        """Reads and submits until cancelled. A round begins at start + n x interval; there is no drift."""
        start = trio.current_time()
        self._prime(start)
        task_status.started(self)
        due = 0
        while True:
            due = self._next_round(start, due)
            await trio.sleep_until(start + due * self._interval_s)
            await self._round()

    def statistics(self) -> Mapping[str, int]:
        """Rounds made, readings submitted, readings dropped (engine busy), rounds missed (we were late), sensor
        faults."""
        return {
            "rounds": self._rounds,
            "readings": self._handing.submitted,
            "readings_dropped": self._handing.dropped,
            "rounds_missed": self._missed,
            "sensor_faults": self._faults,
        }

    def _next_round(self, start: float, last: int) -> int:
        """The number of the next round that is not in the past."""
        due = max(last + 1, math.ceil((trio.current_time() - start) / self._interval_s))
        self._missed += due - last - 1
        return due

    def _prime(self, now: float) -> None:
        """Takes the counters whose differences the first round needs; what fails is logged then."""
        for name, sensor in self._sensors(now):
            self._read(name, sensor)

    async def _round(self) -> None:
        self._rounds += 1
        values = dict(self._disk_values(await self._disk.percent()))
        for name, sensor in self._sensors(trio.current_time()):
            values |= self._read(name, sensor)
        readings = [self._reading(metric, value) for metric, value in values.items() if math.isfinite(value)]
        if readings:
            await self._handing.tell(readings)

    def _reading(self, metric: str, value: float) -> ReadingInput:
        labels = {"path": self._disk.path} if metric == "disk_percent" else {}
        return ReadingInput(framework_id=self._framework, metric=metric, value=value, labels=labels)

    def _sensors(self, now: float) -> Iterator[tuple[str, Callable[[], Values]]]:
        yield "cpu", _cpu
        yield "memory", _memory
        yield "load", _load
        for name, rates in self._rates.items():
            yield name, partial(rates.read, now)

    def _disk_values(self, outcome: float | Exception) -> Values:
        def sensor() -> Values:
            if isinstance(outcome, Exception):
                raise outcome
            return {"disk_percent": outcome}

        return self._read("disk", sensor)

    def _read(self, name: str, sensor: Callable[[], Values]) -> Values:
        try:
            values = sensor()
        except SENSOR_FAULTS as fault:
            self._faults += 1
            if name not in self._failing:
                self._failing.add(name)
                logger.warning("host_sensor_failed", sensor=name, error=str(fault))
            return {}
        if name in self._failing:
            self._failing.discard(name)
            logger.info("host_sensor_works_again", sensor=name)
        return values


class _DiskUsage:
    """How full the disk of a path is, asked in a thread that may hang."""

    def __init__(self, path: str, patience_s: float) -> None:
        self.path = path
        self._patience_s = patience_s
        # One thread: a disk that hangs must not collect them.
        self._limiter = trio.CapacityLimiter(1)

    async def percent(self) -> float | Exception:
        """Percent used, or why not: a fault of the disk, or TimeoutError while it hangs."""
        with trio.move_on_after(self._patience_s):
            try:
                usage = await trio.to_thread.run_sync(
                    psutil.disk_usage, self.path, limiter=self._limiter, abandon_on_cancel=True
                )
            except SENSOR_FAULTS as fault:
                return fault
            return float(usage.percent)
        return TimeoutError(f"{self.path} did not answer in {self._patience_s:g} s")


class _Rates:
    """Counters that only grow, read as changes per second."""

    def __init__(self, counters: Callable[[], Values]) -> None:
        self._counters = counters
        self._last: tuple[float, Values] | None = None

    def read(self, now: float) -> Values:
        """The rates since the last reading; nothing the first time, nor for a counter that was set back."""
        values = self._counters()
        before, self._last = self._last, (now, values)
        if before is None or now <= before[0]:
            return {}
        then, old = before
        changes = {name: value - old[name] for name, value in values.items() if name in old}
        return {name: change / (now - then) for name, change in changes.items() if change >= 0}


def _cpu() -> Values:
    # Since the call before; the first one (while priming) means nothing.
    return {"cpu_percent": psutil.cpu_percent(interval=None)}


def _memory() -> Values:
    return {"memory_percent": psutil.virtual_memory().percent}


def _load() -> Values:
    load_1m = psutil.getloadavg()[0]
    return {"load_1m": load_1m, "load_per_core": load_1m / (psutil.cpu_count() or 1)}


def _network_counters() -> Values:
    counters = psutil.net_io_counters()
    if counters is None:
        raise RuntimeError("there is no network interface")
    return {
        "network_receive_bytes_per_s": counters.bytes_recv,
        "network_send_bytes_per_s": counters.bytes_sent,
    }


def _disk_counters() -> Values:
    counters = psutil.disk_io_counters()
    if counters is None:
        raise RuntimeError("there is no disk whose traffic is counted")
    return {"disk_read_bytes_per_s": counters.read_bytes, "disk_write_bytes_per_s": counters.write_bytes}
