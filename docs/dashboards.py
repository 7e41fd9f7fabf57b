"""What the dashboards of `deploy/grafana/` show: five of them, and what each panel asks a Prometheus.

`docs/generate_dashboards.py` puts them into Grafana's form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

N = 'instance=~"$node"'
WINDOW = "$__rate_interval"


@dataclass(frozen=True)
class Panel:
    """One of them. `asks`: a query, and what its series are called; `unit`: Grafana's word; `is_stat`: one number.
    `steps`: from which values on it is yellow and red (or the other way round)."""

    title: str
    unit: str
    asks: tuple[tuple[str, str], ...]
    says: str = ""
    is_stat: bool = False
    steps: tuple[tuple[float | None, str], ...] = ((None, "green"),)
    max: float | None = None


@dataclass(frozen=True)
class Dashboard:
    """`uid` is the file's name as well: it stays when the title changes, so links stay good."""

    uid: str
    title: str
    says: str
    panels: tuple[Panel, ...]


def rate(metric: str, by: str = "") -> str:
    """What is added to a counter a second."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{N}}}[{WINDOW}]))"


def quantile(share: float, histogram: str, by: str = "") -> str:
    """A quantile of all chosen nodes together."""
    buckets = f"sum by (le{f', {by}' if by else ''}) (rate({histogram}_bucket{{{N}}}[{WINDOW}]))"
    return f"histogram_quantile({share}, {buckets})"


def quantiles(histogram: str) -> tuple[tuple[str, str], ...]:
    """The middle, and the two that people ask for."""
    return tuple((quantile(share / 100, histogram), f"p{share}") for share in (50, 95, 99))


def ours(metric: str) -> str:
    """A metric of the chosen nodes."""
    return f"{metric}{{{N}}}"


def stat(title: str, unit: str, query: str, says: str = "", **more: Any) -> Panel:
    """One number."""
    return Panel(title, unit, ((query, ""),), says, is_stat=True, **more)


LOW = ((None, "red"), (70.0, "yellow"), (90.0, "green"))
NONE_GOOD = ((None, "green"), (1.0, "red"))
# A series that begins with its first event is missing until then.
NOUGHT = "or vector(0)"

ALERTS = Dashboard(
    "tocsin-alerts",
    "Tocsin: alert processing",
    "How many triggers come, what becomes of them, and where the time goes.",
    (
        stat("Triggers answered", "ops", rate("alerts_processed_total")),
        stat(
            "p95 of an answer",
            "s",
            quantile(0.95, "tocsin_answer_seconds"),
            "Warning above 500 ms, critical above 1 s.",
            steps=((None, "green"), (0.5, "yellow"), (1.0, "red")),
        ),
        stat(
            "Failed in the engine, per hour",
            "short",
            f"sum(increase(alert_processing_errors_total{{{N}}}[1h]))",
            steps=NONE_GOOD,
        ),
        stat("Commands waiting", "short", f"sum({ours('tocsin_mailbox_depth')})"),
        Panel("What became of triggers", "ops", ((rate("tocsin_triggers_results_total", "status"), "{{status}}"),)),
        Panel("From a trigger to its answer", "s", quantiles("tocsin_answer_seconds")),
        Panel("Not said again, and why", "ops", ((rate("tocsin_triggers_suppressed_total", "reason"), "{{reason}}"),)),
        Panel(
            "The ten busiest frameworks",
            "ops",
            ((f"topk(10, {rate('tocsin_triggers_total', 'framework_id')})", "{{framework_id}}"),),
        ),
        Panel("Telling everybody", "s", quantiles("tocsin_fan_out_seconds"), "From the first frame to the last write."),
        Panel("Commits of the store", "s", quantiles("tocsin_commit_seconds"), "Each answer waits for one."),
        Panel("Alerts told to followers", "ops", ((rate("tocsin_deliveries_total", "instance"), "{{instance}}"),)),
        Panel("Readings stored", "ops", ((rate("tocsin_readings_total", "instance"), "{{instance}}"),)),
    ),
)

HITS, MISSES = rate("cache_hits_total", "cache_type"), rate("cache_misses_total", "cache_type")
ALL_HITS, ALL_MISSES = rate("cache_hits_total"), rate("cache_misses_total")
CACHE = Dashboard(
    "tocsin-cache",
    "Tocsin: cache",
    "How often the store need not be asked.",
    (
        stat(
            "Hit rate",
            "percent",
            f"100 * {ALL_HITS} / ({ALL_HITS} + {ALL_MISSES})",
            "Warning below 70 % while more than one look-up a second comes.",
            steps=LOW,
            max=100,
        ),
        stat("Look-ups", "ops", f"{ALL_HITS} + {ALL_MISSES}"),
        stat("Entries in memory", "short", f"sum({ours('tocsin_cache_entries')})"),
        stat("Their size", "bytes", f"sum({ours('tocsin_cache_bytes')})"),
        Panel(
            "Hit rate by strategy",
            "percent",
            ((f"100 * {HITS} / ({HITS} + {MISSES})", "{{cache_type}}"),),
            "Nothing where nobody asked.",
            max=100,
        ),
        Panel(
            "Hit rate since the start", "percent", ((ours("cache_hit_rate_percent"), "{{instance}} {{cache_type}}"),)
        ),
        Panel("Hits by where the answer was", "ops", ((rate("tocsin_cache_hits_total", "level"), "{{level}}"),)),
        Panel("Misses by strategy", "ops", ((MISSES, "{{cache_type}}"),)),
        Panel(
            "Size by strategy", "bytes", ((f"sum by (cache_type) ({ours('tocsin_cache_bytes')})", "{{cache_type}}"),)
        ),
        Panel(
            "What came in between",
            "ops",
            (
                (rate("tocsin_cache_forgotten_total"), "forgotten"),
                (rate("tocsin_cache_evicted_total"), "evicted"),
                (rate("tocsin_cache_errors_total"), "second level did not count"),
            ),
        ),
    ),
)


def in_state(state: str) -> str:
    """Jobs of all queues; all nodes count the same ones."""
    return f'sum(max by (queue) (queue_job_count{{{N}, state="{state}"}}))'


JOBS = f"max by (queue, state) ({ours('queue_job_count')})"
QUEUES = Dashboard(
    "tocsin-queues",
    "Tocsin: queues",
    "What the engine does later: notifications, escalations, schedules.",
    (
        stat("Waiting", "short", in_state("waiting")),
        stat("Active", "short", in_state("active")),
        stat(
            "Failed jobs that are kept",
            "short",
            in_state("failed"),
            "Critical above 10.",
            steps=((None, "green"), (1.0, "yellow"), (11.0, "red")),
        ),
        stat(
            "The longest wait",
            "s",
            f"max({ours('tocsin_job_oldest_seconds')})",
            "Of a job that could run.",
            steps=((None, "green"), (60.0, "yellow"), (600.0, "red")),
        ),
        Panel("Jobs by queue and state", "short", ((JOBS, "{{queue}} {{state}}"),)),
        Panel("Attempts that ended", "ops", ((rate("tocsin_jobs_ended_total", "verdict"), "{{verdict}}"),)),
        Panel(
            "From due to claimed, p99",
            "s",
            ((quantile(0.99, "tocsin_job_wait_seconds", "queue"), "{{queue}}"),),
        ),
        Panel(
            "From claimed to settled, p95",
            "s",
            ((quantile(0.95, "tocsin_job_seconds", "queue"), "{{queue}}"),),
        ),
        Panel(
            "The longest wait by queue",
            "s",
            ((f"max by (queue) ({ours('tocsin_job_oldest_seconds')})", "{{queue}}"),),
        ),
        Panel(
            "Queues that are paused",
            "bool",
            ((f"max by (queue) ({ours('tocsin_queue_paused')})", "{{queue}}"),),
        ),
        Panel(
            "Leases lost, and jobs taken from nodes that were gone",
            "ops",
            (
                (rate("tocsin_job_leases_lost_total"), "leases lost"),
                (rate("tocsin_jobs_swept_total", "outcome"), "swept: {{outcome}}"),
            ),
        ),
        Panel("Runs of schedules", "ops", ((rate("tocsin_schedule_runs_total"), "fired"),)),
        Panel(
            "Notifications by what became of them",
            "ops",
            (
                (
                    f"sum by (channel, status) (rate(notifications_sent_total{{{N}}}[{WINDOW}])) {NOUGHT}",
                    "{{channel}} {{status}}",
                ),
            ),
        ),
    ),
)

CONNECTIONS = Dashboard(
    "tocsin-connections",
    "Tocsin: connections",
    "Who is connected, whether they keep up, and who was not let in.",
    (
        stat("Connections", "short", f"sum({ours('websocket_connections_active')})"),
        stat("Subscriptions", "short", f"sum({ours('tocsin_subscriptions')})"),
        stat("Waiting to be sent", "bytes", f"sum({ours('tocsin_outbox_bytes')})"),
        stat(
            "Cut for not keeping up, per hour",
            "short",
            f"sum(increase(tocsin_slow_disconnects_total{{{N}}}[1h]))",
            steps=NONE_GOOD,
        ),
        Panel("Connections by node", "short", ((ours("websocket_connections_active"), "{{instance}}"),)),
        Panel(
            "They come and go",
            "ops",
            (
                (rate("tocsin_connections_accepted_total"), "accepted"),
                (rate("tocsin_connections_refused_total"), "refused"),
                (rate("tocsin_closes_total"), "ended by us"),
            ),
        ),
        Panel(
            "Messages",
            "ops",
            (
                (rate("tocsin_messages_sent_total"), "sent"),
                (rate("tocsin_messages_received_total"), "received"),
            ),
        ),
        Panel("The slowest reader", "s", ((ours("tocsin_outbox_lag_seconds"), "{{instance}}"),)),
        Panel(
            "Left out for slow readers",
            "ops",
            (
                (rate("tocsin_messages_dropped_info_total"), "info"),
                (rate("tocsin_messages_dropped_warning_total"), "warning"),
            ),
        ),
        Panel("Ended by us, by close code", "ops", ((rate("tocsin_closes_total", "code"), "{{code}}"),)),
        Panel("Tokens that were not let in", "ops", ((rate("tocsin_auth_refused_total", "reason"), "{{reason}}"),)),
        Panel("Refused at a limit", "ops", ((rate("tocsin_refused_total", "limit"), "{{limit}}"),)),
    ),
)

HEALTH = Dashboard(
    "tocsin-health",
    "Tocsin: system health",
    "The score, what takes points of it, and the process behind it.",
    (
        stat(
            "The worst score",
            "short",
            f"min({ours('tocsin_health_score')})",
            "100 less what its parts took; a warning below 70.",
            steps=LOW,
            max=100,
        ),
        stat(
            "Nodes whose store is there",
            "short",
            f"sum({ours('tocsin_store_available')})",
            steps=((None, "red"), (1.0, "green")),
        ),
        stat(
            "Restarts of parts, per hour",
            "short",
            f"sum(increase(tocsin_restarts_total{{{N}}}[1h])) {NOUGHT}",
            steps=NONE_GOOD,
        ),
        stat("Channels that crash", "short", f"sum({ours('tocsin_channels_parked')})", steps=NONE_GOOD),
        Panel("Health score", "short", ((ours("tocsin_health_score"), "{{instance}}"),), max=100),
        Panel(
            "What took points",
            "short",
            ((f"max by (part) ({ours('tocsin_health_points')})", "{{part}}"),),
            "Of the worst node.",
        ),
        Panel("How late the loop is", "s", quantiles("tocsin_loop_lag_seconds")),
        Panel("Garbage collections held the loop", "s", ((quantile(0.99, "tocsin_gc_pause_seconds"), "p99"),)),
        Panel(
            "CPU",
            "percentunit",
            ((f"rate(process_cpu_seconds_total{{{N}}}[{WINDOW}])", "{{instance}}"),),
            "Of one core.",
        ),
        Panel("Memory", "bytes", ((ours("process_resident_memory_bytes"), "{{instance}}"),)),
        Panel(
            "Channels and tasks",
            "short",
            (
                (f"sum({ours('tocsin_channels')})", "channels"),
                (f"sum({ours('tocsin_tasks')})", "tasks"),
            ),
        ),
        Panel(
            "What must be none",
            "short",
            (
                (f"sum({ours('tocsin_dead_letters_total')})", "commands set aside"),
                (f"max({ours('tocsin_duplicates_stored_total')})", "alerts stored twice"),
                (f"sum({ours('tocsin_loop_stalls_total')}) {NOUGHT}", "stalls of the loop"),
                (f"sum({ours('tocsin_scrape_errors_total')})", "parts that could not be read"),
            ),
        ),
    ),
)

ALL = (ALERTS, CACHE, QUEUES, CONNECTIONS, HEALTH)
