"""The one way out: what is connected to is what was checked, and no server costs more time or bytes than is stated."""

from __future__ import annotations

import logging
import math
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from benchmarks.peers.ports import a_port
from engine.configuration.fields import ConfigError
from engine.notify.connector import ANSWER_MAX_BYTES, Connector, TargetInvalid, TargetRefused, Unreachable
from engine.notify.places import Crowded
from engine.notify.resolver import WORKSPACE_LOOKUPS_MAX, Resolver
from engine.sections.notify import Notify
from tests.support.certificates import Authority
from tests.support.http_sink import (
    Sink,
    a_sink,
    answer,
    babble,
    break_off,
    cut_short,
    drip,
    drip_headers,
    flood,
    hang,
)

HERE = ("127.0.0.1/32",)
# Whose messages they are.
OURS, THEIRS = ("main", "pager"), ("other", "pager")


class Names:
    """A resolver of the tests' own: each look-up of a name takes the next of its answers, the last one for ever."""

    def __init__(self, **names: Sequence[Sequence[str]]) -> None:
        self.names = {name.replace("_", "."): list(answers) for name, answers in names.items()}
        self.asked: list[str] = []

    async def __call__(self, workspace: str, host: str) -> Sequence[str]:
        self.asked.append(host)
        await trio.lowlevel.checkpoint()
        answers = self.names.get(host)
        if answers is None:
            raise OSError(-2, "Name or service not known")
        return answers.pop(0) if len(answers) > 1 else answers[0]


def a_connector(names: Names | None = None, allowed: Sequence[str] = HERE, **config: Any) -> Connector:
    return Connector(Notify(allow_private=tuple(allowed), **config), names or Names())


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with a_sink() as sink:
        yield sink


async def test_a_request_arrives_whole_under_the_name_that_was_asked_for(sink: Sink) -> None:
    connector = a_connector(Names(hooks_example=[["127.0.0.1"]]))
    url = sink.url("/a?b=c", "hooks.example")
    answered = await connector.post(OURS, url, b'{"n": 1}', {"Content-Type": "application/json", "X-Own": "yes"})
    assert (answered.status, answered.body, answered.headers["content-length"]) == (200, b"{}", "2")
    [got] = sink.got
    assert (got.path, got.json, got.headers["host"]) == ("/a?b=c", {"n": 1}, f"hooks.example:{sink.port}")
    assert (got.headers["x-own"], got.headers["user-agent"], got.headers["accept-encoding"]) == (
        *("yes", "tocsin", "identity"),
    )
    await connector.aclose()


async def test_the_next_request_uses_the_same_connection_and_no_other_target_does(sink: Sink) -> None:
    connector = a_connector()
    async with a_sink() as other:
        for url in (sink.url(), sink.url("/b"), other.url()):
            await connector.post(OURS, url, b"{}", {})
        assert (sink.connections, other.connections, len(sink.got)) == (1, 1, 2)
    await connector.aclose()


@pytest.mark.parametrize("others", [THEIRS, ("main", "é/@ pager"), ("main", "")])
async def test_what_a_server_sends_too_many_is_never_the_answer_to_somebody_elses_message(
    sink: Sink, others: tuple[str, str]
) -> None:
    async def says_more(stream: trio.abc.Stream) -> None:
        await stream.send_all(
            b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        )

    sink.behave.extend([says_more, answer(503)])
    connector = a_connector()
    assert (await connector.post(OURS, sink.url(), b"1", {})).status == 500
    assert (await connector.post(others, sink.url(), b"2", {})).status == 503
    assert [got.body for got in sink.got] == [b"1", b"2"]
    await connector.aclose()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "10.1.2.3", "169.254.169.254", "[::ffff:127.0.0.1]", "0.0.0.0"])
@pytest.mark.parametrize("verb", ["check", "post"])
async def test_an_address_that_is_not_public_is_refused_when_it_is_saved_and_when_it_is_sent_to(
    host: str, verb: str
) -> None:
    connector = a_connector(allowed=())
    with pytest.raises(TargetRefused, match="not on the public internet"):
        await (
            connector.check(OURS, f"http://{host}/")
            if verb == "check"
            else connector.post(OURS, f"http://{host}/", b"", {})
        )
    assert connector.statistics() == {"requests": int(verb == "post"), "unreachable": 0, "crowded": 0, "refused": 1}


@pytest.mark.parametrize("url", ["http://127.1/", "http://2130706433/", "http://a@b/", "http://①②⑦.⓪.⓪.①/", "ftp://b/"])
async def test_what_is_no_plain_address_is_refused_when_it_is_saved_and_when_it_is_sent_to(url: str) -> None:
    connector = a_connector(Names(b=[["127.0.0.1"]]))
    for attempt in (connector.check(OURS, url), connector.post(OURS, url, b"", {})):
        with pytest.raises(TargetInvalid):
            await attempt


async def test_one_private_address_among_public_ones_refuses_the_name(sink: Sink) -> None:
    names = Names(mixed_example=[["127.0.0.1", "10.0.0.1"]])
    with pytest.raises(TargetRefused) as refused:
        await a_connector(names).post(OURS, sink.url(host="mixed.example"), b"", {})
    assert "10.0.0.1" not in str(refused.value)
    assert sink.connections == 0


async def test_a_name_that_answers_differently_the_second_time_is_not_asked_a_second_time(sink: Sink) -> None:
    names = Names(rebinds_example=[["127.0.0.1"], ["10.0.0.1"]])
    connector = a_connector(names)
    await connector.post(OURS, sink.url(host="rebinds.example"), b"", {})
    assert (names.asked, sink.connections) == (["rebinds.example"], 1)
    await connector.aclose()


async def test_a_name_that_was_public_when_it_was_saved_is_refused_once_it_is_private(sink: Sink) -> None:
    names = Names(rebinds_example=[["127.0.0.1"], ["127.0.0.2"]])
    connector = a_connector(names)
    await connector.check(OURS, sink.url(host="rebinds.example"))
    with pytest.raises(TargetRefused):
        await connector.post(OURS, sink.url(host="rebinds.example"), b"", {})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(sink: Sink, status: int) -> None:
    async with a_sink() as inside:
        sink.behave.append(answer(status, Location=inside.url()))
        connector = a_connector()
        assert (await connector.post(OURS, sink.url(), b"", {})).status == status
        assert inside.connections == 0
        await connector.aclose()


async def test_the_second_address_is_tried_when_the_first_does_not_answer(sink: Sink) -> None:
    connector = a_connector(Names(two_example=[["127.0.0.9", "127.0.0.1"]]), ["127.0.0.0/8"])
    assert (await connector.post(OURS, sink.url(host="two.example"), b"", {})).status == 200
    await connector.aclose()


@pytest.mark.parametrize(
    ("behaviour", "within_s", "cause"),
    [(hang, 10, "silent for 10 s"), (drip_headers, 20, "not done within 20 s")],
)
async def test_a_server_that_hangs_or_drips_costs_no_more_time_than_is_stated(
    sink: Sink, autojump_clock: trio.testing.MockClock, behaviour: Any, within_s: float, cause: str
) -> None:
    sink.behave.append(behaviour)
    connector, before = a_connector(), trio.current_time()
    with pytest.raises(Unreachable, match=cause):
        await connector.post(OURS, sink.url("/secret"), b"", {})
    assert math.isclose(trio.current_time() - before, within_s, abs_tol=0.1)
    assert connector.statistics()["unreachable"] == 1


@pytest.mark.parametrize(
    ("behaviour", "within_s", "body"), [(drip, 20, b"x" * 20), (cut_short(b'{"ok":'), 0, b'{"ok":')]
)
async def test_who_has_said_a_status_has_answered_whatever_becomes_of_the_rest(
    sink: Sink, autojump_clock: trio.testing.MockClock, behaviour: Any, within_s: float, body: bytes
) -> None:
    sink.behave.append(behaviour)
    connector, before = a_connector(), trio.current_time()
    answered = await connector.post(OURS, sink.url(), b"", {})
    assert (answered.status, answered.body, answered.is_whole) == (200, body, False)
    assert math.isclose(trio.current_time() - before, within_s, abs_tol=0.1)
    assert connector.statistics()["unreachable"] == 0
    # It is not used again, and nothing is left of it.
    assert (await connector.post(OURS, sink.url(), b"", {})).is_whole
    assert sink.connections == 2
    await connector.aclose()


async def test_of_a_gigabyte_only_the_beginning_is_read_and_the_connection_not_used_again(sink: Sink) -> None:
    sink.behave.append(flood)
    connector = a_connector()
    answered = await connector.post(OURS, sink.url(), b"", {})
    assert (answered.status, len(answered.body)) == (200, ANSWER_MAX_BYTES)
    assert (await connector.post(OURS, sink.url(), b"", {})).body == b"{}"
    assert sink.connections == 2
    await connector.aclose()


@pytest.mark.parametrize("behaviour", [break_off, babble])
async def test_a_server_that_breaks_off_or_speaks_something_else_is_unreachable(sink: Sink, behaviour: Any) -> None:
    sink.behave.append(behaviour)
    with pytest.raises(Unreachable) as failed:
        await a_connector().post(OURS, sink.url("/secret?token=abc"), b"", {})
    assert "secret" not in str(failed.value)
    assert "abc" not in str(failed.value)


async def test_a_port_where_nobody_listens_and_a_name_that_does_not_resolve_are_unreachable() -> None:
    async with a_sink(port=a_port()) as sink:
        gone = sink.url()
    for verb in (lambda url: a_connector().check(OURS, url), lambda url: a_connector().post(OURS, url, b"", {})):
        with pytest.raises(Unreachable, match=r"^127\.0\.0\.1 port \d+: Connection refused$"):
            await verb(gone)
        with pytest.raises(Unreachable, match=r"the name no\.example does not resolve \(Name or service not known\)"):
            await verb("https://no.example/")
    with pytest.raises(Unreachable, match="has no address"):
        await a_connector(Names(empty_example=[[]])).check(OURS, "https://empty.example/")


async def test_a_name_server_that_hangs_costs_no_more_than_the_time_to_connect(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def never(workspace: str, host: str) -> Sequence[str]:
        await trio.sleep_forever()
        return []

    connector = Connector(Notify(), never)
    with pytest.raises(Unreachable, match="not connected within 5 s"):
        await connector.post(OURS, "https://slow.example/", b"", {})
    assert trio.current_time() <= 5.1


async def test_when_all_connections_of_ours_are_in_use_no_target_is_blamed(
    sink: Sink, autojump_clock: trio.testing.MockClock
) -> None:
    connector = Connector(Notify(allow_private=HERE), Names(), connections_max=1)
    sink.behave.append(hang)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tried_out, connector, sink)
        await sink.wait_for(1)
        with pytest.raises(Crowded, match="all of its 1 connections are in use"):
            await connector.post(THEIRS, sink.url(), b"", {})
        assert trio.current_time() < 1.1
        assert connector.statistics() == {"requests": 2, "unreachable": 0, "crowded": 1, "refused": 0}
        nursery.cancel_scope.cancel()
    await connector.aclose()


async def tried_out(connector: Connector, sink: Sink) -> None:
    await connector.post(OURS, sink.url(), b"", {})


async def test_a_workspace_whose_name_servers_hang_takes_nobody_elses_look_ups(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()

    def look_up(host: str, *_: Any, **__: Any) -> Any:
        if host == "hangs.example":
            let_go.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    connector = Connector(Notify())
    async with trio.open_nursery() as nursery:
        for _ in range(WORKSPACE_LOOKUPS_MAX):
            nursery.start_soon(not_reached, connector)
    # Nobody waits for those threads any more, and they are there yet.
    with pytest.raises(Crowded, match="no thread is free for look-ups of names"):
        await connector.check(OURS, "https://sound.example/")
    # A thread lives in real time: theirs has as much of it as it needs.
    autojump_clock.autojump_threshold = math.inf
    with pytest.raises(TargetRefused):
        await connector.check(THEIRS, "https://sound.example/")
    assert connector.statistics()["crowded"] == 1
    let_go.set()


async def not_reached(connector: Connector) -> None:
    with pytest.raises(Unreachable):
        await connector.check(OURS, "https://hangs.example/")


async def test_a_certificate_is_held_against_the_name_and_the_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.issue("hooks", hosts=("hooks.example",))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.cert, files.key)
    async with a_sink(server) as sink:
        names = Names(hooks_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
        trusting = a_connector(names, ca_file=str(files.ca))
        assert (await trusting.check(OURS, sink.url(host="hooks.example"))).scheme == "https"
        assert (await trusting.post(OURS, sink.url(host="hooks.example"), b"{}", {})).status == 200
        for connector, host in ((trusting, "other.example"), (a_connector(names), "hooks.example")):
            for attempt in (
                connector.check(OURS, sink.url(host=host)),
                connector.post(OURS, sink.url(host=host), b"", {}),
            ):
                with pytest.raises(Unreachable, match="its certificate does not hold"):
                    await attempt
        await trusting.aclose()
        assert len(sink.got) == 1


async def test_tls_where_there_is_none_is_unreachable(sink: Sink) -> None:
    with pytest.raises(Unreachable, match="no TLS"):
        await a_connector().post(OURS, sink.url().replace("http:", "https:"), b"", {})


def test_a_file_of_certificates_that_cannot_be_read_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"notify\.ca_file"):
        a_connector(ca_file=str(tmp_path / "none.pem"))


async def test_what_is_said_in_the_log_names_no_path_and_no_header(
    sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        connector = a_connector()
        await connector.post(OURS, sink.url("/secret"), b"secret", {"Authorization": "Bearer secret"})
        await connector.aclose()
    assert "secret" not in caplog.text


async def test_the_environments_proxies_are_not_used(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_sink() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url("/"))
        connector = a_connector()
        await connector.post(OURS, sink.url(), b"", {})
        assert (len(sink.got), proxy.connections) == (1, 0)
        await connector.aclose()


async def test_the_systems_resolver_is_asked_in_a_thread_and_a_name_that_is_none_is_an_error() -> None:
    assert "127.0.0.1" in await Resolver()("main", "localhost")
    with pytest.raises(OSError, match=r".+"):
        await Resolver()("main", "no-such-name.invalid")
    connector = Connector(Notify())
    with pytest.raises(Unreachable, match="does not resolve"):
        await connector.check(OURS, "https://no-such-name.invalid/")
    with pytest.raises(TargetRefused):
        await connector.check(OURS, "http://localhost/")
