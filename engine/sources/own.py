"""Hands the engine's own figures to its rules, as readings of the workspace `system`.

Owns its counters. Talks to nobody but `submit`, and asks `figures`, which takes less than a millisecond; waits for the
clock and for `submit`. What all nodes count alike is told by one of them, without a label; all else has the label
`node`. When the engine is busy, or its store away, a round is dropped and counted: whoever is that ill cannot ring for
himself, which is why Prometheus rings for it too (`deploy/prometheus/`). Decided against: a task for each rule that
looks at a figure, which would need a second way for alerts to come and go.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import trio

from engine.sections.watching import OWN_FRAMEWORK
from engine.sources.handing import Handing, Submit
from protocol.items import ReadingInput

# A commit of a dozen readings each time: rings soon enough for figures of five minutes, and costs next to nothing.
INTERVAL_S = 5.0


class OwnSource:
    """The source and its counters. `shared`: what all nodes count alike; `tells_shared`: whether we tell of it."""

    def __init__(
        self,
        submit: Submit,
        figures: Callable[[], Mapping[str, float]],
        node: str,
        shared: Collection[str],
        tells_shared: Callable[[], bool],
    ) -> None:
        self._handing = Handing(submit)
        self._figures = figures
        self._node = node
        self._shared = shared
        self._tells_shared = tells_shared
        self._rounds = 0

    async def run(self, *, task_status: trio.TaskStatus[OwnSource] = trio.TASK_STATUS_IGNORED) -> None:
        """Submits every `INTERVAL_S` until cancelled. Raises what `submit` raises that trying again would not help."""
        task_status.started(self)
        while True:
            await trio.sleep(INTERVAL_S)
            self._rounds += 1
            await self._handing.tell(self.readings())

    def readings(self) -> list[ReadingInput]:
        """What there is to tell now."""
        tells_shared = self._tells_shared()
        return [
            ReadingInput(framework_id=OWN_FRAMEWORK, metric=name, value=value, labels=self._labels(name))
            for name, value in self._figures().items()
            if tells_shared or name not in self._shared
        ]

    def statistics(self) -> Mapping[str, int]:
        """Rounds made, readings submitted, and readings dropped because the engine was busy or its store away."""
        return {"rounds": self._rounds, "readings": self._handing.submitted, "readings_dropped": self._handing.dropped}

    def _labels(self, name: str) -> dict[str, str]:
        return {} if name in self._shared else {"node": self._node}
