"""Keys and sentences of patterns, and which pattern that is known already a new one is.

The same pattern has the same key in each run. What recurs may wander (03:00 becomes 03:05): it is the one that is known
if their times touch.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from hashlib import blake2b
from itertools import count

from engine.core.analytics.patterns.bars import place_of
from engine.core.analytics.patterns.past import Candidate
from protocol.patterns import Pattern, PatternKind, Source, Times
from protocol.wording import several

_KEY_BYTES = 10
_DAY_MIN = 1440
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def new_key(candidate: Candidate, taken: Container[str]) -> str:
    """The key of a pattern that is not known yet. One that has wandered far from where it was first seen keeps its own:
    what is there now gets another."""
    return next(key for again in count() if (key := key_of(candidate, again)) not in taken)


def key_of(candidate: Candidate, again: int = 0) -> str:
    """20 hex digits; `again`: of another pattern that would have the same."""
    times = candidate.times
    when = "" if times is None else f"{times.weekday}" if times.weekday is not None else f"{times.since} {times.until}"
    parts = [
        candidate.kind.value,
        when,
        *[str(again)] * bool(again),
        *(part for each in candidate.sources for part in place_of(each)),
    ]
    return blake2b("\0".join(parts).encode(), digest_size=_KEY_BYTES).hexdigest()


def known_as(candidate: Candidate, known: Iterable[Pattern]) -> Pattern | None:
    """The one of these that it is; None: it is new."""
    about = _about(candidate.kind, candidate.sources)
    for each in known:
        if each.kind is candidate.kind and _about(each.kind, each.sources) == about and _touch(each, candidate):
            return each
    return None


def _about(kind: PatternKind, sources: Iterable[Source]) -> tuple[tuple[str, str, str], ...]:
    places = [place_of(source) for source in sources]
    return tuple(places if kind is PatternKind.SEQUENCE else sorted(places))


def _touch(pattern: Pattern, candidate: Candidate) -> bool:
    one, two = pattern.times, candidate.times
    if one is None or two is None:
        return one is two
    return one.weekday == two.weekday and (one.weekday is not None or bool(_minutes(one) & _minutes(two)))


def _minutes(times: Times) -> set[int]:
    return {minute % _DAY_MIN for minute in range(times.since, times.since + _length(times) + 1)}


def _length(times: Times) -> int:
    return (times.until - times.since) % _DAY_MIN


def sentence(candidate: Candidate) -> str:
    """What it is, in a sentence for people."""
    names = [name_of(source) for source in candidate.sources]
    return f"{_SENTENCES[candidate.kind](candidate, names)}."


def name_of(source: Source) -> str:
    """How people know a source."""
    return f"{source.name or source.rule_id} ({source.framework})"


def _often(candidate: Candidate, of: str) -> str:
    return f"{candidate.held} of {candidate.occasions} {of}"


def _recurring(candidate: Candidate, names: list[str]) -> str:
    times = candidate.times
    assert times is not None  # noqa: S101  # whatever recurs has its times
    clock = "" if times.until == _DAY_MIN else f" at {_clock(times.since)}-{_clock(times.until)} UTC"
    if times.weekday is None:
        return f"{names[0]} comes back every day{clock}: on {_often(candidate, 'days')}"
    day = _WEEKDAYS[times.weekday]
    return f"{names[0]} comes back every {day}{clock}: on {_often(candidate, f'{day}s')}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _together(candidate: Candidate, names: list[str]) -> str:
    return f"{names[0]} and {names[1]} come together: {_often(candidate, 'times that the rarer one came')}"


def _sequence(candidate: Candidate, names: list[str]) -> str:
    minutes = (candidate.within_s or 0) // 60
    return f"{names[1]} follows {names[0]} within {several(minutes, 'minute')}: {_often(candidate, 'times')}"


def _escalating(candidate: Candidate, names: list[str]) -> str:
    return f"{names[0]} comes more and more often: {candidate.lift:.1f} times as often as at first"


def _flapping(candidate: Candidate, names: list[str]) -> str:
    return f"{names[0]} flaps: {_often(candidate, 'times')} it was back soon after it had ended by itself"


def _noisy(candidate: Candidate, names: list[str]) -> str:
    unheeded = _often(candidate, "alerts ended without anybody doing anything")
    return f"{names[0]} is noise: it comes {candidate.lift:.1f} times as often as others, and {unheeded}"


_SENTENCES = {
    PatternKind.RECURRING: _recurring,
    PatternKind.CO_OCCURRENCE: _together,
    PatternKind.SEQUENCE: _sequence,
    PatternKind.ESCALATING: _escalating,
    PatternKind.FLAPPING: _flapping,
    PatternKind.NOISY: _noisy,
}
