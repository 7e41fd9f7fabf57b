"""In which words a failure is told to programs that speak another product's API: Alertmanager's, PagerDuty's, Alerta's.

By the path and not by the route: so what the framework refuses (404, 405, 413), what the guards do (401, 403, 429) and
a fault of ours are in the form that the sender reads. Statuses and headers are those of everywhere. Decided against
other statuses because a client shows them better (amtool shows the sentence of a 400, of others only the number): a 401
that looks like a 400 misleads whoever else is on the way. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

ALERTA_PATHS = ("/alert", "/api/v1/ingest/alerta")
PAGERDUTY_PATHS = ("/v2/enqueue", "/api/v1/ingest/pagerduty")
ALERTMANAGER_PREFIX = "/api/v2/"


class PagerDutyError(msgspec.Struct, frozen=True, kw_only=True):
    """PagerDuty's no."""

    status: str
    message: str
    errors: Sequence[str]


class AlertaError(msgspec.Struct, frozen=True, kw_only=True):
    """Alerta's no."""

    message: str
    code: int
    status: str = "error"
    errors: list[str] | None = None


class ForeignErrors(NamedTuple):
    """How one product says no: the body for a status and a sentence, and what kind of thing that is."""

    body: Callable[[int, str], Any]
    kind: Any


def _pagerduty(status: int, sentence: str) -> PagerDutyError:
    # Its clients look at the first word to tell an event that will never be good from one to be sent again.
    word = "invalid event"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        word = "throttle exceeded"
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        word = "internal error"
    is_wrong = status == HTTPStatus.BAD_REQUEST
    message = "Event object is invalid" if is_wrong else HTTPStatus(status).phrase
    return PagerDutyError(status=word, message=message, errors=[sentence])


_ALERTMANAGER = ForeignErrors(lambda status, sentence: sentence, str)
_PAGERDUTY = ForeignErrors(_pagerduty, PagerDutyError)
_ALERTA = ForeignErrors(lambda status, sentence: AlertaError(message=sentence, code=status), AlertaError)


def foreign_errors(path: str) -> ForeignErrors | None:
    """How failures are told at a path; None: as problems."""
    if path.startswith(ALERTMANAGER_PREFIX):
        return _ALERTMANAGER
    if path in PAGERDUTY_PATHS:
        return _PAGERDUTY
    return _ALERTA if path in ALERTA_PATHS else None


def error_schemas() -> Mapping[str, Any]:
    """The Structs above, as the OpenAPI document has them."""
    return msgspec.json.schema_components((PagerDutyError, AlertaError), ref_template=_REF)[1]


def error_schema(path: str) -> Any:
    """The schema of what is told at a path of another product's; None: a problem."""
    told = foreign_errors(path)
    return told and msgspec.json.schema_components((told.kind,), ref_template=_REF)[0][0]


_REF = "#/components/schemas/{name}"
