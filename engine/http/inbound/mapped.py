"""Plain JSON of anybody's making, read by the mapping of a configured integration."""

from __future__ import annotations

import functools
from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from engine.foreign_forms import Form, mapped
from engine.http.bodies import Results, json_body
from engine.http.inbound.intake import Intake
from engine.http.inbound.senders import check_signed, integration_of
from engine.http.inbound.webhooks import Integration
from protocol.model import Principal


def mapped_routes(intake: Intake) -> list[HTTPRouteHandler]:
    """`POST /api/v1/ingest/json`."""

    @post("/api/v1/ingest/json", status_code=200, dto=json_body(Any), return_dto=None)
    async def ingest_json(
        request: Request[Principal, Any, Any], data: JSONBody[Any], integration: Integration = None
    ) -> Results:
        """Any JSON. The integration's `mapping` says where title, severity, status … are; without one, by our names."""
        sender = integration_of(request, intake.integrations, integration)
        check_signed(request, sender, await request.body())
        mapping = sender.mapping if sender is not None else {}
        framework = sender.framework or None if sender is not None else None
        items = mapped.items_of(data, mapping)
        translate = functools.partial(mapped.report_of, mapping=mapping, now=intake.clock(), framework=framework)
        return await intake.take(request.user, Form.JSON, items, translate)

    return [ingest_json]
