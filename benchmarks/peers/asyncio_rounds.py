"""What the asyncio peers share: commands from the control pipe, and sending in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from benchmarks.control import CONTROL_FD, CommandReader, say
from benchmarks.floor import Round, read_round
from benchmarks.measure import NS_PER_S

# asyncio's timers round up to a millisecond; the rest of the way is waited for awake, as in our own broadcaster.
_AWAKE_NS = 2_000_000


async def serve_rounds(port: int, broadcast: Callable[[bytes], None]) -> None:
    """Says that it is ready and obeys until the end of input; `broadcast` sends one payload to all, now."""
    commands, loop = CommandReader(CONTROL_FD), asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(CONTROL_FD, readable.set)
    say({"port": port})
    while True:
        await readable.wait()
        line = commands.next_line()
        if line is None:
            return
        say({"sent": await _send(read_round(line, commands), broadcast)})
        readable.clear()


async def _send(plan: Round, broadcast: Callable[[bytes], None]) -> int:
    for index, message in enumerate(plan.messages):
        left_ns = plan.due_ns(index) - time.monotonic_ns()
        # Also without anything to wait for: the loop gets its turn between two broadcasts.
        await asyncio.sleep(max(0, left_ns - _AWAKE_NS) / NS_PER_S)
        while time.monotonic_ns() < plan.due_ns(index):
            pass
        broadcast(message)
    return len(plan.messages)
