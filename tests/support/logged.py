"""Logs that are looked at instead of written: a fixture of several rooms of the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    """What is logged. Rendering the tracebacks of hundreds of planned crashes would take longer than all else."""
    with capture_logs() as entries:
        yield entries
