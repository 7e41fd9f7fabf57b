"""`tocsin keys` and `tocsin revoke` beside an engine in a process of its own, which takes changed keys at SIGHUP."""

from __future__ import annotations

import http.server
import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio
from click.testing import CliRunner, Result

from engine.access.auth import Authenticator
from protocol import messages as m
from protocol.errors import CloseCode
from tests.support.engines import EngineProcess, an_engine_process
from tests.support.keys import jwk, jwks, secret_of, signed
from tests.support.sockets import Peer
from tocsin.cli import cli


def run(*arguments: str, **variables: str) -> Result:
    cleared = dict.fromkeys(("TOCSIN_TOKEN", "TOCSIN_URL", "TOCSIN_SECRET", "TOCSIN_DATA"))
    return CliRunner().invoke(cli, list(arguments), prog_name="tocsin", env=cleared | variables)


async def in_thread(*arguments: str, **variables: str) -> Result:
    return await trio.to_thread.run_sync(lambda: run(*arguments, **variables))


async def connect(engine: EngineProcess, token: str) -> tuple[Peer, Any]:
    address = urlsplit(engine.ws)
    peer = Peer(trio.socket.socket())
    await peer.sock.connect((address.hostname, address.port))
    await peer.upgrade()
    await peer.say({"type": "auth", "token": token})
    return peer, await peer.hear()


async def test_a_user_is_revoked_and_taken_back_from_the_command_line(tmp_path: Path) -> None:
    data = str(tmp_path)
    with trio.fail_after(170):
        async with an_engine_process(tmp_path, TOCSIN_SECRET="") as engine:
            token = run("token", "--data", data, "--user", "eve", "--jti", "one").stdout.strip()
            peer, _ = await connect(engine, token)
            done = await in_thread("revoke", "--user", "eve", "--reason", "left", "--api", engine.http, "--data", data)
            assert (done.exit_code, done.stdout) == (0, "revoked; 1 connection ended\n"), done.stderr
            listed = await in_thread("revoke", "--list", "--api", engine.http, "--data", data)
            heads, row = (line.split() for line in listed.stdout.splitlines())
            assert (heads[:2], row[0], row[-1]) == (["USER", "JTI"], "eve", "left"), listed.stderr
            as_json = await in_thread("revoke", "--list", "--json", "--api", engine.http, "--data", data)
            assert json.loads(as_json.stdout)["user"] == "eve"
            assert (await peer.hear_close())[0] == CloseCode.INVALID_TOKEN
            peer.close()
            undone = await in_thread("revoke", "--user", "eve", "--undo", "--api", engine.http, "--data", data)
            assert (undone.exit_code, undone.stdout) == (0, "taken back\n")
            peer, answer = await connect(engine, token)
            assert isinstance(answer, m.AuthSuccess)
            peer.close()
            missing = await in_thread("revoke", "--jti", "x", "--undo", "--api", engine.http, "--data", data)
            assert (missing.exit_code, missing.stderr) == (1, "tocsin: there is no such revocation\n")
            refused = await in_thread("revoke", "--jti", "x", "--api", engine.http, TOCSIN_TOKEN="rubbish")
            assert (refused.exit_code, refused.stderr) == (1, "tocsin: invalid token\n")


async def test_a_rotation_lets_old_tokens_live_until_their_secret_is_dropped(tmp_path: Path) -> None:
    old = Authenticator(secret_of(tmp_path)).issue("main", "ann")
    with trio.fail_after(170):
        async with an_engine_process(tmp_path, TOCSIN_SECRET="") as engine:
            peer, _ = await connect(engine, old)
            assert "1 older still verify" in run("keys", "rotate", "--data", str(tmp_path)).stdout
            engine.process.send_signal(signal.SIGHUP)
            listed = run("keys", "list", "--data", str(tmp_path)).stdout.splitlines()
            assert [line.split("  ", 1)[1] for line in listed] == [
                "HS256/HS384/HS512  secret.key line 1  signs",
                "HS256/HS384/HS512  secret.key line 2",
            ]
            await peer.say({"type": "ping"})
            assert await peer.hear() == m.Pong()
            run("keys", "rotate", "--keep", "0", "--data", str(tmp_path))
            # No signal: the engine looks for itself.
            assert await peer.hear_close() == (
                CloseCode.INVALID_TOKEN,
                "the key of this token is not valid any more",
            )
            peer.close()
            fresh = run("token", "--data", str(tmp_path)).stdout.strip()
            peer, answer = await connect(engine, fresh)
            assert isinstance(answer, m.AuthSuccess)
            peer.close()


async def test_an_engine_with_a_key_set_alone_verifies_and_signs_nothing(tmp_path: Path) -> None:
    (tmp_path / "set.json").write_bytes(jwks(jwk("ES256", "a")))
    claims = {"sub": "ann", "workspaceId": "main", "exp": 2**31 - 1, "iat": 2**31 - 86_400}
    settings = {"TOCSIN_SECRET": "", "TOCSIN_IDENTITY_JWKS": str(tmp_path / "set.json")}
    with trio.fail_after(170):
        async with an_engine_process(tmp_path, "--welcome", **settings) as engine:
            assert not (tmp_path / "secret.key").exists()
            peer, answer = await connect(engine, signed("ES256", claims, kid="a"))
            assert isinstance(answer, m.AuthFailed), "issued in the future"
            peer.close()
            now = int(time.time())
            peer, answer = await connect(engine, signed("ES256", claims | {"iat": now, "exp": now + 600}, kid="a"))
            assert isinstance(answer, m.AuthSuccess)
            peer.close()
    assert "(from your issuer)" in (tmp_path / "stderr").read_text()
    said = run("token", "--data", str(tmp_path), TOCSIN_IDENTITY_JWKS=str(tmp_path / "set.json"))
    assert said.exit_code == 2
    assert "there is no secret to sign a token with, only public keys that verify" in said.stderr


def test_a_configured_secret_is_not_rotated_in_a_file(tmp_path: Path) -> None:
    said = run("keys", "rotate", "--data", str(tmp_path), TOCSIN_SECRET="s" * 32)
    assert said.exit_code == 2
    assert "move the old one to identity.previous_secrets" in said.stderr
    assert list(tmp_path.iterdir()) == []


def test_keys_that_there_are_not_yet_are_not_made_by_looking(tmp_path: Path) -> None:
    said = run("keys", "list", "--data", str(tmp_path))
    assert (said.exit_code, said.stdout) == (0, "")
    assert "the engine's first start makes a key file" in said.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_key_set_is_listed_with_what_is_odd_about_it(tmp_path: Path) -> None:
    (tmp_path / "set.json").write_bytes(jwks(jwk("EdDSA"), jwk("RS256", "e", use="enc")))
    said = run("keys", "list", "--data", str(tmp_path), TOCSIN_IDENTITY_JWKS=str(tmp_path / "set.json"))
    assert said.stdout == "(no kid)  EdDSA  set.json keys[0]\n"
    assert said.stderr == "tocsin: keys[1] is not used: its `use` is 'enc'\n"


@pytest.mark.parametrize("arguments", [(), ("--jti", "a", "--user", "b")])
def test_a_revocation_needs_one_target(arguments: tuple[str, ...]) -> None:
    said = run("revoke", *arguments, TOCSIN_TOKEN="t")
    assert said.exit_code == 2
    assert "say either --jti (one token) or --user" in said.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(("--list", "--user", "eve"), "leave --jti, --user"), (("--json", "--user", "eve"), "--json belongs to --list")],
)
def test_a_list_of_revocations_goes_with_nothing_else(arguments: tuple[str, ...], why: str) -> None:
    said = run("revoke", *arguments, TOCSIN_TOKEN="t")
    assert (said.exit_code, why in said.stderr) == (2, True)


@pytest.mark.parametrize("api", ["ftp://x", "127.0.0.1:8080", "http://", "http://me:secret@127.0.0.1"])
def test_an_address_that_is_none_is_said_to_be_none(api: str) -> None:
    said = run("revoke", "--user", "eve", "--api", api, TOCSIN_TOKEN="t")
    assert said.exit_code == 2
    assert "api: " in said.stderr


def test_nobody_at_the_address_is_one_line() -> None:
    said = run("revoke", "--user", "eve", "--api", "http://127.0.0.1:1", TOCSIN_TOKEN="t")
    assert said.exit_code == 1
    assert said.stderr.startswith("tocsin: cannot reach http://127.0.0.1:1: ")


class Somebody(http.server.BaseHTTPRequestHandler):
    """Not an engine: redirects, or answers a page."""

    heard: list[str] = []

    def do_POST(self) -> None:
        self.heard.append(self.path)
        self.send_response(302 if self.path.startswith("/away") else 404)
        self.send_header("Location", "/caught")
        self.end_headers()
        self.wfile.write(b"<html>")

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def somebody() -> Iterator[str]:
    Somebody.heard.clear()
    with http.server.HTTPServer(("127.0.0.1", 0), Somebody) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["", "/away"])
def test_whoever_is_no_engine_is_not_followed(somebody: str, path: str) -> None:
    said = run("revoke", "--user", "eve", "--api", somebody + path, TOCSIN_TOKEN="t")
    assert said.exit_code == 1
    assert "it is no engine's API; is this its HTTP address" in said.stderr
    assert Somebody.heard == [f"{path}/api/v1/revocations"]
