"""Fixtures of several files: one test for all stores, and logs that are looked at instead of written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tests.support.stores import FACTORIES, StoreFactory


@pytest.fixture(params=list(FACTORIES))
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> StoreFactory:
    """Each store."""
    return FACTORIES[request.param](tmp_path)


@pytest.fixture(params=[name for name, make in FACTORIES.items() if make(Path()).keeps])
def keeping(request: pytest.FixtureRequest, tmp_path: Path) -> StoreFactory:
    """Each store that still has everything after it was closed."""
    return FACTORIES[request.param](tmp_path)


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    """What is logged. Rendering the tracebacks of hundreds of planned crashes would take longer than all else."""
    with capture_logs() as entries:
        yield entries
