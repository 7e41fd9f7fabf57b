"""The cache as the configuration wants it."""

from __future__ import annotations

import sys

import pytest

from engine.cache.build import build_cache
from engine.configuration.config import Config
from engine.configuration.fields import ConfigError, SecretUrl
from engine.foreign import ForeignLoop
from engine.sections.cache import Cache, Redis

SHARED = Redis(url=SecretUrl("redis://:hush@cache.example:6379"), prefix="mine")


def test_without_a_redis_it_is_this_process_alone():
    cache = build_cache(
        Config(cache=Cache(entries_max=3, bytes_max=4_096)), ForeignLoop(), "epoch", lambda: [b"secret"]
    )
    assert cache._shared is None
    assert cache.near_s == float("inf")
    assert (cache.memory._entries_max, cache.memory._bytes_max) == (3, 4_096)


def test_with_a_redis_its_keys_have_the_prefix_and_this_process_keeps_nothing_for_long():
    cache = build_cache(Config(redis=SHARED), ForeignLoop(), "epoch", lambda: [b"secret"])
    assert cache._shared is not None
    assert cache._shared.names.tag("acme", "alerts").startswith("mine:{acme}:cache:")
    assert cache.near_s == Config().cache.near_s


def test_without_the_package_the_operator_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "engine.cache.redis", None)
    with pytest.raises(ConfigError, match=r"redis\.url: .*pip install 'tocsin\[redis\]'") as refusal:
        build_cache(Config(redis=SHARED), ForeignLoop(), "epoch", lambda: [b"secret"])
    assert "hush" not in str(refusal.value)
