"""What a rule sees now: its series with their state, for people who ask why it rings, or does not ring yet.

Asked of the machine, because stored states are behind by up to half a minute of readings. Series come in the order in
which their channel numbered them: that never changes, so a page goes on where the one before ended, whatever has come
or gone meanwhile. Nothing is changed here. Decided against: the order of their labels, whose place could not be
written into an address (64 labels of a thousand letters).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.core.identity import identity_of
from engine.core.ledger import Ledger
from engine.core.log import ReadingLog
from engine.core.orphans import NO_DATA
from engine.core.rules.book import metrics_of
from engine.core.rules.holding import Phase
from engine.core.rules.milestone import MilestoneEvaluator
from engine.core.rules.series import Series, Watch
from protocol.commands import Ring
from protocol.rule_series import ListSeries, SeriesListed, SeriesSeen, SeriesState
from protocol.times import rfc3339

# Series of the channel that one question looks at, about 2 µs each; a page may be short, or empty, and yet have a next.
LOOKED_MAX = 2_000

_STATES = {
    Phase.IDLE: SeriesState.IDLE,
    Phase.PENDING: SeriesState.PENDING,
    Phase.FIRING: SeriesState.FIRING,
    Phase.KEEPING: SeriesState.KEEPING,
}


def page_of(watch: Watch | None, asked: ListSeries, log: ReadingLog, ledger: Ledger) -> SeriesListed:
    """A page of what a rule watches; none is watched by a rule that nothing was read for (`watch` None)."""
    items: list[SeriesSeen] = []
    if watch is None:
        return SeriesListed()
    for looked_at, (number, series) in enumerate(_numbered(watch, asked.after, log), 1):
        if series is not None and (not asked.states or state_of(series) in asked.states):
            items.append(_seen(series, ledger))
        if len(items) == asked.limit or looked_at == LOOKED_MAX:
            return SeriesListed(items=tuple(items), next_after=number)
    return SeriesListed(items=tuple(items))


def _numbered(watch: Watch, after: int, log: ReadingLog) -> Iterator[tuple[int, Series | None]]:
    """What the channel has readings of, and the rule's series of it; one of two metrics has the number of the first."""
    metrics = metrics_of(watch.rule)
    for number, metric, labels in log.numbered(after):
        is_first = metric in metrics and number <= min(log.known(other, labels) or number for other in metrics)
        yield number, watch.series.get(tuple(sorted(labels))) if is_first else None


def state_of(series: Series) -> SeriesState:
    """Where its rule stands with it. That nothing is heard goes before what was heard last."""
    return SeriesState.NO_DATA if series.is_silent else _STATES[series.holding.phase]


def _seen(series: Series, ledger: Ledger) -> SeriesSeen:
    holding, evaluator, state = series.holding, series.evaluator, state_of(series)
    since = series.heard_at if series.is_silent else holding.since
    is_waiting = holding.phase in (Phase.PENDING, Phase.KEEPING)
    return SeriesSeen(
        framework_id=ledger.framework,
        labels=series.labels,
        state=state,
        value=evaluator.value(),
        limit=evaluator.limit(),
        last_at=rfc3339(series.newest) if series.newest else None,
        since=None if state is SeriesState.IDLE else rfc3339(since),
        until=rfc3339(holding.due() - series.lead) if is_waiting else None,
        alert_id=_open_alert(ledger, _identities(series, ledger.framework)),
        no_data_alert_id=_open_alert(ledger, [silent_identity(ledger.framework, series)] if series.is_silent else []),
        reached=tuple(evaluator.told_names()) if isinstance(evaluator, MilestoneEvaluator) else (),
    )


def _identities(series: Series, framework: str) -> Iterator[str]:
    """Of the alerts that may be open about it, the one to show first."""
    evaluator = series.evaluator
    if isinstance(evaluator, MilestoneEvaluator):
        for name in reversed(evaluator.told_names()):
            yield milepost_identity(framework, series, name)
    elif series.is_firing or not series.watch.is_shared:
        # An alert that stands for all series of a rule says nothing of those that are fine.
        yield series.identity


def silent_identity(framework: str, series: Series) -> str:
    """The identity of the alert that says that a series is silent."""
    return identity_of(framework, Ring(rule_id=series.watch.rule.id, labels={**series.labels, **NO_DATA}))


def milepost_identity(framework: str, series: Series, name: str) -> str:
    """The identity of the alert that says that a milepost was reached."""
    return identity_of(framework, Ring(rule_id=series.watch.rule.id, labels={**series.labels, "goal": name}))


def _open_alert(ledger: Ledger, identities: Iterable[str]) -> str | None:
    standings = (ledger.standings.get(identity) for identity in identities)
    return next((standing.alert_id for standing in standings if standing is not None and standing.is_open), None)
