"""Incidents: alerts that belong together, as they are kept and shown. Values only; who decides is
`engine.core.analytics.correlating`.

Times are microseconds since the epoch, as in the ledger of notifications. An alert is in one incident at most.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from protocol.fields import Label
from protocol.model import AlertState, Severity

# Names of labels that say what an alert is about, rather than where in the world or how it was found. What is shared by
# all (`env`, `job`) or means something else on each machine (`device`) is not among them.
USUAL_LABELS = (
    *("host", "hostname", "instance", "node", "server", "machine", "vm", "pod"),
    *("service", "application", "database", "db", "queue", "topic"),
)
LABELS_MAX = 32
# The suppression window's: what rings again after it is told again.
WINDOW_S = 300
WINDOW_MAX_S = 3_600


class IncidentState(enum.Enum):
    """Where an incident is. `MERGED`: its alerts are in another one now."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    MERGED = "merged"

    @property
    def is_open(self) -> bool:
        """Whether somebody may still have to do something about it."""
        return self in (IncidentState.OPEN, IncidentState.ACKNOWLEDGED)


class ResolveOn(enum.Enum):
    """What resolves an incident.

    `FIRST`: the alert that began first is over, whatever the others do. `LAST`: none of its alerts is open any more.
    `ALL`: only who resolves the incident as a whole, and all its alerts with it.
    """

    FIRST = "first"
    LAST = "last"
    ALL = "all"


class Happening(enum.Enum):
    """What has happened to an incident, or to one of its alerts (`ALERT_…`)."""

    OPENED = "opened"
    JOINED = "joined"
    SPLIT = "split"
    MERGED = "merged"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    ALERT_RAISED = "alert_raised"
    ALERT_ACKNOWLEDGED = "alert_acknowledged"
    ALERT_RESOLVED = "alert_resolved"
    ALERT_REOPENED = "alert_reopened"


class Correlation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What makes alerts of a workspace one incident. `labels`: which must have the same value, one of them is enough.

    `window_s`: how far apart two alerts may begin that tie. `group_notifications`: whoever was told of an incident by
    mail, Slack or Apprise hears of what joins it together, a little later.
    """

    enabled: bool = True
    window_s: Annotated[int, msgspec.Meta(ge=10, le=WINDOW_MAX_S)] = WINDOW_S
    labels: Annotated[tuple[Label, ...], msgspec.Meta(max_length=LABELS_MAX)] = USUAL_LABELS
    resolve_on: ResolveOn = ResolveOn.LAST
    group_notifications: bool = True


class Moment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of an incident's story."""

    at: int
    what: Happening
    alert_id: str | None = None
    by: str | None = None
    # What there is to say besides: the other incident, somebody's notes.
    note: str = ""


class Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An alert of an incident. `tie`: what it shares with another one (`host=h1`).

    `is_apart`: somebody split it off; it stays out of all incidents. `signature`: the same for the same alert again.
    """

    alert_id: str
    framework: str
    title: str
    severity: Severity
    state: AlertState
    started_at: int
    signature: str
    tie: str = ""
    rule_id: str | None = None
    is_apart: bool = False


class Incident(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Alerts that belong together, without the alerts. `started_at`: when the first of them began.

    `story` has the newest lines; `untold` older ones are gone. `has_others`: there are more alerts in it, of frameworks
    that whoever asks may not see; then what is told of alerts is of those that he may. Never kept so.
    """

    id: str
    state: IncidentState
    title: str
    severity: Severity
    started_at: int
    updated_at: int
    alerts: int
    open_alerts: int
    frameworks: tuple[str, ...]
    resolve_on: ResolveOn = ResolveOn.LAST
    acknowledged_at: int | None = None
    resolved_at: int | None = None
    # Only if somebody resolved it as a whole.
    resolved_by: str | None = None
    merged_into: str | None = None
    story: tuple[Moment, ...] = ()
    untold: int = 0
    has_others: bool = False
