"""The processes that a benchmark starts: how they are controlled, the floor, the engine, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from benchmarks import floor, harness, producer, receiver, rig
from benchmarks.control import BenchmarkError, CommandReader
from benchmarks.dial import Target
from benchmarks.report import Figures, Report
from benchmarks.rounds import BroadcastLine
from benchmarks.started_engine import Engine
from tests.support.stand_in import collect, listening, plan, stand_in

__all__ = ["listening", "stand_in"]

# ---- control


def commands(*lines: bytes) -> CommandReader:
    reading, writing = os.pipe()
    os.write(writing, b"".join(lines))
    os.close(writing)
    return CommandReader(reading)


def test_bytes_that_end_early_are_an_error():
    reader = commands(b"round 2 4 0 0\n", b"abcdefg")
    line = reader.next_line()
    assert line is not None
    with pytest.raises(BenchmarkError, match="1 bytes early"):
        floor.read_round(line, reader)
    with pytest.raises(BenchmarkError, match="unknown command"):
        floor.read_round(b"dance", reader)
    os.close(reader.fd)


def test_failures_of_the_measurement_are_answered_and_the_process_goes_on(capfdbinary, stand_in):
    asked = msgspec.json.encode(producer.Open(group="g", target=Target(host="127.0.0.1", port=1), connections=1))
    reader = commands(asked + b"\n", asked + b"\n")
    producer.Producer().serve(reader)
    os.close(reader.fd)
    assert capfdbinary.readouterr().out.count(b'{"error":"ConnectionRefusedError') == 2


def test_a_receiver_answers_failures_and_ends_with_its_input(capfdbinary):
    target = Target(host="127.0.0.1", port=1, plain=True)
    asked = msgspec.json.encode(receiver.Connect(group="g", target=target, clients=1))
    reader = commands(asked + b"\n")
    listening = receiver.Receiver(reader.fd)
    listening.serve(reader)
    listening._epoll.close()
    os.close(reader.fd)
    assert capfdbinary.readouterr().out.startswith(b'{"error":"ConnectionRefusedError')


def test_a_receiver_whose_parent_is_gone_does_not_wait_for_messages(stand_in):
    reader = commands()
    listening = receiver.Receiver(reader.fd)
    listening.obey(receiver.Connect(group="g", target=stand_in.target("json", "viewer", ["f"]), clients=1))
    listening.obey(receiver.Arm(group="g", client_bytes=1_000))
    with pytest.raises(BenchmarkError, match="parent"):
        collect(listening, plan(1))
    listening.obey(receiver.Close(group="g"))
    listening._epoll.close()
    os.close(reader.fd)


# ---- floor


def test_the_python_floor_sends_every_message_to_every_client_in_time(listening):
    sender = floor.Floor()
    target = Target(host="127.0.0.1", port=sender.port, plain=True)
    listening.obey(receiver.Connect(group="floor", target=target, clients=2))
    sender.accept(2)
    listening.obey(receiver.Arm(group="floor", client_bytes=10_000))
    at = plan(3, interval_ns=2_000_000)
    line = harness.Broadcaster(None, "floor", target, framed=True)  # type: ignore[arg-type]  # only its messages
    messages = [line._message(number, 150) for number in (1, 2, 3)]
    assert sender.send(floor.Round(messages, at.start_ns, at.interval_ns)) == 3
    arrivals = collect(listening, at)
    sender.close()
    assert arrivals.verdict.is_clean
    assert arrivals.frame_bytes == 150
    assert min(arrivals.delivery_ms) >= 0


def floor_round(started: rig.Rig) -> Report | None:
    figures = Figures()
    line = BroadcastLine(started.floor(3), started.receivers(), figures, 3)
    line.frame_bytes = 200
    assert len(line.round(2, 200.0).last_client_ms) == 2
    assert line.round(5, 0).deliveries == 15
    assert figures.verdict.is_clean


def test_the_floor_is_compiled_where_there_is_a_compiler():
    with rig.Rig() as started:
        floor_round(started)
        assert started.floor_kind == "C"
        folder = started.folder
    assert not folder.exists()


def test_the_floor_says_why_it_is_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    broken = tmp_path / "broken.c"
    broken.write_text("no C at all")
    with rig.Rig(tmp_path) as started:
        with monkeypatch.context() as patch:
            patch.setattr(rig, "_FLOOR_SOURCE", broken)
            floor_round(started)
        assert "compiler failed" in started.floor_kind
    monkeypatch.setattr(rig.shutil, "which", lambda name: None)
    with rig.Rig(tmp_path) as started:
        assert started._floor_program(1)[1] == "Python (no C compiler here)"


# ---- children


STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('{}', flush=True); signal.pause()"


def test_a_child_that_does_not_end_when_asked_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(harness, "GRACE_S", 0.05)
    with harness.Child("stubborn", [sys.executable, "-c", STUBBORN], tmp_path) as child:
        child.receive()
        with pytest.raises(BenchmarkError, match="did not answer within"):
            child.receive(0.01)
    assert child._process.returncode == -signal.SIGKILL


def test_a_child_that_fails_shows_what_it_said(tmp_path: Path):
    program = "import sys; sys.exit('the disk is on fire')"
    with harness.Child("burnt", [sys.executable, "-c", program], tmp_path) as child:
        with pytest.raises(BenchmarkError, match=r"burnt \(process \d+\) ended; it said:\nthe disk is on fire"):
            child.receive()
        with pytest.raises(BenchmarkError, match="does not listen"):
            child.send(b"x" * 100_000)


def test_an_answered_error_is_raised_with_the_name_of_the_process(tmp_path: Path):
    program = """print('{"error": "no"}')""".replace('": "', '":"')
    with (
        harness.Child("sulky", [sys.executable, "-c", program], tmp_path) as child,
        pytest.raises(BenchmarkError, match=r"sulky .* no"),
    ):
        child.receive()


def test_cores_are_split_only_where_there_are_two():
    assert (harness.Cores([3, 1, 2]).receiver, harness.Cores([3, 1, 2]).sender) == ({3}, {1, 2})
    alone = harness.Cores([5])
    assert alone.receiver == alone.sender == {5}
    assert not alone.is_split


def test_a_benchmark_brings_its_own_settings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOCSIN_STORE", "somewhere")
    assert "TOCSIN_STORE" not in harness.environment()
    assert harness.environment(TOCSIN_DATA="here")["TOCSIN_DATA"] == "here"


def test_a_ready_line_that_cannot_be_read_is_refused(tmp_path: Path):
    program = 'import signal; print(\'{"ws": "nowhere"}\', flush=True); signal.pause()'
    with (
        harness.Child("engine", [sys.executable, "-c", program], tmp_path) as child,
        pytest.raises(BenchmarkError, match="cannot be read: 'nowhere'"),
    ):
        Engine(child, "secret")


class Door(BaseHTTPRequestHandler):
    """The HTTP door, for two kinds of questions."""

    def do_GET(self) -> None:
        is_page = self.path == "/metrics"
        is_known = self.headers["Authorization"].startswith("Bearer ") and (is_page or "framework_id=f" in self.path)
        self.send_response(200 if is_known else 403)
        self.end_headers()
        alerts = b'{"items": [{"occurrences": 3}, {"occurrences": 4}], "next_cursor": null}'
        self.wfile.write(b'# HELP plain\nplain 2.0\nlabelled{a="b c"} 3.5\n' if is_page else alerts)

    def log_message(self, format: str, *args: object) -> None: ...


def test_occurrences_are_read_through_the_http_door_and_a_refusal_is_told(tmp_path: Path):
    with HTTPServer(("127.0.0.1", 0), Door) as door:
        serving = threading.Thread(target=door.serve_forever)
        serving.start()
        address = f"http://127.0.0.1:{door.server_port}"
        ready = f'{{"ws": "ws://127.0.0.1:1/ws", "http": "{address}"}}'
        program = f"import signal; print({ready!r}, flush=True); signal.pause()"
        try:
            with harness.Child("engine", [sys.executable, "-c", program], tmp_path) as child:
                engine = Engine(child, "secret" * 8)
                assert engine.occurrences("f") == [3, 4]
                with pytest.raises(BenchmarkError, match=r"framework_id=other was refused \(403\)"):
                    engine.occurrences("other")
                assert engine.metrics() == {"plain": 2.0, 'labelled{a="b c"}': 3.5}
        finally:
            door.shutdown()
            serving.join()


# ---- company


TOCSIN = "import threading; print(sorted(t.name for t in threading.enumerate()), __import__('sys').argv)"


@pytest.mark.parametrize(("load", "threads"), [("cpu", 1), ("store", 8)])
def test_the_engine_runs_beside_its_load_in_one_process(tmp_path: Path, load: str, threads: int):
    (tmp_path / "tocsin").mkdir()
    (tmp_path / "tocsin" / "__main__.py").write_text(TOCSIN)
    (tmp_path / "tocsin" / "__init__.py").write_text("")
    env = harness.environment(TOCSIN_DATA=str(tmp_path))
    env["PYTHONPATH"] = os.pathsep.join((str(tmp_path), env["PYTHONPATH"]))
    command = harness.python("benchmarks.busy", load, "serve", "--ws", "x")
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=170, check=True)
    assert done.stdout.count(f"'busy-{load}-") == threads
    assert "'serve', '--ws', 'x']" in done.stdout


def test_an_unknown_load_is_named():
    command = harness.python("benchmarks.busy", "tea")
    done = subprocess.run(command, env=harness.environment(TOCSIN_DATA="."), capture_output=True, text=True)
    assert "there is no load 'tea'; there are cpu, store" in done.stderr
