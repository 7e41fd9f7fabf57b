"""What becomes of a request's answer on its way out: it is counted, it is timed, and somebody may wait for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import trio

from actors.ports import Answer
from engine.telemetry.metrics import Metrics
from protocol.errors import Busy, TocsinError
from protocol.items import ItemResult, ReadingInput
from protocol.model import Reason, Status

# What a reading comes to when a rule made a trigger of it.
_RUNG = frozenset({Status.FIRED, Status.REPEATED, Status.SUPPRESSED})


class Tally:
    """Wraps answers so that the metrics learn of them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def counted(self, answer: Answer, workspace: str = "", frameworks: Sequence[str] | None = None) -> Answer:
        """Counts what became of the items, for every verb; of triggers in frameworks, for the log too."""

        def count(results: Sequence[ItemResult]) -> None:
            self._metrics.results(results)
            if frameworks is not None:
                self._metrics.suppressed.count(workspace, frameworks, results)
            if failed := sum(result.reason is Reason.FAILED for result in results):
                self._metrics.processing_error(failed)
            answer(results)

        return count

    def refused(self, fault: TocsinError) -> None:
        """Counts a refusal at a limit."""
        if fault.limit is not None:
            self._metrics.refused(fault.limit)

    def measured(
        self,
        answer: Answer,
        workspace: str,
        frameworks: Sequence[str],
        readings: Sequence[ReadingInput] | None = None,
    ) -> Answer:
        """Counts, and measures how long triggers took; of readings only those that a rule made into one."""
        began = trio.current_time()
        counted = self.counted(answer, workspace, frameworks)

        def measure(results: Sequence[ItemResult]) -> None:
            triggers = len(results)
            if readings is not None:
                rung = [r for r, result in zip(readings, results, strict=True) if result.status in _RUNG]
                triggers = len(rung)
                for reading in rung:
                    self._metrics.triggered(reading.framework_id, reading.metric)
            if triggers:
                self._metrics.processed(triggers, (trio.current_time() - began) * 1e3)
            counted(results)

        return measure


def slot() -> tuple[Answer, Callable[[float], Awaitable[list[ItemResult]]]]:
    """A place for an answer, and how to wait for it: at most so many seconds, then Busy."""
    done = trio.Event()
    held: list[ItemResult] = []

    def answered(results: Sequence[ItemResult]) -> None:
        held.extend(results)
        done.set()

    async def wait(seconds: float) -> list[ItemResult]:
        with trio.move_on_after(seconds):
            await done.wait()
        if not done.is_set():
            raise Busy(
                f"no answer within {seconds:g} s: it may yet be stored; send the same again, it will not ring twice"
            )
        return held

    return answered, wait
