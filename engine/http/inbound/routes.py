"""All foreign forms, put together: those whose guard sees the credential, and PagerDuty's, whose is in the body."""

from __future__ import annotations

from litestar import Router

from engine.http.guards import refuse_unknown_parameters
from engine.http.inbound.alerta import alerta_routes
from engine.http.inbound.cloudevents import cloudevents_routes
from engine.http.inbound.intake import Intake
from engine.http.inbound.mapped import mapped_routes
from engine.http.inbound.pagerduty import pagerduty_routes
from engine.http.inbound.senders import require_sender
from engine.http.inbound.webhooks import webhook_routes
from engine.http.role_guards import needs


def inbound_routers(intake: Intake) -> list[Router]:
    """What `create_app` is given as `routers`."""
    guarded = Router(
        "/",
        guards=[require_sender(intake.service, intake.integrations), refuse_unknown_parameters, needs("trigger")],
        security=[{"bearer": []}],
        route_handlers=[
            *webhook_routes(intake),
            *cloudevents_routes(intake),
            *alerta_routes(intake),
            *mapped_routes(intake),
        ],
    )
    return [guarded, Router("/", security=[{"bearer": []}, {}], route_handlers=pagerduty_routes(intake))]
