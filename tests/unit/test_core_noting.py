"""What of a decision is to be routed, and when."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.core.noting import ALERTS_MAX, routing_jobs
from protocol.jobs import PRIO_HIGH, PRIO_MEDIUM, NewJob, Queue
from protocol.model import ChannelKey, Event, EventKind, QuietedBy, Severity
from protocol.notify import CHANGE_OF, Change, RouteArgs
from protocol.times import parse_rfc3339
from tests.support.alerts import an_alert

KEY = ChannelKey("acme", "web")
AT = "2026-01-05T12:00:00.000000Z"
LATER = "2026-01-05T13:00:00.000000Z"


def an_event(kind: EventKind = EventKind.FIRED, offset: int = 1, ids: tuple[str, ...] = (), **alert: Any) -> Event:
    return Event(offset=offset, kind=kind, alert=an_alert(**alert), at=AT, by="ann", alert_ids=ids)


def args_of(job: NewJob) -> RouteArgs:
    return msgspec.json.decode(job.args, type=RouteArgs)


def test_all_of_a_decision_is_one_job_with_the_priority_of_the_loudest() -> None:
    events = [an_event(), an_event(EventKind.RESOLVED, 2, severity=Severity.CRITICAL)]
    (job,) = routing_jobs(KEY, events)
    assert (job.queue, job.kind, job.workspace, job.framework) == (Queue.NOTIFICATION, "route", "acme", "web")
    assert (job.prio, job.run_at) == (PRIO_HIGH, 0)
    assert [(each.change, each.version, each.at, each.by) for each in args_of(job).noted] == [
        (Change.FIRED, 1, AT, "ann"),
        (Change.RESOLVED, 2, AT, "ann"),
    ]
    assert routing_jobs(KEY, [an_event(severity=Severity.WARNING)])[0].prio == PRIO_MEDIUM


@pytest.mark.parametrize("kind", list(EventKind))
def test_only_what_somebody_may_be_notified_of_makes_a_job(kind: EventKind) -> None:
    assert bool(routing_jobs(KEY, [an_event(kind)])) is (kind in CHANGE_OF)


def test_nothing_makes_no_job() -> None:
    assert routing_jobs(KEY, []) == ()


@pytest.mark.parametrize("by", [by for by in QuietedBy if by is not QuietedBy.STORM])
def test_what_is_quieted_makes_no_job(by: QuietedBy) -> None:
    assert routing_jobs(KEY, [an_event(quieted_by=by)]) == ()


def test_what_a_storm_holds_back_is_routed_as_such() -> None:
    (job,) = routing_jobs(KEY, [an_event(quieted_by=QuietedBy.STORM)])
    assert args_of(job).noted[0].in_storm


def test_the_end_of_something_quieted_waits_until_the_quiet_is_over() -> None:
    events = [
        an_event(),
        an_event(EventKind.RESOLVED, 2, quieted_by=QuietedBy.SILENCED, quieted_until=LATER),
        an_event(EventKind.EXPIRED, 3, quieted_by=QuietedBy.FLAPPING),
    ]
    now, later = routing_jobs(KEY, events)
    assert [each.version for each in args_of(now).noted] == [1, 3]
    assert (later.run_at, [each.version for each in args_of(later).noted]) == (parse_rfc3339(LATER), [2])


def test_a_job_has_no_more_alerts_than_it_can_do() -> None:
    many = tuple(f"a{n}" for n in range(ALERTS_MAX))
    events = [an_event(), an_event(EventKind.RESOLVED, 2, ids=many), an_event(offset=3)]
    assert [[each.version for each in args_of(job).noted] for job in routing_jobs(KEY, events)] == [[1], [2], [3]]
