"""What nodes share besides the store (`[redis]`), and what is remembered of its answers (`[cache]`)."""

from __future__ import annotations

from typing import Annotated

from engine.configuration.fields import SecretUrl, Section, limit, why

MIB = 1 << 20


class Redis(Section, frozen=True, kw_only=True):
    """A Redis or Valkey that makes several nodes faster; nothing is lost with it."""

    url: Annotated[
        SecretUrl,
        why(
            "redis://[[user]:password@]host[:port][/database], rediss:// with TLS, unix:///path; of a Redis Cluster"
            " any node. Empty: none is used."
        ),
    ] = SecretUrl()
    prefix: Annotated[
        str, why("How all our keys begin; 'app' is the reference's. Two installations on one Redis need two.")
    ] = "app"


class Cache(Section, frozen=True, kw_only=True):
    """Answers of the store that are remembered: by each node, and in Redis where there is one."""

    entries_max: Annotated[int, limit(0, 10_000_000, "In each node's memory; the least used go first. 0: none.")] = (
        10_000
    )
    bytes_max: Annotated[int, limit(0, 2**36, "The same in bytes, as encoded; in memory it is two to four times.")] = (
        64 * MIB
    )
    value_max_bytes: Annotated[
        int, limit(1_024, 64 * MIB, "Greater answers are not worth the room of many others.")
    ] = MIB
    near_s: Annotated[
        float,
        limit(
            0.0,
            3_600,
            "With several nodes: a change on another node whose word was lost shows so much later at most.",
        ),
    ] = 5.0
    wait_s: Annotated[
        float, limit(0.001, 10, "Redis has so long to answer; the store answers a page in a few milliseconds.")
    ] = 0.05
