"""An engine in an asyncio program: the same verbs, and nothing is left behind, whatever ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from pathlib import Path

import pytest
import trio
import trio.testing
from msgspec.structs import replace

import tocsin.aio
from actors.supervisor import TooManyRestarts
from engine import app
from engine.configuration.fields import ConfigError
from engine.core.analytics.calendar import Width
from engine.core.health import PARTS
from engine.sections.doors import Tls
from engine.stores import AlertQuery
from engine.stores.aggregates import Dimension
from engine.stores.incidents import IncidentQuery
from engine.verbs.analytics import Asked
from engine.verbs.patterns import PatternsWanted
from protocol.errors import BadRequest, Conflict, PermissionDenied, UnknownChannel
from protocol.incidents import Correlation
from protocol.items import ReadingInput, TriggerInput
from protocol.model import AlertState, Reason, Severity, Status
from protocol.rules import ThresholdRule
from tests.support.asyncio_programs import run, run_alone
from tests.support.certificates import Authority
from tests.support.engines import a_config
from tocsin import NotRunning, StoreRefused

BELL = TriggerInput(framework_id="web", title="Checkout is slow")


def test_the_verbs_of_an_embedded_engine(tmp_path: Path) -> None:
    rule = ThresholdRule(id="slow", framework="web", metric="ms", threshold=500.0, title="Over 500 ms")

    async def program() -> None:
        async with tocsin.aio.Engine(a_config(tmp_path, rules=(rule,))) as engine:
            who, verbs = engine.principal("me"), engine.service
            (rung,) = await verbs.trigger(who, [BELL])
            (read,) = await verbs.read(who, [ReadingInput(framework_id="web", metric="ms", value=950.0)])
            assert (rung.status, read.status) == (Status.FIRED, Status.FIRED)
            page = await verbs.alerts(who, AlertQuery(workspace="main", framework="web"))
            assert [alert.title for alert in page.items] == ["Over 500 ms", "Checkout is slow"]
            (done,) = await verbs.acknowledge(who, [str(rung.alert_id)], "on it")
            assert done.reason is Reason.ACKNOWLEDGED
            await verbs.resolve(who, [str(rung.alert_id)], None)
            assert (await verbs.alert(who, str(rung.alert_id))).state is AlertState.RESOLVED
            assert [row.alert.title for row in (await verbs.open_rows(who, None)).items] == ["Over 500 ms"]
            statistics = await engine.statistics()
            assert statistics["bridge"] == {"calls": 8, "calls_in_flight": 0, "calls_refused": 0}
            health = await engine.health()
            assert {each.part for each in health.contributions} == {part.name for part in PARTS}

    run(program)


def test_what_the_alerts_mean_is_asked_of_an_embedded_engine(tmp_path: Path) -> None:
    async def program() -> None:
        async with tocsin.aio.Engine(a_config(tmp_path)) as engine:
            who, limited = engine.principal("me"), replace(engine.principal("bob"), channels=("web",))
            await engine.service.trigger(who, [BELL])
            counts = await engine.alert_counts.counts(who, Asked(framework="web"), Width.DAY, [Dimension.RULE])
            assert (counts.by, counts.group) == ("day", ["rule"])
            assert (await engine.patterns.page(who, PatternsWanted(limit=5))).run is None
            assert await engine.incidents.settings(who) == Correlation()
            await engine.incidents.set_settings(who, Correlation(window_s=60))
            assert (await engine.incidents.settings(limited)).window_s == 60
            assert (await engine.predictions.predictions(who, framework="web", limit=5)).items == []
            assert (await engine.insights.verbs.page(who, None, None, 5)).day is None
            with pytest.raises(UnknownChannel):
                await engine.insights.deciding.apply(who, "nobody's")
            assert (await engine.reports.preview(limited)).title
            with pytest.raises(Conflict, match="mail server"):
                await engine.reports.send(who)
            with pytest.raises(PermissionDenied):
                await engine.incidents.page(limited, IncidentQuery(workspace="main", framework="db"))

    run(program)


def test_errors_are_those_of_the_engine(tmp_path: Path) -> None:
    async def program() -> None:
        async with tocsin.aio.Engine(a_config(tmp_path)) as engine:
            with pytest.raises(UnknownChannel, match="no such alert"):
                await engine.service.alert(engine.principal("me"), "nobody")
            with pytest.raises(PermissionDenied):
                await engine.service.trigger(engine.principal("me", "viewer"), [BELL])
            with pytest.raises(BadRequest, match="role"):
                await engine.issue_token("main", "me", "emperor")
        with pytest.raises(NotRunning, match="this engine has ended"):
            await engine.service.trigger(engine.principal("me"), [BELL])
        with pytest.raises(RuntimeError, match="used once"):
            await engine.__aenter__()

    run(program)


def test_an_engine_that_cannot_start_says_why_and_leaves_no_thread(tmp_path: Path) -> None:
    (tmp_path / "tocsin.db").write_text("this is no database")
    with pytest.raises(ConfigError, match="store"):
        tocsin.aio.Engine(a_config(tmp_path, store="nonsense://"))

    async def program() -> None:
        with pytest.raises(StoreRefused, match="not an SQLite database"):
            async with tocsin.aio.Engine(a_config(tmp_path)):
                raise AssertionError("entered")

    run(program)


def test_an_engine_that_gives_up_ends_the_block_and_every_call(tmp_path: Path) -> None:
    async def explode(_: object) -> None:
        raise RuntimeError("always")

    async def break_a_helper(inner: app.Engine) -> None:
        parts = inner._up
        parts.upkeep.run = explode  # type: ignore[method-assign,assignment]
        parts.ticker.run = explode  # type: ignore[method-assign,assignment]
        parts.ticker.watch(0, lambda now: 1 / 0)  # type: ignore[arg-type,return-value]
        await trio.sleep_forever()

    async def program() -> None:
        calls = []
        with pytest.raises(TooManyRestarts):
            # The pauses between the restarts pass twice as fast; so do the 30 s in which they count.
            async with tocsin.aio.Engine(a_config(tmp_path), clock=trio.testing.MockClock(rate=2)) as engine:
                calls.append(asyncio.create_task(engine.call(break_a_helper)))
                await asyncio.Event().wait()
        with pytest.raises(NotRunning) as caught:
            await calls[0]
        assert isinstance(caught.value.__cause__, TooManyRestarts)

    run(program)


def test_the_host_program_keeps_what_is_its_own(tmp_path: Path) -> None:
    def belongings() -> list[object]:
        root = logging.getLogger()
        return [
            gc.get_threshold(), gc.get_freeze_count(), gc.isenabled(), root.level, list(root.handlers),
            sys.getswitchinterval(), signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM),
        ]  # fmt: skip

    async def program() -> None:
        # What the test run froze for speed goes one by one: nothing may be frozen, so that the count stands still.
        gc.unfreeze()
        before = belongings()
        async with tocsin.aio.Engine(a_config(tmp_path)) as engine:
            await engine.service.trigger(engine.principal("me"), [BELL])
            assert belongings() == before
        assert belongings() == before

    run(program)


def test_two_engines_live_in_one_process(tmp_path: Path) -> None:
    async def program() -> None:
        async with (
            tocsin.aio.Engine(a_config(tmp_path / "a")) as one,
            tocsin.aio.Engine(a_config(tmp_path / "b")) as other,
        ):
            (first,), (second,) = await asyncio.gather(
                *(engine.service.trigger(engine.principal("me"), [BELL]) for engine in (one, other))
            )
            assert (first.reason, second.reason) == (Reason.FIRED, Reason.FIRED)
            with pytest.raises(UnknownChannel):
                await other.service.alert(other.principal("me"), str(first.alert_id))

    run(program)


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_a_client_of_the_engine_sees_what_its_rights_allow_as_it_happens(tmp_path: Path, is_encrypted: bool) -> None:
    # Made for a name that the loopback address does not have, by an authority that nobody here knows.
    files = Authority(tmp_path).issue(hosts=("alerts.example.com",))
    tls = Tls(cert=str(files.cert), key=str(files.key)) if is_encrypted else Tls()

    async def program() -> None:
        async with (
            tocsin.aio.Engine(a_config(tmp_path, tls=tls)) as engine,
            engine.client(engine.principal("page", "viewer")) as client,
        ):
            await client.subscribe("web", Severity.ERROR)
            for severity in ("info", "error"):
                bell = TriggerInput(framework_id="web", title=severity, severity=severity)
                await engine.service.trigger(engine.principal("me"), [bell])
            assert (await anext(client.alerts())).data.title == "error"
            with pytest.raises(PermissionDenied):
                await client.trigger("web", title="not allowed")
            assert client.session is not None
            assert client.session.user_id == "page"

    run(program)


def test_a_loop_that_ends_before_the_block_ends_the_engine_with_the_process(tmp_path: Path) -> None:
    done = run_alone(
        """
        async def main():
            async with tocsin.aio.Engine(CONFIG) as engine:
                await engine.service.trigger(engine.principal("me"), [BELL])
                loop.stop()
                await asyncio.Event().wait()

        loop = asyncio.new_event_loop()
        task = loop.create_task(main())
        loop.run_forever()
        loop.close()
        task._log_destroy_pending = False
        print("closed")
        """,
        tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "closed\n"), done.stderr
    # In good order: the log was written back when the last connection closed.
    assert not (tmp_path / "data/tocsin.db-wal").exists()


def test_a_block_that_nobody_finishes_ends_the_engine(tmp_path: Path) -> None:
    done = run_alone(
        """
        import threading

        async def main():
            async with tocsin.aio.Engine(CONFIG) as engine:
                await engine.service.trigger(engine.principal("me"), [BELL])
                loop.stop()
                await asyncio.Event().wait()

        loop = asyncio.new_event_loop()
        task = loop.create_task(main())
        loop.run_forever()
        task._log_destroy_pending = False
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "tocsin-engine"]
        coroutine = task.get_coro()
        coroutine.close()
        thread.join(60)
        print(thread.is_alive())
        """,
        tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


def test_ctrl_c_is_the_hosts_and_ends_both(tmp_path: Path) -> None:
    done = run_alone(
        """
        import signal, threading

        # As at a terminal: who runs the tests in the background has Ctrl-C ignored, and that is inherited.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        async def main():
            try:
                async with tocsin.aio.Engine(CONFIG) as engine:
                    await engine.service.trigger(engine.principal("me"), [BELL])
                    signal.raise_signal(signal.SIGINT)
                    await asyncio.Event().wait()
            finally:
                print([thread.name for thread in threading.enumerate() if thread.name.startswith("tocsin")])

        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted")
        """,
        tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "[]\ninterrupted\n"), done.stderr


def test_an_application_with_a_package_named_engine_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine/__init__.py").write_text('"""The application\'s own."""\n')
    done = run_alone("", tmp_path)
    assert done.returncode == 1
    assert "Tocsin needs its own 'engine'" in done.stderr
    assert "Rename that package" in done.stderr


def test_an_installed_application_with_an_engine_of_its_own_embeds_tocsin_beside_it(tmp_path: Path) -> None:
    (tmp_path / "shop/engine").mkdir(parents=True)
    (tmp_path / "shop/__init__.py").write_text("")
    (tmp_path / "shop/engine/__init__.py").write_text('NAME = "the shop\'s own engine"\n')
    done = run_alone(
        """
        from shop import engine as ours

        async def main():
            async with tocsin.aio.Engine(CONFIG) as engine:
                (result,) = await engine.service.trigger(engine.principal("me"), [BELL])
                print(ours.NAME, result.status.value)

        asyncio.run(main())
        """,
        tmp_path,
    )
    assert done.stdout == "the shop's own engine fired\n", done.stderr
