"""A week, as it is told to somebody: from what was counted, found and predicted to a document.

What there is nothing of is left out, with its heading. Days are those of UTC, as alerts are counted by them; moments
are told in the reader's zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from engine.core.analytics.calendar import DAY_US
from engine.core.notices.notice import FACT_MAX_CHARS, SUBJECT_MAX_CHARS, line_of, moment
from engine.core.reports.document import Bar, Document, Line, Part, Section, Tile
from engine.core.reports.outlook import outlook_sections
from engine.core.reports.said import change_of, number, percent, several, span
from protocol.analytics import CountedAlerts, Figures, RuleQuality
from protocol.incidents import Incident
from protocol.insights import Insight, Recommendation
from protocol.model import Severity
from protocol.patterns import Pattern
from protocol.predictions import Accuracy, Prediction
from protocol.times import SECOND_US, parse_rfc3339, rfc3339

DAYS_SHOWN = 7
WEEK_US = DAYS_SHOWN * DAY_US
_LOUDEST = tuple(sorted(Severity, key=lambda severity: -severity.rank))


class Week(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a week, from `since_us` on and before `until_us`, and of the one before it.

    `days`: alerts of both by day and severity. `today`: alerts since `until_us`, of a day that is not over.
    `more_incidents`: there are more open ones than these. `site`: where people reach us (empty: nobody knows).
    `frameworks`: the ones that it is about; None: all.
    """

    workspace: str
    since_us: int
    until_us: int
    zone: str
    days: Sequence[CountedAlerts]
    now: Figures
    before: Figures
    today: int = 0
    frameworks: tuple[str, ...] | None = None
    rules: Sequence[RuleQuality] = ()
    incidents: Sequence[Incident] = ()
    more_incidents: bool = False
    insights: Sequence[Insight] = ()
    patterns: Sequence[Pattern] = ()
    predictions: Sequence[Prediction] = ()
    accuracy: Sequence[Accuracy] = ()
    recommendations: Sequence[Recommendation] = ()
    site: str = ""


def document_of(week: Week) -> Document:
    """What is told of it."""
    last = _day(week.until_us - DAY_US)
    title = f"Alerts of {line_of(week.workspace, FACT_MAX_CHARS)}, {_day(week.since_us)} to {last}"
    of = "" if week.frameworks is None else f" Only of {line_of(', '.join(week.frameworks), FACT_MAX_CHARS)}."
    site = week.site.rstrip("/")
    return Document(
        title=title,
        lead=f"{_headline(week)}{_today(week)}{of}",
        sections=tuple(_sections(week)),
        foot=f"Days are those of UTC; {_day(week.until_us)} is not in it: it was not over. Other times: {week.zone}.",
        link=f"{site}/" if site else "",
        leave=f"{site}/people/preferences" if site else "",
    )


def _headline(week: Week) -> str:
    alerts, before = week.now.alerts, week.before.alerts
    if not alerts:
        return f"No alerts this week; {before:,} the week before." if before else "No alerts this week."
    open_ = week.now.active + week.now.acknowledged
    still = f" {number(open_)} of them {'is' if open_ == 1 else 'are'} still open." if open_ else ""
    return f"{several(alerts, 'alert')}, {change_of(alerts, before)}.{still}"


def _today(week: Week) -> str:
    """Who has begun today, and looks, would find nothing else."""
    if not week.today:
        return ""
    has = "has" if week.today == 1 else "have"
    return f" {several(week.today, 'alert')} {has} come since, on {_day(week.until_us)}."


def _sections(week: Week) -> Iterator[Section]:
    if week.now.alerts:
        yield Section("The week in figures", tiles=tuple(_tiles(week.now, week.before)))
    if week.now.alerts or week.before.alerts:
        note = "In brackets: the week before." if week.before.alerts else ""
        yield Section("Alerts by day", bars=tuple(_by_day(week)), foot=note)
        yield Section("By severity", bars=tuple(_by_severity(week)), foot=note)
    if week.rules:
        yield _loudest(week.rules)
    if week.incidents:
        yield _incidents(week)
    yield from outlook_sections(
        week.insights, week.patterns, week.predictions, week.accuracy, week.recommendations, week.zone
    )


def _tiles(now: Figures, before: Figures) -> Iterator[Tile]:
    yield Tile("Alerts", number(now.alerts), f"{number(before.alerts)} the week before" if before.alerts else "")
    for name, took, was in (
        ("Until acknowledged", now.to_acknowledge, before.to_acknowledge),
        ("Until resolved", now.to_resolve, before.to_resolve),
    ):
        if took.p50_s is not None and took.p95_s is not None:
            earlier = f"; {span(was.p50_s)} the week before" if was.p50_s is not None else ""
            yield Tile(name, span(took.p50_s), f"in half of the cases; in 19 of 20 within {span(took.p95_s)}{earlier}")
    if now.noise_ratio is not None:
        earlier = "" if before.noise_ratio is None else f"; {percent(before.noise_ratio)} the week before"
        yield Tile("Noise", percent(now.noise_ratio), f"needed nobody{earlier}")
    if now.notified:
        yield Tile("Somebody was notified of", number(now.notified))
    if now.suppressed:
        yield Tile("Repetitions held back", number(now.suppressed))


def _by_day(week: Week) -> Iterator[Bar]:
    counted: dict[tuple[int, Severity | None], int] = {}
    for each in week.days:
        place = parse_rfc3339(each.since), each.severity
        counted[place] = counted.get(place, 0) + each.alerts
    days = range(week.since_us - WEEK_US, week.until_us, DAY_US)
    totals = {day: sum(counted.get((day, severity), 0) for severity in _LOUDEST) for day in days}
    most = max(totals.values(), default=0) or 1
    for day in range(week.since_us, week.until_us, DAY_US):
        was = totals[day - WEEK_US]
        parts = tuple(
            Part(count / most, severity.value) for severity in _LOUDEST if (count := counted.get((day, severity), 0))
        )
        said = f"{number(totals[day])} ({number(was)})" if week.before.alerts else number(totals[day])
        yield Bar(_day(day), said, parts, was / most if week.before.alerts else None)


def _by_severity(week: Week) -> Iterator[Bar]:
    now, before = _of_severity(week, week.since_us), _of_severity(week, week.since_us - WEEK_US)
    most = max((*now.values(), *before.values()), default=0) or 1
    for severity in _LOUDEST:
        count, was = now.get(severity, 0), before.get(severity, 0)
        if count or was:
            said = f"{number(count)} ({number(was)})" if week.before.alerts else number(count)
            shown = was / most if week.before.alerts else None
            yield Bar(severity.value, said, (Part(count / most, severity.value),), shown)


def _of_severity(week: Week, since_us: int) -> Mapping[Severity, int]:
    found: dict[Severity, int] = {}
    for each in week.days:
        if each.severity is not None and since_us <= parse_rfc3339(each.since) < since_us + WEEK_US:
            found[each.severity] = found.get(each.severity, 0) + each.alerts
    return found


def _loudest(rules: Sequence[RuleQuality]) -> Section:
    rows = tuple(
        (
            f"{line_of(rule.rule_id, SUBJECT_MAX_CHARS)} ({line_of(rule.framework_id, SUBJECT_MAX_CHARS)})",
            number(rule.alerts),
            "-" if rule.noise_ratio is None else percent(rule.noise_ratio),
            "-" if rule.to_acknowledge.p50_s is None else span(rule.to_acknowledge.p50_s),
        )
        for rule in rules
    )
    return Section("Loudest rules", head=("Rule", "Alerts", "Noise", "Acknowledged after"), rows=rows)


def _incidents(week: Week) -> Section:
    lines = tuple(
        Line(
            line_of(each.title, SUBJECT_MAX_CHARS) or each.id,
            f"{each.state.value}, since {moment(rfc3339(each.started_at), week.zone)}; "
            f"{several(each.alerts, 'alert')}, {number(each.open_alerts)} open"
            f"{', and others' if each.has_others else ''}",
            each.severity.value,
        )
        for each in week.incidents
    )
    return Section("Open incidents", lines=lines, foot="There are more." if week.more_incidents else "")


def _day(at_us: int) -> str:
    """`Mon 16 Nov`."""
    day = datetime.fromtimestamp(at_us // SECOND_US, UTC)
    return f"{day:%a} {day.day} {day:%b}"
