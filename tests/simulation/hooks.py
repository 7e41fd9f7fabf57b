"""Everything that the machine or chance decides, taken into our own hands for one run: the only file that reaches into
trio's private parts.

Inside `determined(seed, network)` the same seed gives the same run: trio's scheduler shuffles by the seed, `random` is
seeded, virtual time jumps when nobody has anything to do, and what the engine sends and waits for on a socket goes to
the network in memory instead of the kernel. Trio makes the order of a pass independent of addresses when
`_ALLOW_DETERMINISTIC_SCHEDULING` is set (it is there for Hypothesis).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
import trio
from trio._core import _run
from trio.testing import MockClock

from actors import send
from tests.simulation.network import Network
from tests.simulation.trace import Violation


@contextmanager
def determined(seed: int, network: Network) -> Iterator[None]:
    """Inside the block chance is the seed's and the kernel's sockets are the network's."""
    hooks: Any = _run
    before = random.getstate(), hooks._r.getstate(), hooks._ALLOW_DETERMINISTIC_SCHEDULING
    wait_writable, libc_send = trio.lowlevel.wait_writable, send.libc_send
    random.seed(seed)
    hooks._r.seed(seed)
    hooks._ALLOW_DETERMINISTIC_SCHEDULING = True
    trio.lowlevel.wait_writable = network.wait_writable  # type: ignore[assignment]  # takes numbers only, as we do
    send.libc_send = lambda: network.send
    try:
        yield
    finally:
        trio.lowlevel.wait_writable, send.libc_send = wait_writable, libc_send
        random.setstate(before[0])
        hooks._r.setstate(before[1])
        hooks._ALLOW_DETERMINISTIC_SCHEDULING = before[2]


def run_in_virtual_time(main: Callable[[], Awaitable[None]]) -> None:
    """Runs to the end; time jumps to the next deadline whenever everybody waits."""
    trio.run(main, clock=MockClock(autojump_threshold=0))


class _Passes(trio.abc.Instrument):
    """Counts the scheduler's passes, and ends a run that does not come to an end: time stands still for the busy."""

    def __init__(self, most: int) -> None:
        self.left = most
        self.scope = trio.CancelScope()

    def before_io_wait(self, timeout: float) -> None:
        self.left -= 1
        if self.left == 0:
            self.scope.cancel()


@contextmanager
def bounded(passes: int) -> Iterator[None]:
    """Inside the block the loop makes so many passes at most. Raises Violation."""
    watch = _Passes(passes)
    trio.lowlevel.add_instrument(watch)
    try:
        with watch.scope:
            yield
    finally:
        trio.lowlevel.remove_instrument(watch)
    if watch.scope.cancelled_caught:
        raise Violation(f"busy without end: {passes} passes of the scheduler and not done")


@contextmanager
def logs_to(hear: Callable[[str, dict[str, Any]], None]) -> Iterator[None]:
    """Inside the block the engine's log is heard (level, fields) instead of written."""
    before = structlog.get_config()

    def processor(_: Any, level: str, fields: dict[str, Any]) -> Any:
        hear(level, fields)
        raise structlog.DropEvent

    structlog.configure(processors=[processor], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)
