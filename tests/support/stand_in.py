"""A stand-in for the engine in tests of benchmarks: small, honest, and faulty where it is asked to be."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from benchmarks import receiver
from benchmarks.arrivals import Plan
from benchmarks.dial import Target
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


def plan(messages: int, first: int = 1, interval_ns: int = 0) -> Plan:
    return Plan(messages=messages, first=first, start_ns=time.monotonic_ns(), interval_ns=interval_ns)


def collect(listening: receiver.Receiver, plan: Plan, deadline_s: float = 5.0) -> receiver.Arrivals:
    answer = listening.obey(receiver.Collect(plan=plan, quiet_s=0.05, deadline_s=deadline_s))
    assert isinstance(answer, receiver.Arrivals)
    return answer
