"""Which bus this node has: none in one process, Redis if there is one, and always the store's own server behind it."""

from __future__ import annotations

from engine.bus import Bus
from engine.bus.carried import CarriedBus
from engine.bus.carriers import Carrier
from engine.configuration.config import Config
from engine.configuration.fields import ConfigError
from engine.extras import how_to_get
from engine.foreign import ForeignLoop
from engine.stores.postgres.connect import is_postgres


def needs_foreign(config: Config) -> bool:
    """Whether anything of this configuration is reached through the foreign loop."""
    return is_postgres(config.store_url) or bool(config.redis.url)


def build_bus(config: Config, foreign: ForeignLoop, node: str) -> Bus | None:
    """The bus for this run of the process, not running yet. Raises ConfigError.

    A store in a file belongs to one process, whatever else is configured: then there is none.
    """
    if not is_postgres(config.store_url):
        return None
    from engine.bus.postgres import PostgresCarrier

    carriers: list[Carrier] = [PostgresCarrier(foreign, config.store_url, config.bus.keep_s)]
    if config.redis.url:
        carriers.insert(0, _over_redis(config, foreign))
    return CarriedBus(node, carriers, config.bus.queue_bytes)


def _over_redis(config: Config, foreign: ForeignLoop) -> Carrier:
    try:
        from engine.bus.redis import RedisCarrier
    except ImportError as fault:
        raise ConfigError("redis.url", f"needs the library redis: {how_to_get('redis')}") from fault
    return RedisCarrier(foreign, config.redis.url.reveal().decode(), config.redis.prefix, config.bus.keep_s)
