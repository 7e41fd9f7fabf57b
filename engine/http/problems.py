"""Every failure as problem details (RFC 9457): one shape, whatever went wrong and wherever.

`type` is `about:blank` (so `title` is the phrase of the status, as the RFC asks); what is ours is in `code`, the number
of `protocol.errors`, and `temporary`. Decided against a URI per problem: the number already names it, and a URI wants a
page behind it. A fault that we did not foresee is logged with its traceback and answered without it. Paths that are
another product's have its form instead (`foreign_errors.py`).
"""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from engine.http.foreign_errors import foreign_errors
from engine.http.framework_faults import allowed_methods, sentence
from protocol.errors import (
    BadRequest,
    Busy,
    Conflict,
    InternalError,
    LimitReached,
    Outdated,
    TocsinError,
    UnknownChannel,
)
from protocol.items import ItemResult
from protocol.limits import Limit
from protocol.model import Reason, Status

PROBLEM_JSON = "application/problem+json"
# A detail may quote what the client sent; nobody needs 8 kB of it back.
DETAIL_MAX_CHARS = 1_000
# What a client should wait when trying again makes sense and nothing better is known.
RETRY_AFTER_S = 1

logger = structlog.get_logger(__name__)


class UnsupportedMedia(TocsinError):
    """The body is of a kind that is not read here."""

    code = 107
    temporary = False
    http_status = 415


class PreconditionRequired(TocsinError):
    """An edit must say which version it is made to."""

    code = 107
    temporary = False
    http_status = 428


class BodyTooSlow(TocsinError):
    """The body did not arrive in time."""

    code = 107
    http_status = 408
    limit = Limit.HTTP_BODY_TIME


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A failure as the client sees it; `temporary` means that the same request may work a moment later."""

    title: str
    status: int
    detail: str
    code: int
    temporary: bool
    type: str = "about:blank"


# Reached here and nowhere else, so this door counts them.
_OWN_LIMITS = frozenset({Limit.HTTP_BODY_TIME, Limit.QUERY_TIME})
# Numbers for what the framework refuses by itself, before our code runs; all else of 4xx is a bad request (107).
_CODES = {404: UnknownChannel.code, 413: LimitReached.code}
_REJECTIONS: dict[Reason, type[TocsinError]] = {
    Reason.UNKNOWN_ALERT: UnknownChannel,
    Reason.BUSY: Busy,
    Reason.FAILED: InternalError,
    Reason.ALREADY: Conflict,
}


def rejection(result: ItemResult) -> TocsinError | None:
    """The error that a `rejected` result is when it is the only item of a request; None if it was not rejected."""
    if result.status is not Status.REJECTED:
        return None
    message = result.message if isinstance(result.message, str) else ""
    return _REJECTIONS.get(result.reason, BadRequest)(message)


def respond_tocsin_error(request: Request[Any, Any, Any], error: TocsinError) -> Response[Any]:
    """One of our own errors. A 401 says which scheme is wanted (RFC 6750 section 3)."""
    headers = {}
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        tried = "authorization" in request.headers
        headers["WWW-Authenticate"] = 'Bearer realm="tocsin"' + (', error="invalid_token"' if tried else "")
    if isinstance(error, Outdated):
        headers["ETag"] = f'"{error.version}"'
    if error.http_status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS) and error.temporary:
        wait_s = getattr(error, "retry_after_s", None) or RETRY_AFTER_S
        headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
    return _response(request, error.http_status, error.message, error.code, error.temporary, headers)


def own_limit(error: Exception) -> Limit | None:
    """The limit of HTTP alone that an error means, if it means one. The others are counted by who refuses."""
    if isinstance(error, HTTPException):
        too_large = error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return Limit.HTTP_BODY_BYTES if too_large else None
    limit = error.limit if isinstance(error, TocsinError) else None
    return limit if limit in _OWN_LIMITS else None


def respond_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """What the framework refused: an unknown path, a wrong method, a bad parameter, too big a body."""
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return respond_unforeseen(request, error)
    code = _CODES.get(error.status_code, BadRequest.code)
    headers = dict(error.headers or {})
    if allowed := allowed_methods(error):
        headers = {"Allow": ", ".join(allowed)}
    return _response(request, error.status_code, sentence(request, error), code, False, headers)


def respond_unforeseen(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The boundary of the HTTP door: a fault of ours must not take the connection's neighbours with it, and its text
    may hold what is nobody's business. It is logged whole and answered in general words."""
    logger.error("http_request_failed", method=request.method, path=request.url.path, exc_info=error)
    return respond_tocsin_error(request, InternalError("something broke while handling this request; try again"))


def _response(
    request: Request[Any, Any, Any], status: int, detail: str, code: int, temporary: bool, headers: dict[str, str]
) -> Response[Any]:
    detail = detail[:DETAIL_MAX_CHARS]
    if foreign := foreign_errors(request.url.path):
        body = foreign.body(status, detail)
        return Response(msgspec.json.encode(body), status_code=status, media_type="application/json", headers=headers)
    title = HTTPStatus(status).phrase
    problem = Problem(title=title, status=status, detail=detail, code=code, temporary=temporary)
    return Response(problem, status_code=status, media_type=PROBLEM_JSON, headers=headers)
