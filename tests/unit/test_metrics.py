"""Metrics: the names that are promised, bounds on labels, and what a scrape shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from engine.telemetry.figure_table import FIGURES
from engine.telemetry.metrics import ALERT_TYPES_MAX, REFERENCE_LATENCY_MS_BUCKETS, Metrics
from engine.telemetry.series import BoundedLabels, Histogram, TriggerCounts
from protocol.items import ItemResult
from protocol.model import ChannelKey, Reason, Status

KEY = ChannelKey("main", "host")


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            at = (sample.name, tuple(sorted(sample.labels.items())))
            assert at not in found, f"{at} is there twice"
            found[at] = sample.value
    return found


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((name, tuple(sorted(labels.items()))))


def result(status: Status, reason: Reason) -> ItemResult:
    return ItemResult(status=status, reason=reason)


def test_the_promised_names_are_there_from_the_start():
    metrics = Metrics(version="1.2.3")
    metrics.watch("gateway", lambda: {"connected_clients": 0, "total_subscribers": 0, "slow_disconnects": 0})
    metrics.watch("duplicates_stored", lambda: 0)
    metrics.triggered("host", "cpu")
    names = {name for name, _ in samples(metrics)}
    assert names >= {
        *("tocsin_connections", "tocsin_subscriptions", "tocsin_slow_disconnects_total", "tocsin_fan_out_seconds_sum"),
        *("tocsin_commit_seconds_count", "tocsin_commit_batches_bucket", "tocsin_batch_seconds_bucket"),
        *("tocsin_dead_letters_total", "tocsin_duplicates_stored_total", "tocsin_triggers_suppressed_total"),
        *("tocsin_gc_pause_seconds_bucket", "tocsin_build_info", "tocsin_triggers_total"),
        *("alert_processing_latency_ms_bucket", "alert_triggers_total", "alerts_processed_total"),
        *("alert_processing_errors_total", "websocket_connections_active", "process_resident_memory_bytes"),
    }
    assert value(metrics, "tocsin_duplicates_stored_total") == 0


def test_the_references_latency_has_exactly_its_buckets():
    metrics = Metrics()
    metrics.processed(3, 10.0)
    metrics.processed(1, 6_000)
    found = samples(metrics)
    buckets = {
        float(labels[0][1]): n for (name, labels), n in found.items() if name == "alert_processing_latency_ms_bucket"
    }
    assert list(buckets) == [*map(float, REFERENCE_LATENCY_MS_BUCKETS), float("inf")]
    assert list(buckets.values()) == [3, 3, 3, 3, 3, 3, 4]
    assert found["alert_processing_latency_ms_sum", ()] == 6_030
    assert found["alerts_processed_total", ()] == 4


def test_what_actors_report_is_counted():
    metrics = Metrics()
    metrics.fan_out(0.014, 1_000)
    metrics.batch(KEY, 20, 0.003)
    metrics.committed(0.0012, 4)
    metrics.gc_paused(0.2)
    metrics.restarted("channel")
    metrics.restarted("channel")
    metrics.dead_letter(KEY)
    metrics.conflict(KEY)
    metrics.processing_error()
    assert value(metrics, "tocsin_fan_out_writes_total") == 1_000
    assert value(metrics, "tocsin_fan_out_seconds_bucket", le="0.015") == 1
    assert value(metrics, "tocsin_fan_out_seconds_bucket", le="0.01") == 0
    assert value(metrics, "tocsin_batch_commands_sum") == 20
    assert value(metrics, "tocsin_batch_seconds_count") == 1
    assert value(metrics, "tocsin_commit_seconds_sum") == 0.0012
    assert value(metrics, "tocsin_commit_batches_bucket", le="4.0") == 1
    assert value(metrics, "tocsin_gc_pause_seconds_bucket", le="0.1") == 0
    assert value(metrics, "tocsin_restarts_total", actor="channel") == 2
    assert value(metrics, "tocsin_dead_letters_total") == 1
    assert value(metrics, "tocsin_store_conflicts_total") == 1
    assert value(metrics, "alert_processing_errors_total") == 1


def test_results_are_counted_by_status_and_reason_and_suppressed_ones_again_by_reason():
    metrics = Metrics()
    duplicate = result(Status.SUPPRESSED, Reason.DUPLICATE)
    metrics.results([duplicate, duplicate, result(Status.FIRED, Reason.RAISED)])
    assert value(metrics, "tocsin_triggers_results_total", status="fired", reason="raised") == 1
    assert value(metrics, "tocsin_triggers_results_total", status="suppressed", reason="duplicate") == 2
    assert value(metrics, "tocsin_triggers_suppressed_total", reason="duplicate") == 2
    assert value(metrics, "tocsin_triggers_suppressed_total", reason="cooldown") == 0
    assert value(metrics, "tocsin_triggers_suppressed_total", reason="raised") is None


def test_past_the_limits_frameworks_types_and_actors_are_counted_as_other():
    metrics = Metrics(frameworks_max=2)
    for n in range(5):
        metrics.triggered(f"framework-{n}", None, 10)
    for n in range(ALERT_TYPES_MAX + 5):
        metrics.triggered("framework-0", f"type-{n}")
    for n in range(200):
        metrics.restarted(f"actor-{n}")
    assert value(metrics, "tocsin_triggers_total", framework_id="other") == 30
    assert value(metrics, "tocsin_triggers_total", framework_id="framework-1") == 10
    assert value(metrics, "alert_triggers_total", framework_id="other", alert_type="none") == 30
    # `none` is one of the types.
    assert value(metrics, "alert_triggers_total", framework_id="framework-0", alert_type="other") == 6
    assert value(metrics, "tocsin_restarts_total", actor="other") == 100


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3), st.integers(1, 9)), max_size=20))
def test_any_label_is_shown_so_that_prometheus_reads_the_same(triggers):
    counts, expected = TriggerCounts(1_000, 1_000), {}
    for framework, alert_type, n in triggers:
        counts.add(framework, alert_type, n)
        counts.render()
        expected[framework, alert_type] = expected.get((framework, alert_type), 0) + n
    found = {}
    for family in text_string_to_metric_families(counts.render().decode()):
        for sample in family.samples:
            if sample.name == "alert_triggers_total":
                found[sample.labels["framework_id"], sample.labels["alert_type"]] = sample.value
    assert found == expected


def test_a_label_that_is_no_unicode_does_not_cost_the_page():
    metrics = Metrics()
    metrics.triggered("half \ud800", None)
    assert value(metrics, "tocsin_triggers_total", framework_id="half ?") == 1


def test_a_bounded_label_stays_itself_once_it_is_known():
    labels = BoundedLabels(1)
    assert [labels.bounded(word) for word in ("a", "b", "a")] == ["a", "other", "a"]


@given(st.lists(st.floats(0, 100), max_size=30))
def test_a_histograms_buckets_count_what_is_at_most_their_bound(observations):
    histogram = Histogram((1, 10, 50))
    for seconds in observations:
        histogram.observe(seconds)
    by_bound = {s.labels["le"]: s.value for s in histogram.family("x", "x").samples if s.name == "x_bucket"}
    for bound in ("1.0", "10.0", "50.0", "+Inf"):
        assert by_bound[bound] == sum(seconds <= float(bound) for seconds in observations)


def test_watched_numbers_are_read_when_they_are_asked_for():
    metrics, clients = Metrics(), [0]
    metrics.watch("gateway", lambda: {"connected_clients": clients[0], "messages_sent": 7, "refused": 2})
    metrics.watch("registry", lambda: {"mailbox_depth": 5})
    metrics.watch("outbox_waits", lambda: 3)
    metrics.watch("duplicates_stored", lambda: 1)
    clients[0] = 12
    assert value(metrics, "tocsin_connections") == value(metrics, "websocket_connections_active") == 12
    assert value(metrics, "tocsin_messages_sent_total") == 7
    assert value(metrics, "tocsin_gateway", figure="refused") == 2
    assert value(metrics, "tocsin_mailbox_depth") == 5
    assert value(metrics, "tocsin_outbox_waits") == 3
    assert value(metrics, "tocsin_duplicates_stored_total") == 1


def test_one_parts_errors_do_not_pass_for_anothers():
    metrics = Metrics()
    metrics.watch("gateway", lambda: {"errors": 1})
    metrics.watch("store", lambda: {"errors": 8})
    assert value(metrics, "tocsin_session_errors_total") == 1
    assert value(metrics, "tocsin_store", figure="errors") == 8


def test_statistics_without_end_are_cut():
    metrics = Metrics()
    metrics.watch("store", lambda: {f"figure_{n}": n for n in range(1_000)})
    assert sum(name == "tocsin_store" for name, _ in samples(metrics)) == 200


def test_a_part_that_cannot_be_read_hides_nobody_else_and_is_counted():
    metrics = Metrics()
    metrics.watch("store", lambda: {}["gone"])
    metrics.watch("mailbox_depth", lambda: 4)
    with capture_logs() as lines:
        found = samples(metrics)
    assert found["tocsin_mailbox_depth", ()] == 4
    assert found["tocsin_scrape_errors_total", ()] == 1
    assert lines[0]["part"] == "store"


def test_deliveries_are_alerts_handed_to_subscribers():
    metrics = Metrics()
    metrics.delivered(1_000)
    metrics.delivered(2)
    assert value(metrics, "tocsin_deliveries_total") == 1_002


@pytest.mark.parametrize("name", ["", "Store", "a-b", "1a", "a" * 65, "gateway.unheard_of"])
def test_a_name_that_prometheus_would_refuse_is_refused(name):
    with pytest.raises(ValueError, match="is no metric name"):
        Metrics().watch(name, lambda: 0)


@pytest.mark.parametrize("name", ["commit_seconds", "dead_letters", "connections", "build_info"])
def test_a_name_of_our_own_metrics_is_taken(name):
    with pytest.raises(ValueError, match="is taken"):
        Metrics().watch(name, lambda: 0)


def test_a_name_is_watched_once():
    metrics = Metrics()
    metrics.watch("gateway.outbox_bytes", lambda: 9)
    assert value(metrics, "tocsin_outbox_bytes") == 9
    with pytest.raises(ValueError, match="is taken"):
        metrics.watch("gateway.outbox_bytes", lambda: 0)


def test_every_figure_makes_a_readable_page():
    metrics = Metrics()
    for name in FIGURES:
        metrics.watch(name, lambda: 1)
    assert len(samples(metrics)) > len(FIGURES)


def test_two_engines_in_one_process_count_apart():
    one, other = Metrics(), Metrics()
    one.dead_letter(KEY)
    assert (value(one, "tocsin_dead_letters_total"), value(other, "tocsin_dead_letters_total")) == (1, 0)


def test_the_build_names_its_version(monkeypatch):
    def missing(name):
        raise __import__("importlib.metadata").metadata.PackageNotFoundError(name)

    monkeypatch.setattr("engine.telemetry.metrics.metadata.version", missing)
    assert Metrics().version == "unknown"
    monkeypatch.setattr("engine.telemetry.metrics.metadata.version", lambda name: "9.9")
    assert Metrics().version == "9.9"


def test_as_many_series_as_are_allowed_are_all_rendered():
    metrics = Metrics()
    for framework in range(200):
        for alert_type in range(100):
            metrics.triggered(f"framework-{framework}", f"type-{alert_type}")
    assert metrics.render().count(b"\nalert_triggers_total{") == 20_000
