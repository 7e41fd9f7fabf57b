"""Alerta's `POST /alert`: 201 with the alert, errors as `{"status": "error", "message": …}`.

What Alerta's clients send is taken; what they read back is its id and its status. Heartbeats and queries are not here.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from engine.foreign_forms import Form, alerta
from engine.foreign_forms.alerta import AlertaAlert
from engine.http.bodies import json_body
from engine.http.foreign_errors import ALERTA_PATHS
from engine.http.inbound.intake import Intake
from engine.http.inbound.senders import integration_of
from protocol.model import Principal


class AlertaAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Alerta's yes: the id of the alert of ours (empty: there is none), and what was taken."""

    id: str
    alert: AlertaAlert
    status: str = "ok"


def alerta_routes(intake: Intake) -> list[HTTPRouteHandler]:
    """`POST /alert`, where Alerta has it, and `POST /api/v1/ingest/alerta`."""

    @post(
        list(ALERTA_PATHS),
        status_code=201,
        dto=json_body(AlertaAlert),
        return_dto=None,
    )
    async def ingest_alerta(request: Request[Principal, Any, Any], data: JSONBody[AlertaAlert]) -> AlertaAnswer:
        """An alert of Alerta's; `normal`, `ok` and `cleared` end what it rang."""
        integration = integration_of(request, intake.integrations, None)
        report = alerta.report_of(data, intake.clock(), integration.framework if integration is not None else None)
        intake.service.charge(request.user, 1)
        (result,) = await intake.report(request.user, Form.ALERTA, [report])
        return AlertaAnswer(id=result.alert_id or "", alert=data)

    return [ingest_alerta]
