"""Readings as they are kept: which series there are, the log of what was decided on, and what rules remember of it.

A channel's machine numbers its series and its log itself, so that a decision says all that is to be stored and the
store looks nothing up. What rules remember is snapshots of some moment, and the log after it.
"""

from __future__ import annotations

import msgspec


class LoggedSeries(msgspec.Struct, frozen=True, gc=False):
    """A metric with one set of labels. `number`: 1, 2, 3 ... in its channel, never given again."""

    number: int
    metric: str
    labels: dict[str, str] = {}


class Logged(msgspec.Struct, frozen=True, gc=False):
    """Readings that were decided together at `at`, in columns: whose, when (their own time), how much.

    `seq` counts these rows: 1, 2, 3 ... in a channel. Times are microseconds.
    """

    seq: int
    at: int
    series: list[int]
    times: list[int]
    values: list[float]


class RuleState(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How far one rule has come with one series: `body` is its own affair. It has heard the readings' log up to `seq`.

    `essence` says what the rule evaluated: a rule that evaluates something else starts anew. `due` (microseconds): when
    time alone changes something. An empty `body`: nothing is to be kept any more.
    """

    rule: str
    labels: dict[str, str]
    essence: str
    seq: int
    body: bytes
    due: int | None = None


class ReadingPoint(msgspec.Struct, frozen=True, gc=False):
    """One reading, or all of one series in a minute or hour that begins `at`; `value` is then their mean."""

    at: str
    labels: dict[str, str]
    value: float
    count: int
    min: float
    max: float
    sum: float
    last: float
