"""The readings that come by themselves from this engine: what this machine is like, and how the engine is.

Each is a child of the tree of sources, made of a source (`engine.sources`) and the principal that it speaks as.
"""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable, Mapping, Sequence

import trio

from actors.supervisor import ChildSpec, Started
from engine.access.roles import SYSTEM_WORKSPACE, own_principal
from engine.configuration.config import Config
from engine.jobs.works import node_name
from engine.parts import Parts
from engine.sections.watching import OWN_FRAMEWORK
from engine.sources.handing import Submit
from engine.sources.host import nearest_there, watch_host
from engine.sources.own import OwnSource
from engine.telemetry.own_health import SHARED, OwnHealth
from protocol.errors import Busy
from protocol.items import ItemResult, ReadingInput
from protocol.model import Principal


class OwnSources:
    """Those that the configuration wants. `up`: the parts that there are now, or raises StoreUnavailable."""

    def __init__(self, config: Config, up: Callable[[], Parts], own_health: OwnHealth) -> None:
        self._config = config
        self._up = up
        self._own_health = own_health
        self._own: OwnSource | None = None

    def statistics(self) -> Mapping[str, int]:
        """Of the source that tells how the engine is; empty until it runs."""
        return self._own.statistics() if self._own else {}

    def children(self) -> Sequence[ChildSpec]:
        """What of the tree they are."""
        return [
            *([ChildSpec("host", self._run_host)] if self._config.watch_host else []),
            *([ChildSpec("own", self._run_own)] if self._config.watch_self else []),
        ]

    async def _run_host(self, status: Started) -> None:
        submit = _submitting(self._up(), own_principal(self._config.workspace, "host", "producer"))
        async with trio.open_nursery() as nursery:
            await nursery.start(
                functools.partial(
                    watch_host,
                    submit,
                    self._config.host.framework,
                    self._config.host.interval_s,
                    data_path=str(nearest_there(self._config.data)),
                )
            )
            status.started()

    async def _run_own(self, status: Started) -> None:
        parts, config = self._up(), self._config
        submit = _submitting(parts, own_principal(SYSTEM_WORKSPACE, OWN_FRAMEWORK, "producer"))
        # Alone, a process that was started again is still the same to those who look at its alerts.
        node = config.node or (node_name() if parts.nodes is not None else socket.gethostname())
        source = OwnSource(
            submit, self._own_health.readings, node, SHARED, functools.partial(parts.registry.is_ours, "")
        )
        async with trio.open_nursery() as nursery:
            self._own = await nursery.start(source.run)
            status.started()


def _submitting(parts: Parts, who: Principal) -> Submit:
    """How a source of ours hands its readings over."""

    async def submit(readings: Sequence[ReadingInput]) -> None:
        results: list[ItemResult] = await parts.service.read(who, readings)
        if any(result.reason.value == "busy" for result in results):
            raise Busy(f"the channel of the source {who.user} is full")

    return submit
