"""`docs/coming-from-the-reference.md`: what the reference names has a row, and what the page names of ours exists."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from tests.support.engines import ROOT, an_engine
from tests.support.pages import (
    CODE,
    is_command,
    missing_commands,
    missing_files,
    missing_metrics,
    missing_routes,
    missing_settings,
)

TEXT = (ROOT / "docs" / "coming-from-the-reference.md").read_text()
# Rows of all tables but their heads: what it was there, and what is said of it here.
ROWS = [
    (cells[0].strip(), "|".join(cells[1:]))
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| there ") and (cells := line.strip("| ").split(" | "))
]
HERE = "\n".join(here for _, here in ROWS) + TEXT.partition("## Tables")[0]
NAMED_THERE = {name for there, _ in ROWS for name in CODE.findall(there)}
SQL = "\n".join(path.read_text() for path in sorted((ROOT / "engine" / "stores" / "sql").glob("sqlite_*.sql")))

# What the documents of the reference name, by kind.
THERE = {
    "tables": """
    convex_frameworks convex_strategy_scores convex_strategy_versions convex_framework_insights convex_health_metrics
    convex_recommendations convex_framework_alert_rules convex_framework_alert_triggers
    convex_framework_alert_notifications convex_alert_analytics convex_alert_patterns convex_alert_predictions
    convex_notification_preferences alert_job_state websocket_connections
    """,
    "metrics": """
    alert_processing_latency_ms alert_triggers_total notifications_sent_total websocket_connections_active
    cache_hit_rate_percent alerts_processed alert_processing_errors notifications_sent cache_hits cache_misses
    queue_job_count
    """,
    "variables": """
    REDIS_HOST REDIS_PORT REDIS_PASSWORD WS_HEARTBEAT_INTERVAL WS_TIMEOUT BULL_QUEUE_PREFIX BULL_QUEUE_CLEANUP_ENABLED
    BULL_QUEUE_CLEANUP PROMETHEUS_ENABLED PROMETHEUS_PORT NEXTAUTH_SECRET
    """,
    "endpoints": """
    /api/convex/framework-alerts /api/convex/framework-insights /api/convex/framework-health /api/convex/websocket
    /api/convex/alerts/stream /api/convex/analytics/aggregate /api/convex/metrics/status /api/metrics/health
    /api/metrics/alerts /api/metrics/cache /api/metrics/queue /api/metrics/prometheus
    """,
    "components": """
    websocket-server.ts handlers.ts redis-client.ts alert-cache.ts cache-strategies.ts bull-queue.ts job-processors.ts
    scheduled-jobs.ts job-handlers.ts alert-processor.ts notification-processor.ts analytics-processor.ts
    alert-metrics.ts
    prometheus.ts health-checks.ts useAlertWebSocket useAlertMetrics AlertStreamPanel RealtimeAlertIndicator
    AlertMetricsMonitor FrameworkInsights FrameworkHealthMetrics AlertSettings AlertHistory FrameworkAnalyticsAdvanced
    AlertPatternsPanel PredictionInsights NotificationPreferences AlertQueueService AlertCacheService SocketService
    AlertGenerationService WorkflowProgressionService
    """,
    "messages": """
    auth subscribe unsubscribe ping auth_success auth_failed subscribed unsubscribed pong alert error workflow_updated
    alerts_refresh new_alert
    """,
}


@pytest.mark.parametrize("kind", THERE)
def test_everything_that_the_reference_names_has_a_row(kind: str) -> None:
    names = THERE[kind].split()
    assert [name for name in names if name not in NAMED_THERE] == []
    assert kind != "tables" or len(names) == 15


def test_every_row_says_where_it_is_or_why_it_is_not() -> None:
    assert [there for there, here in ROWS if not CODE.search(here) and not re.search(r"\w{3,}", here)] == []


async def test_every_route_of_ours_that_the_page_names_exists(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine, httpx.AsyncClient(base_url=engine.http_url, timeout=170) as client:
        document = (await client.get("/schema/openapi.json")).json()
    assert missing_routes(HERE, document) == []
    assert missing_routes("`GET /api/v1/nothing`", document) == ["GET /api/v1/nothing"], (
        "the checker sees what is wrong"
    )


def test_every_metric_setting_command_and_file_of_ours_that_the_page_names_exists() -> None:
    assert missing_metrics(HERE) == []
    assert missing_settings(HERE) == []
    assert missing_commands(HERE) == []
    assert missing_files(TEXT) == []


def test_every_table_view_and_index_of_ours_that_the_page_names_exists() -> None:
    for kind, made in (("tables?", "TABLE"), ("view", "VIEW"), ("(?:unique )?index(?:es)?", "INDEX")):
        for names in re.findall(rf"\b{kind} (`\w+`(?:(?:, | and )`\w+`)*)", HERE):
            for name in CODE.findall(names):
                assert re.search(rf"^CREATE (UNIQUE )?{made} {name}\b", SQL, re.MULTILINE), (made, name)


def test_the_checkers_see_what_is_wrong() -> None:
    assert missing_metrics("`tocsin_nothing_total`") == ["tocsin_nothing_total"]
    assert missing_settings("`gateway.nothing_s` and TOCSIN_NOTHING") == ["gateway.nothing_s", "TOCSIN_NOTHING"]
    assert missing_commands("`tocsin nothing`, `tocsin doctor --nothing`") == [
        "tocsin nothing",
        "tocsin doctor --nothing",
    ]
    assert missing_files("`engine/nothing.py` and [a page](nothing.md)") == ["engine/nothing.py", "docs/nothing.md"]
    assert is_command("tocsin workflows generate 42 --async")
