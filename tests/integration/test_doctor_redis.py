"""What the doctor says of a Redis: a real one, as it is, and as it should not be."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from benchmarks.peers.ports import a_port
from engine.configuration.config import Config
from engine.configuration.fields import SecretUrl
from engine.doctor import Finding, Level, redis_server
from engine.extras import how_to_get
from engine.sections.cache import Redis
from tests.support.certificates import Authority
from tests.support.redis_server import PASSWORD, RedisServer
from tests.support.sentinels import a_sentinel

OK, WARNING, FAIL = Level.OK, Level.WARNING, Level.FAIL


def look(url: str) -> list[Finding]:
    return list(redis_server.server(Config(data=Path("none"), redis=Redis(url=SecretUrl(url)))))


@pytest.fixture(autouse=True)
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    # A machine full of tests answers late.
    monkeypatch.setattr(redis_server, "PING_SLOW_S", 30.0)


def bound(server: RedisServer, policy: str = "volatile-lru") -> None:
    server.command("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", policy)


def test_one_that_is_near_new_and_bounded_is_in_order(redis: RedisServer) -> None:
    bound(redis)
    version, speed, memory = look(redis.url)
    assert [found.level for found in (version, speed, memory)] == [OK, OK, OK]
    assert re.fullmatch(rf"{redis.url}: (Redis|Valkey) \d+\.\d+\.\d+", version.text)
    assert "of 100 MiB, volatile-lru when full" in memory.text


@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru"])
def test_one_that_would_refuse_or_throw_away_streams_when_full_is_a_warning(redis: RedisServer, policy: str) -> None:
    bound(redis, policy)
    memory = look(redis.url)[2]
    assert (memory.level, "volatile-lru" in memory.advice) == (WARNING, True)


def test_one_without_a_bound_is_a_warning(redis: RedisServer) -> None:
    assert look(redis.url)[2].level is WARNING


def test_one_that_is_nearly_full_is_a_warning(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    bound(redis)
    monkeypatch.setattr(redis_server, "FULL_PERCENT", 0)
    assert (look(redis.url)[2].level, look(redis.url)[2].advice) == (WARNING, "give it more memory (maxmemory)")


def test_one_that_is_far_away_or_too_old_is_told(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "PING_SLOW_S", 0.0)
    monkeypatch.setattr(redis_server, "REDIS_MIN", (99, 0))
    version, speed, _ = look(redis.url)
    assert (version.level, version.advice) == (FAIL, "use 99.0 or newer")
    assert speed.level is WARNING


def test_a_wrong_password_is_a_fail_and_never_shown() -> None:
    server = RedisServer.start(password=PASSWORD)
    try:
        assert look(server.url)[0].level is OK
        (found,) = look(server.url.replace(PASSWORD, "another-secret"))
    finally:
        server.remove()
    assert found.level is FAIL
    assert "another-secret" not in str(found)


def test_a_sentinel_is_a_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "ANSWER_S", 60.0)
    with a_sentinel() as url:
        (found,) = look(url)
    assert (found.level, "Sentinel is not supported" in found.text) == (FAIL, True)
    assert found.advice.startswith("name the Redis itself")


def test_with_tls_its_authority_must_be_known_and_is_named_in_the_advice_if_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A handshake takes its time where everything does.
    monkeypatch.setattr(redis_server, "ANSWER_S", 60.0)
    files = Authority(tmp_path).issue()
    port = a_port()
    server = RedisServer.start(
        password=PASSWORD,
        tls_port=port,
        tls_cert_file=files.cert,
        tls_key_file=files.key,
        tls_ca_cert_file=files.ca,
        tls_auth_clients="no",
    )
    url = f"rediss://:{PASSWORD}@127.0.0.1:{port}/0"
    try:
        (unknown,) = look(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(files.ca))
        known = look(url)[0]
    finally:
        server.remove()
    assert (unknown.level, known.level) == (WARNING, OK)
    assert "SSL_CERT_FILE" in unknown.advice
    assert PASSWORD not in str(unknown)


def test_one_that_does_not_answer_is_a_warning_with_its_address(redis: RedisServer) -> None:
    redis.freeze()
    (frozen,) = look(redis.url)
    redis.thaw()
    redis.stop()
    (gone,) = look(redis.url)
    assert (frozen.level, gone.level) == (WARNING, WARNING)
    assert f"127.0.0.1:{redis.port}" in gone.text


def test_without_the_library_the_doctor_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    (found,) = look("redis://127.0.0.1")
    assert (found.level, found.advice) == (FAIL, how_to_get("redis"))


def test_without_a_url_nothing_is_said() -> None:
    assert look("") == []
