"""The process in which a backtest runs: a task comes in on its input, the outcome goes out, and it ends.

It imports what decides and what it is told in, nothing else of the engine: no loop, no store, no configuration.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from engine.core.rules.backtest import Backtest, backtest
from engine.core.rules.replay import Replay, Stretch, replay
from engine.input.commands import to_observe
from engine.input.misfits import explained
from protocol.codec import DECODER_FAULTS
from protocol.commands import Observe
from protocol.errors import BadRequest
from protocol.fields import Finite, Id, Label, Labels
from protocol.items import ReadingInput
from protocol.readings import ReadingPoint
from protocol.rules import Rule

# What a body of 4 MiB holds, and about two seconds of computing.
READINGS_MAX = 100_000


class BacktestReading(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A measured value of the past; without `metric` it is the rule's own, only a test takes one without `at`."""

    value: Finite
    at: Label | None = None
    metric: Id | None = None
    labels: Labels = {}


class StoredPage(msgspec.Struct, frozen=True):
    """Stored readings of a metric, each (`width_s` 0) or rolled up by so many seconds; `points`: a JSON list."""

    metric: str
    width_s: int
    points: bytes


class Task(msgspec.Struct, frozen=True):
    """What is to be done: with `readings` in the order in which they came, or `stored` ones in that of their times.

    `readings`: a JSON list, decoded here and not on the loop; `until` in microseconds.
    """

    rule: Rule
    suppression_s: float
    until: int
    readings: bytes
    stored: tuple[StoredPage, ...] = ()


class Outcome(msgspec.Struct, frozen=True):
    """What came of it, or why the readings are refused."""

    backtest: Backtest | None = None
    refused: str = ""


_Readings = Annotated[list[BacktestReading], msgspec.Meta(max_length=READINGS_MAX)]
_decoder = msgspec.json.Decoder(_Readings)
_points = msgspec.json.Decoder(list[ReadingPoint])


def work(task: Task) -> Outcome:
    """Runs one backtest."""
    try:
        rule, readings, note = _of_store(task) if task.stored else Replay(task.rule, _observed(task), None)
        found = backtest(rule, readings, task.suppression_s, task.until)
    except BadRequest as fault:
        return Outcome(refused=fault.message)
    return Outcome(msgspec.structs.replace(found, note=note))


def _of_store(task: Task) -> Replay:
    stretches = [Stretch(page.metric, page.width_s, _points.decode(page.points)) for page in task.stored]
    return replay(task.rule, stretches, task.until)


def _observed(task: Task) -> list[Observe]:
    try:
        given = _decoder.decode(task.readings)
    except msgspec.ValidationError as fault:
        raise BadRequest(f"readings: {explained(_Readings, None, fault)}") from fault
    except DECODER_FAULTS as fault:
        raise BadRequest(f"readings: {fault}") from fault
    return [_one(task.rule, place, reading) for place, reading in enumerate(given)]


def _one(rule: Rule, place: int, reading: BacktestReading) -> Observe:
    if reading.at is None:
        raise BadRequest(f"readings[{place}]: at is missing; write 2026-01-31T12:00:00Z")
    whole = ReadingInput(
        framework_id=rule.framework,
        metric=reading.metric or rule.metric,
        value=reading.value,
        at=reading.at,
        labels=reading.labels,
    )
    try:
        return to_observe(whole, 0)
    except BadRequest as fault:
        raise BadRequest(f"readings[{place}]: {fault.message}") from fault


def compute(task: bytes) -> bytes:
    """The same, packed: what `engine.computing` has a process do."""
    return msgspec.msgpack.encode(work(msgspec.msgpack.decode(task, type=Task)))
