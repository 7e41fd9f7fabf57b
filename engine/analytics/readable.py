"""Kept findings that this version can read: what another version wrote in its own words is in no list, and logged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec
import structlog

from engine.stores.findings import Finding

log = structlog.get_logger()
T = TypeVar("T")


def readable(findings: Iterable[Finding], read: Callable[[Finding], T]) -> list[T]:
    """Those that `read` can make something of, in order."""
    found: list[T] = []
    for each in findings:
        try:
            found.append(read(each))
        except (msgspec.DecodeError, ValueError) as fault:
            log.warning("finding_unreadable", workspace=each.workspace, kind=each.kind, key=each.key, cause=str(fault))
    return found
