"""An engine that speaks TLS on both ports, in a process of its own: clients, errors, and renewal while it runs."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import trio

from engine.access.auth import Authenticator
from tests.support.certificates import Authority, Files
from tests.support.engines import SECRET, EngineProcess, an_engine_process, command, environment
from tocsin import Client

# Made when the tests are collected, and good for longer than all of them take.
TOKEN = Authenticator(SECRET.encode()).issue("main", "ann", "admin", 86_400)


@asynccontextmanager
async def encrypted(
    folder: Path, files: Files, stderr: int | None = None, **settings: str
) -> AsyncIterator[EngineProcess]:
    arguments = ("--tls-cert", str(files.cert), "--tls-key", str(files.key))
    async with an_engine_process(folder, *arguments, stderr=stderr, **settings) as engine:
        yield engine


async def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return await trio.run_process(
        command(*arguments), capture_stdout=True, capture_stderr=True, check=False, env=environment(**variables)
    )


async def subject(url: str, files: Files) -> str:
    """Whose certificate is shown to a client that connects now."""
    host, port = url.rpartition("//")[2].split(":")
    stream = await trio.open_ssl_over_tcp_stream(host, int(port), ssl_context=files.client())
    await stream.do_handshake()
    ((_, name),) = stream.getpeercert()["subject"][0]
    await trio.aclose_forcefully(stream)
    return str(name)


async def test_both_ports_are_encrypted_and_the_ready_line_says_so(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue()
    async with encrypted(tmp_path, files) as engine:
        assert engine.ws.startswith("wss://127.0.0.1:")
        assert engine.http.startswith("https://127.0.0.1:")
        async with (
            httpx.AsyncClient(base_url=engine.http, verify=files.client(), timeout=170) as http,
            Client(engine.ws, TOKEN, ssl_context=files.client()) as client,
        ):
            assert (await http.get("/api/v1/about")).json()["ws"] == engine.ws
            await client.subscribe("web")
            answer = await http.post(
                "/api/v1/triggers",
                json={"alert": {"framework_id": "web", "message": "x" * 4_000}},
                headers={"Authorization": f"Bearer {TOKEN}"},
            )
            assert answer.json()["results"][0]["status"] == "fired"
            assert (await anext(client.alerts())).data.message == "x" * 4_000
            metrics = (await http.get("/metrics")).text
            assert "tocsin_tls_handshakes_failed_total 0.0" in metrics
            assert "tocsin_tls_certificate_expires_timestamp_seconds 1" in metrics


async def test_the_command_line_needs_only_the_ca(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue()
    async with encrypted(tmp_path, files) as engine:
        there = {"TOCSIN_URL": engine.ws, "TOCSIN_TOKEN": TOKEN}
        given = await run("trigger", "web", "--ca", str(files.ca), **there)
        assert (given.returncode, given.stdout[:5]) == (0, b"fired")
        known = await run("trigger", "web", SSL_CERT_FILE=str(files.ca), **there)
        assert known.returncode == 0
        unknown = await run("trigger", "web", **there)
        assert unknown.returncode == 1
        assert b"certificate verify failed" in unknown.stderr
        assert b"--ca FILE, or the variable SSL_CERT_FILE" in unknown.stderr
        missing = await run("trigger", "web", "--ca", "nowhere.pem", **there)
        assert missing.returncode == 2
        assert b"ca: nowhere.pem cannot be used (No such file" in missing.stderr
        plain = await run("trigger", "web", TOCSIN_URL=engine.ws.replace("wss", "ws"), TOCSIN_TOKEN=TOKEN)
        assert plain.returncode == 1
        assert b"this port speaks TLS: connect with wss://" in plain.stderr


async def test_a_wrong_scheme_or_port_is_answered_with_the_right_one(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue()
    (tmp_path / "plain").mkdir()
    async with encrypted(tmp_path, files) as secret, an_engine_process(tmp_path / "plain") as plain:
        for url, hint in (
            (secret.http, b"name the CA that signed its certificate: --ca FILE"),
            (secret.http.replace("https", "http"), b"this port speaks TLS: connect with wss:// or https://"),
            (plain.http.replace("http", "https"), b"that port is not encrypted: use http://"),
            (plain.ws.replace("ws", "http"), b"this port speaks WebSocket"),
        ):
            said = await run("connections", "--api", url, TOCSIN_TOKEN=TOKEN)
            assert (said.returncode, hint in said.stderr) == (1, True), said.stderr
        for url, hint in (
            (plain.ws.replace("ws", "wss"), b"that port is not encrypted: use ws://"),
            (plain.http.replace("http", "ws"), b"this may be the engine's HTTP port"),
            (f"{plain.ws}/nope", b"HTTP 404 connect to /ws\n"),
        ):
            said = await run("tail", TOCSIN_URL=url, TOCSIN_TOKEN=TOKEN)
            assert (said.returncode, hint in said.stderr) == (1, True), said.stderr


async def test_a_certificate_for_another_host_is_not_trusted(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue(hosts=("elsewhere.example",))
    async with encrypted(tmp_path, files) as engine:
        refused = await run("trigger", "web", "--ca", str(files.ca), TOCSIN_URL=engine.ws, TOCSIN_TOKEN=TOKEN)
        assert refused.returncode == 1
        assert b"IP address mismatch" in refused.stderr


async def test_a_hangup_renews_the_certificate_for_new_connections_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    old, new = authority.issue("old"), authority.issue("new")
    async with (
        encrypted(tmp_path, old, stderr=subprocess.PIPE) as engine,
        Client(engine.ws, TOKEN, ssl_context=old.client()) as client,
    ):
        assert await subject(engine.ws, old) == await subject(engine.http, old) == "old"
        old.key.write_bytes(new.key.read_bytes())
        engine.process.send_signal(signal.SIGHUP)
        await logged(engine, b"certificate_not_renewed")
        assert await subject(engine.ws, old) == await subject(engine.http, old) == "old"
        old.cert.write_bytes(new.cert.read_bytes())
        engine.process.send_signal(signal.SIGHUP)
        await logged(engine, b"certificate_renewed")
        assert await subject(engine.ws, old) == await subject(engine.http, old) == "new"
        assert await client.ping() > 0
        assert client.statistics()["connects"] == 1
        async with httpx.AsyncClient(base_url=engine.http, verify=old.client(), timeout=170) as http:
            metrics = (await http.get("/metrics")).text
        assert "tocsin_tls_renewals_total 1.0" in metrics
        assert "tocsin_tls_renewals_failed_total 1.0" in metrics


async def logged(engine: EngineProcess, event: bytes) -> None:
    """Waits until the engine has logged this."""
    assert engine.process.stderr is not None
    heard = b""
    while event not in heard:
        part = await engine.process.stderr.receive_some(65_536)
        assert part, heard
        heard += part


async def test_a_bad_pair_is_one_line_and_exit_2(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue()
    files.key.write_text("no key")
    done = await run(
        "serve", "--tls-cert", str(files.cert), "--tls-key", str(files.key), "--data", str(tmp_path / "data")
    )
    assert done.returncode == 2
    [line] = done.stderr.decode().splitlines()
    assert line.startswith(f"tocsin: tls.key: {files.key} holds no private key in PEM form")
