"""One engine for the faults that must not end it: each test holds it to ISO, so the next finds it as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.engines import EngineProcess, a_shared_engine
from tests.support.iso import Isolation, isolating

# A tenth of what there is by default, so that an attack on all places is over soon.
HTTP_CONNECTIONS_MAX = 100
# Deadlines in seconds instead of tens of them; what happens at a deadline is the same.
SHORT = {
    # Who is good is done with these in milliseconds, and in less than seconds on a machine that is held up.
    "TOCSIN_GATEWAY_HANDSHAKE_S": "3",
    "TOCSIN_GATEWAY_AUTH_S": "4",
    "TOCSIN_GATEWAY_HEARTBEAT_S": "1",
    # The one that is longer than it must be: who floods does not read meanwhile, however slow the machine is.
    "TOCSIN_GATEWAY_TIMEOUT_S": "10",
    "TOCSIN_GATEWAY_MESSAGE_S": "4",
    "TOCSIN_GATEWAY_CLOSE_S": "1",
    # A channel that an attack made is gone, with its task, when the tasks are counted.
    "TOCSIN_CHANNEL_IDLE_S": "1",
    "TOCSIN_API_CONNECTIONS_MAX": str(HTTP_CONNECTIONS_MAX),
    # The same alerts ring again and again, so that an attack costs bytes and leaves no alerts behind.
    "TOCSIN_SUPPRESSION_WINDOW_S": "0",
}


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="module")
def shared_engine(shared_folder: Path) -> Iterator[EngineProcess]:
    with a_shared_engine(shared_folder, **SHORT) as engine:
        yield engine


@pytest.fixture
async def isolation(shared_engine: EngineProcess, shared_folder: Path) -> AsyncIterator[Isolation]:
    async with isolating(shared_engine, shared_folder) as isolation:
        yield isolation
