"""Which bus a configuration makes."""

from __future__ import annotations

import sys

import pytest

from engine.app import Engine
from engine.bus.build import build_bus, needs_foreign
from engine.bus.carried import CarriedBus
from engine.configuration.config import Config
from engine.configuration.fields import ConfigError, SecretUrl
from engine.foreign import ForeignLoop
from engine.sections.cache import Redis
from tocsin.testing.engines import a_config

POSTGRES = "postgresql://tocsin_app:secret@db.example/tocsin"
REDIS = Redis(url=SecretUrl("redis://:secret@redis.example"))


def carriers_of(config: Config) -> list[str]:
    bus = build_bus(config, ForeignLoop(), "a.1")
    assert isinstance(bus, CarriedBus)
    return [name.removeprefix("up_") for name in bus.statistics() if name.startswith("up_")]


def test_one_process_with_a_file_has_none_and_needs_no_foreign_loop() -> None:
    assert build_bus(Config(), ForeignLoop(), "a.1") is None
    assert not needs_foreign(Config())


def test_one_process_with_a_file_and_redis_has_none_either() -> None:
    assert build_bus(Config(redis=REDIS), ForeignLoop(), "a.1") is None
    assert needs_foreign(Config(redis=REDIS))


async def test_nodes_on_postgres_alone_speak_over_it() -> None:
    assert carriers_of(Config(store=POSTGRES)) == ["postgres"]
    assert needs_foreign(Config(store=POSTGRES))


async def test_a_database_with_a_standby_and_one_behind_a_socket_are_servers_as_any() -> None:
    assert carriers_of(Config(store="postgresql://tocsin_app:secret@one:5432,two:5432/tocsin")) == ["postgres"]
    assert carriers_of(Config(store="postgresql:///tocsin?host=/run/postgresql")) == ["postgres"]


async def test_with_redis_that_carries_and_postgres_stands_behind_it() -> None:
    assert carriers_of(Config(store=POSTGRES, redis=REDIS)) == ["redis", "postgres"]


def test_without_the_library_the_operator_is_told_which_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("engine.bus.redis", "engine.bus.redis_connection", "engine.bus.redis_reader"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigError, match="pip install 'tocsin"):
        build_bus(Config(store=POSTGRES, redis=REDIS), ForeignLoop(), "a.1")


@pytest.mark.parametrize(("store", "is_shown"), [("memory:", False), (POSTGRES, True)])
async def test_what_goes_through_the_foreign_loop_is_shown_where_anything_does(store: str, is_shown: bool) -> None:
    figures = Engine(a_config(store=store)).metrics.render().decode().splitlines()
    shown = [line for line in figures if line.startswith("tocsin_foreign_")]
    assert shown == (["tocsin_foreign_calls 0.0", "tocsin_foreign_abandoned_total 0.0"] if is_shown else [])
