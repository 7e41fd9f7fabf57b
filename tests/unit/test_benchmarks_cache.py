"""The benchmark of the cache: its load is the same for the same seed, and its figures are those that docs promise."""

from __future__ import annotations

import itertools

import msgspec
import pytest

import benchmarks.__main__ as benchmarks
from benchmarks import cache
from benchmarks.options import Options

TINY = Options(short=True, runs=1)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(cache, "SHORT_HITS", 100)
    monkeypatch.setattr(cache, "SHORT_HOURS", 0.5)
    monkeypatch.setattr(cache, "KEYS", 20)


def test_the_load_of_a_seed_is_always_the_same_and_in_order():
    load, again, other = (list(itertools.islice(cache.load(1, seed), 500)) for seed in (7, 7, 8))
    assert load == again != other
    assert sorted(load) == load
    assert {asked.what for asked in cache.load(1, 7)} == {"look", "alert", "edit"}


def test_popular_frameworks_are_looked_at_more_often():
    frameworks = [asked.framework for asked in cache.load(1, 7)]
    assert frameworks.count("framework-1") > 5 * frameworks.count("framework-50")


def test_all_figures_that_are_promised_are_measured(small, capsys):
    assert benchmarks.main(["cache", "--short", "--runs", "1", "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out)
    assert {check["figure"] for check in report["checks"]} == {
        *("near_hit_us", "far_hit_p50_ms"),
        *("rules_hit_percent", "statistics_hit_percent", "patterns_hit_percent"),
    }
    assert {"set_1000_ms", "sweep_1000_ms", "forget_1000_ms", "far_hit_p99_ms"} <= report["figures"].keys()
    assert all(value > 0 for value in report["figures"].values())


def test_without_a_redis_its_rows_are_left_out_and_that_is_said(small, monkeypatch):
    monkeypatch.setattr(cache.shutil, "which", lambda name: None)
    report = cache.run(TINY)
    assert "far_hit_p50_ms" not in report.figures
    assert report.warnings == ["there is no redis-server here: its rows are left out"]


def test_an_option_that_means_nothing_to_it_is_refused(capsys):
    with pytest.raises(SystemExit):
        benchmarks.main(["cache", "--clients", "5"])
    assert "--clients means nothing to cache" in capsys.readouterr().err
