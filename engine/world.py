"""What an engine takes from the world around it: time, ids, its store, the socket to reach it by, what decides.

A program leaves it as it is. Tests in virtual time hand in a clock that runs with trio's; the simulation hands in a
world of its own, where each of these can fail on purpose. Decided against: an argument of `Engine` for each, and tests
that patch the modules in which the real ones are used.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import trio

from actors.ports import Clock, MachineFactory, NewId
from engine import ids, stores
from engine.bus import Bus
from engine.bus.build import build_bus
from engine.configuration.config import Config
from engine.configuration.fields import Address
from engine.core.channel import machine_factory
from engine.core.turn import Policy
from engine.foreign import ForeignLoop
from engine.jobs.kinds import Kind
from engine.sockets import bind


class OpenStore(Protocol):
    """How a store is opened: `engine.stores.open_store`."""

    def __call__(
        self,
        url: str,
        *,
        retention: stores.Retention | None,
        clock: Clock,
        on_commit: stores.OnCommit | None,
        cache_bytes: int | None,
        foreign: ForeignLoop | None,
    ) -> AbstractAsyncContextManager[stores.Store]:
        """A context whose value is the open store."""


class MakeMachines(Protocol):
    """How channels come by their machines: `engine.core.channel.machine_factory`."""

    def __call__(self, policy: Policy) -> MachineFactory:
        """Machines that decide within these bounds."""


class MakeBus(Protocol):
    """How this node comes by its bus: `engine.bus.build.build_bus`."""

    def __call__(self, config: Config, foreign: ForeignLoop, node: str) -> Bus | None:
        """The bus for this run of the process, not running yet; None: there are no other nodes."""


def bind_ws(address: Address) -> trio.socket.SocketType:
    """The socket that the gateway will listen on. Raises ConfigError if there can be none."""
    return trio.socket.from_stdlib_socket(bind("ws", address))


@dataclass(frozen=True)
class World:
    """The surroundings of one engine; `clock` is the wall clock in microseconds, which may be set back."""

    clock: Clock = ids.now_us
    new_id: NewId = ids.new_id
    open_store: OpenStore = stores.open_store
    machine_factory: MakeMachines = machine_factory
    make_bus: MakeBus = build_bus
    bind_ws: Callable[[Address], trio.socket.SocketType] = bind_ws
    # Of jobs, besides the engine's own: what a program that embeds it has done by its workers.
    kinds: tuple[Kind[Any], ...] = ()
    # An exporter of spans, besides what `[tracing]` says: for tests, and for a program that has one.
    spans_to: Any = None
