"""Connections to what was checked: a name is resolved once, every address is judged, and one of those is connected to.

The seam of httpcore at which it asks for a connection, so that nothing of ours stands between the check and the
connect: a name that answers differently the second time (DNS rebinding) is not asked a second time. One bad address
among good ones refuses them all.

httpcore keeps connections by origin, and bytes that a server has sent too many are taken for its next answer: on a
connection that two endpoints share, one's server would say what became of the other's message. So what httpcore takes
for a host is an endpoint's own name for it (`own_name`): each has connections of its own, in one bounded pool. Decided
against closing after each answer: a storm to one target would take a handshake for each message.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote, unquote

import httpcore2
import trio

from engine.core.addresses import Networks
from engine.notify.resolver import Resolve

# Whose a connection is: workspace and endpoint.
Whose = tuple[str, str]
# Of a name with more addresses the others are its own reserve; each has an equal part of the time to connect.
ADDRESSES_MAX = 4


class TargetRefused(Exception):
    """The target is not on the public internet, and not in a network that the operator allows."""


class Unreachable(Exception):
    """There was no connection, or no answer; another time there may be one. The text names no path and no secret."""


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Opens connections for httpcore. Holds nothing that changes but its counts."""

    def __init__(self, networks: Networks, resolve: Resolve) -> None:
        self._networks = networks
        self._resolve = resolve
        self.refused = 0

    async def addresses(self, workspace: str, host: str) -> Sequence[str]:
        """What a host may be connected at. Raises TargetRefused, Unreachable, Crowded."""
        found = [host] if _is_address(host) else await self._resolved(workspace, host)
        if not all(self._networks.allow(address) for address in found):
            self.refused += 1
            # Not which address a name has: who asks may not be somebody who could look it up in that network.
            raise TargetRefused(
                f"{host} is not on the public internet; an operator can allow its network (notify.allow_private)"
            )
        return found[:ADDRESSES_MAX]

    async def _resolved(self, workspace: str, host: str) -> Sequence[str]:
        try:
            found = await self._resolve(workspace, host)
        except (OSError, UnicodeError) as fault:
            reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else "it is no name"
            raise Unreachable(f"the name {host} does not resolve ({reason})") from fault
        if not found:
            raise Unreachable(f"the name {host} has no address")
        return found

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to one of the host's addresses, tried in order.

        `host` is an `own_name`. Raises TargetRefused, Unreachable, Crowded.
        """
        name, _, host = host.rpartition("@")
        workspace, _, _ = name.partition("/")
        whole = float("inf") if timeout is None else timeout
        with trio.move_on_after(whole):
            addresses = await self.addresses(unquote(workspace), host)
            fault: OSError | None = None
            for address in addresses:
                with trio.move_on_after(whole / len(addresses)):
                    try:
                        return _as_stream(await _connected(address, port))
                    except OSError as error:
                        fault = error
            if fault is not None:
                raise Unreachable(f"{host} port {port}: {_said(fault)}") from fault
        raise Unreachable(f"{host} port {port}: not connected within {whole:g} s")


def own_name(whose: Whose, host: str) -> str:
    """What httpcore takes for the host, when this is what `host` is connected to for. Hosts have no @."""
    workspace, endpoint = (quote(word, safe="") for word in whose)
    return f"{workspace}/{endpoint}@{host}"


def _said(fault: OSError) -> str:
    """Without the address, which trio adds to the system's words."""
    return os.strerror(fault.errno) if fault.errno else type(fault).__name__


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _connected(address: str, port: int) -> trio.SocketStream:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        await connection.connect((address, port))
        return trio.SocketStream(connection)
    except BaseException:
        connection.close()
        raise


def _as_stream(stream: trio.SocketStream) -> httpcore2.AsyncNetworkStream:
    from httpcore2._backends.trio import TrioStream

    return TrioStream(stream)
