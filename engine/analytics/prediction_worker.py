"""Makes predictions, in a process of its own (`engine.computing`): of some rules, or of a workspace's counts.

`gather` reads, the rest is pure but for the packing. A rule of which nothing can be said comes back as one that says
why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from engine.analytics.prediction_reading import read_task
from engine.analytics.prediction_tasks import Asked, CountTask, Made, RuleTask, Task, prediction_id, refusal
from engine.core.analytics.breach import AHEAD_HOURS, Hour, NextBreach, next_breach, watched
from engine.core.analytics.calendar import DAY_US, HOUR_US
from engine.core.analytics.daily_counts import daily_count
from engine.core.analytics.forecast import KEEP_DAYS, TooLittle
from engine.stores import Store
from protocol.predictions import Breach, Count, HourAhead, Prediction, PredictionKind, PredictionState
from protocol.readings import ReadingPoint
from protocol.rules import ThresholdRule
from protocol.times import parse_rfc3339, rfc3339

# Of one rule: those with the most readings. Others are counted.
SERIES_MAX = 20
# Yesterday is the last whole day; tomorrow is two days later.
TOMORROW = 2


_points = msgspec.json.Decoder(list[ReadingPoint]).decode


async def gather(store: Store, asked: bytes) -> bytes:
    """Reads a task, packed; see `engine.computing.asking`. Raises StoreUnavailable."""
    return msgspec.msgpack.encode(await read_task(store, msgspec.msgpack.decode(asked, type=Asked)))


def compute(task: bytes) -> bytes:
    """What `engine.computing` has a process do: a `Task`, answered by what was `Made`."""
    return msgspec.msgpack.encode(work(msgspec.msgpack.decode(task, type=Task)))


def work(task: Task) -> Made:
    """Makes them."""
    found: list[Prediction] = []
    left_out = task.left_out
    for each in task.rules:
        predictions, more = _of_rule(each, task.now_us)
        found, left_out = found + predictions, left_out + more
    found += [_of_count(each, task.now_us) for each in task.counts]
    if task.uncounted is not None:
        found.append(refusal(PredictionKind.COUNT, None, None, task.uncounted, task.now_us))
    return Made(found, len(task.rules), left_out)


def _of_rule(task: RuleTask, now_us: int) -> tuple[list[Prediction], int]:
    rule, breach = task.rule, PredictionKind.BREACH
    look = watched(rule)
    if isinstance(look, TooLittle) or not isinstance(rule, ThresholdRule):
        reason = look.reason if isinstance(look, TooLittle) else "only threshold rules are predicted"
        return [refusal(breach, rule.framework, rule.id, reason, now_us)], 0
    start_us = now_us // HOUR_US * HOUR_US
    series = _series(task.pages, start_us)
    if not series:
        return [
            refusal(breach, rule.framework, rule.id, "needs 14 days of readings, has not an hour of them", now_us)
        ], 0
    found, reasons = list[Prediction](), list[str]()
    for labels, hours in series[:SERIES_MAX]:
        values = [None if hour is None else look(hour) for hour in hours]
        result = next_breach(rule, values)
        if isinstance(result, TooLittle):
            reasons.append(result.reason)
        else:
            found.append(_breach(rule, labels, result, start_us, now_us))
    if not found:
        # That of the series with the most readings.
        found = [refusal(breach, rule.framework, rule.id, reasons[0], now_us)]
    return found, max(0, len(series) - SERIES_MAX)


def _series(pages: Sequence[bytes], start_us: int) -> list[tuple[dict[str, str], list[Hour | None]]]:
    """Each series' hours up to `start_us`, from its first reading on; those with the most hours first."""
    labels: dict[bytes, dict[str, str]] = {}
    hours: dict[bytes, dict[int, Hour]] = {}
    first_us = start_us - KEEP_DAYS * DAY_US
    for page in pages:
        for point in _points(page):
            at_us = parse_rfc3339(point.at)
            if first_us <= at_us < start_us:
                name = msgspec.json.encode(point.labels, order="sorted")
                labels[name] = point.labels
                hours.setdefault(name, {})[at_us // HOUR_US] = Hour(point.count, point.min, point.max, point.sum)
    names = sorted(hours, key=lambda name: (-len(hours[name]), name))
    last = start_us // HOUR_US
    return [(labels[name], [hours[name].get(hour) for hour in range(min(hours[name]), last)]) for name in names]


def _breach(rule: ThresholdRule, labels: dict[str, str], found: NextBreach, start_us: int, now_us: int) -> Prediction:
    earliest, expected, latest = found.first or (None, None, None)

    def at(step: int | None) -> str | None:
        return None if step is None else rfc3339(start_us + step * HOUR_US)

    text = msgspec.json.encode(labels, order="sorted").decode()
    forecast = Breach(
        metric=rule.metric,
        labels=labels,
        comparison=rule.comparison.value,
        threshold=rule.threshold,
        aggregate=rule.aggregate.value,
        window_s=rule.window_s,
        probability=found.by[-1],
        expected_at=at(expected),
        earliest_at=at(earliest),
        latest_at=at(latest),
        hours=list(_hours(found, start_us)),
        days=found.forecast.days,
        trend_at=None if found.trend_days is None else rfc3339(now_us + int(found.trend_days * DAY_US)),
    )
    return Prediction(
        id=prediction_id(PredictionKind.BREACH, rule.framework, rule.id, text, start_us),
        kind=PredictionKind.BREACH,
        state=PredictionState.OPEN,
        framework_id=rule.framework,
        rule_id=rule.id,
        made_at=rfc3339(now_us),
        since=rfc3339(start_us),
        until=rfc3339(start_us + AHEAD_HOURS * HOUR_US),
        forecast=forecast,
    )


def _hours(found: NextBreach, start_us: int) -> Iterator[HourAhead]:
    told = found.forecast
    for step, (expected, low, high) in enumerate(zip(told.expected, told.low, told.high, strict=True)):
        yield HourAhead(
            at=rfc3339(start_us + step * HOUR_US),
            expected=expected,
            low=low,
            high=high,
            probability=found.probabilities[step],
            by=found.by[step],
        )


def _of_count(task: CountTask, now_us: int) -> Prediction:
    result = daily_count(task.counts, TOMORROW)
    if isinstance(result, TooLittle):
        return refusal(PredictionKind.COUNT, task.framework, task.rule_id, result.reason, now_us)
    start_us = (now_us // DAY_US + 1) * DAY_US
    return Prediction(
        id=prediction_id(PredictionKind.COUNT, task.framework, task.rule_id, "", start_us),
        kind=PredictionKind.COUNT,
        state=PredictionState.OPEN,
        framework_id=task.framework,
        rule_id=task.rule_id,
        made_at=rfc3339(now_us),
        since=rfc3339(start_us),
        until=rfc3339(start_us + DAY_US),
        forecast=Count(
            expected=result.expected,
            low=result.low,
            high=result.high,
            probability=result.at_least_one,
            days=result.days,
        ),
    )
