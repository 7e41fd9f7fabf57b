"""Predicts how many alerts tomorrow brings, in a process (`engine.computing`), of several workspaces one after another:
each alone is some milliseconds, and a process is half a second of imports.

Each workspace is asked for by itself, as its own: nothing here sees two at a time but their answers.
"""

from __future__ import annotations

import msgspec

from engine.analytics.prediction_reading import read_counts
from engine.analytics.prediction_tasks import AskedCounts, Task
from engine.analytics.prediction_worker import work
from engine.stores import Store


async def gather(store: Store, asked: bytes) -> bytes:
    """Reads a task for each workspace, packed; see `engine.computing.asking`. Raises StoreUnavailable."""
    what = msgspec.msgpack.decode(asked, type=AskedCounts)
    return msgspec.msgpack.encode([await read_counts(store, each, what.now_us) for each in what.workspaces])


def compute(tasks: bytes) -> bytes:
    """What was `Made` of each workspace, packed one by one: to unpack all at once would hold up the engine's loop."""
    made = [msgspec.msgpack.encode(work(each)) for each in msgspec.msgpack.decode(tasks, type=list[Task])]
    return msgspec.msgpack.encode(made)
