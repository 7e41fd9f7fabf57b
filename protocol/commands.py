"""What a channel can be asked to do, and the batch in which it is asked.

Commands are already validated and in our own words (severity mapped, times in microseconds): a machine never meets a
foreign value.
"""

from __future__ import annotations

import msgspec

from protocol.changes import Action
from protocol.model import Comparison, Severity
from protocol.orders import NO_ORDERS, Orders
from protocol.rows import Row, SourceReport
from protocol.rule_series import ListSeries


class Ring(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A trigger by hand or program. `severity` None means: what the rule says, else warning."""

    rule_id: str | None = None
    alert_type: str | None = None
    current_value: float | None = None
    threshold_value: float | None = None
    comparison: Comparison | None = None
    severity: Severity | None = None
    title: str | None = None
    message: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    dedup_key: str | None = None
    project_id: str | None = None
    step_id: str | None = None
    assigned_to: str | None = None
    # Its suppression window; None: what its rule says, else the policy.
    suppression_s: float | None = None
    # Set by a source that reports the same alert again and again until it ends (Prometheus).
    source: SourceReport | None = None


class Observe(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A reading to hold against the channel's rules."""

    metric: str
    value: float
    at: int
    labels: dict[str, str] = {}


class Act(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Somebody does something about alerts of the channel; what it changes is told together.

    `identity` stands instead of ids where their sender does not know them: the alert that a source reported.
    `assignee` (None: nobody) goes with ASSIGN. `noise`: whether they should not have rung; None: nothing is said of
    it. `address`: from where, for the record. `closed`: those of the alerts that the channel may have forgotten, as
    the store has them.
    """

    alert_ids: tuple[str, ...] = ()
    identity: str | None = None
    action: Action
    by: str
    notes: str | None = None
    assignee: str | None = None
    noise: bool | None = None
    address: str = ""
    closed: tuple[Row, ...] = ()


class Escalate(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The next ones of a chain are about to be told of an alert, if nobody has looked after it `since` then.

    `since`: which beginning is meant (`engine.core.escalating.since_of`). Steps and rounds count from 1.
    """

    alert_id: str
    chain: str
    since: int
    step: int
    round: int


class CompleteStep(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A step of a workflow is done: its alert, if one is open, is over, and so is its suppression window."""

    step_id: str
    by: str
    notes: str | None = None
    address: str = ""


class Preview(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What would happen to these if they came together now, and why? Nothing happens. One result for each."""

    commands: tuple[Ring | Observe, ...]


Command = Ring | Observe | Preview | ListSeries | Act | CompleteStep | Escalate


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Commands decided together at `now` (microseconds) under `orders`. `id` (UUIDv7) names the batch for ever."""

    id: str
    now: int
    commands: tuple[Command, ...]
    orders: Orders = NO_ORDERS
