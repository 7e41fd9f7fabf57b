"""The cache as the configuration wants it. Nothing of it runs yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.cache import SecondLevel
from engine.cache.cache import Cache
from engine.cache.counts import Counts
from engine.cache.memory import Memory
from engine.cache.shared import Shared
from engine.cache.strategies import STRATEGIES
from engine.cache.wire import Names
from engine.configuration.config import Config
from engine.configuration.fields import ConfigError
from engine.extras import how_to_get
from engine.foreign import ForeignLoop


def build_cache(
    config: Config,
    foreign: ForeignLoop,
    epoch: str,
    secrets: Callable[[], Sequence[bytes]],
    *,
    are_others: bool = False,
) -> Cache:
    """`epoch`: the store's; `secrets`: the installation's now; `are_others`: other nodes may be. Raises ConfigError."""
    memory, counts = Memory(config.cache.entries_max, config.cache.bytes_max), Counts(STRATEGIES)
    value_max_bytes = config.cache.value_max_bytes
    if not config.redis.url:
        near_s = config.cache.near_s if are_others else float("inf")
        return Cache(memory, counts, near_s=near_s, value_max_bytes=value_max_bytes)
    shared = Shared(_level(config, foreign), Names(config.redis.prefix, epoch, secrets), counts)
    return Cache(memory, counts, shared, near_s=config.cache.near_s, value_max_bytes=value_max_bytes)


def _level(config: Config, foreign: ForeignLoop) -> SecondLevel:
    try:
        from engine.cache.redis import RedisLevel
    except ImportError as fault:
        text = f"needs a package that is not installed, or leave it out: {how_to_get('redis')}"
        raise ConfigError("redis.url", text) from fault
    return RedisLevel(
        config.redis.url,
        foreign,
        wait_s=config.cache.wait_s,
        value_max_bytes=config.cache.value_max_bytes,
    )
