"""Fixtures of several files: one test for all stores, and logs that are looked at instead of written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.logged import logs
from tests.support.stores import FACTORIES, StoreFactory

__all__ = ["logs"]


@pytest.fixture(params=list(FACTORIES))
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> StoreFactory:
    """Each store."""
    return FACTORIES[request.param](tmp_path)


@pytest.fixture(params=[name for name, make in FACTORIES.items() if make(Path()).keeps])
def keeping(request: pytest.FixtureRequest, tmp_path: Path) -> StoreFactory:
    """Each store that still has everything after it was closed."""
    return FACTORIES[request.param](tmp_path)
