"""How well the engine is: a score from 0 to 100, and what took points away.

    score = max(0, 100 - the points of each part whose threshold is crossed)

Each part is one figure of `PARTS`. Of its thresholds the last one that is crossed counts, and takes its points; what
is just at a threshold has not crossed it. So an engine that has nothing to do has 100, and a score of 85 says that 15
points went for something that is named. A part of which too little is known (nothing was answered, the cache was hardly
asked) takes nothing and says `unknown`.

The weights follow one thought: what is critical takes 35 points or more, so that it alone brings the score under 70,
where the reference warns; what is a warning takes 5 to 15, so that one of them leaves it above 80, and it takes several
to ring. A store that is away takes 60: nothing is acknowledged. The thresholds of answers, cache and failed jobs are
the reference's; the others are the promises and alarms of ours (`docs/operations.md`). `docs/analytics.md` has them as
a table, which a test compares with this file. Counts and quantiles are those of the last five minutes: what is mended
is forgiven. Decided against: points in proportion to a figure, which move all the time and say nothing in the morning.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

FULL = 100
# Under it the engine rings for itself: the reference's figure.
SCORE_MIN = 70
LOOK = "look into the log for the causes, and report them"
SLOW = "see what is slow: tocsin_commit_seconds (the disk), tocsin_loop_lag_max_seconds (the CPU)"


class State(enum.Enum):
    """How a part is; of the whole the worst of its parts, and never unknown."""

    HEALTHY = "healthy"
    UNKNOWN = "unknown"
    WARNING = "warning"
    CRITICAL = "critical"


WORSE = {state: rank for rank, state in enumerate(State)}


@dataclass(frozen=True)
class Threshold:
    """What takes points when it is crossed."""

    limit: float
    points: int
    state: State = State.WARNING


@dataclass(frozen=True)
class Part:
    """One figure, its thresholds from the mildest to the worst, and what to do. `says`: the figure in words; `needs`:
    without what it is unknown; `is_below`: less is worse."""

    name: str
    unit: str
    says: str
    needs: str
    advice: str
    thresholds: tuple[Threshold, ...]
    is_below: bool = False

    def crossed(self, value: float) -> Threshold | None:
        """The worst threshold that a value has crossed."""
        past = [each for each in self.thresholds if (value < each.limit if self.is_below else value > each.limit)]
        return past[-1] if past else None


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """What one part does to the score. `value`: None if it is unknown; `threshold`: the one that was crossed, or the
    first that would be; `points`: how many it took; `advice`: what to do, if it took any."""

    part: str
    state: State
    value: float | None
    unit: str
    threshold: float
    points: int
    text: str
    advice: str


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The score (0 to 100), the worst state of a part, and all parts: those first that took the most points."""

    score: int
    status: State
    contributions: list[Contribution]


_CRITICAL = State.CRITICAL
PARTS = (
    Part(
        name="store_away",
        unit="",
        says="stores that are away: {}",
        needs="an open store",
        advice="is its disk full, its server up? tocsin doctor says; it goes on by itself",
        thresholds=(Threshold(0, 60, _CRITICAL),),
    ),
    Part(
        name="alert_latency_p95_ms",
        unit="ms",
        says="95 % of the triggers were answered within {} ms",
        needs="20 answers to triggers in five minutes",
        advice=SLOW,
        thresholds=(Threshold(500, 15), Threshold(1_000, 35, _CRITICAL)),
    ),
    Part(
        name="alert_errors_percent",
        unit="%",
        says="triggers that failed in the engine: {} %",
        needs="an answer to a trigger in five minutes",
        advice=LOOK,
        thresholds=(Threshold(0.1, 15), Threshold(1, 35, _CRITICAL)),
    ),
    Part(
        name="channels_parked",
        unit="",
        says="channels that crash again and again: {}",
        needs="an open store",
        advice=LOOK,
        thresholds=(Threshold(0, 35, _CRITICAL),),
    ),
    Part(
        name="jobs_failed",
        unit="",
        says="failed jobs that are kept: {}",
        needs="a first count of the queues",
        advice="tocsin jobs list --state failed; when mended: tocsin queues redrive QUEUE",
        thresholds=(Threshold(10, 35, _CRITICAL),),
    ),
    Part(
        name="jobs_waiting_s",
        unit="s",
        says="the job that waits longest could have run {} s ago",
        needs="a first count of the queues",
        advice="tocsin queues list: which has no hands free? more of them: [jobs]",
        thresholds=(Threshold(60, 10), Threshold(600, 15)),
    ),
    Part(
        name="cache_hit_rate_percent",
        unit="%",
        says="look-ups that the cache answered: {} %",
        needs="300 look-ups in five minutes",
        advice="is it large enough ([cache]), and does its Redis answer?",
        thresholds=(Threshold(70, 10),),
        is_below=True,
    ),
    Part(
        name="restarts",
        unit="",
        says="parts that were restarted: {}",
        needs="a start",
        advice=LOOK,
        thresholds=(Threshold(0, 10),),
    ),
    Part(
        name="dead_letters",
        unit="",
        says="commands that were set aside: {}",
        needs="a start",
        advice=LOOK,
        thresholds=(Threshold(0, 10),),
    ),
    Part(
        name="loop_lag_p99_ms",
        unit="ms",
        says="99 % of the wake-ups of the loop were at most {} ms late",
        needs="100 looks in five minutes",
        advice="give it more CPU, or fewer clients",
        thresholds=(Threshold(250, 5), Threshold(1_000, 15)),
    ),
    Part(
        name="fan_out_p99_ms",
        unit="ms",
        says="99 % of the fan-outs took at most {} ms",
        needs="100 fan-outs in five minutes",
        advice="too many clients for this CPU? tocsin connections list",
        thresholds=(Threshold(100, 5), Threshold(1_000, 15)),
    ),
)


def score(figures: Mapping[str, float | None]) -> Health:
    """The health of an engine with these figures, by the names of `PARTS`; what is missing, None or no number is
    unknown. Raises ValueError for a name that no part has."""
    if foreign := figures.keys() - {part.name for part in PARTS}:
        raise ValueError(f"no part of the score is called {', '.join(sorted(foreign))}")
    found = [_contribution(part, figures.get(part.name)) for part in PARTS]
    worst = max(found, key=lambda each: WORSE[each.state]).state
    return Health(
        score=max(0, FULL - sum(each.points for each in found)),
        status=State.HEALTHY if worst is State.UNKNOWN else worst,
        contributions=sorted(found, key=lambda each: -each.points),
    )


def _contribution(part: Part, value: float | None) -> Contribution:
    known = value if value is not None and math.isfinite(value) else None
    crossed = None if known is None else part.crossed(known)
    return Contribution(
        part=part.name,
        state=State.UNKNOWN if known is None else crossed.state if crossed else State.HEALTHY,
        value=None if known is None else round(known, 3),
        unit=part.unit,
        threshold=(crossed or part.thresholds[0]).limit,
        points=crossed.points if crossed else 0,
        text=f"not known without {part.needs}" if known is None else part.says.format(_legible(known)),
        advice=part.advice if crossed else "",
    )


def _legible(value: float) -> str:
    """As a person reads it: three digits, or all of a large one's before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
