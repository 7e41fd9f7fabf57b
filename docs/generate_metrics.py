"""Writes `docs/metrics.md`: every metric that the engine itself shows, with its kind and what it counts.

    python docs/generate_metrics.py            writes the page (`make docs`)

The names and sentences are those of `/metrics`, so there is no second place to keep them in. A test compares the
committed page with what this would write.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
if str(FOLDER.parent) not in sys.path:  # started as a script
    sys.path.insert(0, str(FOLDER.parent))

from engine.cache.cache import Cache  # noqa: E402
from engine.cache.memory import Memory  # noqa: E402
from engine.jobs.counts import JobCounts  # noqa: E402
from engine.jobs.gauges import QueueGauges  # noqa: E402
from engine.notify.counted import families  # noqa: E402
from engine.telemetry.figure_table import FIGURES  # noqa: E402
from engine.telemetry.metrics import Metrics  # noqa: E402
from engine.telemetry.own_health import families as points  # noqa: E402

PAGE = FOLDER / "metrics.md"
HEAD = """\
<!-- Written by docs/generate_metrics.py: change the sentences where the metrics are made, then `make docs`. -->

# Metrics

What `GET /metrics` shows beside the process's own figures; what to watch first is in [operations.md](operations.md).
An engine also shows statistics of its parts as gauges `tocsin_<part>{figure="…"}`, for looking closer; they may change.

| metric | kind | meaning |
|---|---|---|
"""
_HELP = re.compile(r"# HELP (\S+) (.*)\n# TYPE \S+ (\S+)")


def render() -> str:
    """The page."""
    found = {
        name: (kind, text)
        for name, text, kind in _HELP.findall(Metrics(version="0").render().decode())
        if not name.startswith("process_")
    }
    # Nobody is asked for what the families are.
    gauges = QueueGauges(None)  # type: ignore[arg-type]
    for family in (
        *Cache(Memory(0, 0)).families(),
        *JobCounts().families(),
        *gauges.families(),
        *families({}),
        *points({}),
    ):
        found[family.name + ("_total" if family.type == "counter" else "")] = (family.type, family.documentation)
    for figure in FIGURES.values():
        kind, end = ("counter", "_total") if figure.monotonic else ("gauge", "")
        found |= {name + end: (kind, figure.text) for name in figure.names}
    return HEAD + "".join(f"| `{name}` | {kind} | {text} |\n" for name, (kind, text) in sorted(found.items()))


if __name__ == "__main__":
    PAGE.write_text(render())
