"""What the doctor finds at a running engine: its figures, and a round trip as a client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import tocsin.round_trip
from engine.app import Engine
from engine.doctor import Finding, Level, asking, figures
from protocol.errors import PermissionDenied
from tests.support.certificates import Authority
from tests.support.engines import SECRET, a_config, an_engine, command, environment
from tests.support.http_server import unhurried_clock
from tocsin.round_trip import round_trip

OK, WARNING, FAIL = Level.OK, Level.WARNING, Level.FAIL
QUEUES = """
# TYPE queue_job_count gauge
queue_job_count{queue="alert",state="waiting"} 0
queue_job_count{queue="alert",state="failed"} 0
queue_job_count{queue="notification",state="waiting"} 7
queue_job_count{queue="notification",state="failed"} 11
tocsin_job_oldest_seconds{queue="alert"} 0
tocsin_job_oldest_seconds{queue="notification"} %s
tocsin_queue_paused{queue="alert"} 0
tocsin_queue_paused{queue="notification"} %s
"""


def levels(findings: Iterator[Finding]) -> list[tuple[str, Level]]:
    return [(finding.check, finding.level) for finding in findings]


@pytest.mark.parametrize(
    ("oldest_s", "paused", "text", "advice"),
    [
        (0, 1, "notification is paused, 7 wait", "tocsin queues resume notification"),
        (61, 0, "notification: 7 wait, the oldest for 61 s", "jobs.notification_slots"),
        (0, 0, "notification: 11 failed", "tocsin queues redrive notification"),
    ],
)
def test_a_queue_that_is_paused_late_or_failing_is_named_with_what_to_do(
    oldest_s: int, paused: int, text: str, advice: str
) -> None:
    (found,) = figures.queues(figures.read(QUEUES % (oldest_s, paused)))
    assert (found.level, found.text) == (WARNING, text)
    assert advice in found.advice


def test_queues_that_do_their_work_are_one_line() -> None:
    (found,) = figures.queues(figures.read((QUEUES % (0, 0)).replace(" 11\n", " 10\n")))
    assert (found.level, found.text) == (OK, "2 queues, 7 jobs wait")


@pytest.mark.parametrize(
    ("kind", "hits", "misses", "level"),
    [
        ("rules", 800, 200, OK),
        ("rules", 799, 201, WARNING),
        ("rules", 1, 99, OK),  # a cache that has just begun
        ("patterns", 890, 110, WARNING),
        ("others", 500, 500, OK),
    ],
)
def test_a_cache_that_seldom_has_what_is_asked_for_is_a_warning(
    kind: str, hits: int, misses: int, level: Level
) -> None:
    text = f'cache_hits_total{{cache_type="{kind}"}} {hits}\ncache_misses_total{{cache_type="{kind}"}} {misses}\n'
    assert levels(figures.caches(figures.read(text))) == [("cache", level)]


def test_a_cache_that_nobody_asked_says_nothing() -> None:
    text = 'cache_hits_total{cache_type="rules"} 0\ncache_misses_total{cache_type="rules"} 0\n'
    assert levels(figures.caches(figures.read(text))) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tocsin_nodes_live 3\ntocsin_bus_redis_up 1\n", [OK]),
        ("tocsin_nodes_live 3\ntocsin_bus_redis_up 0\n", [OK, WARNING]),
        ("tocsin_nodes_live 3\ntocsin_nodes_letters_foreign_total 1\n", [OK, WARNING]),
        ("tocsin_channels 1\n", []),
    ],
)
def test_of_several_nodes_their_number_and_what_is_between_them_is_told(text: str, found: list[Level]) -> None:
    assert [each.level for each in figures.nodes(figures.read(text))] == found


@pytest.mark.parametrize(("score", "level"), [(100, OK), (70, OK), (69, WARNING), (0, WARNING)])
def test_a_score_below_the_references_bound_is_a_warning_that_names_what_took_points(score: int, level: Level) -> None:
    points = 'tocsin_health_points{part="restarts"} 10\ntocsin_health_points{part="jobs_failed"} 0\n'
    (found,) = figures.health(figures.read(f"tocsin_health_score {score}\n{points}"))
    assert (found.level, found.text) == (level, f"the score is {score} of 100: restarts took 10")
    assert bool(found.advice) is (level is WARNING)


def test_an_engine_without_a_score_is_of_another_time() -> None:
    assert list(figures.health(figures.read("tocsin_channels 1\n"))) == []


@pytest.mark.parametrize("bound", figures.BOUNDS, ids=lambda bound: bound.name)
def test_each_figure_above_its_bound_is_a_warning_with_what_to_do(bound: figures.Bound) -> None:
    (found,) = figures.bounds(figures.read(f"{bound.name} {bound.limit + 1}\n"))
    assert (found.check, found.level, bool(found.advice)) == (bound.check, WARNING, True)
    assert levels(figures.bounds(figures.read(f"{bound.name} {bound.limit}\n"))) == [("figures", OK)]


async def test_the_figures_that_the_doctor_looks_at_are_there_in_an_engine(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        names = set(figures.read(engine.metrics.render().decode()))
    wanted = {bound.name for bound in figures.BOUNDS} - {"tocsin_restarts_total"}  # that one is there after the first
    assert wanted | {"queue_job_count", "tocsin_job_oldest_seconds", "tocsin_queue_paused"} <= names


def there(folder: Path, engine: Engine, **settings: Any) -> Any:
    """The configuration with which somebody looks at that engine."""
    return a_config(folder, ws=engine.ws_url.rpartition("//")[2], http=engine.http_url.rpartition("//")[2], **settings)


async def test_figures_that_are_not_shown_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"/api/v1/about": (200, b'{"name": "tocsin", "version": "1", "ws": "ws://127.0.0.1:5"}')}
    monkeypatch.setattr(asking, "ask", lambda config, path, token="": answers.get(path, (403, b"")))
    assert levels(figures.state(a_config(tmp_path, store="memory:"))) == [("figures", WARNING)]


async def test_of_an_engine_with_another_store_no_figures_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ANSWER_S", 60.0)
    async with an_engine(tmp_path / "theirs") as engine:
        mine = there(tmp_path / "mine", engine)
        assert await trio.to_thread.run_sync(lambda: list(figures.state(mine))) == []


async def doctor(folder: Path, engine: Engine, **variables: str) -> dict[str, Any]:
    """What the command finds, by check; of several the last."""
    ws, http = (url.rpartition("//")[2] for url in (engine.ws_url, engine.http_url))
    settings = {"TOCSIN_DATA": str(folder), "TOCSIN_WS": ws, "TOCSIN_HTTP": http} | variables
    line = command("doctor", "--json")
    done = await trio.run_process(line, capture_stdout=True, check=False, env=environment(**settings))
    return {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}


def the_figures(found: dict[str, Any]) -> str:
    """What the figures say, but for a loop that is late: that is the machine on which the tests run."""
    late = {"level": "OK"} if "loop" in found else {"level": "nothing is said of them"}
    return str(found.get("figures", late)["level"])


async def test_the_doctor_goes_round_a_running_engine_and_leaves_one_line_of_the_trail(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        found = await doctor(tmp_path, engine)
        assert found["round trip"]["level"] == "OK"
        assert [
            word for word in ("connect", "subscribe", "ping", "broadcast") if word not in found["round trip"]["text"]
        ] == []
        assert (found["queues"]["level"], the_figures(found)) == ("OK", "OK")


async def test_the_doctor_goes_round_an_encrypted_engine_whatever_its_certificates_name(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue(hosts=("alerts.example.com",))
    tls = {"TOCSIN_TLS_CERT": str(files.cert), "TOCSIN_TLS_KEY": str(files.key)}
    config = a_config(tmp_path / "data", tls=type(a_config(tmp_path).tls)(cert=str(files.cert), key=str(files.key)))
    async with Engine(config) as engine:
        found = await doctor(tmp_path / "data", engine, **tls)
    assert (found["round trip"]["level"], the_figures(found)) == ("OK", "OK")


async def test_without_a_secret_or_with_a_wrong_one_the_round_trip_says_so(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        found = (await doctor(tmp_path, engine, TOCSIN_SECRET=SECRET))["round trip"]
        assert (found["level"], found["text"].startswith("connect: ")) == ("FAIL", True)
        (tmp_path / "secret.key").rename(tmp_path / "gone")
        found = (await doctor(tmp_path, engine))["round trip"]
        assert (found["level"], found["advice"]) == ("WARNING", "set TOCSIN_TOKEN")


async def test_with_a_token_that_may_not_broadcast_all_the_rest_is_looked_at(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        found = await doctor(tmp_path, engine, TOCSIN_TOKEN=engine.issue_token("main", "bob", "viewer"))
    assert found["round trip"]["level"] == "OK"
    assert "broadcast" not in found["round trip"]["text"]


async def test_an_engine_that_tells_nothing_is_a_fail_at_that_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tocsin.round_trip, "HEAR_MAX_S", 0.0)

    async def tell_nobody(client_id: str, message: str) -> None:
        await trio.lowlevel.checkpoint()

    async with an_engine(tmp_path) as engine:
        (found,) = await round_trip(engine.ws_url, engine.issue_token("system", "ann"), None, tell_nobody)
    assert (found.level, found.text.partition(":")[0]) == (FAIL, "broadcast")
    assert "ping" in found.text


@pytest.fixture
def mock_clock() -> MockClock:
    return unhurried_clock()


async def test_nobody_at_the_address_is_a_fail_at_the_first_step(tmp_path: Path, mock_clock: MockClock) -> None:
    async def refuse(client_id: str, message: str) -> None:
        raise PermissionDenied("no")

    (found,) = await round_trip("ws://127.0.0.1:9", "token", None, refuse)
    assert (found.level, found.text.partition(":")[0]) == (FAIL, "connect")
