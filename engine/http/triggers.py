"""What producers post: triggers and readings. Answered after the commit, one result per item, as on the socket; or, if
asked so (`?async=true`), before, with the job that will do it."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from engine.http.bodies import ReadingsBody, Results, TriggersBody, json_body
from engine.http.handing import ACCEPTED, HandsOver, IdempotencyKey, IsAsync, accepted
from engine.http.ports import Service
from engine.http.role_guards import needs
from protocol.errors import BadRequest
from protocol.items import TriggerInput
from protocol.model import Principal


def trigger_routes(service: Service, handed: HandsOver | None = None) -> list[HTTPRouteHandler]:
    """`POST /api/v1/triggers` and `POST /api/v1/readings`. `handed` None: there is nobody to do anything later."""

    @post(
        "/api/v1/triggers",
        status_code=200,
        guards=[needs("trigger")],
        dto=json_body(TriggersBody),
        return_dto=None,
        responses=ACCEPTED,
    )
    async def trigger(
        request: Request[Principal, Any, Any],
        data: JSONBody[TriggersBody],
        is_async: IsAsync = False,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[Results]:
        """Ring one alert or many. The answer comes after they are on stable storage.

        With `async=true` they are only written down when it comes (202), and ring later, those of high severity before
        others; `GET /api/v1/jobs/{job_id}` has the results then. At most 256 kB at a time.
        """
        inputs = trigger_inputs(data)
        if is_async and handed is None:
            raise BadRequest("async: nothing is done later here; leave it out")
        service.charge(request.user, len(inputs))
        if is_async and handed is not None:
            return accepted(await handed.triggers(request.user, inputs, idempotency_key))
        return Response(Results(results=await service.trigger(request.user, inputs)))

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
