"""Rules as a file over HTTP: `GET /api/v1/rules/export`, `POST /api/v1/rules/import`.

A text (TOML, YAML, a rule file of Prometheus) comes inside the same JSON body as rules do. It is read in a thread,
a few at a time: half a second of parsing would be half a second of silence for everybody.
"""

from __future__ import annotations

import tomllib
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
import trio
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, JSONBody, QueryParameter

from engine.foreign_forms.prometheus_rules import FRAMEWORK, LeftOut, map_rules
from engine.foreign_forms.yaml_text import YAML_MAX_CHARS, from_yaml
from engine.http.bodies import json_body
from engine.http.objects import Asked
from engine.http.operators import PeerAddress
from engine.http.role_guards import may_make
from engine.input.misfits import explained
from engine.shelf.imports import ImportResult, as_toml, as_yaml, import_rules, stored_rules
from engine.shelf.objects import Shelf
from protocol.errors import BadRequest
from protocol.names import check_id
from protocol.rules import Rule

# As many as the engine makes in one step; a file of them is about 2 MB.
IMPORT_MAX_RULES = 10_000
# Texts that are read or written beside each other; they share one core with everything else.
TEXTS_AT_ONCE = 2

Rules = Annotated[list[Rule], msgspec.Meta(min_length=1, max_length=IMPORT_MAX_RULES)]
Form = Literal["json", "yaml", "toml", "prometheus"]
FrameworkOfFile = Annotated[
    str | None,
    QueryParameter(
        name="framework_id", description=f"of prometheus: what its rules belong to; {FRAMEWORK} if not said"
    ),
]


class RulesFile(msgspec.Struct, frozen=True, kw_only=True):
    """Rules, as `[[rules]]` of tocsin.toml."""

    rules: list[Rule]


class ImportBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules to take in, all or none: `rules`, or with `format` their `text`. `dry_run`: only say what would become."""

    rules: Rules | None = None
    text: Annotated[str, msgspec.Meta(max_length=YAML_MAX_CHARS)] | None = None
    dry_run: bool = False


class RulesText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a YAML of rules is."""

    rules: Rules


class ImportResults(msgspec.Struct, frozen=True, kw_only=True):
    """What became of each rule, in order; `left_out`: what of a foreign file does not map, and why."""

    results: list[ImportResult]
    left_out: list[LeftOut] = []


def rule_file_routes(shelf: Shelf[Rule], peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """The routes of files."""
    texts = trio.CapacityLimiter(TEXTS_AT_ONCE)

    @get("/api/v1/rules/export", tags=["rules"], operation_id="export_rules", media_type="application/toml")
    async def export(request: Asked, format: FromQuery[Literal["toml", "json", "yaml"]] = "toml") -> Response[Any]:
        """All rules that people made here, without the configuration's: TOML, YAML, or JSON as `import` takes it."""
        rules = await stored_rules(shelf, request.user)
        if format == "json":
            return Response(RulesFile(rules=rules), media_type="application/json")
        if format == "yaml":
            text = await trio.to_thread.run_sync(as_yaml, rules, limiter=texts)
            return Response(text, media_type="application/yaml")
        return Response(as_toml(rules), media_type="application/toml")

    @post(
        "/api/v1/rules/import",
        tags=["rules"],
        operation_id="import_rules",
        status_code=200,
        guards=[may_make(shelf)],
        dto=json_body(ImportBody),
        return_dto=None,
    )
    async def import_(
        request: Asked, data: JSONBody[ImportBody], format: FromQuery[Form] = "json", framework: FrameworkOfFile = None
    ) -> ImportResults:
        """Makes and changes rules, all or none; nothing is deleted. With `dry_run` nothing is done at all.

        `rules`, or with `format` a `text`: TOML or YAML as `export` writes it, or a rule file of Prometheus.
        """
        read = partial(_read, data, format, framework)
        rules, left_out = read() if data.text is None else await trio.to_thread.run_sync(read, limiter=texts)
        results = await import_rules(shelf, request.user, rules, data.dry_run, peer_address(request))
        return ImportResults(results=results, left_out=left_out)

    return [export, import_]


def _read(body: ImportBody, form: Form, framework: str | None) -> tuple[list[Rule], list[LeftOut]]:
    """The rules of a body, and what of it is none. Raises BadRequest."""
    if framework is not None and form != "prometheus":
        raise BadRequest("framework_id: only rules of format=prometheus have none of their own; leave it out")
    if form == "json":
        if body.rules is None or body.text is not None:
            raise BadRequest(
                "format=json needs rules and no text; for a text say format=toml, format=yaml or format=prometheus"
            )
        return body.rules, []
    if body.text is None or body.rules is not None:
        raise BadRequest(f"format={form} needs the file as text, and no rules")
    if form == "yaml":
        return _rules_of(from_yaml(body.text)), []
    if form == "toml":
        return _rules_of(_from_toml(body.text)), []
    mapping = map_rules(from_yaml(body.text, is_typed=False), check_id(framework or FRAMEWORK, "framework_id"))
    return mapping.rules, mapping.left_out


def _from_toml(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as fault:
        # The parser calls itself: what is too deep for it is no file of rules.
        raise BadRequest(f"the TOML cannot be read: {fault}") from fault


def _rules_of(document: Any) -> list[Rule]:
    if isinstance(document, dict) and "groups" in document and "rules" not in document:
        raise BadRequest("this is a rule file of Prometheus: say format=prometheus (--format prometheus)")
    given = document.get("rules") if isinstance(document, dict) else None
    if isinstance(given, list):
        # As on the command line: most rules are thresholds.
        given = [{"kind": "threshold"} | each if isinstance(each, dict) else each for each in given]
        document = document | {"rules": given}
    try:
        return msgspec.convert(document, RulesText).rules
    except msgspec.ValidationError as fault:
        raise BadRequest(f"invalid rules: {explained(RulesText, document, fault)}") from fault
