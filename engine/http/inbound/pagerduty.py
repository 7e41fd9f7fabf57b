"""PagerDuty's Events API v2, for whatever can page PagerDuty: 202 in its words, refusals with its list of errors.

`routing_key` is the credential, as there: one of our tokens, or the key of an integration. A sender that can set
headers may put it there instead. To acknowledge is a person's act, so it takes a role that may respond (`editor`).
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from engine.foreign_forms import Form, pagerduty
from engine.foreign_forms.pagerduty import Event
from engine.http.bodies import json_body
from engine.http.foreign_errors import PAGERDUTY_PATHS
from engine.http.inbound.intake import Intake, first_failure
from engine.http.inbound.senders import admit, credential, refuse_key_in_url
from protocol.errors import BadRequest
from protocol.model import Principal

# PagerDuty's own bound on an event.
BODY_MAX_BYTES = 512 * 1024


class Enqueued(msgspec.Struct, frozen=True, kw_only=True):
    """PagerDuty's yes."""

    dedup_key: str
    status: str = "success"
    message: str = "Event processed"


def pagerduty_routes(intake: Intake) -> list[HTTPRouteHandler]:
    """`POST /v2/enqueue`, where PagerDuty has it, and `POST /api/v1/ingest/pagerduty`."""

    @post(
        list(PAGERDUTY_PATHS),
        status_code=202,
        dto=json_body(Event),
        return_dto=None,
        request_max_body_size=BODY_MAX_BYTES,
    )
    async def enqueue(request: Request[Any, Any, Any], data: JSONBody[Event]) -> Enqueued:
        """Trigger, acknowledge or resolve by `dedup_key`; `routing_key` is a token or an integration's key."""
        refuse_key_in_url(request)
        admit(request, credential(request) or data.routing_key, intake.service, intake.integrations)
        if found := pagerduty.faults(data):
            intake.refused(Form.PAGERDUTY)
            raise BadRequest("; ".join(found))
        key = data.dedup_key or uuid.uuid4().hex
        integration = request.state.integration
        await _carry_out(request.user, data, key, integration.framework if integration is not None else "")
        return Enqueued(dedup_key=key)

    async def _carry_out(who: Principal, event: Event, key: str, framework: str) -> None:
        report = pagerduty.report_of(event, key, intake.clock(), framework or None)
        intake.service.charge(who, 1)
        if event.event_action == "acknowledge":
            results = [await intake.service.acknowledge_reported(who, report.framework, report.ring)]
            if failure := first_failure(results):
                raise failure
        else:
            await intake.report(who, Form.PAGERDUTY, [report])

    return [enqueue]
