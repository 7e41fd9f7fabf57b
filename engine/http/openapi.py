"""What the OpenAPI document says beyond the routes themselves: the errors that each may answer with, and examples.

Every failure has one shape (`engine/http/problems.py`), so it is written here once and not at each route: which
statuses any route may answer with follows from its method, its path and its guards. A route that answers some of them
in a form of its own (PagerDuty's, Alerta's) says so itself, and keeps that. Pure: a document in, a document out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

from engine.http.examples import EXAMPLES
from engine.http.foreign_errors import error_schema, error_schemas, foreign_errors
from engine.http.problems import PROBLEM_JSON, Problem
from engine.http.samples import Samples

Document = dict[str, Any]
PAGE = "text/html"
_REF = {"$ref": "#/components/schemas/Problem"}
PROBLEM: Document = {
    "type": "object",
    "title": "Problem",
    "description": "A failure (RFC 9457). `code` is our number; `temporary`: the same again may work a moment later.",
    "required": ["type", "title", "status", "detail", "code", "temporary"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string", "description": "the phrase of the status"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "what is wrong, where, and what is allowed"},
        "code": {"type": "integer", "enum": [100, 101, 102, 103, 106, 107, 109, 111, 120]},
        "temporary": {"type": "boolean"},
    },
}
# What is told with each status: our number, whether the same again may work, and a sentence as there are.
_TOLD: dict[int, tuple[int, bool, str]] = {
    400: (107, False, "limit 100000 is not allowed: use 1 to 500"),
    401: (101, False, "No valid token. One message for every kind of bad token: it must teach a forger nothing."),
    403: (103, False, "the role 'viewer' may not trigger; these may: producer, editor, admin"),
    404: (102, False, "there is no such rule"),
    408: (107, True, "the body did not arrive in 10 s"),
    409: (107, False, "the framework 'web' is archived: restore it first"),
    412: (107, False, "you read version 3, now it is 4: read the rule again"),
    413: (106, False, "the body has more than 1048576 bytes"),
    415: (107, False, "send application/json; this is text/plain"),
    428: (107, False, "say which version you read: If-Match with its ETag"),
    429: (111, True, "more than 100 requests in a second for the role 'producer': come again in 0.4 s"),
    500: (100, True, "Something broke in the engine; the request may or may not have had its effect. Try again."),
    503: (120, True, "The store does not answer. Nothing is acknowledged until it does; live connections stay."),
}
# Of anything: a token in the URL, a fault of ours, busy.
_ALWAYS = (HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
# Of what takes something, be it only a token: nothing there, too fast. A probe takes nothing.
_OF_QUESTIONS = (HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS)
_GUARDED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_OF_CHANGES = (HTTPStatus.CONFLICT,)
_OF_BODIES = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)
# Edits with a version (`If-Match`).
_OF_EDITS = (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)
# Routes that answer in more than one form: the framework documents the first.
_OTHER_FORMS = {
    "GET /api/v1/rules/export": ("application/json", "application/yaml"),
    "GET /api/v1/analytics/export": ("text/csv",),
    "GET /api/v1/reports/weekly": ("text/plain",),
}
_WAIT: Document = {
    "Retry-After": {"description": "seconds, where waiting helps", "schema": {"type": "integer", "minimum": 1}}
}
# They need a token only where they are asked from another machine.
_GUARDED_ELSEWHERE = ("GET /metrics", "GET /api/metrics/", "GET /api/v1/system")
# They need a signature or a ticket, and no token.
_OTHERWISE_SHOWN = ("POST /api/v1/slack/actions", "POST /api/v1/tokens")
# Its body is of three kinds, told apart by the media type: the document knows of none.
_BODY_IN_MODES = "POST /api/v1/ingest/cloudevents"
_SAFE = frozenset({"get", "head"})


class DocumentedProblems(JsonRenderPlugin):
    """Serves the document with its errors and examples, made at the first question: it takes 50 ms."""

    _document: Document | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: Document) -> bytes:
        """The document as JSON."""
        self._document = self._document or with_problems(openapi_schema)
        return self.render_json(request, self._document)


def with_problems(document: Document) -> Document:
    """The same document, in which every operation has the errors that it may answer with."""
    paths = {
        path: {method: _completed(f"{method.upper()} {path}", operation) for method, operation in operations.items()}
        for path, operations in document.get("paths", {}).items()
    }
    components = document.get("components", {})
    known = components.get("schemas", {})
    without_id = {f"{name}Given": _without_id(known[name]) for name in known if f"{name}Shown" in known}
    paths = {path: {name: _given(each, without_id) for name, each in those.items()} for path, those in paths.items()}
    schemas = {**known, **without_id, "Problem": PROBLEM, **error_schemas()}
    done: Document = _without_ellipses({**document, "paths": paths, "components": {**components, "schemas": schemas}})
    for path, operations in done["paths"].items():
        samples = Samples(done["components"]["schemas"], path)
        for operation in operations.values():
            _show(operation, samples)
    return done


def _show(operation: Any, samples: Samples) -> None:
    """Gives each good answer in JSON an example; `done` is ours to change."""
    responses = operation.get("responses", {}) if isinstance(operation, dict) else {}
    for status, response in responses.items():
        body = response.get("content", {}).get("application/json", {})
        if status.startswith("2") and body.get("schema"):
            body["example"] = samples.of(body["schema"])


def _without_id(schema: Document) -> Document:
    """An object as it is sent: without an id it gets one, or has that of its address."""
    return {**schema, "required": [name for name in schema.get("required", ()) if name != "id"]}


def _given(operation: Any, without_id: Mapping[str, Document]) -> Any:
    """The operation, taking objects as they are sent. A list of them (an import) is another body, and needs the ids."""
    if not isinstance(operation, Mapping) or "requestBody" not in operation:
        return operation
    content = {
        form: {**body, "schema": _as_sent(body.get("schema", {}), without_id)}
        for form, body in operation["requestBody"]["content"].items()
    }
    return {**operation, "requestBody": {**operation["requestBody"], "content": content}}


def _as_sent(schema: Document, without_id: Mapping[str, Document]) -> Document:
    if "oneOf" in schema:
        return {**schema, "oneOf": [_as_sent(each, without_id) for each in schema["oneOf"]]}
    ref = f"{schema.get('$ref', '')}Given"
    return {"$ref": ref} if ref.rpartition("/")[2] in without_id else schema


def _without_ellipses(part: Any) -> Any:
    """The framework takes the dots of `tuple[X, ...]` for a second type, of which anything is a value."""
    if isinstance(part, list):
        return [_without_ellipses(each) for each in part]
    if not isinstance(part, dict):
        return part
    if set(part) == {"oneOf"} and len(part["oneOf"]) == 2 and part["oneOf"][1] == {}:
        return _without_ellipses(part["oneOf"][0])
    return {name: _without_ellipses(each) for name, each in part.items()}


def _completed(route: str, operation: Any) -> Any:
    if not isinstance(operation, Mapping) or "responses" not in operation:
        return operation  # what belongs to all methods of a path
    # The framework's own 400 has a shape that nothing here answers with.
    own = operation["responses"]
    errors = {status: _besides(own.get(status, {}), problem) for status, problem in _errors(route, operation)}
    done = {**operation, "responses": {**own, **errors}}
    if route in _OTHER_FORMS:
        good = done["responses"]["200"]
        done["responses"]["200"] = {
            **good,
            "content": {**good["content"], **{form: {"schema": {}} for form in _OTHER_FORMS[route]}},
        }
    if route in EXAMPLES and "requestBody" in operation:
        content = operation["requestBody"]["content"]
        shown = {media_type: {**body, "example": EXAMPLES[route]} for media_type, body in content.items()}
        done["requestBody"] = {**operation["requestBody"], "content": shown}
    return done


def _besides(own: Document, problem: Document) -> Document:
    """An error, beside the page that a route for people answers with."""
    page = own.get("content", {}).get(PAGE)
    if page is None:
        return problem
    return {**problem, "description": own["description"], "content": {**problem["content"], PAGE: page}}


def _told(path: str, status: HTTPStatus) -> Any:
    code, is_temporary, detail = _TOLD[status]
    foreign = foreign_errors(path)
    if foreign is not None:
        return msgspec.to_builtins(foreign.body(status, detail))
    told = Problem(title=status.phrase, status=status, detail=detail, code=code, temporary=is_temporary)
    return msgspec.to_builtins(told)


def _errors(route: str, operation: Mapping[str, Any]) -> Iterator[tuple[str, Document]]:
    method, path = route.lower().split(" ", 1)
    foreign = error_schema(path)
    statuses = [*_ALWAYS]
    taken = {parameter.get("name") for parameter in operation.get("parameters", ())}
    if operation.get("security") or taken or method not in _SAFE:
        statuses += _OF_QUESTIONS
    if operation.get("security") or route.startswith(_GUARDED_ELSEWHERE):
        statuses += _GUARDED
    if route in _OTHERWISE_SHOWN:
        statuses.append(HTTPStatus.UNAUTHORIZED)
    if method not in _SAFE:
        statuses += _OF_CHANGES
    if "requestBody" in operation or route == _BODY_IN_MODES:
        statuses += _OF_BODIES
    if "If-Match" in taken:
        statuses += _OF_EDITS
    for status in statuses:
        form, body = (PROBLEM_JSON, _REF) if foreign is None else ("application/json", foreign)
        content = {form: {"schema": body, "example": _told(path, status)}}
        problem: Document = {"description": status.phrase, "content": content}
        yield str(int(status)), problem | ({"headers": _WAIT} if status is HTTPStatus.TOO_MANY_REQUESTS else {})
