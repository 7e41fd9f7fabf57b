"""The part of a weekly report that is not counted but found: health, patterns, predictions, what might be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.core.notices.notice import FACT_MAX_CHARS, SUBJECT_MAX_CHARS, line_of, moment
from engine.core.reports.document import Bar, Line, Part, Section
from engine.core.reports.said import number, percent, several, span
from protocol.insights import Insight, Recommendation
from protocol.patterns import Pattern
from protocol.predictions import Accuracy, Breach, Count, Prediction, PredictionKind

# Under it a framework's bar is told as a fault's, and as a warning's.
_ILL, _SO_SO = 50.0, 80.0
_TREND_DAYS = 7


def outlook_sections(
    insights: Sequence[Insight],
    patterns: Sequence[Pattern],
    predictions: Sequence[Prediction],
    accuracy: Sequence[Accuracy],
    recommendations: Sequence[Recommendation],
    zone: str,
) -> Iterator[Section]:
    """Those of which there is something to say."""
    if insights:
        yield Section("Health by framework", bars=tuple(map(_health, insights)), foot="0 to 100; the worst first.")
    if patterns:
        yield Section("New patterns", lines=tuple(map(_pattern, patterns)))
    if lines := [line for each in predictions for line in _expected(each, zone)]:
        yield Section("Expected next", lines=tuple(lines))
    if lines := [line for each in accuracy for line in _came(each)]:
        yield Section("How the last predictions came out", lines=tuple(lines))
    if recommendations:
        yield Section("Recommended", lines=tuple(map(_recommended, recommendations)))


def _health(insight: Insight) -> Bar:
    name = line_of(insight.framework_id, SUBJECT_MAX_CHARS)
    if insight.health is None:
        return Bar(name, "unknown", ())
    tone = "critical" if insight.health < _ILL else "warning" if insight.health < _SO_SO else "info"
    trend = next((each.change for each in insight.trends if each.days == _TREND_DAYS), None)
    moved = f" ({trend:+.0f})" if trend is not None and round(trend) else ""
    why = next((line_of(f"{each.source}: {each.text}", FACT_MAX_CHARS) for each in insight.pulled_down), "")
    return Bar(name, f"{insight.health:.0f}{moved}", (Part(insight.health / 100, tone),), note=why)


def _pattern(pattern: Pattern) -> Line:
    held = f"{number(pattern.support)} of {number(pattern.occasions)} times"
    return Line(line_of(pattern.summary, FACT_MAX_CHARS), f"{percent(pattern.confidence)} sure at least; {held}")


def _expected(prediction: Prediction, zone: str) -> Iterator[Line]:
    match prediction.forecast:
        case Count() as count:
            whose = prediction.rule_id or prediction.framework_id
            of = f" of {line_of(whose, SUBJECT_MAX_CHARS)}" if whose else ""
            day = moment(prediction.since)[:10]
            yield Line(
                f"{day}: about {several(round(count.expected), 'alert')}{of}",
                f"in 8 of 10 cases {number(count.low)} to {number(count.high)}",
            )
        case Breach() as breach:
            labels = "".join(f" {name}={value}" for name, value in sorted(breach.labels.items()))
            what = f"{breach.metric}{labels} {breach.comparison} {breach.threshold:g}"
            at = f", probably at {moment(breach.expected_at, zone)}" if breach.expected_at else ""
            rule = f"rule {line_of(prediction.rule_id, SUBJECT_MAX_CHARS)}, " if prediction.rule_id else ""
            until = moment(prediction.until, zone)
            yield Line(
                line_of(what, FACT_MAX_CHARS),
                f"{rule}{percent(breach.probability)} probable before {until}{at}",
            )


def _came(accuracy: Accuracy) -> Iterator[Line]:
    if not accuracy.scored:
        return
    said = list[str]()
    if accuracy.kind is PredictionKind.BREACH:
        right = f"{several(accuracy.warned, 'warning')} came true"
        said.append(f"{right}, {number(accuracy.false_alarms)} did not; {number(accuracy.missed)} came without one")
        if accuracy.lead_s is not None:
            said.append(f"half of them {span(accuracy.lead_s)} ahead or more")
    if accuracy.wape_percent is not None:
        what = "values" if accuracy.kind is PredictionKind.BREACH else "numbers of alerts"
        said.append(f"{what} were off by {accuracy.wape_percent:.0f} %")
    if accuracy.coverage_percent is not None:
        said.append(f"{accuracy.coverage_percent:.0f} % were within what was said (80 % should be)")
    what = "When thresholds are reached" if accuracy.kind is PredictionKind.BREACH else "How many alerts come"
    yield Line(f"{what}: {several(accuracy.scored, 'prediction')}", "; ".join(said))


def _recommended(one: Recommendation) -> Line:
    before, after = one.promise.before.notified, one.promise.after.notified
    return Line(
        line_of(one.title, FACT_MAX_CHARS),
        line_of(
            f"It would have notified {number(after)} times instead of {number(before)}. {one.reason}", FACT_MAX_CHARS
        ),
    )
