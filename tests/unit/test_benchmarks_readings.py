"""The benchmarks `readings` and `api`: what they send and ask for, and what they would find."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from benchmarks import api, readings
from benchmarks.acks import Acked
from benchmarks.control import BenchmarkError
from benchmarks.dial import Target
from benchmarks.measure import Verdict
from benchmarks.report import Figures, make_report
from benchmarks.rig import Rig
from benchmarks.triggers import readings as frames_of
from engine.configuration.settings import load
from protocol.codec import WireForm


@pytest.mark.parametrize(
    ("stored", "verdict"), [(800, Verdict()), (799, Verdict(missing=1)), (802, Verdict(duplicated=2))]
)
def test_every_acked_reading_must_be_stored_once(stored: int, verdict: Verdict) -> None:
    acked = Acked(sent=800, reasons={}, errors=[], alerts=0, reordered=0, elapsed_ns=1, ack_p50_ms=0.0, ack_p99_ms=0.0)
    assert readings.proof(acked, stored) == verdict


def test_a_producer_goes_through_all_metrics_in_turn() -> None:
    frames = frames_of(WireForm.MSGPACK, "web", rounds=5, batch=2, metrics=4)
    assert len(frames) == 5
    assert len(set(frames)) == 2
    assert frames[0] == frames[2] == frames[4]


def test_the_rules_are_ones_that_an_engine_takes(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        readings.write_rules(rig, "engine", 16)
        config = load({}, {}, file=rig.folder / "engine" / "tocsin.toml")
    assert len({rule.id for rule in config.rules}) == 16
    assert {rule.framework for rule in config.rules} == set(readings.FRAMEWORKS)


def test_a_list_that_is_refused_is_no_measurement() -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Stub:
        def __init__(self, http: str) -> None:
            self.http = http

        def target(self, form: str, role: str) -> Target:
            return Target(host="", port=0, token="t")

    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(BenchmarkError, match="/nothing was refused"):
            api.over_http(Stub(f"http://127.0.0.1:{server.server_port}"), "/nothing", 1)  # type: ignore[arg-type]
        thread.join()


def test_the_figures_of_a_run_are_over_all_lists_and_of_the_worst() -> None:
    figures = Figures(delivers=False)
    api.note(figures, "api", [[1.0] * 100, [9.0] * 2])
    report = make_report("api", {}, figures, [], [])
    assert report.figures["api_p95_ms"] == 1.0
    assert report.figures["api_worst_list_p95_ms"] == 9.0
