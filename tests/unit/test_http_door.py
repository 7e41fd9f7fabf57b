"""Who may stay on the HTTP port when there are too many, and who gives way to whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import structlog
from trio.testing import wait_all_tasks_blocked

from engine.http.door import HttpDoor, HttpLimits, HttpRefused
from engine.telemetry.logs import OncePerSecond
from protocol.limits import Limit
from tests.support.certificates import Authority
from tests.support.http_server import (
    GET,
    Gated,
    connect,
    connect_tls,
    encrypted,
    hello,
    read_all,
    read_until,
    serving,
)

OUTSIDE = "203.0.113.7"


class Visitors:
    """A door of its own, and who had to give way at it."""

    def __init__(self, **limits: Any) -> None:
        self.counted: list[Limit] = []
        self.left: dict[str, bytes] = {}
        self.door = HttpDoor(HttpLimits(**limits), self.counted.append)

    def enter(self, name: str, address: str = OUTSIDE) -> Any:
        return self.door.enter(address, lambda answer: self.left.update({name: answer}))

    def refused(self, address: str = OUTSIDE) -> bytes:
        with pytest.raises(HttpRefused) as caught:
            self.enter("refused", address)
        return caught.value.answer


def test_at_the_limit_who_has_been_silent_for_longest_gives_way_and_is_told_why() -> None:
    visitors = Visitors(connections_max=3)
    busy = visitors.enter("busy")
    visitors.enter("first")
    visitors.enter("second")
    visitors.door.asks(busy)
    visitors.enter("third")
    assert list(visitors.left) == ["first"]
    head, _, body = visitors.left["first"].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["detail"] == "3 HTTP connections, limit 3; try again in a moment (http_connections)"
    assert visitors.counted == [Limit.HTTP_CONNECTIONS]


def test_if_nobody_is_silent_who_has_been_idle_for_longest_gives_way_without_a_word() -> None:
    visitors = Visitors(connections_max=2)
    first, second = visitors.enter("first"), visitors.enter("second")
    for guest in (second, first):
        visitors.door.asks(guest)
        visitors.door.rests(guest)
    visitors.enter("third")
    assert visitors.left == {"second": b""}, "a client would take words for the answer to its next request"
    assert visitors.door.refused == 1


def test_only_if_all_are_busy_the_newest_is_refused() -> None:
    visitors = Visitors(connections_max=1)
    guest = visitors.enter("busy")
    visitors.door.asks(guest)
    assert visitors.refused().startswith(b"HTTP/1.1 503")
    assert visitors.left == {}
    visitors.door.leave(guest)
    visitors.enter("next")
    assert visitors.left == {}


def test_who_gave_way_is_not_missed_when_it_goes_or_is_heard_of_again() -> None:
    visitors = Visitors(connections_max=1, per_address_max=1)
    gone = visitors.enter("gone")
    visitors.enter("other", "203.0.113.8")
    for act in (visitors.door.asks, visitors.door.rests, visitors.door.leave):
        act(gone)
    visitors.enter("third", "203.0.113.9")
    assert list(visitors.left) == ["gone", "other"], "it took no place any more"


def test_an_address_has_so_many_connections_and_one_more_is_429_until_one_goes() -> None:
    visitors = Visitors(per_address_max=2)
    first, _ = visitors.enter("first"), visitors.enter("second")
    answer = visitors.refused()
    assert answer.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"2 connections from this address, limit 2; close some first (connections_per_address)" in answer
    assert visitors.counted == [Limit.CONNECTIONS_PER_ADDRESS]
    visitors.enter("of somebody else", "203.0.113.8")
    visitors.door.leave(first)
    visitors.enter("third")


def test_who_is_refused_because_all_are_busy_is_not_counted_at_his_address() -> None:
    visitors = Visitors(connections_max=1, per_address_max=1)
    guest = visitors.enter("busy", "203.0.113.8")
    visitors.door.asks(guest)
    visitors.refused()
    visitors.door.leave(guest)
    visitors.enter("again")


def test_a_crowd_at_the_limit_of_connections_is_one_line_a_second() -> None:
    visitors = Visitors(connections_max=1)
    with structlog.testing.capture_logs(processors=[OncePerSecond(lambda: 0.0)]) as logs:
        for number in range(6):
            visitors.enter(str(number))
    assert len(visitors.left) == 5
    assert [(line["event"], line["limit"]) for line in logs] == [("http_connections_at_limit", 1)]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3"])
def test_this_machine_and_trusted_proxies_are_not_counted_by_address(address: str) -> None:
    visitors = Visitors(per_address_max=1, trusted_proxies=("10.0.0.0/8",))
    for _ in range(5):
        visitors.enter("many behind one", address)
    assert visitors.counted == []


async def test_a_silent_connection_gives_way_to_one_that_asks() -> None:
    async with serving(hello, limits=HttpLimits(connections_max=1)) as (server, _), await connect(server) as silent:
        await wait_all_tasks_blocked()
        await silent.send_all(GET[:5])
        async with await connect(server) as second:
            await second.send_all(GET)
            assert (await read_until(second, b"hello")).startswith(b"HTTP/1.1 200")
            assert (await read_all(silent)).startswith(b"HTTP/1.1 503")
        assert server.statistics()["connections_refused"] == 1


async def test_a_connection_that_was_answered_and_idles_gives_way_and_ends_quietly() -> None:
    async with serving(hello, limits=HttpLimits(connections_max=1)) as (server, _), await connect(server) as idle:
        await idle.send_all(GET)
        await read_until(idle, b"hello")
        async with await connect(server) as second:
            await second.send_all(GET)
            await read_until(second, b"hello")
            assert await read_all(idle) == b""


async def test_a_request_that_is_being_answered_does_not_give_way() -> None:
    app = Gated()
    async with serving(app, limits=HttpLimits(connections_max=1)) as (server, _), await connect(server) as busy:
        await busy.send_all(GET)
        await wait_all_tasks_blocked()
        async with await connect(server) as second:
            assert (await read_all(second)).startswith(b"HTTP/1.1 503")
        app.gate.set()
        assert (await read_until(busy, b"hello")).startswith(b"HTTP/1.1 200")


async def test_over_tls_nobody_is_told_anything_without_a_handshake(tmp_path: Path) -> None:
    files, app = Authority(tmp_path).issue(), Gated()
    async with encrypted(app, files, HttpLimits(connections_max=1)) as (server, _), await connect(server) as silent:
        await wait_all_tasks_blocked()
        async with await connect_tls(server, files) as busy:
            assert await read_all(silent) == b""
            await busy.send_all(GET)
            await wait_all_tasks_blocked()
            async with await connect(server) as one_too_many:
                assert await read_all(one_too_many) == b""
            assert server.statistics()["connections_refused"] == 2
            app.gate.set()
            assert (await read_until(busy, b"hello")).startswith(b"HTTP/1.1 200")
