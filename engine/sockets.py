"""Listening sockets at the addresses of the configuration."""

from __future__ import annotations

import socket

import trio

from engine.configuration.fields import Address, ConfigError

# A connection wave of ten thousand must not be refused by the kernel before we have seen it.
LISTEN_BACKLOG = 4_096


def bind(key: str, address: Address) -> socket.socket:
    """A socket that has the address and does not listen yet: clients are refused, not kept waiting.

    Raises ConfigError naming the configuration's key, if there can be none.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address.host, address.port))
    except OSError as fault:
        sock.close()
        raise _not_to_be_had(key, f"{address.host}:{address.port}", fault) from fault
    return sock


def listen(key: str, sock: socket.socket | trio.socket.SocketType) -> None:
    """Clients may come. Raises ConfigError if somebody else listens there since we took it (both may be bound)."""
    try:
        sock.listen(LISTEN_BACKLOG)
    except OSError as fault:
        raise _not_to_be_had(key, host_and_port(sock), fault) from fault


def _not_to_be_had(key: str, where: str, fault: OSError) -> ConfigError:
    # The variable as well: it also works for `make run`, which passes no options on.
    advice = f"use a free port, or 0 for any: --{key} HOST:PORT, or TOCSIN_{key.upper()}=HOST:PORT before make run"
    return ConfigError(key, f"'{where}' cannot be listened on ({fault.strerror}): {advice}")


def same_port(configured: Address, url: str) -> Address:
    """Where to listen again after a restart: on the port that clients know, also if it was 'any' at first."""
    return configured._replace(port=int(url.rpartition(":")[2])) if url else configured


def host_and_port(listener: socket.socket | trio.socket.SocketType) -> str:
    """`127.0.0.1:3008`, as it stands in a URL."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
