"""What only the garbage collector could free, of what is ours."""

from __future__ import annotations

import gc
from typing import Any


def ours_in_cycles() -> dict[str, int]:
    """How many objects of ours only the collector can free, by kind."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        found: dict[str, int] = {}
        for each in gc.garbage:
            kind: Any = type(each)
            if kind.__module__.startswith(("actors.", "engine.", "protocol.")):
                found[kind.__qualname__] = found.get(kind.__qualname__, 0) + 1
        return found
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
