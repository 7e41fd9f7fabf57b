"""What of an engine is read at each scrape instead of being counted: how many there are of everything, now.

Only reads; owns nothing. Parts that live while the store is open may be away when somebody scrapes: then their numbers
are missing, or 0 where a series must not end, and all others are there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import trio

from actors.roster import Roster
from engine.access.identity import Identity
from engine.access.key_watch import KeyWatch
from engine.doors import Doors
from engine.foreign import ForeignLoop
from engine.notify.counted import families as notifications
from engine.parts import Parts
from engine.telemetry.lag import LoopLag
from engine.telemetry.metrics import Metrics


@dataclass(frozen=True)
class Watched:
    """What there is from the beginning."""

    roster: Roster
    doors: Doors
    keys: KeyWatch
    identity: Identity
    lag: LoopLag
    # None: nothing of this configuration is reached through it.
    foreign: ForeignLoop | None


def watch_engine(metrics: Metrics, engine: Watched, parts: Callable[[], Parts | None]) -> None:
    """Shows all of it. `parts`: what stands on the store, while it is open."""
    metrics.watch("gateway", engine.roster.statistics)
    metrics.watch("tasks", lambda: trio.lowlevel.current_statistics().tasks_living)
    metrics.watch("http", engine.doors.statistics)
    metrics.watch("loop_lag_worst_s", lambda: engine.lag.worst_s)
    if engine.doors.certificate is not None:
        metrics.watch("certificate", engine.doors.certificate.statistics)
    if engine.foreign is not None:
        metrics.watch("foreign", engine.foreign.statistics)
    metrics.watch("keys", engine.keys.statistics)
    metrics.watch("revocations", lambda: engine.identity.revocations.count)
    metrics.watch("tickets_unused", lambda: engine.identity.tickets.count)
    _watch_parts(metrics, parts)


def _watch_parts(metrics: Metrics, parts: Callable[[], Parts | None]) -> None:
    def of_parts(read: Callable[[Parts], float]) -> Callable[[], float]:
        return lambda: 0 if (now := parts()) is None else read(now)

    metrics.watch("counting", lambda: {} if (now := parts()) is None else now.counting.statistics())
    metrics.watch("registry", lambda: _registry(parts()))
    metrics.watch("nodes", lambda: {} if (now := parts()) is None or now.nodes is None else now.nodes.statistics())
    metrics.watch("bus", lambda: {} if (now := parts()) is None or now.nodes is None else now.nodes.bus.statistics())
    metrics.watch("incidents", lambda: {} if (now := parts()) is None else now.incident_keeper.statistics())
    metrics.watch("objects", lambda: {} if (now := parts()) is None else now.shelves.figures.statistics())
    metrics.watch("store", lambda: _store(parts()))
    metrics.watch("quieted", lambda: {} if (now := parts()) is None else now.orders.quiet.statistics())
    metrics.watch("recipient_marks_dropped", of_parts(lambda now: now.recipients.dropped))
    metrics.watch("presence_notes_dropped", of_parts(lambda now: now.presence.dropped))
    metrics.watch("mail", lambda: {} if (now := parts()) is None else now.mail.mailer.statistics())
    metrics.watch("outbound", lambda: {} if (now := parts()) is None else now.outbound.statistics())
    metrics.watch("links", lambda: {} if (now := parts()) is None else now.link_verbs.statistics())
    metrics.watch("slack_buttons", lambda: {} if (now := parts()) is None else now.slack_actions.statistics())
    metrics.watch("workflows", lambda: {} if (now := parts()) is None else now.workflows.statistics())
    metrics.watch("backtests", lambda: {} if (now := parts()) is None else now.trials.statistics())
    metrics.watch("predictions", lambda: {} if (now := parts()) is None else now.analytics.statistics())
    metrics.watch("patterns", lambda: {} if (now := parts()) is None else now.analytics.pattern_statistics())
    metrics.watch("weekly", lambda: {} if (now := parts()) is None else now.weekly.reports.statistics())
    metrics.watch("insights", lambda: {} if (now := parts()) is None else now.insights.statistics())
    metrics.watch("schedules", lambda: {} if (now := parts()) is None else now.works.scheduler.statistics())
    metrics.watch("cache", lambda: {} if (now := parts()) is None else now.cache.statistics())
    metrics.add(lambda: () if (now := parts()) is None else now.cache.families())
    metrics.add(lambda: () if (now := parts()) is None else now.works.counts.families())
    metrics.add(lambda: () if (now := parts()) is None else now.works.gauges.families())
    metrics.add(lambda: () if (now := parts()) is None else notifications(now.store.deliveries_ended()))
    metrics.watch("objects_forgotten", of_parts(lambda now: now.upkeep.forgotten))
    metrics.watch("duplicates_stored", of_parts(lambda now: now.upkeep.duplicates_stored))


def _registry(parts: Parts | None) -> Mapping[str, float]:
    statistics = parts.registry.statistics() if parts else {}
    return {("mailbox_depth" if name == "mailbox_commands" else name): n for name, n in statistics.items()}


def _store(parts: Parts | None) -> Mapping[str, float]:
    if parts is None:
        return {"store_available": 0}
    return {f"store_{name}": n for name, n in parts.store.statistics().items()} | {
        "store_available": int(parts.store.is_available and parts.store.is_reachable)
    }
