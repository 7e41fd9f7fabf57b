"""Calls from asyncio to something under trio: outcomes and cancellation cross both ways, within bounds."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import traceback

import pytest
import trio

from protocol.errors import BadRequest, Busy
from tests.support.residents import Resident, a_bridge, run, until
from tocsin.aio import bridge as bridges
from tocsin.aio.bridge import Bridge

WORD: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="none")


def test_a_call_runs_in_trio_and_gives_its_result() -> None:
    async def where(_: Resident) -> tuple[str, float]:
        await trio.lowlevel.checkpoint()
        return threading.current_thread().name, trio.current_time()

    async def program() -> None:
        async with a_bridge(Resident()) as bridge:
            assert (await bridge.call(where))[0] == "tocsin-test"

    run(program)


def test_an_error_comes_across_as_it_is_with_its_traceback() -> None:
    async def refuse(_: Resident) -> None:
        raise BadRequest("nonsense")

    async def program() -> None:
        async with a_bridge(Resident()) as bridge:
            with pytest.raises(BadRequest, match="nonsense") as caught:
                await bridge.call(refuse)
            assert "refuse" in [frame.name for frame in traceback.extract_tb(caught.tb)]

    run(program)


def test_a_call_sees_the_context_variables_of_its_caller_and_changes_none() -> None:
    async def change(_: Resident) -> str:
        before = WORD.get()
        WORD.set("changed")
        return before

    async def program() -> None:
        async with a_bridge(Resident()) as bridge:
            WORD.set("request 7")
            assert await bridge.call(change) == "request 7"
            assert WORD.get() == "request 7"

    run(program)


def test_whoever_cancels_the_caller_cancels_the_call_and_returns_when_it_has_ended() -> None:
    async def program() -> None:
        resident = Resident()
        async with a_bridge(resident) as bridge:
            caller = asyncio.create_task(bridge.call(Resident.sleep))
            await until(resident.begun)
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
            assert resident.cancelled.is_set()
            assert bridge.statistics()["calls_in_flight"] == 0

    run(program)


def test_a_call_that_will_not_end_holds_up_its_cancelled_caller_for_so_long_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bridges, "CANCEL_MAX_S", 0.05)
    goes_on = threading.Event()

    async def stubborn(resident: Resident) -> None:
        resident.begun.set()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(goes_on.wait)

    async def program() -> None:
        resident = Resident()
        async with a_bridge(resident) as bridge:
            caller = asyncio.create_task(bridge.call(stubborn))
            await until(resident.begun)
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
            assert bridge.statistics()["calls_in_flight"] == 1
            goes_on.set()

    run(program)


def test_the_call_past_the_bound_is_busy_and_counted() -> None:
    async def program() -> None:
        resident = Resident()
        async with a_bridge(resident, calls_max=2) as bridge:
            callers = [asyncio.create_task(bridge.call(Resident.sleep)) for _ in range(2)]
            await until(resident.begun)
            with pytest.raises(Busy, match="2 calls to this engine are under way, limit 2"):
                await bridge.call(Resident.sleep)
            assert bridge.statistics() == {"calls": 2, "calls_in_flight": 2, "calls_refused": 1}
            for caller in callers:
                caller.cancel()

    run(program)


def test_use_before_the_block_and_from_another_loop_is_refused_in_words() -> None:
    async def program() -> None:
        with pytest.raises(RuntimeError, match="this engine is not running yet: use it inside `async with`"):
            await Bridge(Resident().living, "engine").call(Resident.sleep)
        async with a_bridge(Resident()) as bridge:

            async def elsewhere() -> None:
                await bridge.call(Resident.sleep)

            with pytest.raises(RuntimeError, match="belongs to the asyncio loop that entered it"):
                await asyncio.to_thread(asyncio.run, elsewhere())

    run(program)


def test_trio_can_ask_the_program_and_gets_its_errors() -> None:
    async def token() -> str:
        await asyncio.sleep(0)
        return f"token of {threading.current_thread().name}"

    async def broken() -> str:
        raise OSError("no token today")

    async def cancelled() -> str:
        raise asyncio.CancelledError

    async def program() -> None:
        async with a_bridge(Resident()) as bridge:
            assert await bridge.call(lambda _: bridge.ask(token)) == "token of MainThread"
            with pytest.raises(OSError, match="no token today"):
                await bridge.call(lambda _: bridge.ask(broken))
            with pytest.raises(bridges.NoAnswer, match="cancelled"):
                await bridge.call(lambda _: bridge.ask(cancelled))

    run(program)
