"""Opens client connections by hand: TCP, upgrade, `auth` and `subscribe` in one burst.

Used by the receiver (which then only listens) and the producer (which then triggers). Connections are opened in waves,
each step for the whole wave, so that the handshakes wait for the server together and not one after another. Sockets
are handed over blocking, with a timeout; whoever wants otherwise says so.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from benchmarks.control import BenchmarkError
from benchmarks.wire import BINARY, FORMS, TEXT, client_frame, handshake, handshake_end, hear, walk
from protocol import messages as m
from protocol.codec import WireForm, encode
from protocol.messages import Position

# So many handshakes are under way at once: below every listener's backlog, and about a second for a thousand.
WAVE = 64
# A server that has not answered by now is not slow but stuck.
DIAL_TIMEOUT_S = 15.0
_READ_BYTES = 65_536


class Target(msgspec.Struct, frozen=True):
    """Where to, and what to say there.

    `plain`: nothing at all (a bare TCP sender). Without `token`: the upgrade only. With it: `auth`, and client i
    subscribes to `channels[i % len(channels)]` if there are any.
    """

    host: str
    port: int
    plain: bool = False
    form: str = "json"
    token: str = ""
    channels: list[str] = []
    # Where each client stood: what came after it is recovered, else the server refused it.
    recover: Position | None = None
    # So many handshakes are under way at once.
    wave: int = WAVE


class Dialled(NamedTuple):
    """A connection: `place` is from where on it hears the subscribed stream, `rest` is what arrived already."""

    sock: socket.socket
    place: Position
    rest: bytes


NOWHERE = Position("", 0)


def dial(target: Target, count: int) -> Iterator[Dialled]:
    """Opens `count` connections. Raises BenchmarkError (the server refused), BadStream, OSError."""
    for start in range(0, count, target.wave):
        yield from _wave(target, range(start, min(start + target.wave, count)))


def _wave(target: Target, wave: range) -> list[Dialled]:
    with contextlib.ExitStack() as failed:
        socks = [failed.enter_context(_connect(target)) for _ in wave]
        opened = [Dialled(sock, NOWHERE, b"") for sock in socks] if target.plain else _converse(target, wave, socks)
        failed.pop_all()
    return opened


def _connect(target: Target) -> socket.socket:
    sock = socket.create_connection((target.host, target.port), DIAL_TIMEOUT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _converse(target: Target, wave: range, socks: list[socket.socket]) -> list[Dialled]:
    form = FORMS[target.form]
    for sock in socks:
        sock.sendall(handshake(target.host, target.port, form))
    rests = [_upgraded(sock) for sock in socks]
    if not target.token:
        return [Dialled(sock, NOWHERE, bytes(rest)) for sock, rest in zip(socks, rests, strict=True)]
    for index, sock in zip(wave, socks, strict=True):
        sock.sendall(_greeting(target, index, form))
    wanted = "subscribed" if target.channels else "auth_success"
    return [_greeted(sock, rest, wanted, target.recover) for sock, rest in zip(socks, rests, strict=True)]


def _greeting(target: Target, index: int, form: WireForm) -> bytes:
    words: list[m.ClientMessage] = [m.Auth(token=target.token)]
    if target.channels:
        words.append(m.Subscribe(channel=target.channels[index % len(target.channels)], recover=target.recover))
    return b"".join(client_frame(encode(word, form), form) for word in words)


def _upgraded(sock: socket.socket) -> bytearray:
    data = bytearray()
    while not (end := handshake_end(data)):
        data += _more(sock)
    return data[end:]


def _greeted(sock: socket.socket, data: bytearray, wanted: str, recover: Position | None) -> Dialled:
    """Reads on until the wanted answer; what the server says before it (and is no refusal) is passed over."""
    while True:
        for opcode, begin, end in walk(data):
            if opcode not in (TEXT, BINARY):
                continue
            heard = hear(opcode, bytes(data[begin:end]))
            if heard.type == wanted:
                if recover is not None and not heard.recovered:
                    raise BenchmarkError(f"the server does not recover a client: {heard.reason}")
                return Dialled(sock, recover or Position(heard.epoch, heard.offset), bytes(data[end:]))
            if heard.type in ("error", "auth_failed"):
                raise BenchmarkError(f"the server refused a client: {heard.message}")
        data += _more(sock)


def _more(sock: socket.socket) -> bytes:
    data = sock.recv(_READ_BYTES)
    if not data:
        raise BenchmarkError("the server closed a connection during the handshake")
    return data
