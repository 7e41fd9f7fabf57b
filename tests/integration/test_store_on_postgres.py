"""The conformance suite of stores, on a real Postgres: the very tests that SQLite passes, with another factory.

Each test of `tests/unit/test_store_*.py` that is handed a store comes in; those that open SQLite's file themselves, to
break it or to look at its plans, are that store's own.
"""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest
from trio.testing import MockClock

from protocol.jobs import NewJob, Queue
from tests.support.jobs import job_store
from tests.support.open_jobs import opened
from tests.support.postgres_server import PostgresDatabase
from tests.support.stores import StoreFactory
from tests.unit import (
    test_store_aggregates,
    test_store_contract,
    test_store_deliveries,
    test_store_findings,
    test_store_incidents,
    test_store_job_ends,
    test_store_job_origins,
    test_store_jobs,
    test_store_lists,
    test_store_objects,
    test_store_predictions,
    test_store_quieting,
    test_store_readings,
    test_store_recipients,
    test_store_streams,
    test_store_trail,
    test_store_uptime,
    test_store_workflows,
)
from tests.unit.test_store_aggregates import breaking

__all__ = ["breaking", "opened"]

SUITE = (
    test_store_aggregates,
    test_store_contract,
    test_store_deliveries,
    test_store_findings,
    test_store_incidents,
    test_store_job_ends,
    test_store_job_origins,
    test_store_jobs,
    test_store_lists,
    test_store_objects,
    test_store_predictions,
    test_store_quieting,
    test_store_readings,
    test_store_recipients,
    test_store_streams,
    test_store_trail,
    test_store_uptime,
    test_store_workflows,
)
# The ledger is opened by the tests themselves (`a_job_store`), with a clock that stands still.
HANDED = {"factory", "keeping", "opened", "autojump_clock"}


@pytest.fixture
def factory(postgres_database: PostgresDatabase) -> StoreFactory:
    return StoreFactory("postgres", postgres_database.url, keeps=True)


@pytest.fixture
def keeping(factory: StoreFactory) -> StoreFactory:
    return factory


@pytest.fixture
def autojump_clock(mock_clock: MockClock, factory: StoreFactory, monkeypatch: pytest.MonkeyPatch) -> MockClock:
    """A clock that a real server can keep up with; and `job_store` opens this store."""
    monkeypatch.setattr(test_store_deliveries, "job_store", lambda: job_store(url=factory.url))

    async def pass_time(seconds: float) -> None:
        mock_clock.jump(seconds)

    monkeypatch.setattr(test_store_deliveries, "pass_time", pass_time)
    return mock_clock


def of(module: ModuleType) -> dict[str, object]:
    """Its tests that are handed a store."""
    part = module.__name__.rpartition("test_store_")[2]
    tests = {name: each for name, each in vars(module).items() if name.startswith("test_") and callable(each)}
    return {
        f"test_{part}__{name.removeprefix('test_')}": each
        for name, each in tests.items()
        if HANDED & set(inspect.signature(each).parameters)
    }


for _module in SUITE:
    globals().update(of(_module))


def test_hardly_anything_of_the_suite_is_left_out() -> None:
    taken = sum(len(of(module)) for module in SUITE)
    assert taken >= 150


async def test_jobs_of_the_engine_itself_are_taken_on_a_session_that_has_written_for_a_workspace(
    factory: StoreFactory,
) -> None:
    async with factory.open() as store:
        for workspace in ("acme", ""):
            (made,) = await store.enqueue([NewJob(queue=Queue.ALERT, kind="noop", workspace=workspace)])
            assert made.is_new
