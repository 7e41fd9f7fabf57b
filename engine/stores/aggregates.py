"""The part of a store's contract that is about counts of alerts: what is counted, asked, and how far counting is."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

import msgspec

from engine.core.analytics.calendar import Width
from engine.core.analytics.counts import Counts
from protocol.model import Severity


class Dimension(Enum):
    """What counts may be told apart by."""

    FRAMEWORK = "framework"
    RULE = "rule"
    SEVERITY = "severity"


class AggregateQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of the alerts of a workspace that were triggered from `since_us` on, before `until_us` (microseconds).

    Both are the beginning of an hour, day, week or month, whichever `width` says; None: all that time together, and
    both are the beginning of a day. `frameworks` is what the asker may see (None: everything). Only what `group` names
    is told apart. `by_alerts`: those with the most alerts come first, else they are in the order of time. `limit`: of
    rows. `with_times`: with the histograms that percentiles are made of.
    """

    workspace: str
    since_us: int
    until_us: int
    width: Width | None = None
    frameworks: tuple[str, ...] | None = None
    framework: str | None = None
    rule_id: str | None = None
    severities: tuple[Severity, ...] = ()
    group: tuple[Dimension, ...] = ()
    # Not of alerts that no rule made.
    only_rules: bool = False
    by_alerts: bool = False
    limit: int = 5_000
    with_times: bool = True


class AggregateRow(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Counts of one stretch of time from `start` on (None: of all that was asked for), and whose they are.

    What was not told apart is None; a `rule_id` of "" stands for alerts of no rule.
    """

    counts: Counts
    start: int | None = None
    framework: str | None = None
    rule_id: str | None = None
    severity: Severity | None = None


class Freshness(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How far counting is in the time that was asked for: how many of the workspace's hours have changes that are not
    in the counts yet, when the oldest of these was made (0: before there were counts), when something was counted last.
    """

    hours_waiting: int
    changed_us: int | None
    counted_us: int | None


class AggregatePage(msgspec.Struct, frozen=True, kw_only=True):
    """Rows, and how fresh they are; `is_cut`: there are more than the limit. `begin_us`: the first hour of all in which
    the workspace had alerts, where rules are asked for.
    """

    rows: tuple[AggregateRow, ...]
    freshness: Freshness
    begin_us: int | None = None
    is_cut: bool = False


class Counted(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a turn of counting did: hours of these workspaces, the alerts in them, and in how many groups (framework,
    rule, severity of an hour) the figures had changed."""

    hours: int = 0
    alerts: int = 0
    changed: int = 0
    workspaces: tuple[str, ...] = ()


class Waiting(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is still to be counted, of all workspaces: hours, and when the first of their changes was made."""

    hours: int
    changed_us: int | None


class AggregateStore(Protocol):
    """Counts of alerts. Whoever changes an alert need not know of them: the store marks what is to be counted."""

    async def count_alerts(self, limit: int, *, ahead_us: int = 0) -> Counted:
        """Counts the alerts of up to `limit` hours that are due, or will be within `ahead_us`.

        In transactions and questions of a few milliseconds each; may be interrupted anywhere, by several nodes at a
        time too: what was not finished is found again two minutes later. Raises StoreUnavailable.
        """

    async def aggregates(self, query: AggregateQuery) -> AggregatePage:
        """Counts, and how fresh they are. Raises StoreUnavailable."""

    async def aggregates_waiting(self) -> Waiting:
        """What is still to be counted. Raises StoreUnavailable."""
