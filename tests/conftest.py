"""What holds for all tests: which examples are drawn, how long an answer may take, what is no garbage, and how a
failure is told.

Thousands of collected tests are hundreds of thousands of objects that live until the end. Each full collection went
through all of them, a third of the time of those tests that build an engine; frozen ones are not looked at.
"""

from __future__ import annotations

import gc
from collections.abc import Generator

import httpx
import pytest

from engine.computing.processes import Processes
from engine.trying import backtests
from tests.support.examples import load_profile
from tests.support.migrated import copy_what_was_migrated
from tests.support.plainly import plainly
from tests.support.postgres_fixtures import empty_postgres, postgres_database, postgres_server, postgres_template
from tests.support.redis_fixtures import redis, redis_server
from tests.support.signatures import read_signatures_once

__all__ = ["empty_postgres", "postgres_database", "postgres_server", "postgres_template", "redis", "redis_server"]

load_profile()
copy_what_was_migrated()
read_signatures_once()
# Five seconds, which is what a client has who says nothing, are not much for a first answer on a machine full of tests.
ANSWER_S = 170.0
# The engine ends an idle connection after five seconds, which is just how long a client would use it again: a request
# that crosses that end has no answer.
IDLE_S = 1.0
for _client in (httpx.AsyncClient, httpx.Client):
    _client.__init__.__kwdefaults__ |= {
        "timeout": httpx.Timeout(ANSWER_S),
        "limits": httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=IDLE_S),
    }
# Behind everybody, in the idle class, a process comes to its end once some core has nothing else to do: on a machine
# full of tests that may be never. Where that place is asked about, it is said.
Processes.__init__.__kwdefaults__["is_awaited"] = True
# Its process is a nice one, so its start alone may take that long there.
backtests.WORK_MAX_S = ANSWER_S


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    try:
        return (yield)
    except BaseExceptionGroup as group:
        raise plainly(group) from None
