"""Counts by key that keep no zeros, so that what is gone takes up nothing."""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

K = TypeVar("K")


def one_less(counts: Counter[K], key: K) -> None:
    """Takes one away; the key goes with the last."""
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
