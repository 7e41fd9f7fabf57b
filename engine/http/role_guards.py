"""Who may, asked before the body is read: who may not do it at all is told that, and not what is wrong with his body.

The verbs ask again, for every door. These are for routes that take a body; what has none gets there at once.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from engine.access.roles import Verb, check
from engine.http.guards import Connection
from engine.shelf.objects import Shelf
from protocol.errors import PermissionDenied


def needs(verb: Verb) -> Guard:
    """For roles that have this verb."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        check(connection.user, verb)

    return guard


def may_make(shelf: Shelf[Any]) -> Guard:
    """For who may change any object of this kind."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        shelf.kind.may_change(connection.user, None, None)

    return guard


def may_edit(shelf: Shelf[Any]) -> Guard:
    """For who may change any object of this kind, or at least the one of the path (`object_id`)."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        try:
            shelf.kind.may_change(connection.user, None, None)
        except PermissionDenied:
            await shelf.to_change(connection.user, unquote(connection.path_params["object_id"]))

    return guard
