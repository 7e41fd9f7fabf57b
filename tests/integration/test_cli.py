"""The command line against real engines, in processes of their own."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from engine.access.auth import Authenticator
from protocol.items import TriggerInput
from tests.support.engines import (
    ANY_PORT,
    SECRET,
    EngineProcess,
    an_engine_process,
    command,
    environment,
    first_line,
)
from tocsin.client import Client

# The promise is 10 s; a loaded machine gets its time.
STOPS_WITHIN_S = 40.0
# Made when the tests are collected, and good for longer than all of them take.
TOKEN = Authenticator(SECRET.encode()).issue("main", "ann", "admin", 86_400)


async def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A command, to its end."""
    return await trio.run_process(
        command(*arguments), capture_stdout=True, capture_stderr=True, check=False, env=environment(**variables)
    )


def to(engine: EngineProcess) -> dict[str, str]:
    """The variables with which a client command finds an engine."""
    return {"TOCSIN_URL": engine.ws, "TOCSIN_TOKEN": TOKEN}


class Lines:
    """What a process says, line by line."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._text = b""

    async def next(self) -> str:
        while b"\n" not in self._text:
            data = await self._stream.receive_some()
            assert data, f"ended after {self._text!r}"
            self._text += data
        line, self._text = self._text.split(b"\n", 1)
        return line.decode()

    async def until(self, part: str) -> str:
        while part not in (line := await self.next()):
            pass
        return line


@asynccontextmanager
async def tailing(engine: EngineProcess, *arguments: str) -> AsyncIterator[tuple[trio.Process, Lines, Lines]]:
    """`tocsin tail` that follows by now: the process, its output, and what it says about itself."""
    process = await trio.lowlevel.open_process(
        command("tail", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**to(engine), LC_ALL="C.UTF-8"),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        said = Lines(process.stderr)
        assert "following" in await said.next()
        yield process, Lines(process.stdout), said
    finally:
        with trio.CancelScope(shield=True):
            process.terminate()
            await process.wait()
            await process.stdout.aclose()
            await process.stderr.aclose()


async def connect_mutely(address: str) -> trio.SocketStream:
    """A WebSocket client that never answers anything, not even a Close: the slowest to drain."""
    host, port = address.split(":")
    stream = await trio.open_tcp_stream(host, int(port))
    await stream.send_all(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert b"101" in await stream.receive_some()
    return stream


async def welcome(engine: EngineProcess) -> str:
    """What it says to a person who has started it, to the link at its end."""
    assert engine.process.stderr is not None
    lines, text = Lines(engine.process.stderr), ""
    while "/#token=" not in text:
        text += await lines.next() + "\n"
    return text


# serve


async def test_the_ready_line_is_exactly_as_documented(tmp_path: Path) -> None:
    async with an_engine_process(tmp_path) as engine:
        assert re.fullmatch(
            r'\{"ready": true, "ws": "ws://127\.0\.0\.1:\d+", "http": "http://127\.0\.0\.1:\d+", "pid": \d+\}',
            engine.ready_line,
        )
        assert engine.pid == engine.process.pid


async def test_the_log_lines_that_nobody_read_are_among_the_metrics(tmp_path: Path) -> None:
    async with an_engine_process(tmp_path) as engine:
        host, port = engine.http.removeprefix("http://").split(":")
        stream = await trio.open_tcp_stream(host, int(port))
        await stream.send_all(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = b"".join([part async for part in stream])
        await stream.aclose()
        assert b"\ntocsin_log_lines_dropped_total 0.0\n" in answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_ends_with_0(tmp_path: Path, number: signal.Signals) -> None:
    async with an_engine_process(tmp_path) as engine:
        stream = await connect_mutely(engine.ws_address)
        engine.process.send_signal(number)
        assert await engine.wait(STOPS_WITHIN_S) == 0
        assert b'"bye"' in await stream.receive_some()
        await stream.aclose()


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with an_engine_process(tmp_path, TOCSIN_GATEWAY_CLOSE_S="5", TOCSIN_GATEWAY_DRAIN_S="5") as engine:
        stream = await connect_mutely(engine.ws_address)
        engine.process.terminate()
        assert b'"bye"' in await stream.receive_some()
        engine.process.terminate()
        # With the code of the signal: it has not waited for its clients.
        assert await engine.wait(STOPS_WITHIN_S) == 128 + signal.SIGTERM
        await stream.aclose()


async def test_an_engine_that_does_not_get_to_its_end_is_ended(tmp_path: Path) -> None:
    patched = "import tocsin.commands.serve as s; s.DRAIN_MAX_S = 0.3; import tocsin.cli; tocsin.cli.main()"
    settings = {"TOCSIN_DATA": str(tmp_path), "TOCSIN_GATEWAY_CLOSE_S": "5", "TOCSIN_GATEWAY_DRAIN_S": "5"}
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", patched, "serve", "--ws", ANY_PORT, "--http", ANY_PORT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**settings),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    ready = json.loads(await first_line(process))
    stream = await connect_mutely(ready["ws"].removeprefix("ws://"))
    process.terminate()
    assert await process.wait() == 70
    await Lines(process.stderr).until("still running 0.3 s after the signal")
    for one in (stream, process.stdout, process.stderr):
        await one.aclose()


async def test_a_port_in_use_is_one_line_and_exit_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = await run("serve", "--ws", address, "--http", ANY_PORT, TOCSIN_DATA=str(tmp_path))
    assert ended.returncode == 2
    assert ended.stdout == b""
    assert ended.stderr.decode().startswith(f"tocsin: ws: '{address}' cannot be listened on (Address already in use)")
    assert ended.stderr.endswith(b"or 0 for any: --ws HOST:PORT, or TOCSIN_WS=HOST:PORT before make run\n")
    assert ended.stderr.count(b"\n") == 1


@pytest.mark.parametrize("secret", [{}, {"TOCSIN_SECRET": SECRET}])
async def test_a_data_folder_that_cannot_be_used_is_one_line_and_exit_2(tmp_path: Path, secret: dict[str, str]) -> None:
    (tmp_path / "data").write_text("a file")
    ended = await run("serve", "--ws", ANY_PORT, "--http", ANY_PORT, TOCSIN_DATA=str(tmp_path / "data"), **secret)
    assert ended.returncode == 2
    assert ended.stderr.startswith(b"tocsin: data: ")
    assert b"use a folder that" in ended.stderr
    assert ended.stderr.count(b"\n") == 1


async def test_a_second_engine_on_the_same_data_is_refused(tmp_path: Path) -> None:
    async with an_engine_process(tmp_path) as engine:
        ended = await run("serve", "--ws", ANY_PORT, "--http", ANY_PORT, TOCSIN_DATA=str(tmp_path))
        assert ended.returncode == 2
        assert f"in use by another engine (process {engine.pid})".encode() in ended.stderr


async def test_the_welcome_tells_a_stranger_what_to_type(tmp_path: Path) -> None:
    """Every line of it works when it is typed."""
    async with an_engine_process(tmp_path, "--welcome", stderr=subprocess.PIPE, TOCSIN_SECRET="") as engine:
        text = await welcome(engine)
        lines = [line.strip() for line in text.splitlines()]
        tail = next(line for line in lines if line.endswith(" tail"))
        trigger = next(line for line in lines if "trigger demo" in line)
        export = next(line for line in lines if line.startswith("export TOCSIN_TOKEN="))
        there = f"cd {tmp_path}"
        assert lines.count(there) == 2
        assert "valid for 24 hours" in text
        assert lines[-1].startswith(f"{engine.http}/#token=eyJ")
        assert engine.http in text
        process = await trio.lowlevel.open_process(
            f"{there}; exec env {tail}",
            shell=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(LC_ALL="C.UTF-8"),
        )
        assert process.stdout is not None
        assert process.stderr is not None
        await Lines(process.stderr).until("following workspace")
        ended = await trio.run_process(f"{there}; {trigger}", shell=True, capture_stdout=True, env=environment())
        assert ended.stdout.startswith(b"fired alert ")
        heard = Lines(process.stdout)
        assert "■ critical  demo          fired           Hello, Tocsin" in await heard.until("Hello, Tocsin")
        curl = text[text.index("  curl ") : text.index("}'", text.index("  curl ")) + 2]
        script = f"{export}\n{curl}"
        posted = await trio.run_process(script, shell=True, capture_stdout=True, capture_stderr=True, env=environment())
        assert json.loads(posted.stdout)["results"][0]["status"] == "fired"
        assert "◆ error" in await heard.until("Hello over HTTP")
        process.terminate()
        await process.wait()
        await process.stdout.aclose()
        await process.stderr.aclose()


async def test_a_secret_that_only_the_engine_knows_is_not_needed_with_the_token_of_the_welcome(tmp_path: Path) -> None:
    async with an_engine_process(tmp_path, "--welcome", stderr=subprocess.PIPE) as engine:
        text = await welcome(engine)
        (token,) = re.findall(r"export TOCSIN_TOKEN=(eyJ\S+)", text)
        assert "export TOCSIN_TOKEN=…  (the line below)" in text
        ended = await run("trigger", "demo", TOCSIN_TOKEN=token, TOCSIN_URL=engine.ws)
        assert ended.returncode == 0


# trigger


async def test_a_trigger_says_what_became_of_it(tmp_path: Path) -> None:
    async with an_engine_process(tmp_path) as engine:
        given = [
            "web",
            "--title",
            "Disk",
            "--severity",
            "page",
            "--label",
            "host=a",
            "--label",
            "q=x=y",
            "--dedup-key",
            "d",
        ]
        first = await run("trigger", *given, **to(engine))
        assert first.returncode == 0
        assert re.fullmatch(r"fired alert [0-9a-f-]{36}\n", first.stdout.decode())
        second = await run("trigger", *given, "--json", **to(engine))
        result = json.loads(second.stdout)
        assert (result["status"], result["reason"]) == ("suppressed", "duplicate")
        below = await run("trigger", "web", "--value", "1", "--threshold", "2", **to(engine))
        assert (below.returncode, below.stdout) == (0, b"below_threshold\n")


async def test_a_rejected_trigger_exits_with_1(tmp_path: Path) -> None:
    async with an_engine_process(tmp_path) as engine:
        ended = await run("trigger", "web", "--rule", "nobody-knows-it", **to(engine))
        assert ended.returncode == 1
        assert ended.stdout.startswith(b"rejected (unknown_rule)")


async def test_what_the_engine_refuses_is_one_line_and_exit_1(tmp_path: Path) -> None:
    async with an_engine_process(tmp_path) as engine:
        viewer = Authenticator(SECRET.encode()).issue("main", "ann", "viewer", 3_600)
        ended = await run("trigger", "web", **to(engine) | {"TOCSIN_TOKEN": viewer})
        assert (ended.returncode, ended.stderr.count(b"\n")) == (1, 1)
        assert ended.stderr.startswith(b"tocsin: the role 'viewer' may not trigger")
        wrong = await run("trigger", "web", **to(engine) | {"TOCSIN_TOKEN": "wrong"})
        assert (wrong.returncode, wrong.stderr.count(b"\n")) == (1, 1)
        assert wrong.stderr.startswith(b"tocsin: the token was refused: invalid token; get another token")


async def test_who_meets_the_http_port_is_told_that_it_may_be_that(tmp_path: Path) -> None:
    async with an_engine_process(tmp_path) as engine:
        url = engine.http.replace("http://", "ws://")
        ended = await run("trigger", "web", **to(engine) | {"TOCSIN_URL": url})
        assert ended.returncode == 1
        assert ended.stderr.endswith(b"this may be the engine's HTTP port, WebSocket is on another one\n")


# tail


async def test_tail_shows_alerts_live_and_ends_quietly(tmp_path: Path) -> None:
    async with an_engine_process(tmp_path) as engine, tailing(engine) as (process, heard, said):
        await run("trigger", "web", "--title", "Disk \x1b[2J full", "--value", "97", **to(engine))
        assert re.fullmatch(
            r"\d\d:\d\d:\d\d  ▲ warning   web           fired           Disk \\x1b\[2J full  \(value 97\)",
            await heard.next(),
        )
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
        with pytest.raises(AssertionError, match="ended after b''"):
            await said.next()


async def test_tail_can_follow_one_framework_from_one_severity_on_and_say_it_in_json(tmp_path: Path) -> None:
    async with (
        an_engine_process(tmp_path) as engine,
        tailing(engine, "web", "--severity", "error", "--json") as (_, heard, __),
    ):
        for framework, severity in (("db", "critical"), ("web", "warning"), ("web", "error")):
            await run("trigger", framework, "--title", severity, "--severity", severity, **to(engine))
        message = json.loads(await heard.next())
        assert (message["type"], message["data"]["title"]) == ("alert", "error")


async def test_tail_says_that_the_engine_is_away_and_shows_what_happened_meanwhile(tmp_path: Path) -> None:
    async with an_engine_process(tmp_path) as first:
        address = first.ws_address
        async with tailing(first) as (_, heard, said):
            await first.kill()
            assert "connection lost" in await said.next()
            async with an_engine_process(tmp_path, ws=address) as second:
                await run("trigger", "web", "--title", "after", **to(second))
                assert await said.next() == "tocsin: connected again"
                assert "after" in await heard.next()


async def test_tail_says_when_something_cannot_be_shown(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with an_engine_process(tmp_path / "a") as first:
        address = first.ws_address
        async with tailing(first) as (_, __, said):
            await first.kill()
            await said.until("connection lost")
            # Another store: nothing can be recovered from it.
            async with an_engine_process(tmp_path / "b", ws=address):
                assert "cannot be shown: epoch_changed" in await said.until("cannot be shown")


async def test_tail_says_what_was_left_out_because_it_was_stopped_for_a_while(tmp_path: Path) -> None:
    async with an_engine_process(tmp_path) as engine, tailing(engine) as (process, _, said):
        process.send_signal(signal.SIGSTOP)  # as Ctrl-S and a long look at the screen do
        alerts = [TriggerInput(framework_id="web", title=f"{n}", message="x" * 8_000) for n in range(1_000)]
        async with Client(engine.ws, TOKEN) as client:
            await client.trigger_many(alerts)
        process.send_signal(signal.SIGCONT)
        assert "alerts of alerts:main:*, because this terminal is too slow" in await said.until("left out")


async def test_tail_ends_when_its_reader_has_gone(tmp_path: Path) -> None:
    async with an_engine_process(tmp_path) as engine, tailing(engine) as (process, _, __):
        assert process.stdout is not None
        await process.stdout.aclose()
        await run("trigger", "web", "--title", "x", **to(engine))
        assert await process.wait() == 1


async def test_tail_says_in_one_line_that_its_output_cannot_be_written(tmp_path: Path) -> None:
    async with an_engine_process(tmp_path) as engine:
        with Path("/dev/full").open("wb") as full:
            process = await trio.lowlevel.open_process(
                command("tail"),
                stdout=full,
                stderr=subprocess.PIPE,
                env=environment(**to(engine), PYTHONUNBUFFERED=""),
            )
        assert process.stderr is not None
        said = Lines(process.stderr)
        await said.until("following")
        await run("trigger", "web", "--title", "x", **to(engine))
        assert await process.wait() == 1
        assert await said.next() == "tocsin: the output cannot be written: No space left on device"
        with pytest.raises(AssertionError, match="ended after b''"):
            await said.next()
        await process.stderr.aclose()


# A program's arguments


@pytest.mark.parametrize("arguments", [["token"], ["--version"], ["config"]])
async def test_small_commands_start_without_the_engine(arguments: Sequence[str], tmp_path: Path) -> None:
    ended = await run(*arguments, TOCSIN_DATA=str(tmp_path), TOCSIN_SECRET=SECRET)
    assert ended.returncode == 0
    assert ended.stdout
    assert list(tmp_path.iterdir()) == []
