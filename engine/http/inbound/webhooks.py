"""Alertmanager's and Grafana's webhooks. Both send groups of alerts and want a 2xx; 5xx and 429 they send again."""

from __future__ import annotations

import functools
from typing import Annotated, Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, QueryParameter

from engine.foreign_forms import Form, alertmanager
from engine.foreign_forms.alertmanager import Webhook
from engine.http.bodies import Results, json_body
from engine.http.inbound.intake import Intake
from engine.http.inbound.senders import check_signed, integration_of
from protocol.model import Principal

NAME_MAX_CHARS = 128
Integration = Annotated[
    str | None, QueryParameter(max_length=NAME_MAX_CHARS, description="the configured integration that sends")
]


def webhook_routes(intake: Intake) -> list[HTTPRouteHandler]:
    """`POST /api/v1/ingest/alertmanager` and `POST /api/v1/ingest/grafana`."""

    async def take(request: Request[Principal, Any, Any], data: Webhook, form: Form, name: str | None) -> Results:
        integration = integration_of(request, intake.integrations, name)
        check_signed(request, integration, await request.body())
        framework = integration.framework if integration is not None else ""
        translate = functools.partial(
            alertmanager.report_of, now=intake.clock(), form=form.value, framework=framework or None
        )
        return await intake.take(request.user, form, data.alerts, translate)

    @post("/api/v1/ingest/alertmanager", status_code=200, dto=json_body(Webhook), return_dto=None)
    async def ingest_alertmanager(
        request: Request[Principal, Any, Any], data: JSONBody[Webhook], integration: Integration = None
    ) -> Results:
        """Alertmanager's webhook, version 4. Firing alerts ring, resolved ones end what they rang."""
        return await take(request, data, Form.ALERTMANAGER, integration)

    @post("/api/v1/ingest/grafana", status_code=200, dto=json_body(Webhook), return_dto=None)
    async def ingest_grafana(
        request: Request[Principal, Any, Any], data: JSONBody[Webhook], integration: Integration = None
    ) -> Results:
        """Grafana's webhook contact point; signed (`X-Grafana-Alerting-Signature`) where the integration says so."""
        return await take(request, data, Form.GRAFANA, integration)

    return [ingest_alertmanager, ingest_grafana]
