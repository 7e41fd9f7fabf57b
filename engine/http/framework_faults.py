"""What the framework refuses by itself, in our words: an unknown path, a wrong method, a bad parameter, too big a body.

Its own words name Python's arguments and whole addresses, and say of a wrong word neither which ones there are nor what
the parameter is. Both are known here, from the route itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Literal, get_args, get_origin

from litestar import Request
from litestar.exceptions import HTTPException, ValidationException
from litestar.params import HeaderParameter, QueryParameter

from engine.http.examples import whole_example

Asked = Request[Any, Any, Any]

# Enough to recognise what was sent; what is allowed comes behind it.
QUOTED_MAX_CHARS = 100
_MISSING = re.compile(r"Missing required query parameter '([^']*)'")


def sentence(request: Asked, error: HTTPException) -> str:
    """What is wrong, and what to do."""
    path = request.url.path
    if error.status_code == HTTPStatus.NOT_FOUND:
        return f"there is nothing at {path}"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{request.method} is not possible at {path}; allowed: {', '.join(allowed_methods(error))}"
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        # Chunked bodies do not say how long they are, and are not read to the end to find out.
        size = request.headers.get("content-length", "more")[:20]
        return f"the body is too large: {size} bytes, {_body_limit(request)}"
    if isinstance(error, ValidationException):
        if isinstance(error.extra, list):
            return "; ".join(_field(request, item) for item in error.extra)
        if missing := _MISSING.match(error.detail):
            return _parameter(request, missing[1], "it is missing")
    return error.detail


def allowed_methods(error: HTTPException) -> list[str]:
    """The methods that a path has, if this one was none of them. What is read can be asked for by HEAD as well."""
    methods = {name.strip() for name in (error.headers or {}).get("allow", "").split(",")} - {""}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def _body_limit(request: Asked) -> str:
    """How much is taken here: what the operator set, or what this route has of its own."""
    common = request.app.request_max_body_size
    own = request.route_handler.resolve_request_max_body_size()
    return f"limit {common} (api.body_max_bytes)" if own == common else f"limit {own} of {request.url.path}"


def _field(request: Asked, item: dict[str, Any]) -> str:
    # The only complaint about the body as a whole that the framework makes itself is that there is none.
    if item.get("key") == "data":
        return f"a JSON body is needed{whole_example(request.scope)}"
    return _parameter(request, str(item.get("key", "request")), str(item.get("message", "")))


def _parameter(request: Asked, key: str, complaint: str) -> str:
    """The complaint about a parameter, under the name that it has in the address."""
    for name, field in request.route_handler.parsed_fn_signature.parameters.items():
        known = field.kwarg_definition
        if isinstance(known, QueryParameter | HeaderParameter) and key in (name, known.name):
            words = list(_words(field.annotation))
            allowed = f"; allowed: {', '.join(words)}" if words else ""
            meant = f" ({known.description})" if known.description else ""
            return f"{known.name or key}: {complaint[:QUOTED_MAX_CHARS]}{allowed}{meant}"
    return f"{key}: {complaint}"


def _words(annotation: Any) -> Iterator[str]:
    if annotation is bool:
        yield from ("true", "false")
    elif get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    else:
        for each in get_args(annotation):
            yield from _words(each)
