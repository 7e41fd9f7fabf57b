"""Shelves on a store in memory, and their routes: what a door does with objects, without an engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from engine.configuration.config import Config
from engine.configuration.fields import Secret
from engine.http.operators import PeerAddress
from engine.http.shelves import shelf_routes
from engine.ids import IdSource
from engine.notify.connector import Connector
from engine.notify.outbound import Outbound, build_outbound
from engine.orders import StandingOrders
from engine.quiet.storms import Storms
from engine.sections.notify import Notify
from engine.shelf.catalogue import ShelfKit
from engine.shelf.live import LiveObjects, ObjectFigures
from engine.shelf.shelves import Shelves, build_shelves
from engine.stores import Store, open_store
from protocol.limits import Limit
from protocol.model import Principal
from tests.support.http_api import client_of, make_app
from tests.support.http_service import FakeService
from tests.support.stores import NOW

# Keeps secrets without a file.
NOTIFY = Notify(sealing_secret=Secret("a secret for tests, 32 bytes long or more"))
ROLES = ("viewer", "responder", "producer", "editor", "admin")


def who(role: str = "editor", workspace: str = "acme", user: str = "ada", channels: Any = None) -> Principal:
    """Somebody of a workspace."""
    return Principal(workspace=workspace, user=user, role=role, expires_at=2**53, channels=channels)


@dataclass
class Desk:
    """Shelves, and what surrounds them."""

    store: Store
    shelves: Shelves
    orders: StandingOrders
    figures: ObjectFigures
    outbound: Outbound
    now: list[int] = field(default_factory=lambda: [NOW])
    woken: list[tuple[str, str | None]] = field(default_factory=list)
    refused: list[Limit] = field(default_factory=list)
    # Workspaces in which something else was quieted.
    quieted: list[str] = field(default_factory=list)

    def client(self, *people: Principal) -> httpx.AsyncClient:
        """An HTTP client; each of these people has a token of his name and role, such as `ada:editor`."""
        service = FakeService()
        service.principals = {f"{each.user}:{each.role}@{each.workspace}": each for each in people}
        first = next(iter(service.principals), "")
        return client_of(
            make_app(
                service, routes=shelf_routes(self.shelves, Storms(self.store), lambda: self.now[0], PeerAddress())
            ),
            headers={"Authorization": f"Bearer {first}"},
        )


@asynccontextmanager
async def a_desk(
    url: str = "memory:", rules: Sequence[Any] = (), notify: Notify = NOTIFY, **limits: int
) -> AsyncIterator[Desk]:
    """Shelves that are loaded; `rules` are those of the configuration, `limits` the settings of `[objects]`."""
    from engine.sections.keeping import Objects

    config = Config(data=Path("data"), workspace="acme", rules=tuple(rules), objects=Objects(**limits), notify=notify)
    async with open_store(url, clock=lambda: NOW) as store:
        orders, figures = StandingOrders(config.rules, config.workspace), ObjectFigures()
        live = LiveObjects(store, figures)
        woken: list[tuple[str, str | None]] = []
        refused: list[Limit] = []
        quieted: list[str] = []
        now = [NOW]
        kit = ShelfKit(store, lambda: now[0], IdSource(lambda: now[0]), 10.0, live, refused.append)
        outbound = build_outbound(config, lambda: now[0], Connector(config.notify))
        shelves = build_shelves(kit, config, orders, lambda *key: woken.append(key), quieted.append, outbound)
        await shelves.live.load()
        yield Desk(store, shelves, orders, figures, outbound, now, woken, refused, quieted)
