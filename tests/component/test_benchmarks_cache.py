"""The benchmark of the cache: its load is the same for the same seed, and its figures are those that docs promise."""

from __future__ import annotations

import itertools

import msgspec
import pytest

import benchmarks.__main__ as benchmarks
from benchmarks import cache, cache_mixed
from benchmarks.options import Options
from benchmarks.peers import redis
from engine.cache import Entry, Found
from engine.cache.counts import Counts
from engine.cache.strategies import STRATEGIES
from engine.extras import how_to_get

TINY = Options(short=True, runs=1)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(cache, "SHORT_HITS", 100)
    monkeypatch.setattr(cache, "SHORT_HOURS", 0.5)
    monkeypatch.setattr(cache, "SHORT_SHARED_HOURS", 0.05)
    monkeypatch.setattr(cache, "KEYS", 20)


def test_the_load_of_a_seed_is_always_the_same_and_in_order():
    load, again, other = (list(itertools.islice(cache_mixed.load(1, seed), 500)) for seed in (7, 7, 8))
    assert load == again != other
    assert sorted(load) == load
    assert {asked.what for asked in cache_mixed.load(1, 7)} == {"look", "alert", "edit"}


def test_popular_frameworks_are_looked_at_more_often():
    frameworks = [asked.framework for asked in cache_mixed.load(1, 7)]
    assert frameworks.count("framework-1") > 5 * frameworks.count("framework-50")


def test_all_figures_that_are_promised_are_measured(small, capsys):
    assert benchmarks.main(["cache", "--short", "--runs", "1", "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out)
    assert {check["figure"] for check in report["checks"]} == {
        *("near_hit_us", "far_hit_p50_ms"),
        *("rules_hit_percent", "statistics_hit_percent", "patterns_hit_percent"),
        *("shared_rules_hit_percent", "shared_statistics_hit_percent", "shared_patterns_hit_percent"),
    }
    assert {"set_1000_ms", "sweep_1000_ms", "forget_1000_ms", "far_hit_p99_ms"} <= report["figures"].keys()
    assert all(value > 0 for value in report["figures"].values())


def test_without_a_redis_its_rows_are_left_out_and_that_is_said(small, monkeypatch):
    monkeypatch.setattr(redis.shutil, "which", lambda name: None)
    report = cache.run(TINY)
    assert "far_hit_p50_ms" not in report.figures
    assert report.warnings == ["Redis is left out: there is no redis-server here"]


def test_without_the_package_no_engine_can_have_a_redis(monkeypatch):
    monkeypatch.setattr(redis.shutil, "which", lambda name: name)
    monkeypatch.setattr(redis.importlib.util, "find_spec", lambda name: None)
    assert redis.why_none() == f"the package redis is not installed ({how_to_get('redis')})"


class Lasting:
    """A second level whose own clock stands still."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.sweep = self.ping = self.close = None

    async def find(self, key: str, tags: list[str]) -> Found:
        return Found(self.kept.get(key), b"")

    async def keep(self, entries: list[Entry]) -> None:
        self.kept |= {entry.key: entry.value for entry in entries}

    async def delete(self, keys: list[str]) -> None:
        for key in keys:
            del self.kept[key]


async def test_what_one_node_has_kept_ends_by_virtual_time_on_another(mock_clock):
    ends: dict[str, float] = {}
    lasting = Lasting()
    one, other = (cache_mixed.InVirtualTime(lasting, ends) for _ in range(2))  # type: ignore[arg-type]  # a part of it
    await one.keep([Entry("key", b"value", 60.0)])
    mock_clock.jump(59.0)
    assert await other.find("key", []) == Found(b"value", b"")
    mock_clock.jump(1.0)
    assert await other.find("key", []) == Found(None, b"")
    await other.keep([Entry("key", b"newer", 60.0)])
    assert await one.find("key", []) == Found(b"newer", b"")


def test_all_nodes_together_have_one_hit_rate():
    one, other = Counts(STRATEGIES), Counts(STRATEGIES)
    one.near["rules"], one.misses["rules"], other.far["rules"] = 2, 1, 1
    for each in ("statistics", "patterns"):
        one.misses[each] = 1
    figures = cache_mixed.rates([one, other])
    assert (figures["shared_rules_hit_percent"], figures["shared_patterns_hit_percent"]) == (75.0, 0.0)
    assert round(figures["shared_near_percent"], 1) == 66.7


def test_an_option_that_means_nothing_to_it_is_refused(capsys):
    with pytest.raises(SystemExit):
        benchmarks.main(["cache", "--clients", "5"])
    assert "--clients means nothing to cache" in capsys.readouterr().err
