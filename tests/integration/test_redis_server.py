"""The Redis that tests are lent: what it promises to them."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys

import pytest

from tests.support.redis_server import PASSWORD, RedisRefused, RedisServer


def test_it_runs_on_a_port_of_its_own_and_answers(redis: RedisServer) -> None:
    assert redis.command("PING") == b"PONG"
    assert redis.url == f"redis://127.0.0.1:{redis.port}/0"


def test_each_test_finds_it_empty_whatever_was_done_to_it(redis: RedisServer) -> None:
    redis.command("SET", "left", "behind")
    redis.command("CONFIG", "SET", "maxmemory", "1mb")
    redis.stop()
    redis.mend()
    redis.freeze()
    redis.mend()
    assert redis.command("DBSIZE") == 0
    assert redis.command("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"0"]


def test_restarted_it_is_empty_on_the_same_port(redis: RedisServer) -> None:
    port = redis.port
    redis.command("SET", "a", "1")
    redis.restart_empty()
    assert redis.port == port
    assert redis.command("GET", "a") is None


def test_frozen_it_keeps_its_connections_and_answers_nothing_until_it_is_thawed(redis: RedisServer) -> None:
    with socket.create_connection(("127.0.0.1", redis.port)) as line:
        redis.freeze()
        line.sendall(b"PING\r\n")
        line.settimeout(0.1)
        with pytest.raises(TimeoutError):
            line.recv(100)
        redis.thaw()
        line.settimeout(170)
        assert line.recv(100) == b"+PONG\r\n"


def test_stopped_it_refuses_connections(redis: RedisServer) -> None:
    redis.stop()
    with pytest.raises(ConnectionRefusedError):
        redis.command("PING")


def test_with_a_password_nobody_else_comes_in() -> None:
    server = RedisServer.start(password=PASSWORD)
    try:
        assert server.command("PING") == b"PONG"
        server.password = ""
        with pytest.raises(RedisRefused, match="NOAUTH"):
            server.command("PING")
    finally:
        server.remove()


def test_three_of_them_are_a_cluster() -> None:
    servers = RedisServer.cluster_of(3)
    try:
        assert sum(b"cluster_state:ok" in server.command("CLUSTER", "INFO") for server in servers) == 3
    finally:
        for server in servers:
            server.remove()


def test_a_server_ends_with_the_tests_that_started_it_however_they_end() -> None:
    script = (
        "from tests.support.redis_server import RedisServer\n"
        "server = RedisServer.start(); print(server._process.pid, server.folder, flush=True); input()"
    )
    tests = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert tests.stdout is not None
    assert tests.stdin is not None
    pid, folder = tests.stdout.readline().split()
    watched = os.pidfd_open(int(pid))
    tests.send_signal(signal.SIGKILL)
    tests.wait()
    tests.stdout.close()
    tests.stdin.close()
    assert select.select([watched], [], [], 170.0)[0], "the server has outlived its tests"
    os.close(watched)
    subprocess.run(["rm", "-r", folder], check=True)


def test_without_the_program_the_test_fails_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("TOCSIN_TEST_REDIS", raising=False)
    with pytest.raises(pytest.fail.Exception, match="apt-get install redis-server"):
        RedisServer.start()
