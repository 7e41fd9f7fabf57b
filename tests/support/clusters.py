"""Whole engines as nodes of one installation, in one process: one store in memory, a bus between them that can be cut.

The store tells each engine's feed of that engine's own commits only, as a server that is shared would.
"""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import trio

from engine.app import Engine
from engine.bus.carried import CarriedBus
from engine.bus.frames import Parcel
from engine.bus.local import Hub, LocalCarrier
from engine.configuration.config import Config
from engine.foreign import ForeignLoop
from engine.ids import IdSource
from engine.nodes.together import Nodes
from engine.stores import Store, open_store
from engine.world import World
from protocol.errors import StoreUnavailable
from protocol.model import ChannelKey
from tests.support.actors import clock
from tocsin.testing.engines import EngineUnderTest, a_config

_FEEDS = ("set_feed", "set_object_feed", "set_doorbell")
_asking: contextvars.ContextVar[View | None] = contextvars.ContextVar("_asking", default=None)


class View:
    """The shared store as one engine sees it. `is_away`: it does not answer this one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.told: dict[str, Callable[[Any], None]] = {}
        self.is_away = False

    def __getattr__(self, name: str) -> Any:
        if name in _FEEDS:
            return lambda listener: self.told.__setitem__(name, listener)
        found = getattr(self._store, name)
        if not callable(found) or name in ("statistics", "deliveries_ended"):
            return found

        async def ask(*arguments: Any, **more: Any) -> Any:
            if self.is_away:
                raise StoreUnavailable("this node is cut off")
            token = _asking.set(self)
            try:
                return await found(*arguments, **more)
            finally:
                _asking.reset(token)

        return ask


class Cable(LocalCarrier):
    """A carrier that can be cut."""

    is_cut = False

    def bring(self, parcels: Sequence[Parcel]) -> None:
        if not self.is_cut:
            super().bring(parcels)

    async def send(self, parcels: Sequence[Parcel]) -> None:
        if self.is_cut:
            await trio.lowlevel.checkpoint()
        else:
            await super().send(parcels)


class Cluster:
    """The installation: its store, its hub, and the engines that run on it."""

    def __init__(self, store: Store) -> None:
        self.store, self.hub = store, Hub()
        self.engines: dict[str, EngineUnderTest] = {}
        self.views: dict[str, View] = {}
        self.cables: dict[str, Cable] = {}
        for name in _FEEDS:
            getattr(store, name)(lambda told, name=name: self._tell(name, told))

    def _tell(self, name: str, told: Any) -> None:
        view = _asking.get()
        if view is not None and name in view.told:
            view.told[name](told)

    def world(self, name: str) -> World:
        """What an engine that is a node here takes from the world."""

        @asynccontextmanager
        async def open_view(url: str, **options: Any) -> AsyncIterator[Any]:
            view = self.views[name] = View(self.store)
            yield view

        def make_bus(config: Config, foreign: ForeignLoop, node: str) -> CarriedBus:
            cable = self.cables[name] = Cable(self.hub)
            self.hub.join(cable)
            return CarriedBus(node, [cable], queue_bytes=1 << 24)

        return World(clock=clock, new_id=IdSource(clock), open_store=open_view, make_bus=make_bus)

    @asynccontextmanager
    async def node(self, name: str, **settings: Any) -> AsyncIterator[EngineUnderTest]:
        """Another engine."""
        async with Engine(a_config(node=name, **settings), self.world(name)) as engine:
            found = self.engines[name] = EngineUnderTest(engine, trio.lowlevel.current_clock())
            try:
                yield found
            finally:
                del self.engines[name]

    def cut(self, name: str) -> None:
        """This node reaches neither the store nor the others, as if it were killed."""
        self.views[name].is_away = self.cables[name].is_cut = True

    def mend(self, name: str) -> None:
        """It is back, as if it had been stopped meanwhile."""
        self.views[name].is_away = self.cables[name].is_cut = False

    def nodes_of(self, name: str) -> Nodes:
        """What it has because there are others."""
        nodes = self.engines[name].engine._tree.up.nodes
        assert nodes is not None
        return nodes

    def owner(self, workspace: str = "main") -> str:
        """The name of the node that decides for a workspace; all must agree."""
        here = [name for name in self.engines if not self.views[name].is_away]
        (owner,) = {self.nodes_of(name).membership.owners.of(workspace) for name in here}
        return str(owner).rpartition(".")[0]

    def others(self, workspace: str = "main") -> Sequence[str]:
        """The names of those that do not."""
        return [name for name in self.engines if name != self.owner(workspace)]


@asynccontextmanager
async def a_cluster(*names: str, **settings: Any) -> AsyncIterator[Cluster]:
    """Nodes that know each other. In virtual time: the test lets it pass."""
    async with open_store("memory:", clock=clock) as store, AsyncExitStack() as stack:
        cluster = Cluster(store)
        for name in names:
            await stack.enter_async_context(cluster.node(name, **settings))
        await settled(cluster)
        yield cluster
        mock: Any = trio.lowlevel.current_clock()
        # Their ends are bounded by timers.
        mock.rate = 1.0


async def settled(cluster: Cluster) -> None:
    """Everybody has seen what there is to see."""
    for engine in cluster.engines.values():
        await engine.pass_time(1.5)
        return


WEB = ChannelKey("main", "web")


def kinds(cluster: Cluster) -> dict[str, int]:
    """How many channels each node has that are decided elsewhere."""
    return {name: engine.engine._tree.up.registry.elsewhere for name, engine in cluster.engines.items()}
