"""The client against real engines: killed, drained, restarted; over TLS; and the example of the docs."""

from __future__ import annotations

import datetime
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from trio_websocket import wrap_server_stream

from engine.access.auth import Authenticator
from protocol.errors import PermissionDenied
from protocol.items import TriggerInput
from protocol.messages import GapMessage, Pong
from protocol.model import Reason, Status
from tests.support.client_server import Peer
from tests.support.engines import ROOT, SECRET, an_engine, an_engine_process, environment, first_line
from tocsin.client import Client, ClientLimits
from tocsin.commands.options import DEFAULT_URL
from tocsin.errors import CannotConnect, ClientStopped, TocsinError

PATIENCE_S = 600.0


def a_token(role: str = "admin", user: str = "ann") -> str:
    return Authenticator(SECRET.encode()).issue("main", user, role, 3_600)


async def ring(client: Client, numbers: range) -> None:
    for number in numbers:
        # What a producer does: the same again until it is answered.
        while True:
            try:
                result = await client.trigger("web", title=f"alert {number}", dedup_key=str(number))
            except TocsinError as fault:
                assert fault.temporary, fault
                continue
            assert result.status in (Status.FIRED, Status.SUPPRESSED)
            break


async def recover_all(client: Client, gaps: list[GapMessage], more: trio.lowlevel.ParkingLot) -> None:
    """Asks for what was left out, also where that is left out in its turn."""
    recovered = 0
    while True:
        while recovered < len(gaps):
            assert await client.recover(gaps[recovered])
            recovered += 1
        await more.park()


async def test_a_program_that_does_not_keep_up_is_told_what_was_left_out_and_gets_it_on_demand(tmp_path: Path) -> None:
    gaps: list[GapMessage] = []
    more = trio.lowlevel.ParkingLot()

    def note(gap: GapMessage) -> None:
        gaps.append(gap)
        more.unpark_all()

    async with an_engine(tmp_path) as engine:
        token, limits = engine.issue_token("main", "ann"), ClientLimits(buffer_max=10)
        async with Client(engine.ws_url, token, limits=limits, on_gap=note) as client:
            await client.subscribe("web")
            for batch in range(60):
                long = [
                    TriggerInput(framework_id="web", title=f"{batch}-{n}", message="x" * 8_000, severity="info")
                    for n in range(20)
                ]
                await engine.service.trigger(engine.principal("test"), long)
            alerts, seen = client.alerts(), []
            while not gaps:
                seen.append((await anext(alerts)).offset)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(recover_all, client, gaps, more)
                while len(seen) < 1_200:
                    seen.append((await anext(alerts)).offset)
                nursery.cancel_scope.cancel()
            statistics = client.statistics()
    assert sorted(seen) == list(range(1, 1_201)), "each once"
    assert statistics["left_out"] == sum(gap.count for gap in gaps) > 0
    assert (statistics["connects"], statistics["lost"]) == (1, 0)


async def test_all_verbs_work_on_a_real_engine(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine, Client(engine.ws_url, engine.issue_token("main", "ann")) as client:
        assert client.session is not None
        assert (client.session.workspace_id, client.session.user_id) == ("main", "ann")
        await client.subscribe("web")
        fired = await client.trigger("web", title="x", current_value=3.0, threshold_value=2.0)
        assert (fired.status, fired.offset) == (Status.FIRED, 1)
        assert fired.alert_id is not None
        assert (await client.acknowledge(fired.alert_id, "looking")).status is Status.ACKNOWLEDGED
        assert (await client.resolve(fired.alert_id, noise=True)).status is Status.RESOLVED
        assert (await client.reading("web", "cpu", 0.5)).reason is not Reason.INVALID
        assert (await client.resolve("01000000-0000-7000-8000-000000000000")).reason is Reason.UNKNOWN_ALERT
        assert 0 < await client.ping() < PATIENCE_S
        alerts = client.alerts()
        told = [await anext(alerts) for _ in range(3)]
        assert [message.event.value for message in told] == ["fired", "acknowledged", "resolved"]
        assert told[1].data.notes == "looking"
        assert [message.data.noise for message in told] == [False, False, True]


async def test_what_a_role_may_not_do_is_said(tmp_path: Path) -> None:
    async with (
        an_engine(tmp_path) as engine,
        Client(engine.ws_url, engine.issue_token("main", "ann", "viewer")) as client,
    ):
        with pytest.raises(PermissionDenied, match="viewer"):
            await client.trigger("web")


async def test_a_wrong_token_ends_the_client_at_once(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        with pytest.raises(ClientStopped, match="token was refused"):
            async with Client(engine.ws_url, "wrong"):
                pass


async def test_an_engine_that_is_killed_and_comes_back_is_met_again_without_gap_or_duplicate(tmp_path: Path) -> None:
    seen: list[tuple[int, str]] = []
    enough = trio.Event()

    async def follow(url: str, task_status: trio.TaskStatus[Client]) -> None:
        async with Client(url, a_token()) as client:
            await client.subscribe("workspace")
            task_status.started(client)
            async for message in client.alerts():
                seen.append((message.offset, message.data.title))
                if len(seen) == 15:
                    enough.set()

    async with trio.open_nursery() as nursery:
        async with an_engine_process(tmp_path) as first:
            address = first.ws_address
            follower = await nursery.start(follow, first.ws)
            async with Client(first.ws, a_token()) as producer:
                await ring(producer, range(1, 6))
                nursery.start_soon(ring, producer, range(6, 11))
                await first.kill()
                # The same port and store; the follower comes back by itself, perhaps after these are told.
                async with an_engine_process(tmp_path, ws=address):
                    await ring(producer, range(11, 16))
                    await enough.wait()
        nursery.cancel_scope.cancel()
    assert [offset for offset, _ in seen] == list(range(1, 16))
    assert {title for _, title in seen} == {f"alert {number}" for number in range(1, 16)}
    statistics = follower.statistics()
    assert (statistics["lost"], statistics["unreadable"]) == (0, 0)
    assert statistics["reconnects"] >= 1


async def test_a_drained_engine_tells_its_clients_when_to_come_back(tmp_path: Path) -> None:
    said: list[str] = []
    async with an_engine_process(tmp_path) as first:
        address = first.ws_address
        async with Client(first.ws, a_token(), on_state=lambda state, why: said.append(why)) as client:
            await client.subscribe("web")
            first.process.terminate()
            assert await first.wait(PATIENCE_S) == 0
            async with an_engine_process(tmp_path, ws=address):
                assert (await client.trigger("web", title="back")).status is Status.FIRED
                assert (await anext(client.alerts())).offset == 1
    assert "the server closed it: 3001 shutting down" in said


async def test_each_connection_gets_a_fresh_token(tmp_path: Path) -> None:
    asked: list[str] = []

    async def fresh() -> str:
        asked.append(a_token(user=f"ann{len(asked)}"))
        return asked[-1]

    async with an_engine_process(tmp_path) as first:
        address = first.ws_address
        async with Client(first.ws, fresh) as client:
            await first.kill()
            async with an_engine_process(tmp_path, ws=address):
                await client.ping()
                assert client.session is not None
                assert client.session.user_id == f"ann{len(asked) - 1}"
    assert len(asked) >= 2


async def test_the_ten_line_client_of_the_docs_works(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine, trio.open_nursery() as nursery:
        token = engine.issue_token("main", "ann")
        process = await trio.lowlevel.open_process(
            [sys.executable, str(ROOT / "docs/examples/ten_line_client.py")],
            stdout=subprocess.PIPE,
            env=environment(TOCSIN_URL=engine.ws_url, TOCSIN_TOKEN=token),
        )
        assert process.stdout is not None
        # It follows only what happens after it has subscribed: ring until it says the first.
        nursery.start_soon(_ring_until_cancelled, engine.ws_url, token)
        said = await first_line(process)
        process.kill()
        await process.wait()
        await process.stdout.aclose()
        nursery.cancel_scope.cancel()
    assert said.startswith("fired error Hello")
    code = (ROOT / "docs/examples/ten_line_client.py").read_text().splitlines()
    assert sum(bool(line) and not line.lstrip().startswith('"""') for line in code) <= 10
    assert f'"{DEFAULT_URL}"' in "".join(code)


async def _ring_until_cancelled(url: str, token: str) -> None:
    async with Client(url, token) as client:
        number = 0
        while True:
            number += 1
            await client.trigger("demo", title="Hello", severity="error", dedup_key=str(number))


# TLS


def a_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tocsin test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "cert.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


async def test_an_encrypted_connection_is_made_with_a_known_certificate_only(tmp_path: Path) -> None:
    certificate, key = a_certificate(tmp_path)
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_context.load_cert_chain(certificate, key)

    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            async with trio.open_nursery() as nursery:
                request = await wrap_server_stream(nursery, stream)
                peer = Peer(await request.accept(subprotocol="tocsin.v1.msgpack"), stream)
                await peer.greet()
                await peer.say(Pong(id=(await peer.hear()).id))
                await peer.closed()
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, OSError):
            pass  # the client that does not know the certificate hangs up
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_ssl_over_tcp_listeners(0, server_context, host="127.0.0.1", https_compatible=True)
        port = listeners[0].transport_listener.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        url = f"wss://localhost:{port}"
        async with Client(url, "t", ssl_context=ssl.create_default_context(cafile=str(certificate))) as client:
            assert 0 < await client.ping() < PATIENCE_S
        with pytest.raises(CannotConnect, match=r"(?i)certificate"):
            async with Client(url, "t", limits=ClientLimits(connect_s=0.0)):
                pass
        nursery.cancel_scope.cancel()
