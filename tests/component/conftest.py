"""Tests that start a whole engine, its HTTP server, other processes, or a benchmark as a whole. They need no other
program, but time: `make test` runs them beside tests/unit, `make check` leaves them to it."""

from __future__ import annotations

from tests.support.logged import logs

__all__ = ["logs"]
