"""Fixtures for the tests of programs that use Tocsin: an engine in memory, a client's view of it, time that you move.

`pip install pytest pytest-trio`; with trio, `trio_mode = true` among pytest's settings; and in your `conftest.py`:

    pytest_plugins = ["tocsin.testing"]

Under trio (the clock must be an argument of the test itself; without it real time passes):

    async def test_a_slow_checkout_rings_again_after_five_minutes(tocsin_engine, tocsin_clock):
        async with tocsin_engine.follow("web") as alerts:
            await tocsin_engine.ring("web", title="Checkout is slow")
            assert (await alerts.next()).data.title == "Checkout is slow"
            await tocsin_engine.ring("web", title="Checkout is slow")     # suppressed
            assert await alerts.so_far() == []
            await tocsin_engine.pass_time(301)
            ...

Under asyncio, with whichever plugin runs your tests, or none (time always stands until the test moves it):

    async def test_the_same(tocsin_aio_engine):
        async with tocsin_aio_engine() as engine:
            await engine.ring("web", title="Checkout is slow")

Override the fixture `tocsin_config` for another configuration. `an_engine` and `an_aio_engine` are the same without
pytest's fixtures. pytest and pytest-trio come with your tests, not with Tocsin. PYTEST_DONT_REWRITE: there is no assert
in here, so a conftest that also imports this module gets no warning for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest
import trio.testing

from engine.configuration.config import Config
from tocsin.testing.engines import EngineUnderTest, Followed, a_config, an_aio_engine, an_engine

__all__ = ("EngineUnderTest", "Followed", "a_config", "an_aio_engine", "an_engine")


@pytest.fixture
def tocsin_config() -> Config:
    """What the engines of these fixtures run with; override it to use your own."""
    return a_config()


@pytest.fixture
def tocsin_clock() -> trio.testing.MockClock:
    """A clock that stands, for a trio test that asks for it; `tocsin_engine.pass_time(seconds)` moves it."""
    return trio.testing.MockClock()


@pytest.fixture
async def tocsin_engine(tocsin_config: Config) -> AsyncIterator[EngineUnderTest]:
    """An engine in the test's own trio loop."""
    async with an_engine(tocsin_config) as engine:
        yield engine


@pytest.fixture
def tocsin_aio_engine(tocsin_config: Config) -> Callable[[], AbstractAsyncContextManager[EngineUnderTest]]:
    """Makes engines for asyncio tests: `async with tocsin_aio_engine() as engine:`."""
    return partial(an_aio_engine, tocsin_config)
