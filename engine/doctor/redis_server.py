"""The Redis that nodes share, if one is configured: reachable, new enough, quick, and what it does when it is full.

Nothing is lost with it (the store has everything), so what is wrong here makes nodes slower and is a WARNING; a FAIL is
what an engine would not start with. Nothing is written.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine.configuration.config import Config
from engine.configuration.fields import ConfigError
from engine.doctor.findings import Finding, Level
from engine.extras import how_to_get
from protocol.errors import NotYet

if TYPE_CHECKING:
    from redis import Redis

# Trimming a stream by time (XADD ... MINID).
REDIS_MIN = (6, 2)
ANSWER_S = 2.0
# A neighbour answers within 0.2 ms; the cache waits for 50 (cache.wait_s), and each alert crosses it between nodes.
PING_SLOW_S = 0.005
_PINGS = 7
# Of what it says to who comes without a password, which is mostly about HELLO.
_CAME_WITHOUT_ONE = "must be called with the client already authenticated"
# Above it evictions begin soon.
FULL_PERCENT = 90
# Takes entries of the cache, which end by themselves anyway, and leaves the streams between nodes alone.
POLICY = "volatile-lru"
# It answers as a Redis does, and keeps nothing.
SENTINEL, INSTEAD = (
    "is a Sentinel, which only says where a Redis is; Sentinel is not supported",
    "name the Redis itself, by what goes with its primary (a name, a proxy), or a Redis Cluster",
)
_FOREIGN_AUTHORITY = "CERTIFICATE_VERIFY_FAILED"
MISSING, INSTALL = "the library for it is not installed", how_to_get("redis")


def be_ready(config: Config) -> None:
    """For the start: returns if the configured Redis answers, or none is. Raises NotYet; ConfigError for
    what waiting cannot mend.
    """
    if not config.redis.url:
        return
    try:
        import redis
    except ImportError:
        raise ConfigError("redis.url", f"{MISSING}: {INSTALL}") from None
    client = _client(config)
    try:
        is_sentinel = _is_sentinel(client.info("server"))
    except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as fault:
        raise ConfigError("redis.url", f"{config.redis.url.shown} refuses us: {_refusal(fault)}") from None
    except redis.InvalidResponse:
        raise ConfigError("redis.url", f"what answers at {config.redis.url.shown} is no Redis") from None
    except redis.RedisError as fault:
        raise NotYet(f"no connection to the Redis at {config.redis.url.shown}: {fault}") from None
    finally:
        client.close()
    if is_sentinel:
        raise ConfigError("redis.url", f"what answers at {config.redis.url.shown} {SENTINEL}: {INSTEAD}")


def server(config: Config) -> Iterator[Finding]:
    """Nothing, if none is configured."""
    if not config.redis.url:
        return
    try:
        import redis
    except ImportError:
        yield Finding("redis", Level.FAIL, MISSING, INSTALL)
        return
    where = config.redis.url.shown
    client = _client(config)
    try:
        told, ping_s = dict(client.info("everything")), _ping_s(client)
    except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as fault:
        cause, _, advice = _refusal(fault).partition("; ")
        yield Finding("redis", Level.FAIL, f"{where} refuses us: {cause}", advice)
        return
    except redis.RedisError as fault:
        yield Finding("redis", Level.WARNING, f"{where}: {fault}", _advice(str(fault)))
        return
    finally:
        client.close()
    if _is_sentinel(told):
        yield Finding("redis", Level.FAIL, f"{where} {SENTINEL}", INSTEAD)
        return
    yield _version(where, told)
    yield _speed(ping_s)
    yield _memory(told)


def _is_sentinel(told: Mapping[str, Any]) -> bool:
    # Valkey's name for it, and Redis'.
    return "sentinel" in (told.get("server_mode"), told.get("redis_mode"))


def _advice(cause: str) -> str:
    mend = "start it, or mend redis.url"
    if _FOREIGN_AUTHORITY in cause:
        mend = "mend its certificate, or name its authority's file in SSL_CERT_FILE (with the system's own ones in it)"
    return f"{mend}; nodes use the store"


def _refusal(fault: Exception) -> str:
    """What is wrong with whom we came as, and what to do about it."""
    import redis

    cause = str(fault).rstrip(".")
    if isinstance(fault, redis.exceptions.NoPermissionError):
        return f"{cause}; give that user its rights there (ACL SETUSER), or name another one in redis.url"
    if _CAME_WITHOUT_ONE in cause:
        cause = "it wants a password"
    return f"{cause}; put the right one into redis.url, redis://[user]:password@host:port (TOCSIN_REDIS_URL)"


def _client(config: Config) -> Redis:
    import redis

    limits: dict[str, Any] = {"socket_connect_timeout": ANSWER_S, "socket_timeout": ANSWER_S}
    return redis.Redis.from_url(config.redis.url.reveal().decode(), **limits)


def _version(where: str, told: Mapping[str, Any]) -> Finding:
    name = "Valkey" if "valkey_version" in told else "Redis"
    # Valkey goes on saying which Redis it is as good as.
    version = str(told.get("redis_version", ""))
    shown = f"{where}: {name} {told.get('valkey_version', version)}"
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < REDIS_MIN:
        return Finding("redis", Level.FAIL, shown, f"use {'.'.join(map(str, REDIS_MIN))} or newer")
    return Finding("redis", Level.OK, shown)


def _speed(ping_s: float) -> Finding:
    slow = ping_s > PING_SLOW_S
    advice = "put it nearer to the nodes: what one node has stored reaches another's clients through it" if slow else ""
    return Finding("redis", Level.WARNING if slow else Level.OK, f"answers in {1_000 * ping_s:.2f} ms", advice)


def _memory(told: Mapping[str, Any]) -> Finding:
    used, most = int(told.get("used_memory", 0)), int(told.get("maxmemory", 0))
    policy = str(told.get("maxmemory_policy", ""))
    text = f"{used / 2**20:.0f} MiB in use of {f'{most / 2**20:.0f} MiB' if most else 'no bound'}, {policy} when full"
    if not most:
        return Finding("redis", Level.WARNING, text, f"set maxmemory, and maxmemory-policy {POLICY}")
    if not policy.startswith("volatile"):
        advice = f"set maxmemory-policy {POLICY}: a full one would refuse, or throw away what is between nodes"
        return Finding("redis", Level.WARNING, text, advice)
    if 100 * used > FULL_PERCENT * most:
        return Finding("redis", Level.WARNING, text, "give it more memory (maxmemory)")
    return Finding("redis", Level.OK, text)


def _ping_s(client: Redis) -> float:
    """The median time of a PING. Raises RedisError."""
    took = []
    for _ in range(_PINGS):
        began = time.perf_counter()
        client.ping()
        took.append(time.perf_counter() - began)
    return statistics.median(took)
