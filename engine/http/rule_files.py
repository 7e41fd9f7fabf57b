"""Rules as a file over HTTP: `GET /api/v1/rules/export`, `POST /api/v1/rules/import`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, JSONBody

from engine.http.bodies import json_body
from engine.http.objects import Asked
from engine.http.operators import PeerAddress
from engine.imports import ImportResult, as_toml, import_rules, stored_rules
from engine.objects import Shelf
from protocol.rules import Rule

# As many as the engine makes in one step; a file of them is about 2 MB.
IMPORT_MAX_RULES = 10_000


class RulesFile(msgspec.Struct, frozen=True, kw_only=True):
    """Rules, as `[[rules]]` of tocsin.toml."""

    rules: list[Rule]


class ImportBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules to take in, all or none. `dry_run`: only say what would become of them."""

    rules: Annotated[list[Rule], msgspec.Meta(min_length=1, max_length=IMPORT_MAX_RULES)]
    dry_run: bool = False


class ImportResults(msgspec.Struct, frozen=True, kw_only=True):
    """What became of each rule, in order."""

    results: list[ImportResult]


def rule_file_routes(shelf: Shelf[Rule], peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """The routes of files."""

    @get("/api/v1/rules/export", tags=["rules"], operation_id="export_rules", media_type="application/toml")
    async def export(request: Asked, format: FromQuery[Literal["toml", "json"]] = "toml") -> Response[Any]:
        """All rules that people made here, without those of the configuration: TOML, or JSON as `import` takes it."""
        rules = await stored_rules(shelf, request.user)
        if format == "json":
            return Response(RulesFile(rules=rules), media_type="application/json")
        return Response(as_toml(rules), media_type="application/toml")

    @post(
        "/api/v1/rules/import",
        tags=["rules"],
        operation_id="import_rules",
        status_code=200,
        dto=json_body(ImportBody),
        return_dto=None,
    )
    async def import_(request: Asked, data: JSONBody[ImportBody]) -> ImportResults:
        """Makes and changes rules, all or none; nothing is deleted. With `dry_run` nothing is done at all."""
        results = await import_rules(shelf, request.user, data.rules, data.dry_run, peer_address(request))
        return ImportResults(results=results)

    return [export, import_]
