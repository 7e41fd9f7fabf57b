"""Listening sockets at the addresses of the configuration."""

from __future__ import annotations

import socket

import trio

from engine.configuration.fields import Address, ConfigError

# A connection wave of ten thousand must not be refused by the kernel before we have seen it.
LISTEN_BACKLOG = 4_096


def listen(key: str, address: Address) -> socket.socket:
    """A listening socket. Raises ConfigError naming the configuration's key, if there can be none."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(LISTEN_BACKLOG)
    except OSError as fault:
        listener.close()
        where, why = f"'{address.host}:{address.port}'", fault.strerror
        raise ConfigError(key, f"{where} cannot be listened on ({why}): use a free port, or 0 for any") from fault
    return listener


def same_port(configured: Address, url: str) -> Address:
    """Where to listen again after a restart: on the port that clients know, also if it was 'any' at first."""
    return configured._replace(port=int(url.rpartition(":")[2])) if url else configured


def host_and_port(listener: socket.socket | trio.socket.SocketType) -> str:
    """`127.0.0.1:3008`, as it stands in a URL."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
