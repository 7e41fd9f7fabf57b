"""The topics of the bus, by name. Pure."""

from __future__ import annotations

from zlib import crc32

# So that a node need not hear what no client of its own follows, and a Redis Cluster can spread them. The number is
# part of what nodes agree on: two versions side by side must have the same.
PARTITIONS = 16
EVENT_TOPICS = tuple(f"events.{number}" for number in range(PARTITIONS))
# What everybody should know: objects that changed, revocations, disconnects, broadcasts, the bell for jobs.
NEWS = "news"


def events_of(workspace: str) -> str:
    """Where committed events of a workspace are told."""
    return EVENT_TOPICS[crc32(workspace.encode()) % PARTITIONS]


def inbox_of(node: str) -> str:
    """Where a node is told what is for it alone."""
    return f"node.{node}"


def is_inbox(topic: str) -> bool:
    """Whether only one node hears it; when nobody writes to it any more, it may be forgotten."""
    return topic.startswith("node.")
