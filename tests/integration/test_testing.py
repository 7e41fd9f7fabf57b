"""What users write with `tocsin.testing`, run by a pytest of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from tests.support.engines import environment

PATIENCE_S = 280.0
CONFTEST = 'pytest_plugins = ["tocsin.testing"]\n'
SETTINGS = "[pytest]\ntrio_mode = true\nfilterwarnings = error\n"


def run_tests(folder: Path, body: str, conftest: str = CONFTEST, settings: str = SETTINGS) -> str:
    """The summary of a user's test file."""
    (folder / "conftest.py").write_text(conftest)
    (folder / "pytest.ini").write_text(settings)
    (folder / "test_mine.py").write_text(textwrap.dedent(body))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_the_fixtures_under_trio_let_minutes_pass_in_no_time(tmp_path: Path) -> None:
    told = run_tests(
        tmp_path,
        """
        import pytest, trio
        from protocol.errors import TokenExpired

        async def test_it_rings_again_after_the_window(tocsin_engine, tocsin_clock):
            async with tocsin_engine.follow("web") as alerts:
                first = await tocsin_engine.ring("web", title="Checkout is slow")
                assert (await alerts.next()).data.title == "Checkout is slow"
                await tocsin_engine.pass_time(299)
                assert (await tocsin_engine.ring("web", title="Checkout is slow")).reason.value == "duplicate"
                assert await alerts.so_far() == []
                await tocsin_engine.pass_time(2)
                again = await tocsin_engine.ring("web", title="Checkout is slow")
                assert (again.reason.value, again.alert_id) == ("repeated", first.alert_id)
                receipt, message = await alerts.so_far()
                assert (receipt.event.value, receipt.suppressed.count) == ("receipt", 1)
                assert (message.event.value, message.data.title) == ("repeated", "Checkout is slow")

        async def test_a_token_ends_when_its_time_has_passed(tocsin_engine, tocsin_clock):
            token = await tocsin_engine.token(ttl_s=3600)
            service = tocsin_engine.engine.service
            await tocsin_engine.pass_time(3599)
            assert service.authenticate(token).user == "test"
            await tocsin_engine.pass_time(2)
            with pytest.raises(TokenExpired):
                service.authenticate(token)

        async def test_timers_fire_in_their_order_while_time_passes(tocsin_engine, tocsin_clock):
            fired = []

            async def timer(seconds):
                await trio.sleep(seconds)
                fired.append(seconds)

            async with trio.open_nursery() as nursery:
                for seconds in (30, 10, 20, 1000):
                    nursery.start_soon(timer, seconds)
                await tocsin_engine.pass_time(60)
                assert fired == [10, 20, 30]
                nursery.cancel_scope.cancel()

        async def test_waiting_in_vain_ends_in_real_time(tocsin_engine, tocsin_clock):
            async with tocsin_engine.follow("web") as alerts:
                with pytest.raises(AssertionError, match="nothing came within 0.05 s of real time"):
                    await alerts.next(within_s=0.05)
        """,
    )
    assert "4 passed" in told, told


def test_without_the_clock_time_is_real_and_cannot_be_moved(tmp_path: Path) -> None:
    told = run_tests(
        tmp_path,
        """
        import pytest

        async def test_real_time(tocsin_engine):
            assert (await tocsin_engine.ring()).reason.value == "fired"
            with pytest.raises(RuntimeError, match="make `tocsin_clock` an argument of the test itself"):
                await tocsin_engine.pass_time(1)
        """,
    )
    assert "1 passed" in told, told


def test_the_fixtures_under_asyncio_do_the_same(tmp_path: Path) -> None:
    told = run_tests(
        tmp_path,
        """
        import asyncio

        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_with_a_plugin_that_runs_it(tocsin_aio_engine):
            async with tocsin_aio_engine() as engine, engine.follow("web") as alerts:
                await engine.ring("web", title="Checkout is slow")
                assert (await alerts.next()).data.title == "Checkout is slow"
                assert (await engine.ring("web", title="Checkout is slow")).reason.value == "duplicate"
                await engine.pass_time(301)
                assert (await engine.ring("web", title="Checkout is slow")).reason.value == "repeated"
                assert [message.event.value for message in await alerts.so_far()] == ["receipt", "repeated"]
                with pytest.raises(AssertionError, match="nothing came"):
                    await alerts.next(within_s=0.05)

        def test_without_one(tocsin_aio_engine):
            async def program():
                async with tocsin_aio_engine() as engine:
                    token = await engine.token()
                    assert token.count(".") == 2
                    return (await engine.reading("web", "ms", 5.0)).reason.value

            assert asyncio.run(program()) == "no_rule"
        """,
        settings="[pytest]\nfilterwarnings = error\n",
    )
    assert "2 passed" in told, told


def test_a_configuration_of_ones_own_takes_the_place_of_the_fixture(tmp_path: Path) -> None:
    conftest = CONFTEST + textwrap.dedent(
        """
        import pytest
        from tocsin.testing import a_config
        from engine.sections.alerting import Suppression

        @pytest.fixture
        def tocsin_config():
            return a_config(suppression=Suppression(window_s=10.0), workspace="shop")
        """
    )
    told = run_tests(
        tmp_path,
        """
        async def test_the_window_is_ten_seconds(tocsin_engine, tocsin_clock):
            reasons = []
            for seconds in (0, 9, 2):
                await tocsin_engine.pass_time(seconds)
                reasons.append((await tocsin_engine.ring()).reason.value)
            assert reasons == ["fired", "duplicate", "repeated"]
            assert tocsin_engine.principal().workspace == "shop"
        """,
        conftest,
    )
    assert "1 passed" in told, told


def test_an_engine_stops_although_a_client_hangs_and_time_stands(tmp_path: Path) -> None:
    told = run_tests(
        tmp_path,
        """
        import socket

        import pytest, trio

        GREETING = (
            b"GET /ws HTTP/1.1\\r\\nHost: x\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
            b"Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n"
        )

        @pytest.fixture
        def peer():
            with socket.socket() as peer:
                yield peer

        async def test_a_peer_that_never_closes(peer, tocsin_engine, tocsin_clock):
            host, port = tocsin_engine.ws_url.removeprefix("ws://").split(":")
            peer.connect((host, int(port)))
            peer.sendall(GREETING)
            answer = await trio.to_thread.run_sync(peer.recv, 1000)
            assert b" 101 " in answer
        """,
    )
    assert "1 passed" in told, told
