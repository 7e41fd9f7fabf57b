"""What producers post: triggers and readings. Answered after the commit, one result per item, as on the socket."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from engine.http.bodies import ReadingsBody, Results, TriggersBody, json_body
from engine.http.ports import Service
from engine.http.role_guards import needs
from protocol.errors import BadRequest
from protocol.items import TriggerInput
from protocol.model import Principal


def trigger_routes(service: Service) -> list[HTTPRouteHandler]:
    """`POST /api/v1/triggers` and `POST /api/v1/readings`."""

    @post("/api/v1/triggers", status_code=200, guards=[needs("trigger")], dto=json_body(TriggersBody), return_dto=None)
    async def trigger(request: Request[Principal, Any, Any], data: JSONBody[TriggersBody]) -> Results:
        """Ring one alert or many. The answer comes after they are on stable storage."""
        inputs = trigger_inputs(data)
        service.charge(request.user, len(inputs))
        return Results(results=await service.trigger(request.user, inputs))

    @post("/api/v1/readings", status_code=200, guards=[needs("trigger")], dto=json_body(ReadingsBody), return_dto=None)
    async def read(request: Request[Principal, Any, Any], data: JSONBody[ReadingsBody]) -> Results:
        """Measured values, held against the rules of their frameworks."""
        service.charge(request.user, len(data.readings))
        return Results(results=await service.read(request.user, data.readings))

    return [trigger, read]


def trigger_inputs(body: TriggersBody) -> list[TriggerInput]:
    """The triggers of a body. Raises BadRequest."""
    if body.alert is not None and body.alerts is None:
        return [body.alert]
    if body.alerts is not None and body.alert is None:
        return body.alerts
    raise BadRequest('invalid body: send {"alerts": [...]} or {"alert": {...}}, exactly one of the two')
