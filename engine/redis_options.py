"""What every client of ours to Redis is made with, whoever uses it. Without Redis' library nobody imports this."""

from __future__ import annotations

from typing import Any

from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def redis_options(name: str, answer_s: float) -> dict[str, Any]:
    """For `from_url`: how the client is called on the server, and how long it waits there."""
    return {
        "client_name": f"tocsin-{name}",
        "socket_connect_timeout": answer_s,
        "socket_timeout": answer_s,
        "protocol": 2,  # every server since 2.0 speaks it, and nothing here needs the third
        "retry": Retry(NoBackoff(), 0),  # who asks tries again by himself, and until then nobody waits
    }
