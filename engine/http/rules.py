"""Rules over HTTP: `/api/v1/rules`, as any object, with filters of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, get_args

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, QueryParameter

from engine.http.objects import Archived, Asked, Resource, object_routes, page_shown
from engine.http.operators import PeerAddress
from engine.http.parameters import Cursor, Limit
from engine.pages import PAGE_DEFAULT
from engine.shelf.kinds import ShelfQuery
from engine.shelf.objects import Shelf
from engine.shelf.rules import rule_filter
from protocol.errors import BadRequest
from protocol.names import check_id
from protocol.rules import Rule

if TYPE_CHECKING:
    Page = Any

KINDS = tuple(str(each.__struct_config__.tag) for each in get_args(Rule))

Kinds = Annotated[list[str] | None, QueryParameter(name="kind", description=", ".join(KINDS))]
Enabled = Annotated[bool | None, QueryParameter(name="enabled", description="only those that are, or are not")]
Text = Annotated[str | None, QueryParameter(name="q", max_length=128, description="looked for in id, title and metric")]


def rule_routes(shelf: Shelf[Rule], peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """The routes of `/api/v1/rules`."""
    resource = Resource("/api/v1/rules", shelf, peer_address)

    @get(resource.path, **resource.options("list"))
    async def rules(
        request: Asked,
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
        framework_id: FromQuery[str | None] = None,
        archived: Archived = None,
        kinds: Kinds = None,
        enabled: Enabled = None,
        metric: FromQuery[str | None] = None,
        text: Text = None,
    ) -> Page:
        """A page of rules in the order of their ids, those of the configuration file among them (`origin`)."""
        framework = framework_id and check_id(framework_id, "framework_id")
        query = ShelfQuery(framework=framework, archived=bool(archived), cursor=cursor, limit=limit)
        where = rule_filter(parse_kinds(kinds), enabled, metric, text)
        return await page_shown(resource, request.user, query, where)

    return object_routes(resource, rules)


def parse_kinds(given: Sequence[str] | None) -> list[str]:
    """`["threshold,anomaly"]` → the kinds; empty: all. Raises BadRequest."""
    kinds = [word.strip() for value in given or () for word in value.split(",") if word.strip()]
    for kind in kinds:
        if kind not in KINDS:
            raise BadRequest(f"kind: {kind[:64]!r} is not allowed; use one or more of: {', '.join(KINDS)}")
    return kinds
