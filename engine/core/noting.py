"""What of a decision somebody may have to be notified of: jobs for routing, made with the decision. Pure.

They are enqueued in the transaction that stores the alerts: whatever is killed when, what was stored is routed. What is
quieted is left out, but for what a storm holds back (that is told with the others of a minute) and for ends: who heard
the beginning hears the end when the quiet is over. Who is told is not decided here (`engine.core.routing`): it is asked
when the job runs, of preferences that a channel does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from protocol.jobs import PRIO_OF, NewJob, Queue, new_job
from protocol.model import ChannelKey, Event, QuietedBy, Severity
from protocol.notify import CHANGE_OF, ROUTE, Noted, RouteArgs
from protocol.times import parse_rfc3339

# Alerts of one job: a bulk of ten thousand is twenty jobs, each well within its deadline.
ALERTS_MAX = 500


@dataclass
class _Portion:
    """What one job will be told."""

    run_at: int
    noted: list[Noted] = field(default_factory=list)
    alerts: int = 0
    loudest: Severity = Severity.INFO

    def add(self, event: Event) -> None:
        self.noted.append(_noted(event))
        self.alerts += len(event.ids)
        self.loudest = max(self.loudest, event.alert.severity, key=lambda severity: severity.rank)


def routing_jobs(key: ChannelKey, events: Sequence[Event]) -> tuple[NewJob, ...]:
    """The jobs of a decision: one, or some if there is much, and others for what is to be told later."""
    portions: list[_Portion] = []
    open_ones: dict[int, _Portion] = {}
    for event in events:
        run_at = _when(event)
        if run_at is None:
            continue
        portion = open_ones.get(run_at)
        if portion is None or portion.alerts + len(event.ids) > ALERTS_MAX:
            portion = open_ones[run_at] = _Portion(run_at)
            portions.append(portion)
        portion.add(event)
    return tuple([_job(key, portion) for portion in portions])


def is_routed(event: Event) -> bool:
    """Whether somebody may be notified of an event, at once or later."""
    return _when(event) is not None


def _when(event: Event) -> int | None:
    """When it is to be routed: 0 at once, or when the quiet is over; None: not at all."""
    change, alert = CHANGE_OF.get(event.kind), event.alert
    if change is None:
        return None
    if alert.quieted_by is None or alert.quieted_by is QuietedBy.STORM:
        return 0
    if not change.is_end:
        return None
    return 0 if alert.quieted_until is None else parse_rfc3339(alert.quieted_until)


def _noted(event: Event) -> Noted:
    return Noted(
        alert_ids=event.ids,
        change=CHANGE_OF[event.kind],
        version=event.offset,
        at=event.at,
        by=event.by,
        in_storm=event.alert.quieted_by is QuietedBy.STORM,
    )


def _job(key: ChannelKey, portion: _Portion) -> NewJob:
    return new_job(
        Queue.NOTIFICATION,
        ROUTE,
        RouteArgs(noted=tuple(portion.noted)),
        workspace=key.workspace,
        framework=key.framework,
        prio=PRIO_OF[portion.loudest],
        run_at=portion.run_at,
    )
