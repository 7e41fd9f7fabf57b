"""How many examples Hypothesis draws, and which.

By default they are drawn from each test's own name and text, the same ones every time: a red build is the fault of its
change, whoever looks into it sees the same, and coverage does not depend on luck. What luck finds is looked for on
purpose: `TOCSIN_EXAMPLES=20 pytest -m hypothesis` draws twenty times as many, new ones each time.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

# 0: the same ones every time.
TIMES = int(os.environ.get("TOCSIN_EXAMPLES", "0"))
# What a property test draws that says nothing of its own.
ORDINARY = 100


def examples(count: int = ORDINARY, **fields: Any) -> settings:
    """So many examples. On a shared machine the time that one of them takes says nothing, so it is no failure; nor is
    the time that it takes to draw ten of them, which is a second at most otherwise."""
    fields.setdefault("suppress_health_check", [HealthCheck.too_slow])
    return settings(max_examples=count * max(1, TIMES), deadline=None, **fields)


def load_profile() -> None:
    """For all tests, also those that say nothing of their own."""
    settings.register_profile("tocsin", examples(), print_blob=True, derandomize=not TIMES)
    settings.load_profile("tocsin")
    if not TIMES:
        _draw_nothing_from_our_modules()


def _draw_nothing_from_our_modules() -> None:
    """Hypothesis mixes in constants of the project's modules that happen to be loaded. Which ones are goes by what this
    process has tested before, and so by which of two was the faster one; it has no setting for that."""
    nothing = providers._local_constants
    providers._get_local_constants = lambda: nothing
