"""The scenarios as wholes, tiny: against a stand-in for the engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import (
    burst,
    connections,
    fanout,
    fanout_bare,
    fanout_busy,
    harness,
    ingest,
    peers,
    producer,
    rig,
    slow_reader,
    storm,
    suppress,
)
from benchmarks.acks import Acked
from benchmarks.arrivals import Arrivals
from benchmarks.control import BenchmarkError
from benchmarks.dial import Target
from benchmarks.measure import Verdict
from benchmarks.peers import postgres
from benchmarks.report import Figures
from tests.support.stand_in import StandIn
from tests.support.tiny import TINY, hurry


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The stand-in, wherever a scenario would start an engine."""
    server = StandIn()
    hurry(monkeypatch)

    @contextlib.contextmanager
    def beside(self: rig.Rig, load: str) -> Iterator[StandIn]:
        yield server

    monkeypatch.setattr(rig.Rig, "engine", lambda self, pinned=True: server)
    monkeypatch.setattr(rig.Rig, "engine_beside", beside)
    monkeypatch.setattr(rig.Rig, "engine_of_its_own", beside)
    # Rows on Postgres: test_benchmarks_postgres.py.
    monkeypatch.setattr(postgres, "why_none", lambda: "not in these tests")
    yield server
    server.close()


def test_fanout_reports_both_forms_the_floor_and_the_commit(engine: StandIn):
    report = fanout.run(TINY)
    assert report.verdict.is_clean
    figures = report.figures
    assert figures["last_client_p99_ms"] == max(figures[f"{form}_last_client_p99_ms"] for form in ("json", "msgpack"))
    assert {"commit_p50_ms", "floor_p50_ms", "delivery_p99_ms", "small_delivery_p95_ms"} <= figures.keys()
    assert len(report.checks) == len(fanout.CHECKS)
    meant = {check.figure: check.meant_for for check in report.checks}
    assert meant["budget_ratio"] == meant["last_client_p99_ms"] == 1_000
    assert meant["small_delivery_p95_ms"] == 0, "that is always measured at its 100"
    assert report.conditions["machine"]["cores"] >= 1


def test_fanout_finds_an_event_that_the_engine_lost(engine: StandIn, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(harness, "COLLECT_DEADLINE_S", 0.1)
    engine.fault = lambda offset: 0 if offset == 2 else 1
    report = fanout.run(replace(TINY, open_alerts=0, idle=0, messages=3))
    wanted = 2 * (TINY.clients + fanout.SMALL_CLIENTS)
    assert report.verdict.missing == wanted, "one for each client, of both sizes, in both forms"
    assert not report.is_verified


def test_a_delivery_at_100_clients_is_measured_at_100_clients(engine: StandIn, monkeypatch: pytest.MonkeyPatch):
    connected: dict[str, int] = {}
    connect = harness.Receivers.connect

    def noted(self: harness.Receivers, group: str, target: Target, clients: int) -> None:
        connected[group] = clients
        connect(self, group, target, clients)

    monkeypatch.setattr(harness.Receivers, "connect", noted)
    fanout.run(replace(TINY, messages=1))
    assert connected["small-json"] == connected["small-msgpack"] == 100
    assert connected["fanout-json"] == connected["floor"] == TINY.clients


def test_busy_measures_beside_each_load(engine: StandIn):
    report = fanout_busy.run(TINY)
    assert [check.figure for check in report.checks] == [
        *("busy_cpu_last_client_p99_ms", "busy_store_last_client_p99_ms"),
        *("busy_cpu_health_score", "busy_store_health_score"),
    ]


def test_burst_compares_deliveries_with_the_floors(engine: StandIn):
    report = burst.run(TINY)
    assert report.figures["deliveries_per_s"] > 0
    assert report.figures["floor_ratio"] > 0
    assert report.verdict.is_clean


def test_ingest_counts_only_what_was_fired(engine: StandIn):
    report = ingest.run(TINY)
    assert report.figures["triggers_per_s"] > 0
    assert report.figures["single_ack_p99_ms"] > 0
    assert report.figures["health_score"] == 100


@pytest.mark.parametrize(("before", "verdict"), [(-1, Verdict(missing=1, reordered=1)), (1, Verdict(duplicated=1))])
def test_ingest_finds_that_a_channel_holds_less_or_more_than_was_acked(engine: StandIn, before: int, verdict: Verdict):
    # One below, the first event's offset is 0, which does not follow on anything: out of order as well.
    engine._offsets["alerts:batching-1-3"] = before
    assert ingest.run(TINY).verdict == verdict


def test_suppress_counts_only_duplicates(engine: StandIn):
    report = suppress.run(TINY)
    assert report.figures["triggers_per_s"] > 0
    assert report.verdict.is_clean


def test_suppress_finds_a_duplicate_that_names_the_alert_of_nobody(engine: StandIn):
    engine.name = lambda alert_id: "stranger" if alert_id == "a5" else alert_id
    report = suppress.run(TINY)
    assert report.verdict == Verdict(missing=ingest.WARM_UP_ROUNDS + 1)


def test_suppress_finds_duplicates_answered_in_another_order(engine: StandIn):
    swapped = {}

    def name(alert_id: str) -> str:
        if not swapped:
            mine = [known for key, known in engine._known.items() if key.endswith(("-0-1", "-0-2"))]
            swapped.update(zip(mine, reversed(mine), strict=True))
        return swapped.get(alert_id, alert_id)

    engine.name = name
    report = suppress.run(TINY)
    assert report.verdict == Verdict(reordered=2 * (ingest.WARM_UP_ROUNDS + 1))


@pytest.mark.parametrize(("times", "verdict"), [(0, Verdict(missing=4)), (2, Verdict(duplicated=4))])
def test_suppress_finds_duplicates_that_were_not_counted_once(
    engine: StandIn, monkeypatch: pytest.MonkeyPatch, times: int, verdict: Verdict
):
    monkeypatch.setattr(suppress, "FLUSH_DEADLINE_S", 0.0)
    engine.count = lambda alert_id: times if alert_id == "a5" else 1
    assert suppress.run(TINY).verdict == verdict


def test_suppress_looks_again_until_the_counts_are_written(engine: StandIn, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(suppress, "_LOOK_AGAIN_S", 0.0)
    looks = iter([[1] * ingest.BATCH, [4] * ingest.BATCH])
    monkeypatch.setattr(engine, "occurrences", lambda framework: next(looks))
    assert suppress.counted(engine, ["f"], 4).is_clean  # type: ignore[arg-type]  # the stand-in
    assert next(looks, None) is None


def test_an_alert_too_few_is_missing_and_one_too_many_is_doubled():
    assert suppress.held([3] * (ingest.BATCH - 1), 3) == Verdict(missing=3)
    assert suppress.held([3] * ingest.BATCH + [1], 3) == Verdict(duplicated=1)


def test_connections_measures_what_a_connection_costs_and_tells_everybody(engine: StandIn):
    report = connections.run(TINY)
    assert report.figures["files_per_connection"] == 1
    assert report.figures["files_left"] == 0
    assert report.figures["connects_per_s"] > 0
    assert report.verdict.is_clean
    assert [check.meant_for for check in report.checks] == [10_000, 10_000, 0, 0]


def test_connections_finds_a_client_that_the_alert_did_not_reach(engine: StandIn, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(harness, "COLLECT_DEADLINE_S", 0.1)
    engine.fault = lambda offset: 0
    assert connections.run(TINY).verdict.missing == TINY.crowd


def test_connections_finds_descriptors_that_were_left_open(engine: StandIn, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "GONE_DEADLINE_S", 0.2)
    monkeypatch.setattr(connections, "_LOOK_AGAIN_S", 0.01)
    engine.keeps_sockets = True
    report = connections.run(TINY)
    assert report.figures["files_left"] >= TINY.crowd
    assert not report.checks[-1].is_met


def test_connections_that_were_closed_while_idle_are_no_measurement(engine: StandIn, monkeypatch: pytest.MonkeyPatch):
    def end_all(seconds: float) -> None:
        engine.hang_up_all()

    monkeypatch.setattr(connections.time, "sleep", end_all)
    with pytest.raises(BenchmarkError, match="5 connections were closed while they were idle"):
        connections.run(TINY)


def test_where_files_are_few_so_are_connections_and_it_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections.resource, "getrlimit", lambda which: (100, 1_200))
    figures = Figures()
    assert connections.affordable(1_000, figures) == 1_000
    assert figures.warnings == []
    assert connections.affordable(1_001, figures) == 1_000
    assert figures.warnings == ["only 1,000 of 1,001 connections: the limit of open files is 1,200"]


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is recorded here that would have to be waited for."""
    monkeypatch.setattr(storm, "RECORDED_S", 0.0)
    monkeypatch.setattr(storm, "MISSED", 7)


@pytest.mark.parametrize("from_store", [False, True])
def test_storm_holds_what_everybody_recovers_against_what_they_missed(engine: StandIn, brief: None, from_store: bool):
    report = storm.run(replace(TINY, from_store=from_store))
    assert report.verdict.is_clean
    assert report.figures["messages_recovered"] == 7 * TINY.clients
    assert report.figures["all_back_s"] > 0
    assert report.scenario == ("storm --store" if from_store else "storm")


def test_storm_tells_how_many_reads_the_store_had_to_answer(engine: StandIn, brief: None):
    reads = {check.figure: check for check in storm.run(replace(TINY, clients=12)).checks}["history_reads"]
    assert reads.measured == 12, "the stand-in reads for each client"
    assert not reads.is_met


def test_storm_finds_a_gap_in_what_was_recovered_and_a_doubled_live_alert(
    engine: StandIn, brief: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(harness, "COLLECT_DEADLINE_S", 0.1)
    engine.fault = lambda offset: {3: 0, 8: 2}.get(offset, 1)
    assert storm.run(TINY).verdict == Verdict(missing=TINY.clients, duplicated=TINY.clients)


def test_storm_is_no_measurement_where_nothing_can_be_recovered(engine: StandIn, brief: None):
    engine.recovers = False
    with pytest.raises(BenchmarkError, match="does not recover a client: trimmed"):
        storm.run(TINY)


def behind(engine: StandIn, monkeypatch: pytest.MonkeyPatch, *, bytes_each: int = 10_000, left_out: int = 1) -> None:
    """The stand-in has no outboxes: here is what one stalled client would look like in the engine's figures."""

    def metrics() -> dict[str, float]:
        return {
            "tocsin_outbox_bytes": bytes_each * engine._offsets["alerts:fill"],
            "tocsin_messages_dropped_warning_total": left_out * engine._offsets["alerts:slowed"],
            "tocsin_slow_disconnects_total": 0,
        }

    monkeypatch.setattr(engine, "metrics", metrics)


def test_slow_reader_compares_the_others_with_and_without_the_stalled(engine: StandIn, monkeypatch: pytest.MonkeyPatch):
    behind(engine, monkeypatch)
    report = slow_reader.run(replace(TINY, runs=2))
    assert report.verdict.is_clean
    assert (report.conditions["reading_clients"], report.conditions["stalled_clients"]) == (4, 1)
    figures = report.figures
    assert figures["messages_left_out"] == TINY.messages
    assert figures["calm_delivery_p95_ms"] > 0
    assert figures["slowed_delivery_p95_ms"] > 0
    assert [(check.figure, check.meant_for) for check in report.checks] == [("delivery_p95_change_percent", 1_000)]


def test_slow_reader_says_by_how_many_percent_the_others_are_slower():
    def arrivals(ms: float) -> Arrivals:
        return Arrivals(clients=1, verdict=Verdict(), delivery_ms=[ms], last_client_ms=[ms])

    assert slow_reader.figures_of(arrivals(8.0), arrivals(10.0))["delivery_p95_change_percent"] == 25.0


def test_slow_reader_makes_new_stalled_clients_before_the_engine_gives_the_old_ones_up(
    engine: StandIn, monkeypatch: pytest.MonkeyPatch
):
    behind(engine, monkeypatch)
    monkeypatch.setattr(slow_reader, "STALL_MAX_S", 3 / TINY.rate)
    waves = []
    dial = slow_reader.dial
    monkeypatch.setattr(slow_reader, "dial", lambda target, count: waves.append(count) or dial(target, count))
    report = slow_reader.run(TINY)
    assert waves == [1] * TINY.messages
    assert report.verdict.is_clean


def test_slow_reader_is_no_measurement_if_the_stalled_read_on(engine: StandIn, monkeypatch: pytest.MonkeyPatch):
    behind(engine, monkeypatch, left_out=0)
    with pytest.raises(BenchmarkError, match="left out 0 of 4 messages, and 0 were cut: they were not stalled"):
        slow_reader.run(TINY)


def test_slow_reader_gives_up_on_a_kernel_that_keeps_everything(engine: StandIn, monkeypatch: pytest.MonkeyPatch):
    behind(engine, monkeypatch, bytes_each=0)
    monkeypatch.setattr(slow_reader, "_FILL_ROUNDS_MAX", 2)
    with pytest.raises(BenchmarkError, match="1 clients that do not read have taken 200 alerts"):
        slow_reader.run(TINY)


def acks_of(sent: int, alerts: int, reordered: int = 0) -> Acked:
    return Acked(
        sent=sent, reasons={}, errors=[], alerts=alerts, reordered=reordered, elapsed_ns=1, ack_p50_ms=1, ack_p99_ms=1
    )


@pytest.mark.parametrize(
    ("acked", "offsets", "verdict"),
    [
        (acks_of(8, 8), [4, 4], Verdict()),
        (acks_of(8, 7), [4, 3], Verdict(missing=1)),
        (acks_of(8, 6), [4, 4], Verdict(missing=2)),
        (acks_of(8, 8), [4, 0], Verdict(missing=4)),
        (acks_of(8, 8, reordered=1), [3, 6], Verdict(missing=1, duplicated=2, reordered=1)),
    ],
)
def test_ingest_holds_alerts_and_last_offsets_against_what_was_sent(acked: Acked, offsets: list[int], verdict: Verdict):
    assert ingest.proof(acked, offsets) == verdict


def test_a_benchmark_of_refusals_is_refused(engine: StandIn):
    with rig.Rig() as started:
        producers = started.producers()
        ingest.open_producers(engine, producers, "g", 1)  # type: ignore[arg-type]  # the stand-in
        engine.refuse = "slow down"
        command = producer.Pump(group="g", frameworks=["f"], rounds=1, batch=1, tag="t")
        with pytest.raises(BenchmarkError, match="slow down"):
            producers.pump(command, 1, "fired")


def test_bare_runs_our_gateway_the_floor_and_the_installed_peers(monkeypatch: pytest.MonkeyPatch):
    hurry(monkeypatch)
    known = [peer for peer in peers.peers() if peer.name in ("websockets", "picows")]
    monkeypatch.setattr(fanout_bare, "peers", lambda: [*known, peers.Peer("absent", None)])
    report = fanout_bare.run(replace(TINY, messages=3))
    assert report.verdict.is_clean
    assert {"floor_p50_ratio", "websockets_p50_ratio", "picows_p50_ratio"} <= report.figures.keys()
    assert report.warnings == ["absent is not installed here and is left out"]


def test_a_peer_is_looked_for_where_node_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "ws"
    package.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NODE_PATH", str(tmp_path))
    answer = tmp_path / "node"
    for code, found in ((0, True), (3, False)):
        answer.write_text(f"#!/bin/sh\nexit {code}\n")
        answer.chmod(0o755)
        monkeypatch.setattr(peers.shutil, "which", lambda name: str(answer))
        assert (peers.node_peer("node_ws.mjs") is not None) is found
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    assert peers.node_peer("node_ws.mjs") is None
    assert peers.python_peer("no_such_package_here") is None
