"""Alerta's `POST /alert`: 201 with the alert, errors as `{"status": "error", "message": …}`.

What Alerta's clients send is taken; what they read back is its id and its status. Heartbeats and queries are not here.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from engine.foreign_forms import Form, alerta
from engine.foreign_forms.alerta import AlertaAlert
from engine.http.bodies import json_body
from engine.http.inbound.intake import Intake
from engine.http.inbound.senders import integration_of
from engine.http.problems import respond_tocsin_error
from protocol.errors import TocsinError
from protocol.model import Principal

# Those of our errors that are told in Alerta's words here.
STATUSES = (400, 401, 403, 404, 408, 409, 415, 429, 500, 503)


class AlertaAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Alerta's yes: the id of the alert of ours (empty: there is none), and what was taken."""

    id: str
    alert: AlertaAlert
    status: str = "ok"


class AlertaError(msgspec.Struct, frozen=True, kw_only=True):
    """Alerta's no."""

    message: str
    code: int
    status: str = "error"
    errors: list[str] | None = None


def respond_as_alerta(request: Request[Any, Any, Any], error: TocsinError) -> Response[Any]:
    """The same status and headers as everywhere, in Alerta's words."""
    plain = respond_tocsin_error(request, error)
    body = AlertaError(message=error.message, code=error.http_status)
    return Response(body, status_code=plain.status_code, headers=plain.headers)


def alerta_routes(intake: Intake) -> list[HTTPRouteHandler]:
    """`POST /alert`, where Alerta has it, and `POST /api/v1/ingest/alerta`."""

    @post(
        ["/alert", "/api/v1/ingest/alerta"],
        status_code=201,
        dto=json_body(AlertaAlert),
        return_dto=None,
        exception_handlers={TocsinError: respond_as_alerta},
        responses={
            status: ResponseSpec(AlertaError, description="Why not", generate_examples=False) for status in STATUSES
        },
    )
    async def ingest_alerta(request: Request[Principal, Any, Any], data: JSONBody[AlertaAlert]) -> AlertaAnswer:
        """An alert of Alerta's; `normal`, `ok` and `cleared` end what it rang."""
        integration = integration_of(request, intake.integrations, None)
        report = alerta.report_of(data, intake.clock(), integration.framework if integration is not None else None)
        intake.service.charge(request.user, 1)
        (result,) = await intake.report(request.user, Form.ALERTA, [report])
        return AlertaAnswer(id=result.alert_id or "", alert=data)

    return [ingest_alerta]
