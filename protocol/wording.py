"""Counts in sentences. Pure."""

from __future__ import annotations


def noun(count: int, one: str) -> str:
    """`alert` of one, `alerts` of none and of more."""
    return one if count == 1 else f"{one}s"


def several(count: int, one: str) -> str:
    """`1 alert`, `12 alerts`."""
    return f"{count} {noun(count, one)}"


def waiting(count: int, one: str, where: str = "") -> str:
    """`1 more mail to her waits for its turn`, `2 more mails to her wait for their turn`; empty for none."""
    if not count:
        return ""
    what = several(count, f"more {one}") + (where and f" {where}")
    return f"{what} {'waits for its' if count == 1 else 'wait for their'} turn"
