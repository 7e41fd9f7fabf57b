"""CloudEvents 1.0 over HTTP, in its three modes: structured, batched, binary; told apart by the media type."""

from __future__ import annotations

import functools
from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler

from engine.foreign_forms import Form, cloudevents
from engine.foreign_forms.cloudevents import BATCH, STRUCTURED
from engine.http.bodies import Results
from engine.http.inbound.intake import Intake, decode
from engine.http.inbound.senders import integration_of
from engine.http.inbound.webhooks import Integration
from engine.http.problems import UnsupportedMedia
from protocol.model import Principal


def cloudevents_routes(intake: Intake) -> list[HTTPRouteHandler]:
    """`POST /api/v1/ingest/cloudevents`."""

    @post("/api/v1/ingest/cloudevents", status_code=200)
    async def ingest_cloudevents(request: Request[Principal, Any, Any], integration: Integration = None) -> Results:
        """Events about alerts. A `type` that ends in `.resolved`, or `data.status`, says that one is over."""
        sender = integration_of(request, intake.integrations, integration)
        events = _events(request, await request.body())
        translate = functools.partial(
            cloudevents.report_of, now=intake.clock(), framework=sender.framework or None if sender else None
        )
        return await intake.take(request.user, Form.CLOUDEVENTS, events, translate)

    return [ingest_cloudevents]


def _events(request: Request[Any, Any, Any], body: bytes) -> list[Any]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == STRUCTURED:
        return [decode(request, body, dict[str, Any])]
    if media_type == BATCH:
        return decode(request, body, list[Any])
    if any(name.startswith("ce-") for name in request.headers):
        return [cloudevents.of_headers(request.headers, body)]
    raise UnsupportedMedia(f"send {STRUCTURED}, {BATCH}, or the attributes in ce- headers; this is {media_type!r:.100}")
