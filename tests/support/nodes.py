"""Nodes in one process: registries on one store, with wires between them that can be cut."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from actors.forwarding import Forwarding, LetterTooLarge
from actors.registry import Registry
from actors.remote import RemoteKit
from engine.bus.topics import inbox_of
from protocol.forwarding import Answered, Forward, Letter, Seals
from tests.support.actors import Answers, FakeStore, Ids, Machines, Recorder, a_kit, clock, start
from tests.support.channels import OfRegistry

SEALS = Seals([b"a key of tests, long enough"])


class Wires:
    """Carries letters between nodes, as bytes, in order."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.carried: list[Letter] = []
        # Which letters are lost.
        self.loses: Callable[[str, Letter], bool] = lambda to, letter: False
        self.commands_max = 1_000
        self._put, self._take = trio.open_memory_channel[tuple[str, bytes]](1_000)

    def send(self, to: str, letter: Letter) -> None:
        if isinstance(letter, Forward) and len(letter.commands) > self.commands_max:
            raise LetterTooLarge
        self.carried.append(letter)
        if not self.loses(to, letter):
            self._put.send_nowait((to, SEALS.close(letter, inbox_of(to))))

    async def run(self) -> None:
        async for to, data in self._take:
            if to in self.nodes:
                self.nodes[to].receive(SEALS.open(data, inbox_of(to)))

    def sent(self, kind: type[Letter]) -> int:
        return sum(isinstance(letter, kind) for letter in self.carried)


class Node(OfRegistry):
    """One of them. `owner`: who it believes to decide, for all workspaces."""

    def __init__(self, name: str, owner: str, store: FakeStore, wires: Wires, **limits: Any) -> None:
        self.name, self.owner = name, owner
        self.machines, self.observer, self.answers = Machines(), Recorder(), Answers()
        kit = dataclasses.replace(a_kit(store, self.machines, self.observer, **limits), new_id=Ids(f"{name}-"))
        self.registry = Registry(kit)
        self.forwarding = Forwarding(name, self.registry.cell, self.registry.is_ours, wires.send, clock)
        self.registry.share(self._owner_of, RemoteKit(self.forwarding.forward))
        wires.nodes[name] = self

    def _owner_of(self, workspace: str) -> str | None:
        return None if self.owner == self.name else self.owner

    def believes(self, owner: str) -> None:
        """It has looked at the nodes again."""
        self.owner = owner
        self.registry.reown()

    def receive(self, letter: Letter) -> None:
        if isinstance(letter, Forward):
            self.forwarding.asked(letter)
        elif isinstance(letter, Answered):
            self.forwarding.answered(letter)


class Pair:
    """Two nodes, a and b; a owns everything."""

    def __init__(self, **limits: Any) -> None:
        self.store, self.wires = FakeStore(), Wires()
        self.a, self.b = (Node(name, "a", self.store, self.wires, **limits) for name in "ab")

    async def another(self, name: str) -> Node:
        """One more node, which believes that a owns everything."""
        node = Node(name, "a", self.store, self.wires)
        await start(self._nursery, node.registry.run)
        return node

    async def begin(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        nursery.start_soon(self.wires.run)
        for node in (self.a, self.b):
            await start(nursery, node.registry.run)


@asynccontextmanager
async def a_pair(**limits: Any) -> AsyncIterator[Pair]:
    async with trio.open_nursery() as nursery:
        pair = Pair(**limits)
        await pair.begin(nursery)
        yield pair
        nursery.cancel_scope.cancel()
