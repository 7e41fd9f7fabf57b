"""Numbers that somebody owns already, read at each scrape instead of being counted a second time.

Connections, depths of mailboxes, bytes in outboxes, the statistics of a store. Owns the callables that are asked, and
how what they return is shown. One that fails hides none of the others. They are called on the thread that renders, so
they must be cheap.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from engine.telemetry.figure_table import FIGURES

# Prometheus pays for each series: numbers of one part past these are not shown.
FIGURES_MAX = 200
Numbers = Mapping[str, float]
Read = Callable[[], float | Numbers]
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Figures:
    """What is watched."""

    def __init__(self) -> None:
        self._watched: dict[str, Read] = {}
        self._taken = {name for figure in FIGURES.values() for name in figure.names}
        # Reads that failed.
        self.errors = 0

    def reserve(self, names: Iterable[str]) -> None:
        """These metrics are somebody else's."""
        self._taken |= set(names)

    def watch(self, name: str, read: Read) -> None:
        """Shows what `read` returns at each scrape: a number, or a mapping from names to numbers.

        A name in FIGURES (of a mapping: `<name>.<key>`, or the key alone) has metrics of its own; another number is the
        gauge `tocsin_<name>`, another key `tocsin_<name>{figure="<key>"}`. `read` must be cheap, and is called on the
        thread that renders. Raises ValueError for a name that is taken or no metric name.
        """
        if name not in FIGURES and not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no metric name: use lower-case letters, digits and _")
        if name in self._watched or (name not in FIGURES and f"tocsin_{name}" in self._taken):
            raise ValueError(f"{name!r} is taken by another metric")
        self._watched[name] = read

    def families(self) -> Iterator[Metric]:
        """All of them, read now."""
        known: dict[str, float] = {}
        for name, read in list(self._watched.items()):
            figures = self._read(name, read)
            known |= {key: value for key, value in figures.items() if key in FIGURES}
            others = {key: value for key, value in figures.items() if key not in FIGURES}
            if name in others:
                yield GaugeMetricFamily(f"tocsin_{name}", f"{name} as of this scrape.", value=others[name])
            elif others:
                family = GaugeMetricFamily(f"tocsin_{name}", f"Statistics of {name}.", labels=["figure"])
                for key in list(others)[:FIGURES_MAX]:
                    family.add_metric([key.removeprefix(f"{name}.")], others[key])
                yield family
        for key, value in known.items():
            for metric in FIGURES[key].names:
                make = CounterMetricFamily if FIGURES[key].monotonic else GaugeMetricFamily
                yield make(metric, FIGURES[key].text, value=value)

    def _read(self, name: str, read: Read) -> dict[str, float]:
        try:
            found = read()
            if isinstance(found, Mapping):
                return {_figure(name, key): float(value) for key, value in found.items()}
            return {name: float(found)}
        except Exception:
            # Boundary: a part that cannot say how it is (it may be restarting) must not hide how the others are.
            self.errors += 1
            structlog.get_logger().warning("a watched part could not be read", part=name, exc_info=True)
            return {}


def _figure(name: str, key: str) -> str:
    qualified = f"{name}.{key}"
    return key if key in FIGURES and qualified not in FIGURES else qualified
