"""Where spans go: a bounded queue and a thread, which no collector can hurt us with."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from engine.configuration.fields import ConfigError
from engine.sections.tracing import TracingSection
from engine.tracing import exporting, opening
from engine.tracing.exporting import BATCH_MAX, Export, Lines, exporter_to
from engine.tracing.opening import NotFollowing, open_tracing
from engine.tracing.spans import Tracing

PATIENCE_S = 120.0
ALL = TracingSection(one_in=1)


class Collector(SpanExporter):
    """Does what the test says with each batch, in the thread."""

    def __init__(self, does: Callable[[], SpanExportResult]) -> None:
        self._does = does
        self.batches: list[int] = []
        self.has_come = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.batches.append(len(spans))
        self.has_come.set()
        return self._does()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread may have its turn late: until then nothing is sent half, and nobody goes."""
    monkeypatch.setattr(exporting, "FLUSH_S", PATIENCE_S)
    monkeypatch.setattr(exporting, "CLOSE_S", PATIENCE_S)


def make_spans(export: Export, count: int) -> None:
    tracing = Tracing(ALL, export, "here:1")
    for number in range(count):
        tracing.begin(f"span {number}", SpanKind.INTERNAL, None, {"number": number}).end()


@contextmanager
def started(export: Export) -> Iterator[None]:
    export.start()
    try:
        yield
    finally:
        export.close()


def test_spans_go_away_in_batches_and_all_of_them_before_the_end() -> None:
    collector = Collector(lambda: SpanExportResult.SUCCESS)
    export = Export(collector, 10_000)
    with started(export):
        make_spans(export, 3 * BATCH_MAX + 1)
    assert sum(collector.batches) == 3 * BATCH_MAX + 1
    assert max(collector.batches) <= BATCH_MAX
    assert export.statistics() == {"exported": 3 * BATCH_MAX + 1, "failed": 0, "dropped": 0, "waiting": 0}


def test_spans_are_sent_although_the_thread_has_its_first_turn_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(threading.Thread):
        def start(self) -> None:
            pass

        def join(self, timeout: float | None = None) -> None:
            self.run()

    collector = Collector(lambda: SpanExportResult.SUCCESS)
    export = Export(collector, 100)
    make_spans(export, 2)
    monkeypatch.setattr(exporting.threading, "Thread", Late)
    with started(export):
        pass
    assert (collector.batches, export.statistics()["waiting"]) == ([2], 0)


def test_behind_a_collector_that_hangs_spans_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "CLOSE_S", 0.01)
    go_on = threading.Event()

    def hang() -> SpanExportResult:
        go_on.wait(PATIENCE_S)
        return SpanExportResult.SUCCESS

    collector = Collector(hang)
    export = Export(collector, 300)
    with started(export):
        make_spans(export, BATCH_MAX)
        assert collector.has_come.wait(PATIENCE_S)
        make_spans(export, 1_000)
        assert export.statistics() == {"exported": 0, "failed": 0, "dropped": 700, "waiting": 300}
    go_on.set()
    assert export._thread is not None
    export._thread.join(PATIENCE_S)


def test_a_collector_that_raises_costs_its_batch_and_nothing_else() -> None:
    answers = iter([OSError("gone"), SpanExportResult.FAILURE, SpanExportResult.SUCCESS])

    def answer() -> SpanExportResult:
        found = next(answers)
        if isinstance(found, OSError):
            raise found
        return found

    export = Export(Collector(answer), 1_000)
    make_spans(export, 3 * BATCH_MAX)
    with started(export):
        pass
    assert export.statistics() == {
        "exported": BATCH_MAX,
        "failed": 2 * BATCH_MAX,
        "dropped": 0,
        "waiting": 0,
    }


class Received:
    """A collector's OTLP port."""

    def __init__(self) -> None:
        received = self.requests = list[tuple[str, bytes]]()
        arrived = self.arrived = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                received.append((f"{self.path} {self.headers['Content-Type']}", body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                arrived.set()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Received:
        self.thread.start()
        return self

    def __exit__(self, *crash: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_a_collector_gets_what_the_protocol_says() -> None:
    with Received() as received:
        port = received.server.server_address[1]
        export = Export(exporter_to(f"http://127.0.0.1:{port}/v1/traces"), 1_000)
        with started(export):
            make_spans(export, 2)
    ((asked, body),) = received.requests
    assert asked == "/v1/traces application/x-protobuf"
    sent = ExportTraceServiceRequest.FromString(body)
    [resource] = sent.resource_spans
    about = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert (about["service.name"], about["service.instance.id"]) == ("tocsin", "here:1")
    [scope] = resource.scope_spans
    assert [span.name for span in scope.spans] == ["span 0", "span 1"]
    assert all(len(span.trace_id) == 16 and span.end_time_unix_nano for span in scope.spans)


def test_spans_are_written_into_a_file_one_a_line(tmp_path: Path) -> None:
    file = tmp_path / "traces.jsonl"
    export = Export(exporter_to(f"file:{file}"), 1_000)
    with started(export):
        make_spans(export, 3)
    assert [json.loads(line)["name"] for line in file.read_text().splitlines()] == ["span 0", "span 1", "span 2"]


def test_the_console_is_stderr_and_stays_open(capsys: pytest.CaptureFixture[str]) -> None:
    export = Export(exporter_to("console"), 1_000)
    with started(export):
        make_spans(export, 1)
    captured = capsys.readouterr()
    assert json.loads(captured.err)["name"] == "span 0"
    assert captured.out == ""
    assert not sys.stderr.closed


def test_lines_close_what_they_were_given() -> None:
    stream = io.StringIO()
    Lines(stream).shutdown()
    assert stream.closed


def test_nothing_is_opened_where_traces_go_nowhere() -> None:
    assert isinstance(open_tracing(TracingSection(), "here:1", "memory:"), NotFollowing)


def test_a_file_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tracing\.to: .*cannot be written: Is a directory"):
        open_tracing(TracingSection(to=f"file:{tmp_path}"), "here:1", "memory:")


def test_without_the_extra_it_is_said_which_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for needed in (("no_such_package",), ("no_such.package",)):
        monkeypatch.setattr(opening, "NEEDED", needed)
        with pytest.raises(ConfigError, match=r"pip install 'tocsin\[otel\]'"):
            open_tracing(TracingSection(to="console"), "here:1", "memory:")


def test_a_collector_that_is_not_there_keeps_nobody_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "CLOSE_S", 0.05)
    with Received() as gone:
        port = gone.server.server_address[1]
    export = Export(exporter_to(f"http://127.0.0.1:{port}/v1/traces"), 1_000)
    make_spans(export, BATCH_MAX)
    with started(export):
        make_spans(export, 10)
    assert export._thread is not None
    export._thread.join(PATIENCE_S)
    counts = export.statistics()
    assert counts["exported"] == 0
    assert counts["failed"] + counts["waiting"] == BATCH_MAX + 10


def test_an_engine_that_does_not_trace_has_loaded_nothing_of_it() -> None:
    program = (
        "import sys, tocsin, engine.app, engine.tracing.opening, engine.notify.outbound; "
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
