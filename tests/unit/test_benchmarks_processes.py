"""The processes of a benchmark against a stand-in for the engine: small, honest, and faulty where it is asked to be."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from benchmarks import floor, harness, producer, receiver, rig
from benchmarks.acks import Acked
from benchmarks.arrivals import Plan
from benchmarks.control import BenchmarkError, CommandReader
from benchmarks.dial import Target, dial
from benchmarks.report import Figures, Report
from benchmarks.rounds import BroadcastLine
from benchmarks.started_engine import Engine
from protocol import messages as m
from protocol.codec import WireForm, decode_client, form_of, frame
from protocol.items import TriggerInput


class StandIn:
    """Answers as the engine does: every trigger is acked and told to all subscribers, offsets grow by one.

    `fault(offset)` says how often an event is told (0: lost, 2: doubled). A known dedup key is a duplicate.
    """

    def __init__(self) -> None:
        # The engine's process, where a scenario looks at it from outside: this one.
        self.child = SimpleNamespace(pid=os.getpid())
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.fault: Callable[[int], int] = lambda offset: 1
        self.refuse = ""
        self.silent = False
        self.hang_up = False
        self.drop_subscribers = False
        self.keeps_sockets = False
        self.recovers = True
        self.history_reads = 0
        self._history: list[dict[str, Any]] = []
        self.heard_control = threading.Event()
        self._lock = threading.Lock()
        self._offsets: Counter[str] = Counter()
        self._subscribers: list[tuple[str, socket.socket, WireForm]] = []
        self._socks: list[socket.socket] = []
        self._known: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        # Faults of what is told about duplicates: which alert is named, how often one is counted.
        self.name: Callable[[str], str] = lambda alert_id: alert_id
        self.count: Callable[[str], int] = lambda alert_id: 1
        threading.Thread(target=self._accept, daemon=True).start()

    def target(self, form: str, role: str, frameworks: list[str] | tuple[str, ...] = ()) -> Target:
        channels = [f"alerts:{framework}" for framework in frameworks]
        port = self.listener.getsockname()[1]
        return Target(host="127.0.0.1", port=port, form=form, token="t", channels=channels)

    def occurrences(self, framework: str) -> list[int]:
        with self._lock:
            return [self._counts[alert_id] for key, alert_id in self._known.items() if key.split()[0] == framework]

    def metrics(self) -> dict[str, float]:
        figures = {"store_history_reads": self.history_reads, "store_jobs": 0}
        return {f'tocsin_store{{figure="{name}"}}': value for name, value in figures.items()}

    def health_score(self) -> float:
        return 100.0

    def close(self) -> None:
        for sock in (self.listener, *self._socks):
            with self._lock:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()

    def hang_up_all(self) -> None:
        with self._lock:
            for _, sock, _ in self._subscribers:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socks.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            self._converse(sock)
        except OSError:
            return
        finally:
            with self._lock:
                self._subscribers = [each for each in self._subscribers if each[1] is not sock]
                if not self.keeps_sockets:
                    sock.close()

    def _converse(self, sock: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(65_536)
        head, _, data = data.partition(b"\r\n\r\n")
        form = form_of("tocsin.v1.msgpack" if b"msgpack" in head else None)
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + frame(b"hello", form)[:0] + b"\x89\x00")
        while True:
            while (cut := _client_message(data)) is not None:
                payload, data = cut
                if not payload:
                    self.heard_control.set()
                else:
                    self._handle(sock, form, decode_client(payload, form))
            more = sock.recv(65_536)
            if not more:
                return
            data += more

    def _handle(self, sock: socket.socket, form: WireForm, message: m.ClientMessage) -> None:
        if self.hang_up:
            sock.shutdown(socket.SHUT_RDWR)
            return
        if self.refuse:
            _say(sock, form, m.ErrorMessage(code=103, message=self.refuse, temporary=False, id=message.id))
            return
        match message:
            case m.Auth():
                answer = m.AuthSuccess(client_id="c", workspace_id="w", user_id="u", expires_at="", ping=30.0)
                _say(sock, form, answer)
            case m.Subscribe():
                with self._lock:
                    self._subscribers.append((str(message.channel), sock, form))
                    offset = self._offsets[str(message.channel)]
                wanted = message.recover
                recovers = wanted is not None and self.recovers
                reason = "ok" if recovers else "trimmed" if wanted else "fresh"
                answer = m.Subscribed(channel="alerts:w:f", epoch="e", offset=offset, recovered=recovers, reason=reason)
                _say(sock, form, answer)
                if wanted is not None and recovers:
                    self.history_reads += 1
                    self._tell(sock, form, str(message.channel), wanted.offset)
            case m.Trigger() if not self.silent:
                self._trigger(sock, form, message)
            case _:
                pass

    def _trigger(self, sock: socket.socket, form: WireForm, message: m.Trigger) -> None:
        with self._lock:
            results = [self._item(item) for item in message.alerts or [message.alert]]
        _say(sock, form, m.Pong())
        _say(sock, form, msgspec.to_builtins(m.Accepted(results=[], id=message.id)) | {"results": results})

    def _item(self, item: TriggerInput) -> dict[str, object]:
        key = f"{item.framework_id} {item.dedup_key}"
        if key in self._known:
            alert_id = self._known[key]
            self._counts[alert_id] += self.count(alert_id)
            return {"status": "suppressed", "reason": "duplicate", "alertId": self.name(alert_id), "offset": None}
        self._known[key] = f"a{len(self._known)}"
        self._counts[self._known[key]] = 1
        channel = f"alerts:{item.framework_id}"
        self._offsets[channel] += 1
        offset = self._offsets[channel]
        data = {"current_value": item.current_value, "message": item.message}
        self._history.append({"type": "alert", "offset": offset, "data": data, "channel": channel})
        for followed, sock, form in self._subscribers:
            if followed != channel:
                continue
            if self.drop_subscribers:
                sock.shutdown(socket.SHUT_RDWR)
                continue
            self._tell(sock, form, channel, offset - 1)
        return {"status": "fired", "reason": "fired", "alertId": self._known[key], "offset": offset}

    def _tell(self, sock: socket.socket, form: WireForm, channel: str, after: int) -> None:
        for event in self._history:
            if event["channel"] == channel and event["offset"] > after:
                for _ in range(self.fault(event["offset"])):
                    _say(sock, form, event)


def _say(sock: socket.socket, form: WireForm, message: object) -> None:
    encode = msgspec.json.encode if form is WireForm.JSON else msgspec.msgpack.encode
    sock.sendall(frame(encode(message), form))


def _client_message(data: bytes) -> tuple[bytes, bytes] | None:
    """The first message's payload (empty for a control frame) and what follows."""
    if len(data) < 2:
        return None
    begin, size = {126: (4, None), 127: (10, None)}.get(data[1] & 0x7F, (2, data[1] & 0x7F))
    size = int.from_bytes(data[2:begin], "big") if size is None else size
    end = begin + 4 + size
    if len(data) < end:
        return None
    return (b"" if data[0] & 8 else data[begin + 4 : end]), data[end:]


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    server = StandIn()
    yield server
    server.close()


@pytest.fixture
def listening() -> Iterator[receiver.Receiver]:
    listening = receiver.Receiver()
    yield listening
    for group in list(listening._groups):
        listening.obey(receiver.Close(group=group))
    listening._epoll.close()


@pytest.fixture
def producing() -> Iterator[producer.Producer]:
    producing = producer.Producer()
    yield producing
    for group in list(producing._groups):
        producing.obey(producer.Close(group=group))


def plan(messages: int, first: int = 1, interval_ns: int = 0) -> Plan:
    return Plan(messages=messages, first=first, start_ns=time.monotonic_ns(), interval_ns=interval_ns)


def collect(listening: receiver.Receiver, plan: Plan, deadline_s: float = 5.0) -> receiver.Arrivals:
    answer = listening.obey(receiver.Collect(plan=plan, quiet_s=0.05, deadline_s=deadline_s))
    assert isinstance(answer, receiver.Arrivals)
    return answer


def one_round(
    stand_in: StandIn,
    listening: receiver.Receiver,
    producing: producer.Producer,
    form: str = "json",
    messages: int = 4,
    deadline_s: float = 30.0,
) -> receiver.Arrivals:
    listening.obey(receiver.Connect(group="g", target=stand_in.target(form, "viewer", ["f"]), clients=3))
    producing.obey(producer.Open(group="g", target=stand_in.target(form, "producer"), connections=1))
    listening.obey(receiver.Arm(group="g", client_bytes=100_000))
    at = plan(messages, interval_ns=1_000_000)
    acked = producing.obey(producer.Paced(group="g", framework="f", plan=at))
    assert isinstance(acked, Acked)
    assert acked.reasons == {"fired": messages}
    return collect(listening, at, deadline_s=deadline_s)


# ---- receiver and producer


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_every_delivery_of_a_round_is_timed_and_in_order(stand_in, listening, producing, form: str):
    arrivals = one_round(stand_in, listening, producing, form)
    assert arrivals.verdict.is_clean
    assert (arrivals.clients, arrivals.deliveries, len(arrivals.last_client_ms)) == (3, 12, 4)
    assert 0 < arrivals.cpu_percent <= 100
    assert arrivals.frame_bytes > 50


def test_a_lost_and_a_doubled_event_are_found_at_every_client(stand_in, listening, producing):
    stand_in.fault = lambda offset: {2: 0, 3: 2}.get(offset, 1)
    # What is lost is waited for to the end; the rest has come long before.
    arrivals = one_round(stand_in, listening, producing, deadline_s=2.0)
    assert (arrivals.verdict.missing, arrivals.verdict.duplicated) == (3, 3)


def test_an_alert_outside_of_a_round_counts_as_a_duplicate_of_the_next(stand_in, listening, producing):
    one_round(stand_in, listening, producing)
    acked = producing.obey(producer.Paced(group="g", framework="f", plan=plan(1, first=5)))
    assert acked.alerts == 1
    listening._settle(0.05, time.monotonic() + 1)
    listening.obey(receiver.Arm(group="g", client_bytes=10_000))
    assert collect(listening, plan(1, first=5), deadline_s=0.2).verdict.duplicated == 3


def test_a_ping_outside_of_a_round_is_answered(stand_in, listening):
    listening.obey(receiver.Connect(group="g", target=stand_in.target("json", "viewer", ["f"]), clients=1))
    stand_in._socks[0].sendall(b"\x89\x00")
    listening._take(60.0)
    assert stand_in.heard_control.wait(60.0), "whoever does not answer is taken for dead"
    assert listening.obey(receiver.Census(group="g")) == {"closed": 0}


def test_connections_that_the_server_ends_are_counted_and_not_awaited(stand_in, listening, producing):
    stand_in.drop_subscribers = True
    arrivals = one_round(stand_in, listening, producing, messages=1)
    assert (arrivals.closed, arrivals.verdict.missing) == (3, 3)
    listening.obey(receiver.Arm(group="g", client_bytes=1_000))
    assert collect(listening, plan(1), deadline_s=0.1).closed == 3


@pytest.mark.parametrize("armed", [True, False])
def test_a_reset_is_an_end_like_any_other(listening, armed: bool):
    sender = floor.Floor()
    target = Target(host="127.0.0.1", port=sender.port, plain=True)
    listening.obey(receiver.Connect(group="g", target=target, clients=2))
    sender.accept(2)
    if armed:
        listening.obey(receiver.Arm(group="g", client_bytes=1_000))
    sender._clients[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sender.close()
    listening._settle(0.05, time.monotonic() + 1)
    listening.obey(receiver.Arm(group="g", client_bytes=1_000))
    assert collect(listening, plan(1), deadline_s=0.1).closed == 2


def test_more_bytes_than_planned_end_the_round_with_the_reason(stand_in, listening, producing):
    listening.obey(receiver.Connect(group="g", target=stand_in.target("json", "viewer", ["f"]), clients=1))
    producing.obey(producer.Open(group="g", target=stand_in.target("json", "producer"), connections=1))
    listening.obey(receiver.Arm(group="g", client_bytes=20))
    producing.obey(producer.Paced(group="g", framework="f", plan=plan(1)))
    with pytest.raises(BenchmarkError, match="20 bytes planned"):
        collect(listening, plan(1))


def test_collecting_needs_an_armed_group_and_closing_a_known_one_disarms(stand_in, listening):
    with pytest.raises(BenchmarkError, match="without arm"):
        collect(listening, plan(1))
    listening.obey(receiver.Connect(group="g", target=stand_in.target("json", "viewer", ["f"]), clients=1))
    listening.obey(receiver.Arm(group="g", client_bytes=20))
    assert listening.obey(receiver.Close(group="g")) == {"closed": "g"}
    assert listening.obey(receiver.Close(group="g")) == {"closed": "g"}
    with pytest.raises(BenchmarkError, match="without arm"):
        collect(listening, plan(1))


def test_a_refused_or_dropped_client_says_why(stand_in, listening):
    stand_in.refuse = "not you"
    with pytest.raises(BenchmarkError, match="not you"):
        list(dial(stand_in.target("json", "viewer", ["f"]), 1))
    stand_in.hang_up = True
    with pytest.raises(BenchmarkError, match="handshake"):
        list(dial(stand_in.target("json", "viewer", ["f"]), 1))


def test_a_handshake_without_a_conversation_is_enough_for_a_broadcaster(stand_in):
    target = msgspec.structs.replace(stand_in.target("json", "viewer"), token="")
    [(sock, place, rest)] = dial(target, 1)
    sock.close()
    assert place.offset == 0
    assert rest in (b"", b"\x89\x00")


@pytest.mark.parametrize("repeat", [False, True])
def test_a_closed_loop_counts_acks_by_reason(stand_in, producing, repeat: bool):
    producing.obey(producer.Open(group="g", target=stand_in.target("msgpack", "producer"), connections=2))
    command = producer.Pump(group="g", frameworks=["f"], rounds=3, batch=5, tag="t", repeat=repeat)
    acked = producing.obey(command)
    assert acked.reasons == ({"fired": 10, "duplicate": 20} if repeat else {"fired": 30})
    assert acked.alerts == (10 if repeat else 30)
    assert acked.ack_p99_ms >= acked.ack_p50_ms > 0


def test_acks_that_never_come_end_a_loop_at_its_deadline(stand_in, producing):
    stand_in.silent = True
    producing.obey(producer.Open(group="g", target=stand_in.target("json", "producer"), connections=1))
    with pytest.raises(BenchmarkError, match="1 producers still wait"):
        producing.obey(producer.Pump(group="g", frameworks=["f"], rounds=1, batch=1, tag="t", deadline_s=0.05))
    acked = producing.obey(producer.Paced(group="g", framework="f", plan=plan(1), deadline_s=0.05))
    assert (acked.sent, acked.reasons, acked.ack_p50_ms) == (1, {}, 0)


def test_refusals_and_hang_ups_are_told(stand_in, producing):
    producing.obey(producer.Open(group="g", target=stand_in.target("json", "producer"), connections=1))
    stand_in.refuse = "slow down"
    acked = producing.obey(producer.Pump(group="g", frameworks=["f"], rounds=1, batch=1, tag="t"))
    assert acked.errors == ["103: slow down"]
    stand_in.hang_up = True
    with pytest.raises(BenchmarkError, match="without a word"):
        producing.obey(producer.Pump(group="g", frameworks=["f"], rounds=1, batch=1, tag="t"))


def test_a_close_frame_to_a_producer_is_an_error():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"\x88\x02\x0b\xc0")
        with pytest.raises(BenchmarkError, match="closed a producer"):
            producer.Connection(ours, WireForm.JSON, b"").read()


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
