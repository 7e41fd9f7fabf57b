"""Ports for servers that are started again where they were, and for places where nobody listens.

The kernel gives whoever asks for any port one of a range of its own: what is free for a moment may be taken in
the next. These are below that range: only who picks from here too can be given one, and that is drawn by lot.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from pathlib import Path

# Below are the ports of well-known servers.
_FIRST = 10_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
# Where a system does not say where its own begin: IANA's ephemeral ports are above.
_OWN_FIRST = 32_768
# Not a seed of the program's: processes that begin alike must not pick alike.
_lots = random.SystemRandom()
# On a random port somebody else may be quicker.
_PORTS_TRIED = 5


class PortTaken(Exception):
    """Somebody else was quicker."""


def a_port(*, beside: int = 0) -> int:
    """One where nobody listens now, and the kernel sends nobody; nor at that many ports above it."""
    while True:
        port = _lots.randrange(_FIRST, _own_first() - beside)
        if all(_is_free(each) for each in {port, port + beside}):
            return port


def start_somewhere(start: Callable[[int], None], undo: Callable[[], None], *, beside: int = 0) -> None:
    """Starts a server on a port that `a_port` picks: on another one, after `undo`, while `start` raises PortTaken."""
    for attempt in range(1, _PORTS_TRIED + 1):
        try:
            start(a_port(beside=beside))
            break
        except PortTaken:
            undo()
            if attempt == _PORTS_TRIED:
                raise


def _own_first() -> int:
    return int(_RANGE.read_text().split()[0]) if _RANGE.exists() else _OWN_FIRST


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
